"""Drills without their processes: what a ledger finds, what a gate lets through, what the catalogue holds."""

import asyncio
import io
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from desk.cli import app
from desk.drill_cli import show
from desk.drills.catalogue import Do, choose, day, drills
from desk.drills.gate import Gate
from desk.drills.ledger import Ledger, Pace, Verdict, longest
from desk.drills.orders.catalogue import order_drills
from desk.drills.runner import Outcome, problems_of
from desk.local.process import claim_port
from desk.simulator.faults import OF_ORDERS, Fault, FaultKind
from desk.simulator.spec import SyntheticSpec, build_tape
from shared.domain.candles import Boundary, Candle
from shared.domain.codec import encode
from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe
from tests.fakes.candle_log import FakeCandleLog, Streams

M1, M5 = Timeframe.M1, Timeframe.M5
TAPE = build_tape(SyntheticSpec(symbols=3, timeframes=(M1, M5), history_bars=4, live_bars=60))
LIVE = TAPE.live_from
PACE = Pace(tape_ms=LIVE, real_ms=1_000_000, speed=60.0)
UNTIL = LIVE + M5.ms
NOW = 1_010_000
GRACE_MS = 500
KEPT = 7


def boundary(timeframe: Timeframe, close_time: int, symbols: tuple[str, ...] = TAPE.tradable) -> Boundary:
    frame = TAPE.frame(timeframe, since=close_time - 1, until=close_time, symbols=symbols)
    cells = {symbol: frame.candles(symbol)[0] for symbol in symbols}
    return Boundary.of(timeframe, close_time - timeframe.ms, cells.items())


def printed(outcome: Outcome, *, width: int) -> list[str]:
    screen = io.StringIO()
    show(Console(file=screen, width=width), [outcome])
    return screen.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 151, 152, 160])
def test_a_drill_is_told_in_full_on_every_terminal(width: int) -> None:
    verdict = Verdict(
        expected=1_272,
        missing=0,
        invented=2,
        short=0,
        out_of_order=0,
        premature=0,
        repeated=41,
        late=0,
        unannounced=0,
        boundaries=77,
        blind_s=3.7,
        held_s=4.2,
    )
    outcome = Outcome(
        name="two_collectors",
        breaks="two collectors serve one venue, and the holder is killed",
        seed=7,
        verdict=verdict,
        problems=("2 candles invented",),
        hits={},
        redis="redis-server",
        took_s=18.2,
        home=Path("home"),
    )
    lines = printed(outcome, width=width)
    said = " ".join(lines)
    assert max(map(len, lines)) <= width
    assert "…" not in said
    for fact in (
        "two_collectors",
        "1,272",
        "invented",
        "short",
        "41",
        "premature",
        "3.7 s",
        "18 s",
        "failed",
        "2 candles",
    ):
        assert fact in said


def entries() -> list[tuple[Timeframe, int]]:
    """Return every boundary that is expected, in the order of the log."""
    return [
        (timeframe, close_time)
        for timeframe in (M1, M5)
        for close_time in TAPE.boundaries(timeframe, since=LIVE - 4 * timeframe.ms, until=UNTIL)
    ]


class Log:
    """What a ledger is told as it is written, and what is kept of it; `loses` entries more than it should."""

    def __init__(self, *, without: tuple[tuple[Timeframe, int], ...] = (), late_ms: int = 0, loses: int = 0) -> None:
        self.ledger = Ledger(TAPE, (M1, M5), depth=4, kept=KEPT)
        self.streams: Streams = {}
        self._kept = KEPT - loses
        for timeframe, close_time in entries():
            if (timeframe, close_time) not in without:
                at_ms = int(PACE.real(close_time)) + late_ms
                self.write(timeframe, encode(boundary(timeframe, close_time)), at_ms=at_ms)

    def write(self, timeframe: Timeframe, fields: dict[str, str], *, at_ms: int = NOW) -> None:
        self.ledger.write(timeframe, fields, at_ms=at_ms)
        stream = self.streams.setdefault(("binance", timeframe), [])
        stream.append(fields)
        del stream[: -self._kept]

    def judge(self) -> Verdict:
        for timeframe in (M1, M5):
            bars = self.ledger.bars(timeframe)
            self.ledger.read(FakeCandleLog(self.streams).frame("binance", timeframe, bars=bars))
        return self.ledger.verdict(UNTIL, pace=PACE, now_ms=NOW)


def test_a_log_that_equals_the_tape_is_exact() -> None:
    log = Log(late_ms=GRACE_MS)
    found = log.judge()
    assert log.ledger.is_whole(UNTIL)
    assert found.is_exact
    assert (found.expected, found.boundaries, found.blind_s) == (3 * (9 + 5), 5 + 1, 0.0)
    assert found.unannounced == 6


def test_a_candle_that_is_not_there_is_missing_and_leaves_the_desk_blind() -> None:
    lost = LIVE + 2 * M1.ms
    log = Log(without=((M1, lost),))
    found = log.judge()
    assert not log.ledger.is_whole(UNTIL)
    assert (found.missing, found.is_exact) == (3, False)
    assert found.blind_s == (NOW - PACE.real(lost) - GRACE_MS) / 1_000


def test_a_candle_that_comes_late_ends_the_blindness() -> None:
    lost = LIVE + 2 * M1.ms
    log = Log(without=((M1, lost),))
    log.write(M1, {**encode(boundary(M1, lost)), "c": "1"}, at_ms=int(PACE.real(lost)) + GRACE_MS + 1_250)
    found = log.judge()
    assert (found.missing, found.out_of_order, found.late, found.is_exact) == (0, 0, 1, True)
    assert found.blind_s == 1.25
    assert found.held_s == (GRACE_MS + 1_250) / 1_000


def test_a_boundary_is_held_until_its_first_entry_though_that_is_not_whole() -> None:
    close_time = LIVE + 2 * M1.ms
    log = Log(without=((M1, close_time),))
    log.write(M1, {**encode(boundary(M1, close_time, ("BTC/USDT",))), "c": "1"}, at_ms=int(PACE.real(close_time)) + 900)
    assert (log.judge().held_s, log.judge().missing) == (0.9, 2)
    assert Log(without=((M1, close_time),)).judge().held_s == (NOW - PACE.real(close_time)) / 1_000


def test_a_drill_of_an_outage_fails_when_boundaries_wait_for_its_end_or_none_was_cut_short() -> None:
    (drill,) = choose(drills(seed=7), ["rest_down_wide"])
    hits = {"lose": 1, "rest_slow": 1, "rest_5xx": 1}
    found = replace(Log().judge(), late=2, held_s=9.5)
    assert problems_of(drill, found, hits) == []
    assert problems_of(drill, replace(found, held_s=20.0), hits) == [
        "a boundary was held for 20.0 s, at most 10 s are allowed"
    ]
    assert problems_of(drill, replace(found, late=0), hits) == ["no boundary went out without all of its candles"]


def test_other_values_are_invented_even_when_they_are_corrected_later() -> None:
    close_time = LIVE + M1.ms
    right = boundary(M1, close_time, ("BTC/USDT",))
    candle: Candle = right.candles()["BTC/USDT"]
    wrong = Boundary.of(M1, right.open_time, {"BTC/USDT": candle._replace(volume=candle.volume + 1)}.items())
    log = Log()
    log.write(M1, {**encode(wrong), "c": "1"})
    assert (log.judge().invented, log.judge().missing) == (1, 1)
    log.write(M1, {**encode(right), "c": "1"})
    assert (log.judge().invented, log.judge().missing, log.judge().is_exact) == (1, 0, False)


def test_a_candle_the_tape_does_not_have_is_invented() -> None:
    known = boundary(M1, LIVE + M1.ms, ("BTC/USDT",))
    stranger = Boundary.of(M1, known.open_time, {"NOPE/USDT": known.candles()["BTC/USDT"]}.items())
    assert TAPE.end is not None
    after = Boundary.of(M1, TAPE.end, {"BTC/USDT": known.candles()["BTC/USDT"]._replace(open_time=TAPE.end)}.items())
    unflagged = Boundary.of(
        M1, known.open_time, {"BTC/USDT": known.candles()["BTC/USDT"]._replace(filled=True)}.items()
    )
    for invented in (stranger, after, unflagged):
        log = Log()
        log.write(M1, {**encode(invented), "c": "1"})
        assert log.judge().invented == 1


def test_the_spine_rises_and_what_is_written_twice_is_counted() -> None:
    log = Log()
    log.write(M1, encode(boundary(M1, UNTIL)))
    found = log.judge()
    assert (found.out_of_order, found.repeated, found.is_exact) == (1, 3, False)
    log.write(M1, {**encode(boundary(M1, UNTIL)), "c": "1"})
    assert (log.judge().out_of_order, log.judge().repeated) == (1, 6)


def test_an_announcement_before_its_entry_is_premature() -> None:
    log = Log()
    log.ledger.tell(M1, UNTIL, at_ms=int(PACE.real(UNTIL)))
    assert (log.judge().premature, log.judge().unannounced) == (0, 5)
    log.ledger.tell(M5, UNTIL, at_ms=int(PACE.real(UNTIL)) - 1)
    assert (log.judge().premature, log.judge().unannounced) == (1, 4)
    log.ledger.tell(M1, UNTIL + M1.ms, at_ms=NOW)
    assert (log.judge().premature, log.judge().is_exact) == (2, False)


def test_a_log_shows_as_many_bars_as_it_keeps_entries_that_go_forward() -> None:
    log = Log()
    assert (log.ledger.bars(M1), log.ledger.bars(M5)) == (KEPT, 5)
    log.write(M1, {**encode(boundary(M1, UNTIL)), "c": "1"})
    assert log.ledger.bars(M1) == KEPT - 1
    assert log.judge().is_exact
    for _ in range(KEPT):
        log.write(M5, {**encode(boundary(M5, UNTIL)), "c": "1"})
    assert log.ledger.bars(M5) == 4


def test_a_log_trimmed_by_one_entry_too_many_is_short() -> None:
    found = Log(loses=1).judge()
    assert (found.missing, found.short, found.is_exact) == (0, 3, False)


def test_a_hole_in_what_is_kept_or_another_value_there_is_short() -> None:
    log = Log()
    stream = log.streams["binance", M1]
    at = len(stream) - 2
    kept, close_time = stream[at], LIVE + 4 * M1.ms
    del stream[at]
    assert (log.judge().missing, log.judge().short) == (0, 3)
    candle = boundary(M1, close_time).candles()["BTC/USDT"]
    wrong = Boundary.of(M1, candle.open_time, {"BTC/USDT": candle._replace(trades=candle.trades + 1)}.items())
    stream.insert(at, kept)
    assert log.judge().short == 0
    stream.insert(at + 1, encode(wrong))
    assert (log.judge().invented, log.judge().short) == (0, 1)


def test_a_log_that_nobody_read_is_short() -> None:
    log = Log()
    found = log.ledger.verdict(UNTIL, pace=PACE, now_ms=NOW)
    assert (found.missing, found.short) == (0, 3 * (KEPT + 5))


def test_every_breach_fails_the_verdict_and_has_words() -> None:
    exact = Log().judge()
    assert exact.breaches == dict.fromkeys(exact.breaches, 0)
    for name in ("missing", "invented", "out_of_order", "premature", "short"):
        found = replace(exact, **{name: 3})
        assert not found.is_exact
        (said,) = problems_of(choose(drills(seed=7), ["delisted"])[0], found, {})
        assert said.startswith("3 ")


def test_the_grace_is_half_a_candle_within_the_collectors_bounds() -> None:
    paces = {speed: Pace(tape_ms=0, real_ms=0, speed=speed).grace_ms(M1) for speed in (1.0, 60.0, 600.0)}
    assert paces == {1.0: 1_500.0, 60.0: 500.0, 600.0: 250.0}


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=8))
def test_the_longest_stretch_is_the_longest_run_of_covered_seconds(spans: list[tuple[int, int]]) -> None:
    stretches = [(float(start), float(start + length)) for start, length in spans]
    covered = {second for start, length in spans for second in range(start, start + length)}
    runs = [len(list(run)) for is_on, run in itertools.groupby(range(81), key=covered.__contains__) if is_on]
    assert longest(stretches) == max(runs, default=0)


@asynccontextmanager
async def echoing() -> AsyncIterator[Gate]:
    """A gate before a server that sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(1_024):
                writer.write(chunk)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, Gate(server.sockets[0].getsockname()[1], port=claim_port(None, "the gate")) as gate:
        yield gate


async def ends(reader: asyncio.StreamReader) -> bool:
    """Tell whether a connection is over."""
    with suppress(ConnectionError):
        return await reader.read(10) == b""
    return True


async def test_a_gate_passes_holds_back_and_cuts() -> None:
    async with echoing() as gate, asyncio.timeout(20):
        reader, cut = await asyncio.open_connection("127.0.0.1", gate.port)
        cut.write(b"open")
        assert await reader.read(10) == b"open"
        gate.freeze()
        cut.write(b"held")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(10), 0.1)
        gate.open()
        assert await reader.read(10) == b"held"
        gate.shut()
        assert await ends(reader)
        refused, other = await asyncio.open_connection("127.0.0.1", gate.port)
        assert await ends(refused)
        gate.open()
        again, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(b"back")
        assert await again.read(10) == b"back"
        for one in (other, cut, writer):
            one.close()


def test_every_fault_is_part_of_a_drill_and_of_the_mishaps_of_a_day() -> None:
    found = drills(seed=7)
    kinds = {
        step.kind for name, drill in found.items() if name != "day" for step in drill.steps if isinstance(step, Fault)
    }
    assert kinds == set(FaultKind) - OF_ORDERS
    of_days = {step.kind for seed in range(5) for step in day(seed).steps if isinstance(step, Fault)}
    assert of_days == set(FaultKind) - OF_ORDERS - {FaultKind.CLOCK}
    assert {step for drill in found.values() for step in drill.steps if isinstance(step, Do)} == set(Do)


def test_every_fault_of_orders_is_part_of_an_order_drill() -> None:
    steps = [step for drill in order_drills().values() for step in drill.steps]
    assert {step.kind for step in steps if isinstance(step, Fault)} == OF_ORDERS | {FaultKind.CLOCK}


@given(st.integers(0, 10_000))
def test_a_day_is_drawn_from_its_seed_and_leaves_every_process_running(seed: int) -> None:
    drill = day(seed)
    assert drill.steps == day(seed).steps
    assert drill.steps != day(seed + 1).steps
    steps = [step for step in drill.steps if isinstance(step, Do)]
    assert steps.count(Do.KILL) == steps.count(Do.START)
    assert steps.count(Do.REDIS_DOWN) + steps.count(Do.REDIS_FREEZE) == steps.count(Do.REDIS_UP)


def test_a_name_that_is_no_drill_is_answered_with_those_that_are() -> None:
    found = drills(seed=7)
    assert [drill.name for drill in choose(found, ["killed", "dropped"])] == ["killed", "dropped"]
    assert choose(found, []) == list(found.values())
    with pytest.raises(InvalidMessageError, match="no drill is named 'storm', expected one of dropped, half_open"):
        choose(found, ["storm"])
    answer = CliRunner().invoke(app, ["drill", "collector", "--only", "storm"])
    assert isinstance(answer.exception, InvalidMessageError)


async def test_a_gate_answers_for_a_server_that_is_away() -> None:
    async with echoing() as gate, asyncio.timeout(20):
        reader, cut = await asyncio.open_connection("127.0.0.1", gate.port)
        cut.write(b"open")
        assert await reader.read(10) == b"open"
        gate.answer(b"busy")
        assert await ends(reader)
        refused, other = await asyncio.open_connection("127.0.0.1", gate.port)
        other.write(b"a question")
        assert await refused.read() == b"busy"
        gate.open()
        again, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(b"back")
        assert await again.read(10) == b"back"
        for one in (other, cut, writer):
            one.close()
