"""What every OutcomeStore keeps, in memory and in Supabase."""

from dataclasses import replace
from uuid import uuid4

import pytest

from shared.domain.errors import InvalidMessageError
from shared.domain.outcomes import Awaited, Outcome
from shared.domain.scorecard import Tally
from shared.domain.timeframe import Timeframe
from shared.domain.traders import PositionSide
from tests.contract.stores import CLOSE, Stores, a_signal, a_trader, boundary

ALICE, BOB = str(uuid4()), str(uuid4())


def fired(stores: Stores, *minutes: int, owner: str | None = None, side: PositionSide = PositionSide.LONG) -> str:
    """Record signals of a new trader and return its id."""
    trader_id = stores.traders().create(a_trader(owner)).trader_id
    signals = [a_signal(trader_id, minute=minute)._replace(side=side) for minute in minutes]
    stores.signals().record("binance", "c", signals)
    return trader_id


def an_outcome(awaited: Awaited, forward_return: float = 0.01) -> Outcome:
    return Outcome(awaited.signal_id, awaited.bars, forward_return, max(forward_return, 0.0) + 0.005, -0.002)


def test_a_signal_is_due_after_each_horizon_once(stores: Stores) -> None:
    fired(stores, 0, side=PositionSide.SHORT)
    outcomes, seen = stores.outcomes(), []
    assert list(outcomes.due(boundary(0), limit=10)) == []
    for minute in range(1, 70):
        for awaited in outcomes.due(boundary(minute), limit=10):
            assert (awaited.symbol, awaited.close_time, awaited.price) == ("BTC/USDT", CLOSE, 0.00001234)
            assert awaited.side is PositionSide.SHORT
            seen.append((minute, awaited.bars))
            assert outcomes.record([an_outcome(awaited)]) == 1
    assert seen == [(1, 1), (5, 5), (20, 20), (60, 60)]


def test_what_is_late_is_due_oldest_first_and_in_batches(stores: Stores) -> None:
    fired(stores, 3, 1, 2)
    outcomes, seen = stores.outcomes(), []
    while awaited := outcomes.due(boundary(30), limit=2):
        assert len(awaited) <= 2
        seen += [(signal.close_time - CLOSE, signal.bars) for signal in awaited]
        outcomes.record([an_outcome(signal) for signal in awaited])
    assert sorted(seen) == [(minute * 60_000, bars) for minute in (1, 2, 3) for bars in (1, 5, 20)]
    assert seen[0] == (60_000, 1)


def test_other_timeframes_and_venues_wait_for_their_own_boundaries(stores: Stores) -> None:
    fired(stores, 0)
    assert list(stores.outcomes().due(replace(boundary(60), timeframe=Timeframe.M3), limit=10)) == []


def test_an_outcome_is_recorded_once_and_may_be_unknown(stores: Stores) -> None:
    fired(stores, 0)
    outcomes = stores.outcomes()
    (awaited,) = outcomes.due(boundary(1), limit=10)
    first = an_outcome(awaited, 0.02)
    unknown = Outcome(awaited.signal_id, 5, None, None, None)
    assert outcomes.record([first, unknown]) == 2
    assert outcomes.record([an_outcome(awaited, 0.5)]) == 0  # delivered again: the first one stays
    assert list(outcomes.of_signal(awaited.signal_id)) == [first, unknown]
    assert [signal.bars for signal in outcomes.due(boundary(60), limit=10)] == [20]
    with pytest.raises(InvalidMessageError, match="bars"):
        outcomes.record([first._replace(bars=7)])


def test_tallies_are_sums_over_all_by_symbol_and_by_hour(stores: Stores) -> None:
    trader_id = fired(stores, 0, 1, 2)
    stores.signals().record("binance", "c", [a_signal(trader_id, symbol="ETH/USDT", minute=60)])
    outcomes = stores.outcomes()
    returns = iter((0.01, -0.02, 0.03))
    for awaited in outcomes.due(boundary(3), limit=10):
        outcomes.record([an_outcome(awaited, next(returns))])

    tallies = {(tally.symbol, tally.hour): tally for tally in outcomes.tallies(trader_id, bars=1)}

    hour = CLOSE // 3_600_000 % 24
    assert set(tallies) == {(None, None), ("BTC/USDT", None), ("ETH/USDT", None), (None, hour), (None, hour + 1)}
    whole = tallies[None, None]
    assert (whole.signals, whole.measured, whole.hits) == (4, 3, 2)
    assert whole.total_return == pytest.approx(0.02)
    assert whole.total_favourable == pytest.approx(0.015 + 0.005 + 0.035)
    assert whole.total_adverse == pytest.approx(-0.006)
    assert (whole.first_close_time, whole.last_close_time) == (CLOSE, CLOSE + 3_600_000)
    assert tallies["ETH/USDT", None] == Tally(
        symbol="ETH/USDT",
        signals=1,
        measured=0,
        hits=0,
        total_return=0.0,
        total_favourable=0.0,
        total_adverse=0.0,
        first_close_time=CLOSE + 3_600_000,
        last_close_time=CLOSE + 3_600_000,
    )
    assert outcomes.tallies(trader_id, bars=1, rule_hash="c0ffee")
    assert list(outcomes.tallies(trader_id, bars=1, rule_hash="another")) == []
    assert list(outcomes.tallies("nobody", bars=1)) == []


def test_people_see_what_became_of_the_signals_they_see(stores: Stores) -> None:
    built_in, hers = fired(stores, 0), fired(stores, 0, owner=ALICE)
    stores.outcomes().record([an_outcome(awaited) for awaited in stores.outcomes().due(boundary(1), limit=10)])
    for trader_id, person, measured in ((built_in, BOB, [1]), (hers, ALICE, [1]), (hers, BOB, [])):
        tallies = stores.outcomes(person).tallies(trader_id, bars=1)
        assert [tally.measured for tally in tallies if tally.symbol == "BTC/USDT"] == measured
    (signal,) = stores.signals().list(limit=1, trader_id=hers)
    assert len(stores.outcomes(ALICE).of_signal(signal.signal_id)) == 1
    assert list(stores.outcomes(BOB).of_signal(signal.signal_id)) == []
