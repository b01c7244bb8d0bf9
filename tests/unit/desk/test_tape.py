import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.simulator.spec import FilesSpec, SyntheticSpec, build_tape, read_spec
from desk.simulator.tape import Tape
from shared.domain.candles import CLOSE, HIGH, LOW, OPEN, TRADES, VOLUME
from shared.domain.errors import InvalidMessageError
from shared.domain.resample import resample
from shared.domain.timeframe import Timeframe

T0 = 1_640_995_200_000  # 2022-01-01T00:00Z
MINUTE = 60_000

SYNTHETIC = build_tape(SyntheticSpec(symbols=10, history_bars=100, live_bars=60))


def save(path: Path, minutes: range, *, close: float = 10.0) -> Path:
    rows = [f"{T0 + minute * MINUTE},{close},{close + 1},{close - 1},{close},2" for minute in minutes]
    path.write_text("\n".join(["open_time,open,high,low,close,volume", *rows]))
    return path


def recorded(tmp_path: Path, *, history: int, live: int | None) -> Tape:
    files = {
        "BTC/USDT": save(tmp_path / "btc.csv", range(30)),
        "ETH/USDT": save(tmp_path / "eth.csv", range(7, 25), close=5.0),
    }
    return build_tape(FilesSpec(files=files, history_bars=history, live_bars=live))


def test_history_is_long_enough_for_the_longest_timeframe_but_bounded() -> None:
    longest = (Timeframe.M1, Timeframe.M15)
    tape = build_tape(SyntheticSpec(symbols=1, timeframes=longest, history_bars=300, live_bars=1))
    assert tape.frame(Timeframe.M15, since=tape.start, until=tape.live_from).bars == 300
    tape = build_tape(SyntheticSpec(symbols=1, timeframes=(Timeframe.D1,), history_bars=1_000, live_bars=1))
    assert tape.live_from - tape.start == 20_000 * MINUTE


def test_longer_candles_are_the_shorter_ones_joined() -> None:
    tape = SYNTHETIC
    minutes = tape.frame(Timeframe.M1, since=tape.start, until=tape.live_from)
    expected = resample(minutes, Timeframe.M15)
    shown = tape.frame(Timeframe.M15, since=int(expected.open_times[0]), until=tape.live_from)
    np.testing.assert_array_equal(shown.values, expected.values)
    np.testing.assert_array_equal(shown.open_times, expected.open_times)


def test_what_a_collector_should_store_is_counted_by_symbol_timeframe_and_boundary() -> None:
    tape = SYNTHETIC
    assert tape.end is not None
    assert tape.expected((Timeframe.M1, Timeframe.M5), since=tape.live_from, until=tape.end) == 10 * (60 + 12)
    assert tape.expected((Timeframe.M1,), since=tape.end, until=tape.end + 9 * MINUTE) == 0


def test_an_endless_tape_shows_the_same_candles_whenever_it_was_started() -> None:
    early, late = (
        build_tape(SyntheticSpec(symbols=2, live_from=T0 + shift * MINUTE + 17_000)) for shift in (0, 40_321)
    )
    assert early.end is None
    assert late.live_from % MINUTE == 0
    since, until = late.live_from, late.live_from + 50 * MINUTE
    one, other = (tape.frame(Timeframe.M1, since=since, until=until) for tape in (early, late))
    np.testing.assert_array_equal(one.values, other.values)


def test_the_cycle_continues_without_a_jump() -> None:
    frame = build_tape(SyntheticSpec(symbols=5, seed=3)).frame(Timeframe.M1, since=T0, until=T0 + 30_000 * MINUTE)
    opens, closes = frame.column("open")[:, 1:], frame.column("close")[:, :-1]
    ticks = [10.0**-listed.price_decimals for listed in SYNTHETIC.instruments[:5]]
    assert (np.abs(opens - closes) <= 1.5 * np.array(ticks)[:, None]).all()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 59 * MINUTE),
    st.integers(1, 15 * MINUTE),
    st.sampled_from([Timeframe.M1, Timeframe.M5, Timeframe.M15]),
)
def test_a_forming_candle_only_grows_and_never_leaves_the_candle_it_becomes(
    offset: int, later: int, timeframe: Timeframe
) -> None:
    tape = SYNTHETIC
    now = tape.live_from + offset
    then = min(now + later, timeframe.close_time(now) - 1)
    before, after = (tape.forming(timeframe, time, tape.tradable) for time in (now, then))
    closed = tape.frame(timeframe, since=timeframe.open_time(now), until=timeframe.close_time(now)).values[:, :, 0]
    for forming in (before, after):
        np.testing.assert_array_equal(forming[OPEN], closed[OPEN])
        assert (closed[LOW] <= forming[LOW]).all()
        assert (forming[LOW] <= forming[CLOSE]).all()
        assert (forming[CLOSE] <= forming[HIGH]).all()
        assert (forming[HIGH] <= closed[HIGH]).all()
        assert (forming[VOLUME:] <= closed[VOLUME:]).all()
        assert (forming[TRADES] % 1 == 0).all()
    assert (before[VOLUME:] <= after[VOLUME:]).all()
    assert (before[HIGH] <= after[HIGH]).all()
    assert (before[LOW] >= after[LOW]).all()


def test_nothing_forms_outside_the_tape() -> None:
    assert SYNTHETIC.end is not None
    for now in (SYNTHETIC.start - 1, SYNTHETIC.end):
        assert np.isnan(SYNTHETIC.forming(Timeframe.M1, now, SYNTHETIC.tradable)).all()


def test_a_recorded_tape_starts_with_its_files_and_symbols_come_and_go(tmp_path: Path) -> None:
    tape = recorded(tmp_path, history=20, live=None)
    assert (tape.start, tape.live_from, tape.end) == (T0, T0 + 20 * MINUTE, T0 + 30 * MINUTE)
    frame = tape.frame(Timeframe.M1, since=tape.start, until=T0 + 30 * MINUTE)
    assert [len(frame.candles(symbol)) for symbol in frame.symbols] == [30, 18]
    # ETH was listed at minute 7, so its first whole five minutes begin at 10; nothing is invented around them.
    fives = tape.frame(Timeframe.M5, since=tape.start, until=T0 + 30 * MINUTE)
    assert [len(fives.candles(symbol)) for symbol in fives.symbols] == [6, 3]
    assert tape.expected((Timeframe.M1, Timeframe.M5), since=T0, until=T0 + 30 * MINUTE) == 48 + 9


def test_history_gives_way_to_the_live_part_and_too_short_a_file_is_refused(tmp_path: Path) -> None:
    assert recorded(tmp_path, history=1_000, live=12).live_from == T0 + 18 * MINUTE
    with pytest.raises(InvalidMessageError, match="live_bars: expected fewer than the 30 1m candles"):
        recorded(tmp_path, history=10, live=30)


def test_grids_of_a_recorded_symbol_come_from_its_numbers(tmp_path: Path) -> None:
    path = save(tmp_path / "btc.csv", range(5), close=10.25)
    (listed,) = build_tape(FilesSpec(files={"BTC/USDT": path})).instruments
    assert (listed.price_decimals, listed.volume_decimals) == (2, 0)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"kind": "synthetic", "symbols": 0}, "tape.json: synthetic.symbols"),
        ({"kind": "synthetic", "timeframe": "7m"}, "tape.json: synthetic.timeframe"),
        ({"kind": "synthetic", "sede": 7}, "tape.json: synthetic.sede"),
        ({"kind": "magic"}, "tape.json: tape"),
        ({"kind": "files", "files": {}}, "tape.json: files.files"),
        ({"kind": "files", "files": {"BTCUSDT": "x.csv"}}, "expected a spot symbol such as BTC/USDT"),
        ({"kind": "files", "files": {"BTC/USDT": "x.csv"}}, "x.csv: cannot be read"),
    ],
)
def test_a_bad_specification_is_named(tmp_path: Path, spec: dict[str, object], problem: str) -> None:
    path = tmp_path / "tape.json"
    path.write_text(json.dumps(spec))
    with pytest.raises(InvalidMessageError) as error:
        build_tape(read_spec(path))
    assert problem in str(error.value)
