"""Backfill: what is missing, what an answer proves, and entries that do not push each other out of the log."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.backfill import Stretch, Window, lacking, log_entries, newest_symbols, series_of
from shared.domain.candles import Boundary, Candle, CandleFrame, empty_frame, frame_of
from shared.domain.codec import decode_frame, encode
from shared.domain.timeframe import Timeframe

M1 = Timeframe.M1
MINUTE = 60_000
START = 1_700_000_040_000 // MINUTE * MINUTE


def candle(minute: int, close: float = 10.0) -> Candle:
    return Candle(START + minute * MINUTE, 10.0, 20.0, 5.0, close, 1.0, 10.0, 3.0, 0.5)


def series(minutes: Sequence[int], close: float = 10.0) -> CandleFrame:
    return frame_of(M1, {"": [candle(minute, close) for minute in minutes]})


def log_after(stream: Sequence[Boundary], appended: Sequence[Boundary], depth: int) -> CandleFrame:
    """What the log holds when each entry pushes the oldest one out."""
    return decode_frame(M1, [encode(boundary) for boundary in [*stream, *appended][-depth:]], bars=depth)


def test_the_window_ends_with_the_last_closed_candle() -> None:
    window = Window.before(M1, START + 59_999, bars=3)
    assert list(window.open_times()) == [START - 3 * MINUTE, START - 2 * MINUTE, START - MINUTE]


def test_a_hole_of_exactly_one_candle_is_lacking() -> None:
    frame = frame_of(M1, {"BTC/USDT": [candle(0), candle(2)], "ETH/USDT": [candle(0), candle(1), candle(2)]})
    window = Window(timeframe=M1, first_open=START, last_open=START + 2 * MINUTE)
    assert lacking(frame, "BTC/USDT", window) == {START + MINUTE}
    assert lacking(frame, "ETH/USDT", window) == frozenset()
    assert lacking(frame, "NEW/USDT", window) == set(window.open_times())


def test_a_hole_between_two_candles_becomes_a_marked_no_trade_candle() -> None:
    stretch = Stretch(candles=(candle(0, 12.0), candle(2)), newest_open=START + 2 * MINUTE)
    filled = series_of(stretch, M1)[START + MINUTE]
    assert (filled.filled, filled.open, filled.close, filled.volume) == (True, 12.0, 12.0, 0.0)


def test_the_forming_candle_proves_a_hole_before_it() -> None:
    """The venue answered with the candle before and the one now forming: in between nobody traded."""
    stretch = Stretch(candles=(candle(0, 12.0),), newest_open=START + 2 * MINUTE)
    assert set(series_of(stretch, M1)) == {START, START + MINUTE}


def test_the_end_of_the_data_and_the_time_before_a_listing_are_no_holes() -> None:
    assert set(series_of(Stretch(candles=(candle(4), candle(5)), newest_open=START + 5 * MINUTE), M1)) == {
        START + 4 * MINUTE,
        START + 5 * MINUTE,
    }
    assert series_of(Stretch(candles=(), newest_open=None), M1) == {}
    assert series_of(Stretch(candles=(), newest_open=START), M1) == {}  # only a forming candle: just listed


def test_an_empty_log_gets_one_entry_per_boundary_in_order() -> None:
    fetched = {"BTC/USDT": series(range(3)), "ETH/USDT": series(range(1, 3))}
    entries = log_entries(empty_frame(M1), fetched, ["BTC/USDT", "ETH/USDT"], depth=100)
    assert [(entry.open_time, entry.symbols) for entry in entries] == [
        (START, ("BTC/USDT",)),
        (START + MINUTE, ("BTC/USDT", "ETH/USDT")),
        (START + 2 * MINUTE, ("BTC/USDT", "ETH/USDT")),
    ]


def test_after_a_pause_only_what_is_new_is_appended() -> None:
    frame = frame_of(M1, {"BTC/USDT": [candle(minute) for minute in range(50)]})
    entries = log_entries(frame, {"BTC/USDT": series(range(50, 53))}, ["BTC/USDT"], depth=100)
    assert [entry.open_time for entry in entries] == [START + minute * MINUTE for minute in (50, 51, 52)]


def test_a_single_hole_is_mended_by_a_single_entry() -> None:
    frame = frame_of(M1, {"BTC/USDT": [candle(minute) for minute in range(100) if minute != 40]})
    entries = log_entries(frame, {"BTC/USDT": series([40])}, ["BTC/USDT"], depth=100)
    assert [(entry.open_time, entry.symbols) for entry in entries] == [(START + 40 * MINUTE, ("BTC/USDT",))]


def test_a_newcomers_history_does_not_push_the_others_out() -> None:
    """A hundred entries of one symbol each would leave a log of a hundred entries without all other symbols."""
    old = {"BTC/USDT": series(range(100)), "ETH/USDT": series(range(100))}
    stream = list(log_entries(empty_frame(M1), old, list(old), depth=100))
    frame = log_after([], stream, 100)
    symbols = ["BTC/USDT", "ETH/USDT", "SOL/USDT"]
    added = list(log_entries(frame, {"SOL/USDT": series(range(100), 7.0)}, symbols, depth=100))
    after = log_after(stream, added, 100)
    for symbol, expected in {**old, "SOL/USDT": series(range(100), 7.0)}.items():
        assert after.candles(symbol) == expected.candles("")


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 59)), st.sets(st.integers(0, 59)), st.integers(0, 6))
def test_whatever_the_log_lacks_it_has_afterwards(known: set[int], fetched: set[int], more: int) -> None:
    """Within the newest `depth` bars, whether it was appended, corrected or written anew."""
    depth = 60
    stream = list(log_entries(empty_frame(M1), {"BTC/USDT": series(sorted(known))}, ["BTC/USDT"], depth=depth))
    frame = log_after([], stream, depth)
    news = {"ETH/USDT": series([*sorted(fetched), *range(60, 60 + more)], 7.0)}
    after = log_after(stream, list(log_entries(frame, news, ["BTC/USDT", "ETH/USDT"], depth=depth)), depth)
    have = {c.open_time for c in after.candles("ETH/USDT")} if "ETH/USDT" in after.symbols else set()
    asked = [START + minute * MINUTE for minute in [*fetched, *range(60, 60 + more)]]
    last = max([*asked, *(START + minute * MINUTE for minute in known)], default=0)
    assert have == {open_time for open_time in asked if open_time > last - depth * MINUTE}


def test_the_symbols_collected_until_now_are_those_of_the_newest_bar() -> None:
    frame = frame_of(M1, {"BTC/USDT": [candle(0), candle(1)], "OLD/USDT": [candle(0)]})
    assert newest_symbols(frame, bars=1) == {"BTC/USDT"}
    assert newest_symbols(frame) == {"BTC/USDT", "OLD/USDT"}
    assert newest_symbols(empty_frame(M1)) == set()
