"""A buffer that grows in place holds what merging from scratch would, and never changes a frame it has handed out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.candles import Boundary, Candle, CandleFrame
from shared.domain.codec import decode_frame, encode
from shared.domain.frame_buffer import FrameBuffer
from shared.domain.timeframe import Timeframe

M1 = Timeframe.M1
KEEP = 6
SYMBOLS = ("ADA/USDT", "BTC/USDT", "ETH/USDT", "SOL/USDT")

# A stream as it comes: mostly the next minute, sometimes a correction or a hole; symbols come and go.
entries = st.lists(
    st.tuples(st.sampled_from([1, 1, 1, 1, 1, 0, -1, -3, 2, 4]), st.sets(st.sampled_from(SYMBOLS), min_size=1)),
    min_size=1,
    max_size=40,
)


def boundaries(steps: list[tuple[int, set[str]]]) -> list[Boundary]:
    """Return synthetic flat candles whose price is their place in the stream."""
    made, minute = [], 100
    for price, (step, symbols) in enumerate(steps, start=1):
        target = minute + step
        minute = max(minute, target)
        made.append(Boundary.of(M1, target * M1.ms, [(s, flat(target * M1.ms, float(price))) for s in symbols]))
    return made


def flat(open_time: int, price: float) -> Candle:
    return Candle(open_time, price, price, price, price, 1.0, price, 1.0, 0.5, filled=price % 2 == 0)


def cells(frame: CandleFrame) -> dict[tuple[str, int], Candle]:
    return {(symbol, candle.open_time): candle for symbol in frame.symbols for candle in frame.candles(symbol)}


@given(entries, st.integers(1, 5))
def test_merging_bit_by_bit_is_merging_at_once(steps: list[tuple[int, set[str]]], chunk: int) -> None:
    stream = [encode(boundary) for boundary in boundaries(steps)]
    buffer = FrameBuffer(M1, keep=KEEP)
    for start in range(0, len(stream), chunk):
        buffer.merge(decode_frame(M1, stream[start : start + chunk], bars=KEEP))
    at_once = decode_frame(M1, stream, bars=KEEP)
    assert cells(buffer.frame) == cells(at_once)
    assert buffer.frame.open_times[-1] == at_once.open_times[-1]
    assert buffer.frame.bars <= KEEP


@given(entries)
def test_a_frame_handed_out_never_changes(steps: list[tuple[int, set[str]]]) -> None:
    buffer = FrameBuffer(M1, keep=KEEP)
    handed_out: list[tuple[CandleFrame, np.ndarray, np.ndarray]] = []
    for boundary in boundaries(steps):
        buffer.merge(decode_frame(M1, [encode(boundary)], bars=KEEP))
        frame = buffer.frame
        handed_out.append((frame, frame.values.copy(), frame.filled.copy()))
    for frame, values, filled in handed_out:
        np.testing.assert_array_equal(frame.values, values)
        np.testing.assert_array_equal(frame.filled, filled)


def test_memory_is_bounded_and_symbols_that_left_are_forgotten() -> None:
    buffer = FrameBuffer(M1, keep=KEEP)
    for minute in range(200):
        prices = [(f"S{minute // 10}/USDT", flat(minute * M1.ms, 1.0))]
        buffer.merge(decode_frame(M1, [encode(Boundary.of(M1, minute * M1.ms, prices))]))
        assert len(buffer.frame.symbols) <= 3
        base = buffer.frame.values.base
        assert base is None or base.shape[2] <= 2 * KEEP


def test_the_next_boundary_is_written_in_place() -> None:
    buffer = FrameBuffer(M1, keep=100)
    for minute in range(101):
        before = buffer.frame
        buffer.merge(decode_frame(M1, [encode(Boundary.of(M1, minute * M1.ms, [("A/B", flat(minute * M1.ms, 1.0))]))]))
    assert np.shares_memory(before.values, buffer.frame.values)
