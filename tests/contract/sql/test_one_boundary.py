"""What several files of sql/ make of one boundary's signals, on a real Postgres: each still does its part."""

import json
from typing import Any

from tests.contract.sql.actors import ADMIN, ALICE, BOB, Session
from tests.contract.sql.test_people_limits import GIVE, TRADE

CLOSE = 1_700_000_040_000


def ask(session: Session, statement: str, *values: Any) -> Any:
    row = session.connection.execute(statement.encode(), values or None).fetchone()
    return None if row is None else row[0]


def finish(session: Session, *trader_ids: str) -> dict[str, Any]:
    """Let a run store a signal of each trader, as execute-trader does."""
    claim = (
        "insert into public.execution_runs (venue, timeframe, close_time, shard, shards, status, source,"
        " correlation_id, claim_id)"
        " values ('binance', '1m', %s, 0, 1, 'pending', 'test', 'c-boundary', gen_random_uuid())"
    )
    session.connection.execute(claim, (CLOSE,))
    signals = [
        {"trader_id": each, "symbol": "BTC/USDT", "timeframe": "1m", "close_time": CLOSE, "side": "long"}
        | {"price": 2, "rule_hash": "h", "values": {}}
        for each in trader_ids
    ]
    run = {"traders": 2, "evaluations": 2, "insufficient": 0, "errors": 0, "duration_ms": 1}
    asked = (CLOSE, json.dumps(run), json.dumps(signals))
    session.connection.execute("set local role service_role")
    statement = "select public.finish_run('binance', '1m', %s::bigint, 0, %s::jsonb, %s::jsonb, '')"
    answer: dict[str, Any] = ask(session, statement, *asked)
    assert ask(session, statement, *asked) == answer  # a redelivery changes nothing
    session.connection.execute("reset role")
    return answer


def test_a_boundary_raises_intents_within_tiers_and_tells_owners_and_the_trace_has_all(session: Session) -> None:
    trade = "update public.traders set mode = 'paper', book_id = owner, trade = %s, timeframe = '1m', enabled = true"
    for person, book in ((ALICE, "alices"), (BOB, "bobs")):
        session.connection.execute(
            f"{trade.replace('owner', '%s')} where owner_id = %s".encode(), (book, TRADE, person)
        )
    traders = {
        person: ask(session, "select trader_id from public.traders where owner_id = %s limit 1", person)
        for person in (ALICE, BOB)
    }
    session.connection.execute("delete from public.outbox")
    session.act("service", GIVE, BOB, None, "anonymous", ADMIN)

    done = finish(session, *traders.values())

    assert (done["new"], len(done["intents"])) == (2, 1)  # his tier trades no paper: stored, and not traded
    raised = "select source, book_id from public.trade_intents where intent_id = %s"
    assert session.connection.execute(raised, (done["intents"][0],)).fetchone() == ("signal", "alices")
    told = "select person_id::text, data ->> 'signals', muted is null from public.outbox where kind = 'signal'"
    rows = {person: (signals, heard) for person, signals, heard in session.connection.execute(told.encode())}
    assert rows[ALICE] == ("1", True)
    assert rows[BOB] == ("1", False)  # nor is he told: his tier has no notifications
    steps = ask(session, "select public.trace('c-boundary')")
    assert sorted((step["subject"], step["after"]) for step in steps) == [
        ("intent", "pending"),
        ("signal", "recorded"),
        ("signal", "recorded"),
    ]


def test_a_proposal_that_is_approved_is_told_and_traced_and_held_to_its_steps(session: Session) -> None:
    session.connection.execute("delete from public.outbox")
    made = {
        "proposal_id": "new", "book_id": "alices", "mode": "paper", "instrument": "BTC/USDT", "direction": "long",
        "window_start_ms": CLOSE, "notional": "100", "guard": {}, "share": "0.8", "confidence": "0.5", "votes": [1],
        "created_at_ms": CLOSE, "expires_at_ms": CLOSE + 60_000, "correlation_id": "c-proposal",
    }  # fmt: skip
    wish = {
        "intent_id": "wish", "book_id": "alices", "mode": "paper", "source": "agent", "symbol": "BTC/USDT",
        "purpose": "enter", "direction": "long", "sizing": {"method": "notional", "value": "100"}, "guard": {},
        "algorithm": {}, "raised_at_ms": CLOSE, "expires_at_ms": CLOSE + 60_000, "state": "pending",
        "correlation_id": "c-proposal",
    }  # fmt: skip
    session.connection.execute("update public.desk_state set trading_state = 'active'")
    session.connection.execute("update public.books set trading_state = 'active' where true")
    session.connection.execute("set local role service_role")
    proposed = ask(session, "select public.propose(%s::jsonb, 0, true, 'signal-agent', 'they agree')", json.dumps(made))
    row = session.connection.execute(
        "select person_id::text, to_desk, data ->> 'sentence', data ? 'votes' from public.outbox where outbox_id = %s",
        (proposed["told"],),
    ).fetchone()
    assert row == (ALICE, False, "they agree", False)
    approve = "select public.approve_proposal('new', 1, %s::jsonb, %s, 'yes', %s)"
    assert ask(session, approve, json.dumps(wish), ALICE, CLOSE + 1)["state"] == "approved"
    session.connection.execute("reset role")
    steps = ask(session, "select public.trace('c-proposal')")
    assert sorted((step["subject"], step["after"], step["intent_id"]) for step in steps) == [
        ("intent", "pending", "wish"),
        ("proposal", "approved", "wish"),
        ("proposal", "open", "wish"),
    ]
    known = "select array_agg(distinct subject order by subject) from desk.trading_steps"
    assert ask(session, known) == ["intent", "order", "proposal"]
