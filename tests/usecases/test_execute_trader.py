"""A shard is decided once, on the boundary's own candles, with the traders as they are now."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from shared.domain.agents import Autonomy
from shared.domain.consensus import SignalAgentSettings
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.runs import RunStatus
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Edge
from shared.domain.trading.books import Book
from shared.domain.trading.intents import Sizing, SizingMethod
from shared.domain.trading.states import Mode, TradingState
from shared.domain.trading.terms import TraderMode, TradeTerms
from shared.messages import IntentRaised, RunTrader, ShardDue
from shared.signal_messages import SignalsRecorded
from shared.usecases.execute_trader import run_trader
from tests.fakes.books import MemoryBookStore
from tests.fakes.intents import MemoryIntentStore
from tests.usecases.desk_in_memory import M1, DeskInMemory, make_trader, trader_id


@pytest.fixture
def desk() -> DeskInMemory:
    desk = DeskInMemory(traders_per_shard=1_000)
    desk.traders.create(make_trader(1, "close > 100"))
    return desk


def due(desk: DeskInMemory, **closes: float) -> ShardDue:
    desk.announce(desk.minute(**closes))
    (message,) = desk.messages()
    return message


def test_matches_become_signals_with_price_and_values(desk: DeskInMemory) -> None:
    result = desk.execute(due(desk, BTC=101.0, ETH=99.0))
    assert (result.traders, result.evaluations, result.signals, result.errors) == (1, 2, 1, {})
    (stored,) = desk.database.signals.values()
    assert (stored.signal.symbol, stored.signal.price, stored.signal.values) == ("BTC/USDT", 101.0, {"close": 101.0})


def test_redelivering_a_message_changes_nothing(desk: DeskInMemory) -> None:
    message = due(desk, BTC=101.0)
    first = desk.execute(message)
    again = [desk.execute(message) for _ in range(3)]
    assert first.signals == 1
    assert all(result.skipped for result in again)
    assert len(desk.recorded()) == 1


def test_a_host_killed_before_finishing_leaves_nothing_half_done(desk: DeskInMemory) -> None:
    message = due(desk, BTC=101.0)
    desk.runs.start(message.run, lease_ms=1_000)  # the host that is killed here
    assert desk.recorded() == []
    desk.clock.advance(1_001)
    assert desk.execute(message, desk.cold()).signals == 1


def test_edits_disables_and_deletes_take_effect_at_the_next_boundary(desk: DeskInMemory) -> None:
    assert desk.execute(due(desk, BTC=101.0)).signals == 1
    stored = desk.traders.get(trader_id(1))
    edited = desk.traders.update(replace(stored, rule="close > 200"), expected_updated_at_ms=stored.updated_at_ms)
    assert desk.execute(due(desk, BTC=102.0)).signals == 0
    assert desk.execute(due(desk, BTC=201.0)).signals == 1
    disabled = desk.traders.update(replace(edited, enabled=False), expected_updated_at_ms=edited.updated_at_ms)
    assert desk.execute(due(desk, BTC=202.0)).traders == 0
    desk.traders.update(replace(disabled, enabled=True), expected_updated_at_ms=disabled.updated_at_ms)
    assert desk.execute(due(desk, BTC=203.0)).traders == 1
    desk.traders.delete(trader_id(1))
    assert desk.execute(due(desk, BTC=204.0)).traders == 0


def test_a_trader_that_moved_to_another_timeframe_leaves_this_one(desk: DeskInMemory) -> None:
    assert desk.execute(due(desk, BTC=101.0)).traders == 1
    stored = desk.traders.get(trader_id(1))
    desk.traders.update(replace(stored, timeframe=Timeframe.M5), expected_updated_at_ms=stored.updated_at_ms)
    assert desk.execute(due(desk, BTC=102.0)).traders == 0


def test_a_warm_and_a_cold_process_decide_alike(desk: DeskInMemory) -> None:
    desk.traders.create(make_trader(2, "close > close[1]", edge=Edge.RISING))
    for price in (100.0, 99.0, 101.0):
        desk.execute(due(desk, BTC=price))
    warm = desk.recorded()
    desk.database.signals.clear()
    desk.database.runs.clear()
    replayed = DeskInMemory(clock=desk.clock, streams=desk.streams, traders_per_shard=1_000)
    replayed.database.traders = desk.database.traders
    for back in (2, 1, 0):
        close_time = desk.clock.now_ms() - back * M1.ms
        replayed.runs.claim(replayed.boundary(close_time), shards=1, source="test", correlation_id="replayed")
        message = ShardDue(
            venue="binance", timeframe=M1, close_time=close_time, shard=0, shards=1, correlation_id="replayed"
        )
        replayed.execute(message, replayed.cold())
    assert replayed.recorded() == warm


def test_a_late_run_does_not_look_into_its_future(desk: DeskInMemory) -> None:
    message = due(desk, BTC=99.0)
    desk.minute(BTC=101.0)
    assert desk.execute(message).signals == 0


def test_a_broken_trader_is_reported_and_the_others_run(desk: DeskInMemory) -> None:
    desk.traders.create(make_trader(2, "close > "))
    result = desk.execute(due(desk, BTC=101.0))
    assert (result.traders, result.signals) == (2, 1)
    assert list(result.errors) == [trader_id(2)]
    assert "rule" in result.errors[trader_id(2)]


def test_without_its_candles_a_run_is_given_back_with_the_reason(desk: DeskInMemory) -> None:
    message = due(desk, BTC=101.0)
    desk.streams.clear()
    with pytest.raises(TransientError, match="not in the log"):
        desk.execute(message)
    (row,) = desk.database.runs.values()
    assert (row.status, "not in the log" in (row.error or "")) == (RunStatus.FAILED, True)


def run_now(desk: DeskInMemory, number: int) -> tuple[int, int]:
    result = run_trader(
        RunTrader(trader_id=trader_id(number)),
        candles=desk.candles,
        traders=desk.traders,
        venues=desk.venues,
        signals=desk.signals,
        intents_queue=desk.intents_queue,
        waking=desk.waking(),
        clock=desk.clock,
    )
    return result.signals, result.signals_duplicate


def test_running_one_trader_now_is_the_same_signal_as_its_shard(desk: DeskInMemory) -> None:
    message = due(desk, BTC=101.0)
    assert run_now(desk, 1) == (1, 0)
    assert run_now(desk, 1) == (0, 1)
    result = desk.execute(message)
    assert (result.signals, result.signals_duplicate) == (0, 1)


def test_a_trader_on_candles_nobody_collects_is_named(desk: DeskInMemory) -> None:
    desk.minute(BTC=101.0)
    desk.traders.create(make_trader(3, "close > 1", timeframe=Timeframe.H12))
    with pytest.raises(InvalidMessageError, match="12h is not collected"):
        run_now(desk, 3)


def trade_on_paper(desk: DeskInMemory) -> None:
    """Let the trader's signals raise intents in a paper book of the desk."""
    book = Book(
        book_id=str(uuid4()),
        owner_id=None,
        name="Paper",
        mode=Mode.PAPER,
        quote="USDT",
        capital=Decimal(1_000),
        state=TradingState.ACTIVE,
        venues=("binance",),
    )
    MemoryBookStore(desk.database).create(book)
    stored = desk.traders.get(trader_id(1))
    terms = TradeTerms(sizing=Sizing(method=SizingMethod.NOTIONAL, value=Decimal(100)))
    trading = replace(stored, mode=TraderMode.PAPER, book_id=book.book_id, trade=terms)
    desk.traders.update(trading, expected_updated_at_ms=stored.updated_at_ms)


def announced(desk: DeskInMemory) -> list[IntentRaised]:
    return [IntentRaised.model_validate_json(body) for body in desk.intents_queue.bodies]


def pending(desk: DeskInMemory) -> list[str]:
    return list(MemoryIntentStore(desk.database).pending(limit=10, now_ms=desk.clock.now_ms()))


def test_the_intents_a_run_raised_are_announced_once(desk: DeskInMemory) -> None:
    trade_on_paper(desk)
    message = due(desk, BTC=101.0, ETH=102.0, SOL=99.0)
    for _ in range(2):
        desk.execute(message)
    assert sorted(each.intent_id for each in announced(desk)) == sorted(pending(desk))
    assert len(announced(desk)) == 2
    assert {each.correlation_id for each in announced(desk)} == {message.correlation_id}


def test_a_trader_run_now_has_its_intents_decided_now(desk: DeskInMemory) -> None:
    trade_on_paper(desk)
    due(desk, BTC=101.0)
    run_now(desk, 1)
    assert [each.intent_id for each in announced(desk)] == pending(desk)


def test_a_queue_that_is_away_leaves_intents_to_the_sweep_and_the_run_finished(desk: DeskInMemory) -> None:
    trade_on_paper(desk)
    desk.intents_queue.broken = True
    assert desk.execute(due(desk, BTC=101.0)).signals == 1
    (row,) = desk.database.runs.values()
    assert (row.status, len(pending(desk))) == (RunStatus.FINISHED, 1)


def test_a_run_without_intents_says_nothing(desk: DeskInMemory) -> None:
    desk.execute(due(desk, BTC=101.0))
    assert desk.intents_queue.bodies == []


def woken(desk: DeskInMemory) -> list[SignalsRecorded]:
    return [SignalsRecorded.model_validate_json(body) for body in desk.signals_queue.bodies]


def test_new_signals_wake_signal_agent_once_a_run_when_it_has_something_to_do(desk: DeskInMemory) -> None:
    desk.execute(due(desk, BTC=101.0))
    assert woken(desk) == []  # no book is configured
    desk.agent = SignalAgentSettings(book_id="b")
    message = due(desk, BTC=101.0, ETH=102.0, SOL=99.0)
    for _ in range(2):
        desk.execute(message)
    (sent,) = woken(desk)
    assert (sent.instruments, sent.correlation_id) == (["BTC/USDT", "ETH/USDT"], message.correlation_id)
    run_now(desk, 1)
    assert len(woken(desk)) == 1  # nothing of it was new


@pytest.mark.parametrize(
    "change", [{"book_id": None}, {"autonomy": Autonomy.USER_TRIGGERED}, {"instruments": ("DOGE/USDT",)}], ids=str
)
def test_an_agent_that_would_do_nothing_is_not_woken(desk: DeskInMemory, change: dict[str, Any]) -> None:
    desk.agent = SignalAgentSettings(**({"book_id": "b"} | change))
    assert desk.execute(due(desk, BTC=101.0)).signals == 1
    assert woken(desk) == []


def test_a_trader_run_now_wakes_it_too_and_a_queue_that_is_away_fails_no_run(desk: DeskInMemory) -> None:
    desk.agent = SignalAgentSettings(book_id="b")
    due(desk, BTC=101.0)
    run_now(desk, 1)
    assert [each.instruments for each in woken(desk)] == [["BTC/USDT"]]
    desk.signals_queue.broken = True
    assert desk.execute(due(desk, BTC=101.0)).signals == 1
