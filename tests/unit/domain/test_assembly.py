"""Assembly: whatever the order, the repeats and the delays, every closed candle reaches the log once."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.assembly import Assembler, Cell, Emission
from shared.domain.candles import Boundary, Candle, no_trade_candle
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.timeframe import Timeframe

M1, M5, H1 = Timeframe.M1, Timeframe.M5, Timeframe.H1
MINUTE = 60_000
HOUR = 60 * MINUTE
START = 1_700_000_000_000 // HOUR * HOUR  # synthetic market from a full hour on
SYMBOLS = ("BTC/USDT", "ETH/USDT")


def candle(open_time: int, close: float = 10.0, *, volume: float = 1.0, trades: float = 3.0) -> Candle:
    return Candle(open_time, 10.0, 20.0, 5.0, close, volume, 10 * volume, trades, volume / 2)


def assembler(*timeframes: Timeframe, symbols: tuple[str, ...] = SYMBOLS, since: int = START) -> Assembler:
    return Assembler(timeframes or (M1,), symbols, since=since)


def cells(boundaries: list[Boundary] | tuple[Boundary, ...]) -> list[tuple[str, int, str]]:
    return [(str(b.timeframe), b.open_time, symbol) for b in boundaries for symbol in b.symbols]


def test_a_boundary_comes_when_its_last_symbol_has_closed() -> None:
    made = assembler()
    assert made.add(M1, "ETH/USDT", candle(START, 11.0))
    assert made.take() == []
    made.add(M1, "BTC/USDT", candle(START, 12.0))
    (emission,) = made.take()
    (boundary,) = emission.boundaries
    assert (emission.close_time, emission.missing) == (START + MINUTE, ())
    assert (boundary.open_time, boundary.symbols) == (START, SYMBOLS)
    assert boundary.candles() == {"BTC/USDT": candle(START, 12.0), "ETH/USDT": candle(START, 11.0)}
    assert made.take() == []


def test_the_hour_is_in_the_log_before_the_minute_is_announced() -> None:
    """Where 1h, 5m and 1m close together nothing goes out until all have closed, and then the longest goes first."""
    since = START + HOUR - MINUTE
    made = assembler(M1, M5, H1, symbols=("BTC/USDT",), since=since)
    made.add(M1, "BTC/USDT", candle(START + HOUR - MINUTE))
    made.add(M5, "BTC/USDT", candle(START + HOUR - 5 * MINUTE))
    assert made.take() == []
    made.add(H1, "BTC/USDT", candle(START))
    (emission,) = made.take()
    assert [boundary.timeframe for boundary in emission.boundaries] == [H1, M5, M1]


def test_no_boundary_overtakes_an_older_one() -> None:
    made = assembler(symbols=("BTC/USDT",))
    made.add(M1, "BTC/USDT", candle(START + MINUTE))
    assert made.take() == []
    made.add(M1, "BTC/USDT", candle(START))
    assert [emission.close_time for emission in made.take()] == [START + MINUTE, START + 2 * MINUTE]


def test_a_boundary_of_which_nothing_arrived_is_missed_too() -> None:
    """A gap of exactly one candle: no frame says so, only the clock does."""
    made = assembler()
    made.advance(START + MINUTE + 1_499)
    assert made.overdue(START + MINUTE + 1_499, grace_ms=1_500) == ()
    overdue = made.overdue(START + MINUTE + 1_500, grace_ms=1_500)
    assert overdue == tuple(Cell(M1, START, symbol) for symbol in SYMBOLS)
    assert made.overdue(START + MINUTE + 9_000, grace_ms=1_500) == ()  # reported once


def test_a_cell_is_lacking_until_its_candle_comes_on_time_or_late() -> None:
    made = assembler()
    btc, eth = (Cell(M1, START, symbol) for symbol in SYMBOLS)
    made.advance(START + MINUTE)
    made.add(M1, "BTC/USDT", candle(START))
    assert [made.is_lacking(cell) for cell in (btc, eth)] == [False, True]
    made.settle([START + MINUTE])
    made.take()
    assert [made.is_lacking(cell) for cell in (btc, eth)] == [False, True]
    made.add(M1, "ETH/USDT", candle(START))
    assert not made.is_lacking(eth)


def test_repaired_cells_complete_the_boundary_without_giving_up() -> None:
    made = assembler()
    made.add(M1, "BTC/USDT", candle(START))
    (cell,) = made.overdue(START + 2 * MINUTE, grace_ms=1_500)
    made.add(cell.timeframe, cell.symbol, candle(START))
    (emission,) = made.take()
    assert emission.missing == ()


def test_giving_up_emits_what_there_is_and_remembers_the_gap() -> None:
    made = assembler()
    made.add(M1, "BTC/USDT", candle(START))
    made.overdue(START + 2 * MINUTE, grace_ms=1_500)
    made.settle([START + MINUTE])
    (emission,) = made.take()
    assert cells(emission.boundaries) == [("1m", START, "BTC/USDT")]
    assert emission.missing == (Cell(M1, START, "ETH/USDT"),)
    assert made.gaps == {Cell(M1, START, "ETH/USDT")}
    made.add(M1, "ETH/USDT", candle(START))
    (correction,) = made.take_corrections()
    assert cells([correction]) == [("1m", START, "ETH/USDT")]
    assert made.gaps == frozenset()


def test_an_instant_without_any_candle_writes_no_empty_boundary() -> None:
    made = assembler()
    made.advance(START + MINUTE)
    made.settle([START + MINUTE])
    (emission,) = made.take()
    assert emission.boundaries == ()
    assert len(made.gaps) == 2


def test_a_corrected_close_goes_out_once_and_alone() -> None:
    made = assembler()
    for symbol in SYMBOLS:
        made.add(M1, symbol, candle(START))
    made.take()
    assert made.add(M1, "BTC/USDT", candle(START, 11.0))
    assert not made.add(M1, "BTC/USDT", candle(START, 11.0))
    (correction,) = made.take_corrections()
    assert correction.candles() == {"BTC/USDT": candle(START, 11.0)}
    assert made.take_corrections() == []


def test_a_repeat_changes_nothing_even_with_unknown_values() -> None:
    """NaN differs from itself, yet the same candle with an unknown count is the same candle."""
    made = assembler(symbols=("BTC/USDT",))
    made.add(M1, "BTC/USDT", candle(START, trades=float("nan")))
    made.take()
    assert not made.add(M1, "BTC/USDT", candle(START, trades=float("nan")))
    assert made.take_corrections() == []


def test_a_no_trade_candle_never_replaces_a_traded_one() -> None:
    made = assembler(symbols=("BTC/USDT",))
    made.add(M1, "BTC/USDT", no_trade_candle(START, 10.0))
    assert made.add(M1, "BTC/USDT", candle(START))
    assert not made.add(M1, "BTC/USDT", no_trade_candle(START, 10.0))
    (emission,) = made.take()
    assert emission.boundaries[0].candles() == {"BTC/USDT": candle(START)}


def test_what_history_covers_is_not_assembled() -> None:
    made = assembler(symbols=("BTC/USDT",))
    assert not made.add(M1, "BTC/USDT", candle(START - MINUTE))
    assert made.take() == []
    made.note_gaps([Cell(M1, START - MINUTE, "BTC/USDT")])  # unless history lacked just that
    assert made.add(M1, "BTC/USDT", candle(START - MINUTE))
    assert len(made.take_corrections()) == 1


def test_a_leaver_is_awaited_no_longer_and_a_newcomer_from_the_next_instant_on() -> None:
    made = assembler()
    made.add(M1, "BTC/USDT", candle(START))
    made.expect(["BTC/USDT", "SOL/USDT"])
    assert cells(made.take()[0].boundaries) == [("1m", START, "BTC/USDT")]
    made.add(M1, "BTC/USDT", candle(START + MINUTE))
    assert not made.add(M1, "ETH/USDT", candle(START + MINUTE))
    assert made.take() == []
    made.add(M1, "SOL/USDT", candle(START + MINUTE))
    assert cells(made.take()[0].boundaries) == [("1m", START + MINUTE, "BTC/USDT"), ("1m", START + MINUTE, "SOL/USDT")]


@pytest.mark.parametrize("open_time", [START + 1, START + 30 * HOUR])
def test_a_time_off_the_grid_or_far_ahead_is_refused(open_time: int) -> None:
    with pytest.raises(InvalidMessageError, match="open_time"):
        assembler().add(M1, "BTC/USDT", candle(open_time))


def test_after_a_leap_of_the_clock_a_run_starts_over_with_a_backfill() -> None:
    with pytest.raises(TransientError, match="leapt"):
        assembler().advance(START + 2_000 * MINUTE)


class Log:
    """The log as a reader sees it: a later entry overrides, and each boundary is counted."""

    def __init__(self) -> None:
        self.cells: dict[Cell, Candle] = {}
        self.emitted: Counter[tuple[Timeframe, int]] = Counter()
        self.close_times: list[int] = []
        self.corrected = 0

    def drain(self, made: Assembler) -> None:
        for emission in made.take():
            self._note(emission)
        for boundary in made.take_corrections():
            self.corrected += len(boundary.symbols)
            self._write(boundary)

    def _note(self, emission: Emission) -> None:
        self.close_times.append(emission.close_time)
        for boundary in emission.boundaries:
            self.emitted[boundary.timeframe, boundary.open_time] += 1
            self._write(boundary)

    def _write(self, boundary: Boundary) -> None:
        for symbol, row in boundary.candles().items():
            self.cells[Cell(boundary.timeframe, boundary.open_time, symbol)] = row


MARKET = {
    Cell(timeframe, open_time, symbol): candle(open_time, 6.0 + index)
    for timeframe in (M1, M5)
    for index, symbol in enumerate(SYMBOLS)
    for open_time in range(START, START + 10 * MINUTE, timeframe.ms)
}
DELIVERIES = st.lists(st.tuples(st.sampled_from(sorted(MARKET)), st.sampled_from(["tick", "drain", ""])), max_size=80)


@settings(max_examples=200, deadline=None)
@given(st.permutations(sorted(MARKET)), DELIVERIES, st.sets(st.integers(0, 23)))
def test_any_order_repeats_and_delays_lose_nothing_and_double_nothing(
    order: list[Cell], repeats: list[tuple[Cell, str]], drains: set[int]
) -> None:
    made, log = assembler(M1, M5), Log()
    for index, cell in enumerate(order):
        made.add(cell.timeframe, cell.symbol, MARKET[cell])
        if index in drains:
            log.drain(made)
    log.drain(made)
    for cell, _ in repeats:
        assert not made.add(cell.timeframe, cell.symbol, MARKET[cell])
    log.drain(made)
    assert log.cells == MARKET
    assert set(log.emitted.values()) == {1}
    assert log.close_times == sorted(set(log.close_times))
    assert log.corrected == 0


@settings(max_examples=200, deadline=None)
@given(st.permutations(sorted(MARKET)), DELIVERIES)
def test_giving_up_early_costs_corrections_but_no_candle(order: list[Cell], events: list[tuple[Cell, str]]) -> None:
    """Time runs on between deliveries and nothing is repaired: the late ones still reach the log, as corrections."""
    made, log, now = assembler(M1, M5), Log(), START
    for cell, event in [*events, *((cell, "tick") for cell in order)]:
        made.add(cell.timeframe, cell.symbol, MARKET[cell])
        if event == "tick":
            now += 40_000
            made.advance(now)
            overdue = made.overdue(now, grace_ms=1_500)
            made.settle({each.open_time + each.timeframe.ms for each in overdue})
        if event:
            log.drain(made)
    log.drain(made)
    assert {cell: row for cell, row in log.cells.items() if cell in MARKET} == MARKET
    assert set(log.emitted.values()) == {1}
    assert log.close_times == sorted(set(log.close_times))
    assert not {gap for gap in made.gaps if gap in MARKET}


def test_boundaries_hold_plain_float64_columns() -> None:
    made = assembler(symbols=("BTC/USDT",))
    made.add(M1, "BTC/USDT", candle(START))
    assert made.take()[0].boundaries[0].values.dtype == np.float64
