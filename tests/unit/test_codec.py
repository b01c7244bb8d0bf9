"""The candle-log codec gives back what the venue sent, to the last digit, and merges entries in log order."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.candles import CLOSE, COLUMNS, Boundary, Candle, CandleFrame, no_trade_candle
from shared.domain.codec import decode, decode_frame, encode
from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe

M1 = Timeframe.M1
STEP = M1.ms


def venue_decimal(digits: int, scale: int) -> str:
    """Print a number as a venue does: at most 15 significant digits, a fixed number of decimals."""
    return f"{Decimal(digits).scaleb(-scale):f}"


@st.composite
def candles(draw: st.DrawFn, open_time: int = STEP) -> Candle:
    scale = draw(st.integers(0, 12))
    low, *others = sorted(draw(st.lists(st.integers(1, 10**15 - 1), min_size=4, max_size=4)))
    high = others.pop()
    first, last = draw(st.permutations(others))
    volume, quote_volume = (
        float(venue_decimal(draw(st.integers(0, 10**15 - 1)), draw(st.integers(0, 15)))) for _ in range(2)
    )
    prices = [float(venue_decimal(price, scale)) for price in (first, high, low, last)]
    unknown_or = st.one_of(st.just(float("nan")), st.integers(0, 10**9).map(float))
    trades, taker = draw(unknown_or), draw(unknown_or)
    return Candle(
        open_time,
        prices[0],
        prices[1],
        prices[2],
        prices[3],
        volume,
        quote_volume,
        trades,
        taker,
        filled=draw(st.booleans()),
    )


def entry(open_time: int, **closes: float) -> dict[str, str]:
    """Return a log entry of flat candles at the given closes."""
    pairs = [
        (f"{name}/USDT", no_trade_candle(open_time, close)._replace(filled=False)) for name, close in closes.items()
    ]
    return encode(Boundary.of(M1, open_time, pairs))


def closes(frame: CandleFrame) -> dict[str, list[float]]:
    return {symbol: row.tolist() for symbol, row in zip(frame.symbols, frame.column("close"), strict=True)}


@given(st.lists(candles(), max_size=6))
def test_every_decimal_of_15_digits_comes_back_equal(rows: list[Candle]) -> None:
    sent = Boundary.of(M1, STEP, [(f"S{i}/USDT", row) for i, row in enumerate(rows)])
    read = decode(M1, encode(sent))
    assert read.symbols == sent.symbols
    np.testing.assert_array_equal(read.values, sent.values)
    np.testing.assert_array_equal(read.filled, sent.filled)


@given(st.lists(st.floats(0, 1e300), min_size=1, max_size=4))
def test_a_double_that_is_no_short_decimal_comes_back_equal(volumes: list[float]) -> None:
    rows = [(f"S{i}/USDT", Candle(STEP, 1 / 3, 2 / 3, 0.1, 0.2, v, v / 3, 1.0, v / 7)) for i, v in enumerate(volumes)]
    sent = Boundary.of(M1, STEP, rows)
    np.testing.assert_array_equal(decode(M1, encode(sent)).values, sent.values)


@given(st.data())
@settings(max_examples=25)
def test_entries_merge_alike_however_they_are_split(data: st.DataObject) -> None:
    times = data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=60))
    entries = [entry(t * STEP, **{data.draw(st.sampled_from("ABC")): float(i + 1)}) for i, t in enumerate(times)]
    cut = data.draw(st.integers(0, len(entries)))
    bars = data.draw(st.integers(1, 15))
    whole = decode_frame(M1, entries, bars=bars)
    head = decode_frame(M1, entries[:cut], bars=15)
    parts = decode_frame(M1, entries[cut:], base=head, bars=bars)
    expected: dict[tuple[str, int], float] = {}
    for made, (time, row) in enumerate(zip(times, entries, strict=True), start=1):
        expected[decode(M1, row).symbols[0], time] = float(made)
    newest = max(times)
    for frame in (whole, parts):
        known = {
            (symbol, int(time) // STEP): float(value)
            for symbol, row in zip(frame.symbols, frame.column("close"), strict=True)
            for time, value in zip(frame.open_times, row, strict=True)
            if not np.isnan(value)
        }
        assert known == {(s, t): v for (s, t), v in expected.items() if t > newest - bars}


def test_a_later_entry_overrides_only_the_cells_it_has() -> None:
    log = [entry(STEP, A=1.0, B=2.0), entry(2 * STEP, A=3.0, B=4.0), entry(STEP, B=2.5)]
    assert closes(decode_frame(M1, log)) == {"A/USDT": [1.0, 3.0], "B/USDT": [2.5, 4.0]}


def test_a_missing_boundary_is_a_bar_of_nan_not_a_shorter_grid() -> None:
    frame = decode_frame(M1, [entry(STEP, A=1.0), entry(3 * STEP, A=3.0)])
    assert frame.open_times.tolist() == [STEP, 2 * STEP, 3 * STEP]
    assert np.isnan(frame.column("close")[0, 1])


def test_a_newly_listed_symbol_joins_without_losing_the_others() -> None:
    base = decode_frame(M1, [entry(STEP, B=1.0)])
    frame = decode_frame(M1, [entry(2 * STEP, A=7.0, B=2.0)], base=base)
    assert closes(frame)["B/USDT"] == [1.0, 2.0]
    assert np.isnan(closes(frame)["A/USDT"][0])


def test_the_newest_bars_are_kept_not_the_oldest() -> None:
    frame = decode_frame(M1, [entry(t * STEP, A=float(t)) for t in range(1, 100)], bars=3)
    assert closes(frame) == {"A/USDT": [97.0, 98.0, 99.0]}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"v": "2"}, "expected candle-log version 1, got '2'"),
        ({"t": "61000"}, "expected open times of 1m"),
        ({"d": "!!"}, "damaged"),
        ({"d": ""}, "damaged"),
        ({"s": "AAAA"}, "damaged"),
    ],
)
def test_a_damaged_entry_is_refused(change: dict[str, str], problem: str) -> None:
    with pytest.raises(InvalidMessageError, match=problem):
        decode(M1, entry(STEP, A=1.0) | change)


@given(st.integers(0, 200))
def test_a_truncated_entry_is_refused_not_half_read(cut: int) -> None:
    whole = entry(STEP, A=1.0, B=2.0, C=3.0)
    short = whole["d"][: min(cut, len(whole["d"]) - 4)]
    with pytest.raises(InvalidMessageError):
        decode(M1, whole | {"d": short})


@pytest.mark.parametrize("bad", [float("inf"), 0.5])
def test_an_impossible_candle_is_not_written(bad: float) -> None:
    values = np.ones((len(COLUMNS), 1))
    values[CLOSE] = bad  # infinite, or below the low
    boundary = Boundary(
        timeframe=M1, open_time=STEP, symbols=("A/USDT",), values=values, filled=np.zeros(1, dtype=np.bool_)
    )
    with pytest.raises(InvalidMessageError, match="finite"):
        encode(boundary)
