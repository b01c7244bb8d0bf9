"""The synthetic market must look enough like a venue's for rules, filters and gaps to have something to do."""

from collections.abc import Callable

import numpy as np
import pytest
import talib

from desk.simulator.instruments import tradable, untradable
from desk.simulator.spec import SyntheticSpec, build_tape
from desk.simulator.synthetic import MAX_SYMBOLS, SyntheticMarket, cycle_bars, synthetic_market
from desk.simulator.tape import Tape
from shared.domain.candles import CLOSE, HIGH, LOW, OPEN, QUOTE_VOLUME, TAKER_BUY_VOLUME, TRADES, VOLUME, Bools, Floats
from shared.domain.timeframe import Timeframe


@pytest.fixture(scope="module")
def market() -> SyntheticMarket:
    return synthetic_market(symbols=50, seed=7, timeframe=Timeframe.M1)


@pytest.fixture(scope="module")
def tape() -> Tape:
    return build_tape(SyntheticSpec(symbols=50, seed=7, live_bars=300, timeframes=(Timeframe.M1, Timeframe.M15)))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not() -> None:
    first, again, other = (synthetic_market(symbols=3, seed=seed, timeframe=Timeframe.M1) for seed in (7, 7, 8))
    assert first.cycle.values.tobytes() == again.cycle.values.tobytes()
    assert first.cycle.filled.tobytes() == again.cycle.filled.tobytes()
    assert first.cycle.values.tobytes() != other.cycle.values.tobytes()


def test_every_candle_is_possible_and_lies_on_the_symbols_grids(market: SyntheticMarket) -> None:
    values = market.cycle.values
    assert not np.isnan(values).any()
    assert (values[LOW] > 0).all()
    assert (values[LOW] <= np.minimum(values[OPEN], values[CLOSE])).all()
    assert (values[HIGH] >= np.maximum(values[OPEN], values[CLOSE])).all()
    assert (values[TAKER_BUY_VOLUME] <= values[VOLUME]).all()
    for row, listed in enumerate(market.instruments):
        for column, decimals in [(CLOSE, listed.price_decimals), (VOLUME, listed.volume_decimals), (QUOTE_VOLUME, 8)]:
            cells = values[column, row, ::97].tolist()
            assert cells == [float(f"{cell:.{decimals}f}") for cell in cells]


def test_a_candle_without_trades_is_flagged_and_repeats_the_previous_close(market: SyntheticMarket) -> None:
    values, filled = market.cycle.values, market.cycle.filled
    np.testing.assert_array_equal(filled, values[VOLUME] == 0)
    np.testing.assert_array_equal(filled, values[TRADES] == 0)
    previous = np.roll(values[CLOSE], 1, axis=1)  # around the cycle, for its last candle comes before its first
    for column in (OPEN, HIGH, LOW, CLOSE):
        np.testing.assert_array_equal(values[column][filled], previous[filled])


def test_the_market_has_pauses_thin_symbols_a_flat_one_and_common_moves(market: SyntheticMarket) -> None:
    rows = slice(0, 50)
    close, filled = market.cycle.column("close")[rows], market.cycle.filled[rows]
    assert filled.all(axis=0).any(), "the venue never paused"
    assert (filled.mean(axis=1) > 0.5).sum() == 5
    assert (np.ptp(close, axis=1) == 0).sum() == 1
    moves = np.diff(np.log(close[:20]), axis=1)
    assert np.median(np.corrcoef(moves)[np.triu_indices(20, 1)]) > 0.3


def test_the_listing_has_what_a_collector_must_leave_out(market: SyntheticMarket) -> None:
    names = {listed.symbol: listed for listed in market.instruments}
    assert {"USDC/USDT", "BTCUP/USDT", "ETH/BTC"} <= names.keys() - set(market.tradable)
    assert not names["LUNA/USDT"].is_trading
    # Names a filter by substring would take for leveraged tokens.
    assert {"JUP/USDT", "SUPER/USDT"} <= set(market.tradable)
    value = dict(zip(names, market.cycle.column("quote_volume").sum(axis=1).tolist(), strict=True))
    assert value["MOULD/USDT"] < min(value[symbol] for symbol in market.tradable) / 10


def test_names_are_unique_and_stay_so_when_the_market_grows() -> None:
    names = [listed.wire for listed in (*tradable(MAX_SYMBOLS), *untradable())]
    assert len(set(names)) == MAX_SYMBOLS + len(untradable())
    assert [listed.wire for listed in tradable(10)] == names[:10]


@pytest.mark.parametrize("timeframe", [Timeframe.M1, Timeframe.M15, Timeframe.D1])
def test_a_cycle_is_whole_days_so_that_every_longer_candle_repeats_too(timeframe: Timeframe) -> None:
    assert cycle_bars(50) * timeframe.ms % Timeframe.D1.ms == 0


def sma(values: Floats, bars: int) -> Floats:
    return np.asarray(talib.SMA(values, bars))


def ema(values: Floats, bars: int) -> Floats:
    return np.asarray(talib.EMA(values, bars))


def crosses_above(one: Floats, other: Floats) -> Bools:
    return np.append(False, (one[1:] > other[1:]) & (one[:-1] <= other[:-1]))


def squeeze_exit(close: Floats) -> Bools:
    upper, middle, lower = talib.BBANDS(close, 20)
    width = (upper - lower) / middle
    return np.append(False, (close[1:] > upper[1:]) & (width[:-1] <= talib.MIN(width, 60)[:-1] * 1.1))


def three_red(opened: Floats, close: Floats) -> Bools:
    red = close < opened
    return np.append([False, False], red[2:] & red[1:-1] & red[:-2])


def macd_cross(close: Floats) -> Bools:
    line, signal, _ = talib.MACD(close)
    return crosses_above(np.asarray(line), np.asarray(signal))


Strategy = Callable[[Floats], Bools]
STRATEGIES: dict[str, Strategy] = {
    "RSI oversold bounce": lambda v: crosses_above(np.asarray(talib.RSI(v[CLOSE], 14)), np.full(v.shape[1], 30.0)),
    "volume spike": lambda v: v[VOLUME] > 3 * np.r_[np.nan, sma(v[VOLUME], 20)[:-1]],
    "golden cross": lambda v: crosses_above(sma(v[CLOSE], 50), sma(v[CLOSE], 200)),
    "MACD cross": lambda v: macd_cross(v[CLOSE]),
    "Bollinger squeeze exit": lambda v: squeeze_exit(v[CLOSE]),
    "momentum": lambda v: (ema(v[CLOSE], 20) > ema(v[CLOSE], 50)) & (np.asarray(talib.RSI(v[CLOSE])) > 60),
    "three red candles": lambda v: three_red(v[OPEN], v[CLOSE]),
    "20-bar breakout": lambda v: v[CLOSE] > np.r_[np.nan, np.asarray(talib.MAX(v[HIGH], 20))[:-1]],
}


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("timeframe", [Timeframe.M1, Timeframe.M5, Timeframe.M15])
def test_the_usual_strategies_fire_within_a_few_hundred_candles(tape: Tape, name: str, timeframe: Timeframe) -> None:
    frame = tape.frame(timeframe, since=tape.start, until=tape.live_from).tail(500)
    strategy = STRATEGIES[name]
    with np.errstate(invalid="ignore", divide="ignore"):
        fired = [int(np.sum(strategy(np.ascontiguousarray(values)))) for values in frame.values.transpose(1, 0, 2)]
    assert sum(count > 0 for count in fired) >= 5
    assert sum(fired) < 0.4 * frame.bars * len(fired), "a strategy that always fires shows nothing"
