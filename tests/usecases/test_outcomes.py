"""Outcomes come with the boundaries: each once, however often and late they are delivered."""

import pytest

from shared.domain.outcomes import HORIZONS
from shared.usecases.outcomes import performance
from tests.usecases.desk_in_memory import DeskInMemory, make_trader

RULE = "close > 100"


def a_desk(*rules: str) -> DeskInMemory:
    desk = DeskInMemory(traders_per_shard=1)
    for number, rule in enumerate(rules or (RULE,)):
        desk.traders.create(make_trader(number, rule))
    return desk


def live(desk: DeskInMemory, price: float) -> None:
    desk.announce(desk.minute(BTC=price))
    desk.work()


def known(desk: DeskInMemory) -> dict[int, float | None]:
    """Return the forward returns of the first signal, in percent, by bars."""
    first = min(desk.database.signals.values(), key=lambda row: row.signal.close_time)
    found = desk.outcomes.of_signal(first.signal_id)
    return {o.bars: None if o.forward_return is None else round(100 * o.forward_return, 6) for o in found}


def test_each_outcome_is_recorded_when_its_time_has_come() -> None:
    desk = a_desk()
    live(desk, 200.0)
    seen = []
    for minute in range(1, 62):
        live(desk, 200.0 + minute)
        seen.append(len(known(desk)))
    assert [seen.index(count) + 1 for count in (1, 2, 3, 4)] == [1, 5, 20, 60]
    assert known(desk) == {1: 0.5, 5: 2.5, 20: 10.0, 60: 30.0}


def test_an_interruption_is_made_up_for() -> None:
    desk = a_desk()
    live(desk, 200.0)
    for minute in range(1, 100):
        desk.minute(BTC=200.0 + minute)  # nobody is woken
    assert known(desk) == {}
    live(desk, 500.0)
    assert known(desk) == {1: 0.5, 5: 2.5, 20: 10.0, 60: 30.0}


def test_a_redelivered_boundary_measures_nothing_twice() -> None:
    desk = a_desk()
    live(desk, 200.0)
    event = desk.minute(BTC=210.0)
    desk.announce(event)
    messages = desk.messages()
    for _ in range(3):
        for message in messages:
            desk.execute(message)
    assert known(desk) == {1: 5.0}
    assert len(desk.database.outcomes) == 1


def test_a_symbol_that_vanished_has_an_unknown_outcome_in_the_end() -> None:
    desk = a_desk()
    desk.announce(desk.minute(GONE=200.0))
    desk.work()
    for _ in range(80):
        desk.announce(desk.minute(BTC=50.0))
        desk.work()
    assert known(desk) == dict.fromkeys(HORIZONS)


def test_only_one_shard_measures() -> None:
    desk = a_desk(RULE, "close > 150", "close > 180")
    live(desk, 200.0)
    live(desk, 201.0)
    assert {o.bars for o in desk.database.outcomes.values()} == {1}
    assert len(desk.database.outcomes) == 3


def test_a_scorecard_is_of_the_present_rule_unless_asked_otherwise() -> None:
    desk = a_desk()
    for minute in range(30):
        live(desk, 200.0 + minute % 2)
    trader = desk.traders.get(make_trader(0, RULE).trader_id)

    def card(**change: bool) -> int:
        scores = performance(
            trader, bars=1, fee_rate=0.001, outcomes=desk.outcomes, clock=desk.clock, **({"every_rule": False} | change)
        )
        return scores.total.tally.measured

    assert card() == 29
    trader = desk.traders.update(make_trader(0, "close > 200.5"), expected_updated_at_ms=trader.updated_at_ms)
    assert card() == 0
    assert card(every_rule=True) == 29
    scores = performance(trader, bars=1, fee_rate=0.001, every_rule=True, outcomes=desk.outcomes, clock=desk.clock)
    assert scores.total.hit_rate == pytest.approx(15 / 29)
