"""What every StatusReads tells, from memory and from Supabase."""

from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest

from desk.local.supabase_lite import SupabaseLite
from desk.migrate import sql_files
from desk.schema_check import Drift, drift_of
from shared.adapters.supabase.client import call, connect
from shared.domain.alerts import Alert, Severity
from shared.domain.errors import FatalError
from shared.domain.runs import Shard
from shared.domain.timeframe import Timeframe
from shared.domain.trading.states import TradingState
from tests.contract.stores import CLOSE, RESULT, Stores, SupabaseStores, boundary
from tests.contract.trading import a_point, hold, open_book

MINUTE = Timeframe.M1


def finish(stores: Stores, minute: int, shards: int, *, finished: int) -> None:
    """Claim a boundary and finish so many of its shards."""
    at = boundary(minute)
    stores.runs().claim(at, shards=shards, source="test", correlation_id="abcdef123456")
    for number in range(finished):
        shard = Shard(boundary=at, shard=number, shards=shards)
        stores.runs().start(shard, lease_ms=60_000)
        stores.runs().finish(shard, result=RESULT, signals=[])


def test_a_boundary_counts_once_all_its_shards_are_finished(stores: Stores) -> None:
    assert stores.status().pulse().last_finished_ms is None
    finish(stores, 0, 2, finished=2)
    finish(stores, 1, 2, finished=1)
    status = stores.status().status(limit=5)
    last = {each.timeframe: each for each in status.boundaries}
    assert set(last) == set(Timeframe)
    done = last[MINUTE]
    assert (done.venue, done.close_time, done.shards, done.traders) == ("binance", CLOSE, 2, 2 * RESULT.traders)
    assert (done.signals, done.errors) == (0, 0)
    assert done.finished_at_ms is not None
    assert done.lag_ms == max(done.finished_at_ms - CLOSE, 0)
    assert stores.status().pulse().last_finished_ms == done.finished_at_ms
    assert (last[Timeframe.H1].close_time, last[Timeframe.H1].lag_ms) == (None, None)
    assert status.unfinished_runs == 1


def test_the_pulse_has_venues_and_agents_and_the_monitor_is_one_of_them(stores: Stores) -> None:
    reads = stores.status()
    assert reads.pulse().agents == ()
    stores.agents().beat("strategy-agent", version="0.1.0", error="lost the log")
    stores.agents().beat("ops-agent", version="0.1.0")
    stores.agents().pause("ops-agent", actor="ann", reason="drill")
    stores.agents().configure("signal-agent", {"book_id": "b"}, actor="ann")  # which never ran: it is not missed
    pulse = reads.pulse()
    assert [(each.agent, each.last_error, each.state, each.paused_reason) for each in pulse.agents] == [
        ("ops-agent", None, "paused", "drill"),
        ("strategy-agent", "lost the log", "degraded", None),
    ]
    assert reads.status(limit=1).agents == pulse.agents

    def conditions(later_ms: int, shortest_ms: int) -> list[str]:
        return [each.condition(pulse.now_ms + later_ms, shortest_ms=shortest_ms) for each in pulse.agents]

    assert conditions(0, 0) == ["paused", "degraded"]
    assert conditions(120_001, 0) == ["paused", "stale"]
    assert conditions(120_001, 60_000) == ["paused", "degraded"]  # closes wake it, a minute apart
    assert conditions(180_001, 60_000) == ["paused", "stale"]
    assert [(venue.venue, venue.timeframes) for venue in pulse.venues] == [("binance", tuple(Timeframe))]


def test_what_is_wrong_and_held_is_counted_in_full_and_listed_in_part(stores: Stores) -> None:
    key = f"s{uuid4().hex}:"
    known = stores.status().status(limit=50)
    wrong = [
        Alert(dedupe_key=f"{key}{n}", kind="test", severity=severity, sentence="it is wrong")
        for n, severity in enumerate((Severity.WARNING, Severity.CRITICAL, Severity.WARNING))
    ]
    stores.alerts().settle([key], wrong, at_ms=CLOSE)
    try:
        status = stores.status().status(limit=1)
        assert status.alerts.get(Severity.CRITICAL, 0) - known.alerts.get(Severity.CRITICAL, 0) == 1
        assert status.alerts.get(Severity.WARNING, 0) - known.alerts.get(Severity.WARNING, 0) == 2
        assert [each.severity for each in status.worst_alerts] == [Severity.CRITICAL]
    finally:
        stores.alerts().settle([key], [], at_ms=CLOSE + 1)
    after = stores.status().status(limit=50)
    assert after.alerts.get(Severity.CRITICAL, 0) == known.alerts.get(Severity.CRITICAL, 0)


def test_books_are_told_with_what_they_were_last_worth_and_what_they_hold(stores: Stores) -> None:
    holding, idle, worth = open_book(stores, name="A"), open_book(stores, name="B"), open_book(stores, name="C")
    hold(stores, holding, "0.5")
    for minute, equity in ((0, "100"), (1, "101.5")):
        stores.ledger().mark_equities({worth.book_id: a_point(CLOSE + minute * 60_000, equity)})
    status = stores.status().status(limit=50)
    told = {book.book_id: book for book in status.books}
    assert idle.book_id not in told
    assert (told[holding.book_id].positions, told[holding.book_id].equity) == (1, None)
    last = told[worth.book_id]
    assert (last.positions, last.equity, last.equity_at_ms) == (0, Decimal("101.5"), CLOSE + 60_000)
    assert status.books[0].book_id == holding.book_id
    assert status.open_positions == 1
    (held,) = status.positions
    assert (held.position.book_id, held.position.qty) == (holding.book_id, Decimal("0.5"))
    (binance,) = [venue for venue in status.venues if venue.venue == "binance"]
    assert (binance.enabled, binance.state, binance.timeframes) == (True, TradingState.ACTIVE, tuple(Timeframe))


def test_a_desk_without_a_state_says_so(stores: Stores) -> None:
    assert stores.status().status(limit=1).trading_state is TradingState.ACTIVE
    assert stores.status().status(limit=1).database_bytes > 0


def test_a_new_database_is_as_sql_says(clean_supabase: SupabaseLite) -> None:
    schema = SupabaseStores(clean_supabase).status().schema()
    assert drift_of(sql_files(), schema) == Drift((), (), ())
    assert schema.files is None  # it was made without `desk migrate`


def test_a_database_that_was_migrated_tells_its_history(postgres: str) -> None:
    with psycopg.connect(postgres) as connection:
        (found,) = connection.execute("select public.read_schema()").fetchone() or (None,)
    assert found["files"] == {file.name: file.sha256 for file in sql_files()}


@pytest.mark.parametrize("function", ["read_pulse", "read_schema", "read_status"])
def test_nobody_but_the_desk_reads_its_status(clean_supabase: SupabaseLite, function: str) -> None:
    token = clean_supabase.sign_token("aaaaaaaa-0000-4000-8000-000000000001")
    values = {"p_limit": 1} if function == "read_status" else {}
    for person in (token, None):
        client = connect(clean_supabase.url, clean_supabase.publishable_key, token=person)
        with pytest.raises(FatalError, match="permission denied"):
            call(client, function, values)
