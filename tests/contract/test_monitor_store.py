"""What every MonitorStore keeps, in memory and in Supabase; and what Supabase reads for the monitor's checks."""

import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from postgrest import SyncPostgrestClient

from desk.local.supabase_lite import SupabaseLite
from shared.adapters.supabase.client import connect, once, rows
from shared.adapters.supabase.intelligence import SupabaseIntelligenceStore
from shared.adapters.supabase.monitor import SupabaseMonitorStore
from shared.adapters.supabase.runs import SupabaseRunStore
from shared.adapters.supabase.traders import SupabaseTraderStore
from shared.domain.errors import InvalidMessageError
from shared.domain.intelligence import Direction, IntelligenceSignal, Provenance
from shared.domain.monitor_facts import VenueAnswer, VenueHealth, VenueState
from shared.domain.monitoring import DAY_MS, KEPT_DAYS, MonitorRun
from shared.domain.timeframe import Timeframe
from tests.contract.stores import CLOSE, RESULT, Stores, a_signal, a_trader, boundary

LEASE_MS = 60_000


def a_run(run_id: str, **changes: object) -> MonitorRun:
    values: dict[str, object] = {"at_ms": CLOSE, "finished_ms": 0, "age_ms": 0, "success": True, "duration_ms": 12.5}
    return MonitorRun(run_id=run_id, **(values | changes))  # type: ignore[arg-type]


def test_one_run_at_a_time_has_the_lease(stores: Stores) -> None:
    store, mine, other = stores.monitor(), str(uuid4()), str(uuid4())
    first = store.begin(mine, task="all", at_ms=CLOSE, lease_ms=LEASE_MS)
    assert (first.is_held, first.last) == (True, None)
    assert not store.begin(other, task="all", at_ms=CLOSE, lease_ms=LEASE_MS).is_held
    assert store.begin(mine, task="all", at_ms=CLOSE, lease_ms=LEASE_MS).is_held  # its answer was lost
    store.finish(a_run(mine), task="all")
    assert store.begin(other, task="all", at_ms=CLOSE, lease_ms=LEASE_MS).is_held


def test_a_lease_that_has_ended_is_anybodys(stores: Stores) -> None:
    store, gone, next_one = stores.monitor(), str(uuid4()), str(uuid4())
    assert store.begin(gone, task="all", at_ms=CLOSE, lease_ms=0).is_held
    assert store.begin(next_one, task="all", at_ms=CLOSE, lease_ms=LEASE_MS).is_held
    store.finish(a_run(gone), task="all")  # late: the lease is not its own to give back
    assert not store.begin(str(uuid4()), task="all", at_ms=CLOSE, lease_ms=LEASE_MS).is_held


def test_the_last_run_is_the_newest_that_finished_everything(stores: Stores) -> None:
    store, run_id = stores.monitor(), str(uuid4())
    assert store.last_run() is None
    results = ({"task": "agent_health", "success": False, "details": {"degraded": ["risk-agent"]}},)
    found = a_run(run_id, success=False, causes=("venue:okx",), results=results, kept_unread=True, restored_ms=7)
    store.begin(run_id, task="all", at_ms=CLOSE, lease_ms=LEASE_MS)
    store.finish(found, task="all")
    one = str(uuid4())
    store.begin(one, task="quotas", at_ms=CLOSE + 1, lease_ms=LEASE_MS)
    store.finish(a_run(one, at_ms=CLOSE + 1), task="quotas")
    unfinished = store.begin(str(uuid4()), task="all", at_ms=CLOSE + 2, lease_ms=LEASE_MS)

    last = store.last_run()

    assert last is not None
    assert last == a_run(
        run_id, success=False, causes=("venue:okx",), results=results, kept_unread=True, restored_ms=7,
        finished_ms=last.finished_ms, age_ms=last.age_ms,
    )  # fmt: skip
    assert last.finished_ms > 0
    assert 0 <= last.age_ms < 60_000
    assert unfinished.last is not None
    assert unfinished.last.run_id == run_id


def test_a_run_that_could_not_begin_is_recorded_when_it_finishes(stores: Stores) -> None:
    store, run_id = stores.monitor(), str(uuid4())
    store.finish(a_run(run_id), task="all")
    last = store.last_run()
    assert last is not None
    assert last.run_id == run_id


def test_how_venues_answer_is_kept_until_they_answer_again(stores: Stores) -> None:
    store = stores.monitor()
    assert {each.venue: each.health for each in store.venues()}["binance"] is None

    down = VenueAnswer(venue="binance", state=VenueState.OFFLINE, latency_ms=None, error="HTTP 503")
    for _ in range(2):
        store.record_answers([down])
    health = {each.venue: each.health for each in store.venues()}["binance"]
    assert health is not None
    assert health == VenueHealth(
        state=VenueState.OFFLINE, latency_ms=None, failures=2, error="HTTP 503", age_ms=health.age_ms
    )
    assert 0 <= health.age_ms < 60_000

    store.record_answers([VenueAnswer(venue="binance", state=VenueState.ONLINE, latency_ms=31, error=None)])
    (binance,) = [each for each in store.venues() if each.is_enabled]
    assert binance.timeframes == tuple(Timeframe)
    assert binance.health is not None
    assert (binance.health.state, binance.health.latency_ms, binance.health.failures) == (VenueState.ONLINE, 31, 0)


@pytest.fixture
def client(clean_supabase: SupabaseLite) -> SyncPostgrestClient:
    return connect(clean_supabase.url, clean_supabase.secret_key)


@pytest.fixture
def store(client: SyncPostgrestClient) -> SupabaseMonitorStore:
    return SupabaseMonitorStore(client)


def a_book(client: SyncPostgrestClient, book_id: str = "b") -> str:
    book = {"book_id": book_id, "name": "n", "mode": "paper", "quote": "USDT", "capital": 1, "venues": ["binance"]}
    once(client.from_("books").insert(book))
    return book_id


def an_intent(client: SyncPostgrestClient, intent_id: str, **changes: object) -> None:
    row = {
        "intent_id": intent_id, "book_id": "b", "mode": "paper", "source": "person", "symbol": "BTC/USDT",
        "purpose": "enter", "direction": "long", "sizing": {"value": "1"}, "raised_at_ms": CLOSE,
        "expires_at_ms": CLOSE + 60_000, "correlation_id": "c", "actor": "a",
    }  # fmt: skip
    once(client.from_("trade_intents").insert(row | changes))


def approve(client: SyncPostgrestClient, intent_id: str) -> None:
    approved = {"state": "approved", "qty": 1, "reference_price": 1}
    once(client.from_("trade_intents").update(approved).eq("intent_id", intent_id))


def test_nothing_has_happened_on_an_empty_desk(store: SupabaseMonitorStore) -> None:
    assert store.signals(window_ms=900_000) == ()
    assert store.intents(now_ms=CLOSE, grace_ms=0).working == 0
    assert store.runs(window_ms=900_000).oldest_ms is None
    assert store.orders(doubt_ms=0).in_doubt == 0
    assert store.marked(["nobody"], since_ms=0) == frozenset()
    assert store.sizes().database_bytes > 0
    assert store.sizes().tables


def test_runs_are_counted_by_timeframe(client: SyncPostgrestClient, store: SupabaseMonitorStore) -> None:
    runs, trader = SupabaseRunStore(client), SupabaseTraderStore(client).create(a_trader())
    for minute in range(3):
        runs.claim(boundary(minute), shards=1, source="test", correlation_id="c")
        (shard,) = [each for each, _ in runs.take_overdue(older_than_ms=0, limit=1)]
        runs.start(shard, lease_ms=60_000)
        runs.finish(shard, result=RESULT, signals=[a_signal(trader.trader_id, minute=minute)])
    (flow,) = store.signals(window_ms=900_000)
    assert (flow.venue, flow.timeframe, flow.runs) == ("binance", Timeframe.M1, 3)
    assert (flow.signals, flow.traders, flow.errors) == (3, 9, 0)
    second = time.time() * 1_000 - boundary(1).close_time  # a minute apart: the slowest of a few is no percentile
    assert 0 <= second - flow.lag_p99_ms < 30_000
    assert 0 <= flow.work_p99_ms < 60_000
    assert next(each for each in store.venues() if each.is_enabled).claimed == {Timeframe.M1: CLOSE + 120_000}


def test_a_run_is_open_until_it_finishes_or_is_given_up(
    client: SyncPostgrestClient, store: SupabaseMonitorStore
) -> None:
    runs = SupabaseRunStore(client)
    runs.claim(boundary(), shards=2, source="test", correlation_id="c")
    taken = [each for each, _ in runs.take_overdue(older_than_ms=0, limit=2)]
    for _ in range(5):
        runs.start(taken[0], lease_ms=60_000)
        runs.fail(taken[0], error="it failed")
    found = store.runs(window_ms=900_000)
    assert (found.pending, found.running, found.failed, found.given_up) == (1, 0, 0, 1)
    assert found.oldest_ms is not None
    assert store.runs(window_ms=0).given_up == 0


def test_intents_wait_for_a_decision_and_for_their_end(
    client: SyncPostgrestClient, store: SupabaseMonitorStore
) -> None:
    a_book(client)
    an_intent(client, "waits")
    an_intent(client, "denied")
    once(client.from_("trade_intents").update({"state": "denied"}).eq("intent_id", "denied"))
    found = store.intents(now_ms=CLOSE + 30_000, grace_ms=0)
    assert (found.pending, found.oldest_pending_ms, found.working, found.late) == (1, 30_000, 0, 0)

    approve(client, "waits")
    assert store.intents(now_ms=CLOSE + 60_000, grace_ms=0).late == 0
    late = store.intents(now_ms=CLOSE + 60_001, grace_ms=0)
    assert (late.pending, late.oldest_pending_ms, late.working, late.late) == (0, None, 1, 1)
    assert late.latest == ("waits",)
    assert store.intents(now_ms=CLOSE + 60_001, grace_ms=1_000).late == 0

    plan = {"deadline_ms": CLOSE + 600_000}  # a long one may go on until its last slice is too late
    once(client.from_("trade_intents").update({"state": "executing", "plan": plan}).eq("intent_id", "waits"))
    assert store.intents(now_ms=CLOSE + 900_000, grace_ms=0).late == 0
    assert store.intents(now_ms=CLOSE + 900_001, grace_ms=0).late == 1


def test_orders_are_in_doubt_until_somebody_knows(client: SyncPostgrestClient, store: SupabaseMonitorStore) -> None:
    a_book(client)
    an_intent(client, "i")
    approve(client, "i")
    once(client.from_("trade_intents").update({"state": "executing"}).eq("intent_id", "i"))
    order = {
        "order_id": "o", "intent_id": "i", "book_id": "b", "mode": "paper", "account": "b", "venue": "binance",
        "symbol": "BTC/USDT", "role": "slice", "slice_no": 1, "attempt": 1, "client_order_id": "o", "side": "buy",
        "kind": "market", "time_in_force": "gtc", "qty": 1, "reduce_only": False, "due_at_ms": CLOSE, "actor": "a",
        "correlation_id": "c",
    }  # fmt: skip
    instrument = {"venue": "binance", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "tick_size": 1}
    once(client.from_("instruments").insert(instrument | {"step_size": 1}))
    once(client.from_("orders").insert(order))
    assert store.orders(doubt_ms=0).in_doubt == 0  # it was never sent
    once(client.from_("orders").update({"state": "submitting"}).eq("order_id", "o"))
    found = store.orders(doubt_ms=0)
    assert (found.in_doubt, found.orders) == (1, ("o",))
    assert store.orders(doubt_ms=600_000).in_doubt == 0
    once(client.from_("orders").update({"state": "open"}).eq("order_id", "o"))
    assert store.orders(doubt_ms=0).in_doubt == 0
    once(client.from_("orders").update({"filled_qty": 0.5}).eq("order_id", "o"))  # and none of it is posted
    assert store.orders(doubt_ms=0).in_doubt == 1


def test_books_are_marked_since_an_instant(client: SyncPostgrestClient, store: SupabaseMonitorStore) -> None:
    book_id = a_book(client)
    point = {"book_id": book_id, "at_ms": CLOSE - CLOSE % 60_000, "equity": 1, "realised": 0, "fees": 0}
    once(client.from_("equity_points").insert(point))
    assert store.marked([book_id, "other"], since_ms=CLOSE - 60_000) == {book_id}
    assert store.marked([book_id], since_ms=CLOSE + 1) == frozenset()


def test_what_is_old_goes_a_batch_at_a_time(client: SyncPostgrestClient, store: SupabaseMonitorStore) -> None:
    now_ms = CLOSE + 20 * DAY_MS
    runs = SupabaseRunStore(client)
    for minute in range(5):
        runs.claim(boundary(minute), shards=1, source="test", correlation_id="c")
    keep = 20 * DAY_MS - 3 * 60_000
    assert store.forget("execution_runs", keep_ms=keep, now_ms=now_ms, limit=2) == 2
    assert store.forget("execution_runs", keep_ms=keep, now_ms=now_ms, limit=2) == 1
    assert store.forget("execution_runs", keep_ms=keep, now_ms=now_ms, limit=2) == 0
    left = rows(client.from_("execution_runs").select("close_time").order("close_time").execute())
    assert [row["close_time"] for row in left] == [boundary(3).close_time, boundary(4).close_time]


def test_signals_stay_while_an_intent_is_of_them(client: SyncPostgrestClient, store: SupabaseMonitorStore) -> None:
    a_book(client)
    trader, runs = SupabaseTraderStore(client).create(a_trader()), SupabaseRunStore(client)
    runs.claim(boundary(), shards=1, source="test", correlation_id="c")
    (shard,) = [each for each, _ in runs.take_overdue(older_than_ms=0, limit=1)]
    runs.start(shard, lease_ms=60_000)
    found = [a_signal(trader.trader_id, symbol=f"{name}/USDT") for name in ("BTC", "ETH")]
    runs.finish(shard, result=RESULT, signals=found)
    stored = {row["symbol"]: row["signal_id"] for row in rows(client.from_("signals").select("*").execute())}
    an_intent(client, "i", source="signal", signal_id=stored["BTC/USDT"], trader_id=trader.trader_id)
    assert store.forget("signals", keep_ms=DAY_MS, now_ms=CLOSE + 2 * DAY_MS, limit=100) == 1
    assert [row["symbol"] for row in rows(client.from_("signals").select("symbol").execute())] == ["BTC/USDT"]


def test_what_sources_said_long_ago_is_forgotten(client: SyncPostgrestClient, store: SupabaseMonitorStore) -> None:
    said = [
        IntelligenceSignal(
            source="glassnode", kind="onchain", instrument="BTC/USDT", direction=Direction.LONG, confidence=0.5,
            observed_at_ms=CLOSE + age * DAY_MS, expires_at_ms=CLOSE + 9 * DAY_MS, provenance=Provenance.MEASURED,
            data_quality=1.0, correlation_id="c",
        )
        for age in range(3)
    ]  # fmt: skip
    SupabaseIntelligenceStore(client).record(said)
    gone = store.forget("intelligence_signals", keep_ms=DAY_MS, now_ms=CLOSE + 3 * DAY_MS - 1, limit=100)
    left = rows(client.from_("intelligence_signals").select("observed_at_ms").execute())
    assert (gone, [row["observed_at_ms"] for row in left]) == (2, [CLOSE + 2 * DAY_MS])


def test_one_point_an_hour_stays_of_an_equity_curve(client: SyncPostgrestClient, store: SupabaseMonitorStore) -> None:
    book_id, hour = a_book(client), CLOSE - CLOSE % 3_600_000
    points = [
        {"book_id": book_id, "at_ms": hour + minute * 60_000, "equity": 1, "realised": 0, "fees": 0}
        for minute in range(180)
    ]
    once(client.from_("equity_points").insert(points))
    gone = store.forget("equity_points", keep_ms=DAY_MS, now_ms=hour + DAY_MS + 7_200_000, limit=1_000)
    left = rows(client.from_("equity_points").select("at_ms").order("at_ms").execute())
    assert gone == 118  # of two hours but for their first points
    assert [row["at_ms"] for row in left][:3] == [hour, hour + 3_600_000, hour + 7_200_000]
    assert len(left) == 62


def test_alerts_and_runs_of_the_monitor_go_with_time(client: SyncPostgrestClient, store: SupabaseMonitorStore) -> None:
    key = uuid4().hex
    alert = {"kind": "test", "severity": "info", "sentence": "s", "first_at_ms": 1, "last_at_ms": 1}
    once(client.from_("alerts").insert([
        alert | {"dedupe_key": f"{key}:1", "state": "resolved", "resolved_at_ms": 1},
        alert | {"dedupe_key": f"{key}:2"},
    ]))  # fmt: skip
    store.forget("alerts", keep_ms=DAY_MS, now_ms=CLOSE, limit=1_000)
    found = rows(client.from_("alerts").select("dedupe_key").like("dedupe_key", f"{key}%").execute())
    assert [row["dedupe_key"] for row in found] == [f"{key}:2"]  # what is open stays

    long_ago = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    old = {"run_id": str(uuid4()), "task": "all", "at_ms": 1, "started_at": long_ago}
    once(client.from_("monitor_runs").insert(old))
    store.begin(str(uuid4()), task="all", at_ms=CLOSE, lease_ms=0)
    assert store.forget("monitor_runs", keep_ms=2 * DAY_MS, now_ms=CLOSE, limit=100) == 1


def test_every_table_that_is_thinned_is_known_and_no_other(store: SupabaseMonitorStore) -> None:
    for table in KEPT_DAYS:
        assert store.forget(table, keep_ms=10_000 * DAY_MS, now_ms=CLOSE, limit=10) == 0, table
    for table in ("fills", "trading_transitions", "audit_events", "signals; drop table signals"):
        with pytest.raises(InvalidMessageError, match="table"):
            store.forget(table, keep_ms=DAY_MS, now_ms=CLOSE, limit=10)
