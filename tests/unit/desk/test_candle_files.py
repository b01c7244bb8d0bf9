import gzip
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desk.candle_files import read_candles
from shared.domain.candles import Candle
from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe

T0 = 1_640_995_200_000  # 2022-01-01T00:00Z
MINUTE = 60_000
HEADER = "open_time,open,high,low,close,volume"

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(*lines: str, header: str = HEADER, name: str = "btc.csv") -> Path:
        path = tmp_path / name
        text = "\n".join([header, *lines]) + "\n"
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return write


def row(minute: int, close: float = 10.0) -> str:
    return f"{T0 + minute * MINUTE},{close},{close + 1},{close - 1},{close},2.5"


def known(candle: Candle) -> tuple[float, ...]:
    return candle[:6]


def test_a_row_is_a_candle_and_absent_columns_are_unknown(save: Save) -> None:
    (candle,) = read_candles(save(f"{T0},5.33e-05,5.4e-05,5.2e-05,5.29e-05,431401.9787"), Timeframe.M1)
    assert known(candle) == (T0, 5.33e-05, 5.4e-05, 5.2e-05, 5.29e-05, 431401.9787)
    assert all(map(math.isnan, candle[6:9]))
    assert not candle.filled


def test_the_optional_columns_are_read_and_a_blank_one_is_unknown(save: Save) -> None:
    header = f"{HEADER},taker_buy_volume,symbol,trades,quote_volume"
    first, second = read_candles(
        save(f"{row(0)},1.5,BTC_USDT,7,25", f"{row(1)},,BTC_USDT,,", header=header), Timeframe.M1
    )
    assert first[6:9] == (25.0, 7.0, 1.5)
    assert all(map(math.isnan, second[6:9]))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("open_time", str(T0)),
        ("timestamp", "2022-01-01 00:00:00.000000"),
        ("timestamp", "2022-01-01T00:00:00Z"),
        ("date", "2022-01-01T00:00:00+00:00"),
        ("Date", "2022-01-01"),
    ],
)
def test_times_are_epoch_ms_or_iso_utc(save: Save, name: str, text: str) -> None:
    path = save(f"{text},1,2,1,2,3", header=f"{name},open,high,low,close,volume", name="btc.csv.gz")
    assert [candle.open_time for candle in read_candles(path, Timeframe.M1)] == [T0]


def test_rows_come_in_any_order_and_may_repeat(save: Save) -> None:
    candles = read_candles(save(row(2), row(0), row(1), row(0)), Timeframe.M1)
    assert [candle.open_time for candle in candles] == [T0, T0 + MINUTE, T0 + 2 * MINUTE]


def test_a_hole_of_exactly_one_candle_becomes_a_flagged_no_trade_candle(save: Save) -> None:
    candles = read_candles(save(row(0, 10.0), row(2, 12.0)), Timeframe.M1)
    assert candles[1] == Candle(T0 + MINUTE, 10.0, 10.0, 10.0, 10.0, 0.0, 0.0, 0.0, 0.0, filled=True)
    assert [candle.filled for candle in candles] == [False, True, False]


def test_shorter_rows_are_joined_into_whole_candles(save: Save) -> None:
    candles = read_candles(save(*(row(minute, 10.0 + minute) for minute in range(1, 12))), Timeframe.M5)
    assert [known(candle) for candle in candles] == [(T0 + 5 * MINUTE, 15.0, 20.0, 14.0, 19.0, 12.5)]


BAD_LINES = {
    "price is no number": ("1,2,1,abc,3", "column close: expected a finite number, got 'abc'"),
    "price is NaN": ("nan,2,1,2,3", "column open: expected a finite number, got 'nan'"),
    "price is infinite": ("1,inf,1,2,3", "column high: expected a finite number"),
    "price is blank": ("1,2,,2,3", "column low: expected a finite number, got ''"),
    "price is zero": ("1,2,0,2,3", "column low: expected a number above 0"),
    "price is negative": ("1,2,-1,2,3", "column low: expected a number above 0, got '-1'"),
    "python's underscores": ("1,2,1,2,3_0", "column volume: expected a finite number, got '3_0'"),
    "volume is negative": ("1,2,1,2,-3", "column volume: expected a number of at least 0, got '-3'"),
    "high below low": ("1,1,2,1,3", "column low: expected low <= open, high, close"),
    "high below close": ("1,2,1,3,3", "column high: expected high >= open, close"),
    "a column too few": ("1,2,1,2", "expected 6 columns as in the header, got 5"),
}


@pytest.mark.parametrize(("cells", "problem"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_cell_is_named_by_file_line_and_column(save: Save, cells: str, problem: str) -> None:
    with pytest.raises(InvalidMessageError) as error:
        read_candles(save(row(0), "", f"{T0 + MINUTE},{cells}"), Timeframe.M1)
    assert str(error.value).startswith("btc.csv line 4")  # the blank line counts, as it does in an editor
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1640995200", "expected epoch milliseconds (13 digits), got 1640995200"),
        ("1640995200000000", "expected epoch milliseconds (13 digits)"),
        ("yesterday", "expected epoch ms or ISO-8601 UTC, got 'yesterday'"),
        ("2022-01-01T00:00:00+02:00", "expected UTC"),
        ("2022-01-01T00:00:30", "expected an open time on the 1m grid"),
    ],
)
def test_a_bad_time_is_named(save: Save, text: str, problem: str) -> None:
    with pytest.raises(InvalidMessageError) as error:
        read_candles(save(row(5), f"{text},1,2,1,2,3"), Timeframe.M1)
    assert "btc.csv line 3" in str(error.value)
    assert problem in str(error.value)


def test_contradicting_rows_are_refused_with_both_lines(save: Save) -> None:
    with pytest.raises(InvalidMessageError, match=r"line 4, column volume: expected 2\.5 as on line 2.*got 9\.0"):
        read_candles(save(row(0), row(1), row(0).replace("2.5", "9")), Timeframe.M1)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("open_time,open,high,low,close", "missing column volume"),
        ("open,high,low,close,volume", "missing column open_time or timestamp or date"),
        ("open_time,open,high,low,close,volume,volume", "expected each column once, got volume twice"),
    ],
)
def test_a_bad_header_is_named(save: Save, header: str, problem: str) -> None:
    with pytest.raises(InvalidMessageError, match=f"btc.csv line 1: {problem}"):
        read_candles(save(row(0), header=header), Timeframe.M1)


def test_an_empty_file_a_bare_header_and_a_missing_file_are_refused(save: Save, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    for path, problem in [
        (tmp_path / "empty.csv", "got an empty file"),
        (save(), "at least one candle"),
        (tmp_path / "none.csv", "cannot be read"),
    ]:
        with pytest.raises(InvalidMessageError, match=problem):
            read_candles(path, Timeframe.M1)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"x" * 5_000_000, "line 1: expected at most 10000 characters"),
        (HEADER.encode() + b"\n" + b"1," * 2_500_000, "line 2: expected at most 10000 characters"),
        (b"\xff\xfe\x00", "expected UTF-8 text"),
    ],
)
def test_a_huge_line_or_a_binary_file_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "odd.csv").write_bytes(content)
    with pytest.raises(InvalidMessageError, match=problem):
        read_candles(tmp_path / "odd.csv", Timeframe.M1)


PACKED = gzip.compress(HEADER.encode() * 99, mtime=0)  # the same in every process that collects tests


@pytest.mark.parametrize("content", [b"no gzip at all", PACKED[:-9], PACKED[:12] + b"\xff" * 20 + PACKED[32:]])
def test_a_damaged_gzip_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.csv.gz").write_bytes(content)
    with pytest.raises(InvalidMessageError, match="expected a whole gzip file"):
        read_candles(tmp_path / "odd.csv.gz", Timeframe.M1)


@pytest.mark.parametrize(
    ("minutes", "timeframe", "problem"),
    [
        ((0, 5, 10), Timeframe.M1, "expected candles of 1m or shorter, got 5m candles"),
        ((0, 3, 6), Timeframe.M5, "expected an open time on the 5m grid"),
        ((0, 5, 8, 10, 15), Timeframe.M5, "line 4: expected an open time on the 5m grid"),
        ((0, 1, 1_000_000), Timeframe.M1, "line 4: expected at most 100000 missing 1m candles before it"),
        ((1, 2), Timeframe.M5, "at least one whole 5m candle"),
    ],
)
def test_rows_that_do_not_make_the_timeframe_are_refused(
    save: Save, minutes: tuple[int, ...], timeframe: Timeframe, problem: str
) -> None:
    with pytest.raises(InvalidMessageError, match=problem):
        read_candles(save(*(row(minute) for minute in minutes)), timeframe)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.permutations(range(12)), st.sets(st.integers(1, 10), max_size=4))
def test_whatever_the_order_the_candles_are_consecutive_and_only_missing_ones_are_flagged(
    save: Save, order: list[int], missing: set[int]
) -> None:
    candles = read_candles(save(*(row(minute) for minute in order if minute not in missing)), Timeframe.M1)
    assert [candle.open_time for candle in candles] == [T0 + minute * MINUTE for minute in range(12)]
    assert {minute for minute, candle in enumerate(candles) if candle.filled} == missing


TIMES = [str(T0), str(T0 + MINUTE), "2022-01-01", "0001-01-01", "9999-12-31T23:59:59Z"]
NUMBERS = [
    "1",
    "2",
    "0",
    "-1",
    "1e400",
    "1e-320",
    "nan",
    "",
    " 1",
    "1_0",
    "\u0661",
    "x",
    '"',
    '"1"',
    "\0",
    "\r",
    "1" * 30,
]
CELLS = st.sampled_from(TIMES + NUMBERS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=6, max_size=6).map(",".join) | st.text(max_size=20), max_size=4))
def test_a_file_is_read_whole_or_refused_with_a_clear_error(tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes("\n".join([HEADER, row(0), *lines]).encode("utf-8", "surrogatepass"))
    got = read_or_refuse(path)
    if isinstance(got, str):
        assert got.startswith("any.csv")
    else:
        assert [candle.open_time for candle in got] == [got[0].open_time + bar * MINUTE for bar in range(len(got))]


def read_or_refuse(path: Path) -> list[Candle] | str:
    try:
        return read_candles(path, Timeframe.M1)
    except InvalidMessageError as error:
        return error.field
