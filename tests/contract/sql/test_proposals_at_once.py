"""Proposals on a real Postgres with many connections: one is made, one decision counts, one intent comes of it."""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any

import psycopg
import pytest

from shared.domain.proposals import PROPOSAL_STEPS, ProposalState
from tests.contract.sql.test_concurrency import CLIENTS, all_at_once, count, value
from tests.contract.sql.test_trading_concurrency import ROWS, STATE, sqlstate

PROPOSE = "select public.propose(%s::jsonb, %s, true, 'signal-agent', 'they agree')"
APPROVE = "select public.approve_proposal(%s, 1, %s::jsonb, %s, 'yes', %s)"
DISMISS = "select public.dismiss_proposal(%s, 1, %s, 'no')"
HOUR = 3_600_000


def proposal(proposal_id: str = "p", **changes: Any) -> str:
    made = {
        "proposal_id": proposal_id, "book_id": "b", "mode": "paper", "instrument": "BTC/USDT", "direction": "long",
        "window_start_ms": 0, "notional": "100", "guard": {}, "share": "0.8", "confidence": "0.5", "votes": [],
        "created_at_ms": 1, "expires_at_ms": HOUR, "correlation_id": "c",
    }  # fmt: skip
    return json.dumps(made | changes)


def intent(intent_id: str = "i", **changes: Any) -> str:
    made = {
        "intent_id": intent_id, "book_id": "b", "mode": "paper", "source": "agent", "symbol": "BTC/USDT",
        "purpose": "enter", "direction": "long", "sizing": {"method": "notional", "value": "100"}, "guard": {},
        "algorithm": {}, "raised_at_ms": 1, "expires_at_ms": HOUR, "state": "pending", "correlation_id": "c",
    }  # fmt: skip
    return json.dumps(made | changes)


@pytest.fixture
def empty_book(postgres: str) -> Iterator[str]:
    """A database with one book."""
    with psycopg.connect(postgres) as connection:
        connection.execute(ROWS.encode())
    yield postgres
    with psycopg.connect(postgres) as connection:
        connection.execute(
            "truncate public.books, public.instruments, public.intelligence_signals, public.outbox cascade"
        )
        connection.execute(STATE.encode(), ("active",))


@pytest.fixture
def book(empty_book: str) -> str:
    """A database with one book, and a proposal in it."""
    with psycopg.connect(empty_book) as connection:
        value(connection, PROPOSE, proposal(), 0)
    return empty_book


def test_instances_at_once_make_one_proposal_on_both_sides_of_a_window(empty_book: str) -> None:
    def ask(connection: psycopg.Connection, n: int) -> Any:
        late = n % 2
        made = proposal(f"p{late}", window_start_ms=late * HOUR, created_at_ms=HOUR - 1 + late, expires_at_ms=2 * HOUR)
        return value(connection, PROPOSE, made, HOUR)

    answers = all_at_once(empty_book, ask)
    assert Counter(answer["is_new"] for answer in answers) == {True: 1, False: CLIENTS - 1}
    assert len({answer["proposal"]["proposal_id"] for answer in answers}) == 1
    assert count(empty_book, "select count(*) from public.proposals") == 1
    assert count(empty_book, "select count(*) from public.outbox where kind = 'proposal'") == 1


def test_both_sides_at_once_leave_one_open(empty_book: str) -> None:
    def ask(connection: psycopg.Connection, n: int) -> Any:
        return value(connection, PROPOSE, proposal(f"p{n % 2}", direction=("long", "short")[n % 2]), 0)

    all_at_once(empty_book, ask)
    assert count(empty_book, "select count(*) from public.proposals where state = 'open'") <= 1
    assert count(empty_book, "select count(*) from public.proposals") == 2


def test_approvals_at_once_raise_one_intent(book: str) -> None:
    answers = all_at_once(book, lambda connection, n: value(connection, APPROVE, "p", intent(), f"person {n}", 2))
    assert {answer["state"] for answer in answers} == {"approved"}
    assert len({answer["actor"] for answer in answers}) == 1  # the first one's
    assert count(book, "select count(*) from public.trade_intents") == 1
    steps = "select count(*) from public.trading_transitions where correlation_id = 'c' and subject = 'proposal'"
    assert count(book, f"{steps} and after = 'approved' and subject_id = 'p' and version = 2") >= 1


def test_of_an_approval_a_dismissal_and_the_sweep_one_counts(book: str) -> None:
    def ask(connection: psycopg.Connection, n: int) -> Any:
        if n % 3 == 0:
            return sqlstate(connection, APPROVE, "p", intent(), "alice", HOUR - 1)
        if n % 3 == 1:
            return sqlstate(connection, DISMISS, "p", "bob")
        return sqlstate(connection, "select public.expire_proposals(%s)", HOUR)

    answers = all_at_once(book, ask)
    with psycopg.connect(book) as connection:
        state = value(connection, "select state from public.proposals")
    assert state in {"approved", "dismissed", "expired"}
    assert count(book, "select count(*) from public.trade_intents") == (state == "approved")
    winners = {
        "approved": [None, "ND002", None],
        "dismissed": ["ND002", None, None],
        "expired": ["ND002", "ND002", None],
    }
    assert answers == winners[state] * (CLIENTS // 3)


def test_a_halted_desk_approves_nothing(book: str) -> None:
    with psycopg.connect(book) as halting:
        halting.execute(STATE.encode(), ("halted",))
    with psycopg.connect(book) as connection:
        assert sqlstate(connection, APPROVE, "p", intent(), "alice", 2) == "ND001"
    assert count(book, "select count(*) from public.trade_intents") == 0
    assert count(book, "select count(*) from public.proposals where state = 'open'") == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"sizing": {"value": "101"}}, "22023"),
        ({"symbol": "ETH/USDT"}, "22023"),
        ({"direction": "short"}, "22023"),
        ({"purpose": "exit"}, "22023"),
        ({"book_id": "other"}, "22023"),
    ],
    ids=str,
)
def test_only_the_proposals_own_intent_is_raised(book: str, change: dict[str, Any], code: str) -> None:
    with psycopg.connect(book) as connection:
        assert sqlstate(connection, APPROVE, "p", intent(**change), "alice", 2) == code
    assert count(book, "select count(*) from public.trade_intents") == 0


@pytest.mark.parametrize(
    ("before", "after"), [pair for pair in product(ProposalState, repeat=2) if pair[0] != pair[1]], ids=str
)
def test_every_step_of_a_proposal(book: str, before: ProposalState, after: ProposalState) -> None:
    with psycopg.connect(book) as connection:
        connection.execute("set local role service_role")
        connection.execute("select public.raise_intent(%s::jsonb, 'a', null)", (intent(),))
        if before is not ProposalState.OPEN:
            step(connection, before)
        if after in PROPOSAL_STEPS[before]:
            step(connection, after)
            last = connection.execute(
                "select before, after, actor, version from public.trading_transitions"
                " where subject = 'proposal' order by step_no desc limit 1"
            ).fetchone()
            assert last == (before, after, "alice", 2)
        else:
            with pytest.raises(psycopg.Error) as refused:
                step(connection, after)
            assert refused.value.sqlstate == "ND002"
        connection.rollback()


def step(connection: psycopg.Connection, state: ProposalState) -> None:
    intent_id = "i" if state is ProposalState.APPROVED else None
    connection.execute(
        "update public.proposals set state = %s, intent_id = %s, actor = 'alice' where true", (state.value, intent_id)
    )


def test_what_a_proposal_is_stays(book: str) -> None:
    with psycopg.connect(book) as connection:
        connection.execute("set local role service_role")
        for change in ("notional = 1000000", "direction = 'short'", "expires_at_ms = 9999999999999", "votes = '[1]'"):
            with pytest.raises(psycopg.Error) as refused, connection.transaction():
                connection.execute(f"update public.proposals set state = 'dismissed', {change} where true".encode())  # noqa: S608
            assert refused.value.sqlstate == "42501"
        with pytest.raises(psycopg.Error) as refused, connection.transaction():
            connection.execute("update public.proposals set state = 'approved' where true")  # without an intent
        assert refused.value.sqlstate == "23514"


def test_overlapping_recordings_of_intelligence_store_each_once(empty_book: str) -> None:
    signals = [
        {"source": f"s{n}", "kind": "sentiment", "instrument": "BTC/USDT", "direction": "long", "confidence": 0.5}
        | {"observed_at_ms": 1, "expires_at_ms": 2, "provenance": "measured", "data_quality": 1, "details": {}}
        | {"correlation_id": "c"}
        for n in range(50)
    ]
    ask = "select public.record_intelligence(%s::jsonb)"

    def record(connection: psycopg.Connection, n: int) -> Any:
        return value(connection, ask, json.dumps(signals if n % 2 else signals[::-1]))

    answers = all_at_once(empty_book, record)
    assert sum(answer["new"] for answer in answers) == 50
    assert count(empty_book, "select count(*) from public.intelligence_signals") == 50
