"""A loss is positive, the shortfall is beyond it, and too little history is no number at all."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shared.domain.timeframe import Timeframe
from shared.domain.trading.closes import Closes
from shared.domain.trading.value_at_risk import (
    DAYS_PER_YEAR,
    ENOUGH,
    History,
    InsufficientData,
    Tail,
    history_of,
    shock_of,
    tails_of,
)
from tests.unit.domain.trading.desk import BTC, ETH, NOW_MS, closes

HOURS_OF_A_DAY = math.sqrt(24)


def history(seen: Closes, *symbols: str, seed: int = 0) -> History:
    found = history_of(seen, symbols or seen.symbols, now_ms=NOW_MS, seed=seed)
    assert isinstance(found, History), found
    return found


def of_prices(prices: list[list[float]], *, timeframe: Timeframe = Timeframe.H1) -> Closes:
    bars = len(prices[0])
    end = timeframe.open_time(NOW_MS)
    return Closes(
        timeframe=timeframe,
        symbols=(BTC, ETH)[: len(prices)],
        open_times=np.arange(end - bars * timeframe.ms, end, timeframe.ms, dtype=np.int64),
        values=np.array(prices),
    )


def of_returns(returns: list[float], *, timeframe: Timeframe = Timeframe.H1) -> Closes:
    return of_prices([list(100 * np.cumprod([1.0, *(1 + np.array(returns))]))], timeframe=timeframe)


def test_a_hundred_days_lose_what_the_fifth_worst_lost_and_beyond_it_their_mean() -> None:
    returns = [0.001 * day for day in range(-5, ENOUGH - 5)]  # the worst are −0.5, −0.4, −0.3, −0.2, −0.1 percent
    tails = tails_of(history(of_returns(returns, timeframe=Timeframe.D1)), {BTC: 1_000.0})
    # At most five of a hundred are worse than the sixth worst, which is 0.
    assert tails.historical == pytest.approx(Tail(0.0, 15.0 / 6), abs=1e-9)
    short = tails_of(history(of_returns(returns, timeframe=Timeframe.D1)), {BTC: -1_000.0})
    assert short.historical.value_at_risk == pytest.approx(89.0)  # the rises cost a short: 94, 93, 92, 91, 90, then 89
    assert short.historical.expected_shortfall == pytest.approx(91.5)


def test_the_parametric_loss_is_a_normal_quantile_of_the_deviation() -> None:
    rates = [0.01, -0.01] * 100
    tails = tails_of(history(of_returns(rates, timeframe=Timeframe.D1)), {BTC: 1_000.0})
    deviation = 10 * math.sqrt(200 / 199)
    assert tails.parametric.value_at_risk == pytest.approx(1.6448536 * deviation, rel=1e-6)
    assert tails.parametric.expected_shortfall == pytest.approx(2.0627128 * deviation, rel=1e-6)
    assert tails.yearly_deviation == pytest.approx(deviation * math.sqrt(DAYS_PER_YEAR))


def test_an_hours_returns_are_taken_to_a_day_of_twenty_four() -> None:
    rates = list(np.random.default_rng(3).normal(0, 0.01, 300))
    hourly = tails_of(history(of_returns(rates)), {BTC: 1.0})
    daily = tails_of(history(of_returns(rates, timeframe=Timeframe.D1)), {BTC: 1.0})
    for one, other in zip(hourly[:3], daily[:3], strict=True):
        assert np.allclose(np.array(one), HOURS_OF_A_DAY * np.array(other), rtol=1e-9)


def test_the_simulated_loss_has_fat_tails_and_repeats_with_its_seed() -> None:
    seen = closes([BTC, ETH], bars=1_000)
    portfolio = {BTC: 1_000.0, ETH: 500.0}
    tails = tails_of(history(seen), portfolio)
    assert tails == tails_of(history(seen), portfolio)
    assert tails.monte_carlo != tails_of(history(seen, seed=1), portfolio).monte_carlo
    # A t of 4 degrees with the same deviation: its 95 % quantile is 2.1318 / √2, its shortfall 3.2029 / √2.
    deviation = tails.parametric.value_at_risk / 1.6448536
    assert tails.monte_carlo.value_at_risk == pytest.approx(2.1318 / math.sqrt(2) * deviation, rel=0.1)
    assert tails.monte_carlo.expected_shortfall == pytest.approx(3.2029 / math.sqrt(2) * deviation, rel=0.15)


def test_a_hedge_is_worth_something_and_doubling_the_book_doubles_the_loss() -> None:
    seen = history(closes([BTC, ETH]))
    whole = tails_of(seen, {BTC: 1_000.0, ETH: 1_000.0})
    hedged = tails_of(seen, {BTC: 1_000.0, ETH: -1_000.0})
    doubled = tails_of(seen, {BTC: 2_000.0, ETH: 2_000.0})
    assert hedged.worst < whole.worst
    assert doubled.worst == pytest.approx(2 * whole.worst)
    assert tails_of(seen, {}).worst == 0.0


def test_returns_are_of_the_same_bars_in_every_symbol() -> None:
    seen = closes([BTC, ETH], bars=250)
    seen.values[0, 10] = np.nan
    seen.values[1, 240] = np.nan
    assert history(seen).daily.shape == (249 - 4, 2)
    assert history(seen, ETH).daily.shape == (249 - 2, 1)


def test_correlation_is_told_by_sign() -> None:
    up = list(np.cumprod(1 + np.random.default_rng(5).normal(0, 0.01, 200)))
    seen = history(of_prices([up, [1 / price for price in up]]))
    assert seen.moving_with(BTC, 0.9) == {BTC: 1, ETH: -1}


@pytest.mark.parametrize(
    ("seen", "symbols", "said"),
    [
        (None, [BTC], "no candles of BTC/USDT"),
        (closes([BTC]), [BTC, ETH], "no candles of ETH/USDT"),
        (closes([BTC], bars=ENOUGH), [BTC], "BTC/USDT has 99"),
        (of_prices([[100.0] * 200]), [BTC], "has not moved"),
        (of_prices([[float("nan")] * 200]), [BTC], "BTC/USDT has 0"),
    ],
)
def test_too_little_history_is_an_answer_of_its_own(seen: Closes | None, symbols: list[str], said: str) -> None:
    found = history_of(seen, symbols, now_ms=NOW_MS)
    assert isinstance(found, InsufficientData)
    assert said in found.sentence


def test_history_that_ended_long_ago_is_no_history() -> None:
    found = history_of(closes([BTC]), [BTC], now_ms=NOW_MS + 4 * Timeframe.H1.ms)
    assert isinstance(found, InsufficientData)
    assert "candles ago" in found.sentence


def test_enough_is_enough_and_a_book_without_positions_needs_no_history() -> None:
    assert isinstance(history_of(closes([BTC], bars=ENOUGH + 1), [BTC], now_ms=NOW_MS), History)
    assert tails_of(history(closes([BTC])), {}).parametric == Tail(0.0, 0.0)
    assert isinstance(history_of(None, [], now_ms=NOW_MS), History)


@given(
    arrays(np.float64, (2, 150), elements=st.floats(-0.2, 0.2).filter(lambda x: x == 0 or abs(x) > 1e-6)),
    st.floats(-1e6, 1e6),
    st.floats(-1e6, 1e6),
)
def test_the_shortfall_is_never_less_than_the_value_at_risk(
    returns: np.ndarray[tuple[int, int], np.dtype[np.float64]], one: float, other: float
) -> None:
    prices = 100 * np.cumprod(1 + returns, axis=1)
    found = history_of(of_prices(prices.tolist()), [BTC, ETH], now_ms=NOW_MS)
    if isinstance(found, InsufficientData):
        assert "has not moved" in found.sentence
        return
    tails = tails_of(found, {BTC: one, ETH: other})
    for tail in (tails.historical, tails.parametric, tails.monte_carlo):
        assert math.isfinite(tail.value_at_risk)
        assert tail.expected_shortfall >= tail.value_at_risk - 1e-9 * abs(tail.value_at_risk)
    assert tails.worst >= tails.parametric.value_at_risk >= 0


def test_a_shock_is_counted_in_deviations_of_what_came_before() -> None:
    calm = [0.01, -0.01] * 60
    for last in (0.05, -0.05):
        assert shock_of(of_returns([*calm, last]), BTC) == pytest.approx(5.0)
    assert isinstance(shock_of(of_returns(calm[:90]), BTC), InsufficientData)
    assert isinstance(shock_of(of_prices([[100.0] * 200]), BTC), InsufficientData)
    assert isinstance(shock_of(of_returns(calm), ETH), InsufficientData)
    gone = of_returns([*calm, 0.05])
    assert isinstance(
        shock_of(replace(gone, values=np.where(gone.values == gone.values[0, -1], np.nan, gone.values)), BTC),
        InsufficientData,
    )
