"""`on(timeframe, x)` is x on that timeframe's own closed candles, at every bar of the trader's, to the last bit."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.candles import Bools, CandleFrame, Floats
from shared.domain.resample import resample
from shared.domain.rules import Market, compile_rule
from shared.domain.rules.conditions import Compare
from shared.domain.timeframe import Timeframe

M1 = Timeframe.M1
BARS = 1_500
SEEN = 37
"""How many bars are compared: two closes of 15m and seven of 5m are among them, and the bars between."""

Frames = Callable[..., CandleFrame]
either_timeframe = pytest.mark.parametrize("timeframe", [Timeframe.M5, Timeframe.M15])


def truth_of(text: str, market: Market, timeframe: Timeframe, close_time: int, bars: int = 1) -> tuple[Bools, Bools]:
    """Return what holds where that is known, and where it is, at the last bars."""
    truth = compile_rule(text).truth(market.view(timeframe, close_time), bars)
    return truth.yes & truth.known, truth.known


def numbers_of(text: str, market: Market, timeframe: Timeframe, close_time: int, bars: int = 1) -> Floats:
    """Return a number at the last bars."""
    compared = compile_rule(f"{text} > 0").root
    assert isinstance(compared, Compare)
    with np.errstate(all="ignore"):
        return compared.sides[0].values(market.view(timeframe, close_time), bars).cells


def both(candles: CandleFrame, timeframe: Timeframe) -> tuple[Market, Market]:
    """Return the market of a trader on 1m, and one that knows nothing but the longer candles."""
    longer = resample(candles, timeframe)
    return Market({M1: candles, timeframe: longer}), Market({timeframe: longer})


@either_timeframe
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_condition_is_the_longer_candles_own(
    timeframe: Timeframe, data: st.DataObject, own_conditions: st.SearchStrategy[str], frame: Frames
) -> None:
    condition = data.draw(own_conditions)
    text = f'on("{timeframe}", {condition})'
    candles = frame(symbols=3, bars=BARS + data.draw(st.integers(0, 14)), seed=data.draw(st.integers(0, 9)))
    market, longer = both(candles, timeframe)
    together = truth_of(text, market, M1, candles.close_time, SEEN)
    for ago in range(SEEN):
        now = candles.close_time - ago * M1.ms
        alone = truth_of(text, market, M1, now)
        own = truth_of(condition, longer, timeframe, timeframe.last_close(now))
        for table, cell, wanted in zip(together, alone, own, strict=True):
            assert table[:, SEEN - 1 - ago].tolist() == cell[:, 0].tolist() == wanted[:, 0].tolist(), ago


@either_timeframe
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_number_is_the_longer_candles_own(
    timeframe: Timeframe, data: st.DataObject, own_numbers: st.SearchStrategy[str], frame: Frames
) -> None:
    number = data.draw(own_numbers)
    text = f'on("{timeframe}", {number})'
    candles = frame(symbols=3, bars=BARS + data.draw(st.integers(0, 14)), seed=data.draw(st.integers(0, 9)))
    market, longer = both(candles, timeframe)
    together = numbers_of(text, market, M1, candles.close_time, SEEN)
    for ago in range(SEEN):
        now = candles.close_time - ago * M1.ms
        own = numbers_of(number, longer, timeframe, timeframe.last_close(now))
        for cells in (together[:, [SEEN - 1 - ago]], numbers_of(text, market, M1, now)):
            assert np.array_equal(cells, own, equal_nan=True), ago


@either_timeframe
def test_where_both_close_together_the_candle_that_just_closed_counts(timeframe: Timeframe, frame: Frames) -> None:
    candles = frame(symbols=2, bars=BARS)  # ends at a close of either
    market, _ = both(candles, timeframe)
    step = timeframe.ms // M1.ms
    closes = numbers_of(f'on("{timeframe}", close)', market, M1, candles.close_time, step + 1)
    assert closes[:, -1].tolist() == candles.column("close")[:, -1].tolist()
    for column in range(step):
        assert closes[:, column].tolist() == candles.column("close")[:, -1 - step].tolist()
