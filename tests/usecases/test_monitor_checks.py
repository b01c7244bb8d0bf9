"""What each check of the monitor makes of what it reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.alerts import Alert, Severity
from shared.domain.consensus import SignalAgentSettings
from shared.domain.errors import FatalError, InvalidMessageError, TransientError
from shared.domain.intelligence import Direction, IntelligenceSignal, Provenance, View
from shared.domain.judging_market import judge_data, judge_redis, judge_signals
from shared.domain.monitor_facts import CollectorStatus, Ping, SignalFlow, WatchedVenue
from shared.domain.monitoring import KEPT_DAYS, Looked, MonitorRun, MonitorSettings, Occasion, Task
from shared.domain.runs import ClosedBoundary
from shared.domain.tickers import Snapshot, Ticker, VenueNow
from shared.domain.timeframe import Timeframe
from shared.domain.trading.books import Book
from shared.domain.trading.intents import Algorithm, AlgorithmName, Sizing, SizingMethod
from shared.domain.trading.limits import Caps
from shared.domain.trading.states import Mode, TradingState
from shared.domain.usage import MonthUsage, Usage, month_start
from shared.messages import ShardDue
from shared.monitor_messages import TaskResult
from shared.usecases.checks.books import check_books
from shared.usecases.checks.desk import check_switch
from tests.fakes.intelligence import MemoryIntelligenceStore
from tests.fakes.monitor import QUIET_INTENTS, QUIET_ORDERS, QUIET_RUNS, MemoryMonitorStore
from tests.usecases.monitor_in_memory import MINUTE_MS, MonitorInMemory
from tests.usecases.trading_in_memory import VENUE, HandBoard, TradingInMemory

M1, M5 = Timeframe.M1, Timeframe.M5
NOW = 1_700_000_040_000
SETTINGS = MonitorSettings()


def result(desk: MonitorInMemory, task: Task) -> TaskResult:
    (found,) = desk.run(task).results
    return found


def severity(desk: MonitorInMemory, key: str) -> Severity:
    return desk.alerts.opened[key][0].severity


def test_a_halt_is_told_and_a_book_that_is_halted_is_its_owners_to_know() -> None:
    desk = MonitorInMemory().warm()
    desk.states.set("desk", "", TradingState.REDUCING, actor="me", reason="a test")
    desk.minute()
    assert desk.open == {"kill_switch"}
    assert severity(desk, "kill_switch") is Severity.INFO
    desk.states.set("desk", "", TradingState.HALTED, actor="me", reason="a test")
    desk.minute()
    assert severity(desk, "kill_switch") is Severity.WARNING
    assert "by me: a test" in desk.alerts.opened["kill_switch"][0].sentence

    desk.states.set("desk", "", TradingState.ACTIVE, actor="me", reason="done")
    desk.states.set("venue", "binance", TradingState.HALTED, actor="me", reason="a test")
    answer = desk.minute()
    assert desk.open == {"kill_switch:venue:binance"}
    assert next(each for each in answer.results if each.task is Task.KILL_SWITCH).details["restrained"] == 1


def test_an_entry_that_rests_against_a_halt_is_critical() -> None:
    trading = TradingInMemory()
    trading.wish(algorithm=Algorithm(name=AlgorithmName.LIMIT, limit_price=Decimal(30_000)))
    trading.run()

    def look() -> list[str]:
        found = check_switch(states=trading.states, orders=trading.orders, wall_clock=trading.clock, settings=SETTINGS)
        return keys(found.alerts)

    assert look() == []
    trading.states.set("desk", "", TradingState.HALTED, actor="me", reason="a test")
    assert look() == ["kill_switch"]  # what rests is being cancelled
    trading.clock.advance(120_001)
    assert look() == ["kill_switch", "kill_switch:resting"]


def test_a_venue_is_told_while_it_does_not_answer_is_slow_or_is_not_asked() -> None:
    desk = MonitorInMemory().warm()
    desk.pings.answers["binance"] = Ping(error="HTTP 503")
    for _ in range(2):
        desk.minute()
    assert (desk.open, severity(desk, "venue:binance")) == ({"venue:binance"}, Severity.CRITICAL)
    desk.pings.answers["binance"] = Ping(latency_ms=2_001)
    for _ in range(2):
        desk.minute()
    assert (desk.open, severity(desk, "venue:binance")) == ({"venue:binance"}, Severity.WARNING)
    desk.pings.answers["binance"] = Ping(latency_ms=2_000)
    for _ in range(2):
        desk.minute()
    assert not desk.open
    health = result(desk, Task.EXCHANGE_HEALTH)
    assert health.details["latency_ms"] == {"binance": 2_000, "binance_usdm": 40}  # okx is off

    desk.broken[Task.EXCHANGE_HEALTH] = RuntimeError("no")
    for _ in range(7):
        desk.minute()
    assert desk.open == {"monitor:exchange_health", "venue:binance", "venue:binance_usdm"}
    desk.broken.clear()
    for _ in range(2):
        desk.minute()
    assert not desk.open


def watched(claimed: dict[Timeframe, int] | None = None) -> WatchedVenue:
    return WatchedVenue(venue="binance", is_enabled=True, timeframes=(M1, M5), claimed=claimed or {})


def data(
    closes: dict[Timeframe, int] | None,
    *,
    claimed: dict[Timeframe, int] | None = None,
    speed: float = 1.0,
    before: dict[Timeframe, int] | None = None,
) -> Looked:
    """Look at closes in the log; at the run before there were as many, unless `before` says otherwise."""
    status = None if closes is None else CollectorStatus(status="ok", newest_close=closes)
    run_ms = NOW - MINUTE_MS
    seen = before if before is not None else closes or {}
    ages = {str(each): run_ms - close for each, close in seen.items()}
    details = {"binance": {"age_ms": ages, "open_gaps": 0}}
    run = MonitorRun(
        run_id="r", at_ms=run_ms, finished_ms=run_ms, age_ms=MINUTE_MS, success=True, duration_ms=1.0,
        results=({"task": "market_data", "details": details},),
    )  # fmt: skip
    return judge_data([watched(claimed)], {"binance": status}, now_ms=NOW, speed=speed, settings=SETTINGS, before=run)


def keys(alerts: Sequence[Alert]) -> list[str]:
    return [each.dedupe_key for each in alerts]


def test_a_close_is_stale_when_it_is_overdue_by_more_than_is_allowed() -> None:
    fresh = {M1: NOW - 90_000, M5: NOW - 330_000}
    assert keys(data(fresh).alerts) == []
    assert keys(data(fresh | {M5: NOW - 330_001}).alerts) == ["data:binance:5m"]
    assert keys(data({M1: NOW}).alerts) == ["data:binance:5m"]
    assert keys(data(fresh | {M5: NOW - 330_001}, speed=2.0).alerts) == []


def test_a_collector_that_is_silent_is_the_one_cause_of_all_it_does_not_write() -> None:
    for closes in (None, {}, {M1: NOW - 90_001, M5: NOW - 999_999}):
        found = data(closes)
        assert keys(found.alerts) == ["collector:binance"]
        assert "data:binance:" not in found.prefixes  # of which nothing is known


def test_closes_that_nobody_claims_are_told_once_the_sweep_should_have() -> None:
    fresh = {M1: NOW, M5: NOW - 60_000}
    assert keys(data(fresh, claimed={M1: NOW - 180_000}).alerts) == []
    assert keys(data(fresh, claimed={M1: NOW - 180_001 - 60_000}).alerts) == ["boundaries:binance"]
    assert keys(data(fresh, claimed={M5: NOW - 300_000 - 60_000}).alerts) == []
    assert keys(data(fresh).alerts) == []  # nobody has ever claimed there


def test_a_close_that_has_only_just_come_late_is_not_unclaimed() -> None:
    claimed, came = {M5: NOW - 900_000}, {M1: NOW, M5: NOW - 300_000}
    late = {M1: NOW - 60_000, M5: NOW - 900_000}
    assert keys(data(came, claimed=claimed, before=late).alerts) == []
    assert keys(data(came, claimed=claimed, before={}).alerts) == []  # nor is it known of one nobody has looked at
    assert keys(data(came, claimed=claimed, before=came).alerts) == ["boundaries:binance"]


def flow(**changes: object) -> SignalFlow:
    values: dict[str, object] = {
        "venue": "binance", "timeframe": M1, "runs": 10, "traders": 100, "errors": 5, "signals": 3, "lag_p99_ms": 2_000,
        "work_p99_ms": 50,
    }  # fmt: skip
    return SignalFlow(**(values | changes))  # type: ignore[arg-type]


def test_signals_are_late_by_the_slowest_but_one_of_a_hundred_runs() -> None:
    def told(*flows: SignalFlow, is_real_time: bool = True) -> list[str]:
        return keys(judge_signals(flows, is_real_time=is_real_time, settings=SETTINGS).alerts)

    assert told(flow()) == []
    assert told(flow(lag_p99_ms=2_001)) == ["signals:late"]
    assert told(flow(lag_p99_ms=2_001, runs=9)) == []  # too few to say
    assert told(flow(lag_p99_ms=2_001), is_real_time=False) == []  # of a tape nobody knows
    assert told(flow(errors=6)) == ["signals:errors"]
    assert judge_signals([], is_real_time=True, settings=SETTINGS).skipped_reason


def say(desk: MonitorInMemory, *sources: str, **changes: Any) -> None:
    """Let sources say something of an instrument now."""
    now_ms = desk.clock.now_ms()
    values: dict[str, Any] = {
        "kind": "sentiment", "instrument": "BTC/USDT", "direction": Direction.LONG, "confidence": 0.9,
        "observed_at_ms": now_ms, "expires_at_ms": now_ms + 86_400_000, "provenance": Provenance.MEASURED,
        "data_quality": 1.0, "correlation_id": "c",
    }  # fmt: skip
    desk.intelligence.record([IntelligenceSignal(source=each, **(values | changes)) for each in sources])


def test_where_independent_sources_agree_is_told_and_is_no_alert() -> None:
    desk = MonitorInMemory().warm()
    say(desk, "coingecko", "glassnode", "santiment")
    say(desk, "coingecko", "glassnode", instrument="ETH/USDT")  # two are too few
    say(desk, "a", "b", "c", instrument="SOL/USDT", provenance=Provenance.SIMULATED)
    say(desk, "a", "b", instrument="ADA/USDT")
    say(desk, "c", instrument="ADA/USDT", direction=Direction.SHORT)  # two thirds are too little
    found = result(desk, Task.SIGNALS)
    assert found.details["consensus"] == {
        "BTC/USDT": {"direction": "long", "agreeing": 3, "sources": 3, "share": 1.0, "confidence": 0.9}
    }
    assert (found.checked, found.skipped_reason) == (1, None)
    assert not desk.open
    desk.clock.advance(desk.signal_agent.window_ms + 1)
    stale = result(desk, Task.SIGNALS)
    assert (stale.checked, stale.details["consensus"]) == (0, {})
    assert stale.skipped_reason


def test_the_consensus_is_the_one_signal_agent_acts_on() -> None:
    desk = MonitorInMemory()
    say(desk, "coingecko", "glassnode", "santiment")
    desk.database.people.enrol("ann")
    book = desk.books.create(
        Book(
            book_id="b", owner_id="ann", name="Hers", mode=Mode.PAPER, quote="USDT", capital=Decimal(1),
            state=TradingState.ACTIVE, venues=("binance",),
        )
    )  # fmt: skip
    asked: list[str | None] = []

    class Listening(MemoryIntelligenceStore):
        def views(self, *, person: str | None, **named: Any) -> Sequence[View]:
            asked.append(person)
            return super().views(person=person, **named)

    desk.intelligence = Listening(desk.database)
    changes: list[dict[str, Any]] = [{"book_id": book.book_id}, {"book_id": "gone"}]
    changes += [{"instruments": ("ETH/USDT",)}, {"min_sources": 4}]
    for change in changes:
        desk.signal_agent = SignalAgentSettings(**change)
        told = result(desk, Task.SIGNALS).details["consensus"]
        assert told.keys() == ({"BTC/USDT"} if "book_id" in change else set())
    assert asked == ["ann", None, None, None]  # whose traders vote, beside the built-in ones


@pytest.mark.parametrize("error", [TransientError("it took too long", source="database"), FatalError("what is set …")])
def test_a_consensus_nobody_can_read_keeps_nothing_else_and_is_no_alert(error: Exception) -> None:
    desk = MonitorInMemory().warm()
    desk.store.flows = [flow(errors=6)]

    class Broken:
        def views(self, **_: object) -> Sequence[View]:
            raise error

    desk.intelligence = Broken()
    found = result(desk, Task.SIGNALS)
    assert found.success
    assert found.details["consensus"] is None
    assert found.details["consensus_error"] == str(error)
    assert desk.open == {"signals:errors"}


def test_runs_that_are_overdue_are_sent_again_and_what_stays_is_told() -> None:
    desk = MonitorInMemory().warm()
    boundary = ClosedBoundary(venue="binance", timeframe=M1, close_time=NOW)
    desk.runs.claim(boundary, shards=2, source="collector", correlation_id="abcdefgh")
    desk.minute()
    sent = [ShardDue.model_validate_json(body) for body in desk.queue.bodies]
    assert [each.shard for each in sent] == [0, 1]
    assert {each.correlation_id for each in sent} == {"abcdefgh"}
    details = result(desk, Task.EXECUTIONS).details
    assert (details["waiting_messages"], details["dead_messages"]) == (2, 1)
    assert details["redispatched"] == 0  # the other sweep takes what this one has not

    desk.store.open_runs = replace(QUIET_RUNS, pending=1, oldest_ms=300_001)
    desk.minute()
    assert desk.open == {"runs:stuck"}


def test_intents_that_nobody_decides_are_told_unless_risk_is_silent() -> None:
    desk = MonitorInMemory().warm()
    desk.store.waiting = replace(QUIET_INTENTS, pending=2, oldest_pending_ms=120_001)
    desk.minute()
    assert desk.open == {"intents:undecided"}
    desk.agents.silent["risk-agent"] = desk.clock.now_ms() - 10 * MINUTE_MS
    desk.minute()
    assert desk.open == {"agent:risk-agent"}  # which is why


def test_orders_in_doubt_are_critical() -> None:
    desk = MonitorInMemory().warm()
    desk.store.open_orders = replace(QUIET_ORDERS, in_doubt=1, oldest_ms=700_000, orders=("o",))
    desk.minute()
    assert severity(desk, "orders:in_doubt") is Severity.CRITICAL


def test_a_silent_agent_is_told_the_monitor_itself_is_not_and_nor_is_one_that_waits_for_closes() -> None:
    desk = MonitorInMemory().warm()
    now = desk.clock.now_ms()
    desk.agents.silent = {"ops-agent": now - 10 * MINUTE_MS, "strategy-agent": now - 2 * MINUTE_MS}
    desk.minute()
    assert not desk.open  # three minutes may pass between a close, and its run, and the next
    assert desk.agents.offline == {"ops-agent"}
    desk.minute()
    assert desk.open == {"agent:strategy-agent"}
    desk.agents.silent.clear()
    desk.minute()
    assert not desk.open


def test_an_agent_that_failed_once_is_not_told_one_that_fails_on_is() -> None:
    desk = MonitorInMemory().warm()
    desk.agents.failing.add("risk-agent")
    desk.minute()
    assert not desk.open
    desk.minute()
    assert desk.open == {"agent_failing:risk-agent"}
    desk.agents.failing.clear()
    desk.minute()
    assert not desk.open


def test_a_quota_is_told_when_it_is_near_foreseen_or_used_up() -> None:
    month = "2023-11"
    start = month_start(month)

    def told(commands: int, days: float) -> list[Severity]:
        used = MonthUsage(month=month, since_ms=start, used=Usage(commands=commands))
        return [each.severity for each in judge_redis(used, start + round(days * 86_400_000), SETTINGS)]

    assert told(240_000, 15) == []
    assert told(251_000, 15) == [Severity.WARNING]  # it comes to more than the plan
    assert told(400_000, 29) == [Severity.WARNING]  # four fifths are gone
    assert told(500_000, 29) == [Severity.CRITICAL]


def test_retention_takes_batches_until_its_time_is_over() -> None:
    desk = MonitorInMemory()
    desk.store.old_rows = {"outbox": 5_000, "signals": 10, "fills": 3}
    found = result(desk, Task.RETENTION)
    assert found.details == {
        "forgotten": dict.fromkeys(KEPT_DAYS, 0) | {"outbox": 5_000, "signals": 10},
        "unfinished": [],
    }
    assert {table for table, rows in desk.store.old_rows.items() if rows} == {"fills"}


def look_at_books(trading: TradingInMemory, store: MemoryMonitorStore, board: object = None, **last: object) -> Looked:
    before = MonitorRun(
        run_id="r", at_ms=NOW, finished_ms=NOW, age_ms=0, success=True, duration_ms=1.0,
        results=({"task": "position_risk", "details": last},),
    )  # fmt: skip
    return check_books(
        Occasion(now_ms=trading.clock.now_ms(), last=before), books=trading.books,
        tickers=board or HandBoard(trading.market), store=store, tier=2, caps=Caps(), settings=SETTINGS,  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_book_is_told_when_its_days_loss_is_near_its_limit_and_when_it_is_beyond_one() -> None:
    trading, store = TradingInMemory(), MemoryMonitorStore()
    book_id = trading.book.book_id
    trading.wish(sizing=Sizing(method=SizingMethod.NOTIONAL, value=Decimal(40_000)))
    trading.run()
    assert look_at_books(trading, store).alerts == ()
    trading.market.move(Decimal(36_000))
    (near,) = look_at_books(trading, store).alerts
    assert (near.dedupe_key, near.severity, near.book_id) == (f"position:{book_id}:drawdown", Severity.WARNING, book_id)
    trading.market.move(Decimal(34_000))
    (beyond,) = look_at_books(trading, store).alerts
    assert beyond.severity is Severity.CRITICAL
    trading.market.move(Decimal(90_000))
    found = look_at_books(trading, store)
    assert keys(found.alerts) == [f"position:{book_id}:concentration"]  # prices took it there
    assert found.details["open_positions"] == 1


def test_a_book_nobody_marks_is_told_at_the_second_look() -> None:
    trading, store = TradingInMemory(), MemoryMonitorStore()
    trading.wish()
    trading.run()
    store.unmarked = {trading.book.book_id}
    first = look_at_books(trading, store)
    assert first.alerts == ()
    assert first.details["unmarked"] == [trading.book.book_id]
    assert keys(look_at_books(trading, store, unmarked=[trading.book.book_id]).alerts) == ["position:unwatched"]


def test_what_has_no_price_is_told_only_where_the_venue_tells_prices() -> None:
    trading, store = TradingInMemory(), MemoryMonitorStore()
    trading.wish()
    trading.run()
    others = VenueNow(Snapshot(trading.clock.now_ms(), {"ETH/USDT": Ticker(last=1.0, bid=1.0, ask=1.0)}))
    key = f"position:{trading.book.book_id}:unpriced"
    assert keys(look_at_books(trading, store, Board({VENUE: others})).alerts) == [key]
    silent = look_at_books(trading, store, Board({VENUE: VenueNow()}))
    assert silent.alerts == ()  # its collector is silent, which is told as that
    assert silent.details["unpriced"] == [trading.book.book_id]


@dataclass
class Board:
    """A ticker board that tells what it is given."""

    venues: Mapping[str, VenueNow]

    def now(self, venues: Sequence[str]) -> Mapping[str, VenueNow]:
        return {venue: self.venues[venue] for venue in venues}


def test_measures_that_would_blind_a_check_are_refused() -> None:
    for wrong in (
        {"agent_stale_ms": 0}, {"near_rate": 1.5}, {"kept_days": {"fills": 30}}, {"kept_days": {"signals": 0.5}},
        {"venue_latency_ms": float("nan")},
    ):  # fmt: skip
        with pytest.raises(InvalidMessageError, match=next(iter(wrong))):
            MonitorSettings(**wrong)
    assert MonitorSettings(kept_days={"signals": 1.0}).kept_days == {"signals": 1.0}
