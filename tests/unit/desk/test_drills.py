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
from desk.drills.runner import Outcome, problems_of
from desk.local.process import claim_port
from desk.simulator.faults import Fault, FaultKind
from desk.simulator.spec import SyntheticSpec, build_tape
from shared.domain.candles import Boundary, Candle
from shared.domain.codec import encode
from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe

M1, M5 = Timeframe.M1, Timeframe.M5
TAPE = build_tape(SyntheticSpec(symbols=3, timeframes=(M1, M5), history_bars=4, live_bars=60))
LIVE = TAPE.live_from
PACE = Pace(tape_ms=LIVE, real_ms=1_000_000, speed=60.0)
UNTIL = LIVE + M5.ms
NOW = 1_010_000
GRACE_MS = 500


def boundary(timeframe: Timeframe, close_time: int, symbols: tuple[str, ...] = TAPE.tradable) -> Boundary:
    frame = TAPE.frame(timeframe, since=close_time - 1, until=close_time, symbols=symbols)
    cells = {symbol: frame.candles(symbol)[0] for symbol in symbols}
    return Boundary.of(timeframe, close_time - timeframe.ms, cells.items())


def printed(outcome: Outcome, *, width: int) -> list[str]:
    screen = io.StringIO()
    show(Console(file=screen, width=width), [outcome])
    return screen.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 143, 144, 160])
def test_a_drill_is_told_in_full_on_every_terminal(width: int) -> None:
    verdict = Verdict(
        expected=1_272,
        missing=0,
        invented=2,
        out_of_order=0,
        premature=0,
        repeated=41,
        late=0,
        unannounced=0,
        boundaries=77,
        blind_s=3.7,
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
    for fact in ("two_collectors", "1,272", "invented", "41", "premature", "3.7 s", "18 s", "failed", "2 candles"):
        assert fact in said


def entries() -> list[tuple[Timeframe, int]]:
    """Return every boundary that is expected, in the order of the log."""
    return [
        (timeframe, close_time)
        for timeframe in (M1, M5)
        for close_time in TAPE.boundaries(timeframe, since=LIVE - 4 * timeframe.ms, until=UNTIL)
    ]


def written(*, without: tuple[tuple[Timeframe, int], ...] = (), late_ms: int = 0) -> Ledger:
    ledger = Ledger(TAPE, (M1, M5), depth=4)
    for timeframe, close_time in entries():
        if (timeframe, close_time) not in without:
            at_ms = int(PACE.real(close_time)) + late_ms
            ledger.write(timeframe, encode(boundary(timeframe, close_time)), at_ms=at_ms)
    return ledger


def judge(ledger: Ledger) -> Verdict:
    return ledger.verdict(UNTIL, pace=PACE, now_ms=NOW)


def test_a_log_that_equals_the_tape_is_exact() -> None:
    ledger = written(late_ms=GRACE_MS)
    found = judge(ledger)
    assert ledger.is_whole(UNTIL)
    assert found.is_exact
    assert (found.expected, found.boundaries, found.blind_s) == (3 * (9 + 5), 5 + 1, 0.0)
    assert found.unannounced == 6


def test_a_candle_that_is_not_there_is_missing_and_leaves_the_desk_blind() -> None:
    lost = LIVE + 2 * M1.ms
    ledger = written(without=((M1, lost),))
    found = judge(ledger)
    assert not ledger.is_whole(UNTIL)
    assert (found.missing, found.is_exact) == (3, False)
    assert found.blind_s == (NOW - PACE.real(lost) - GRACE_MS) / 1_000


def test_a_candle_that_comes_late_ends_the_blindness() -> None:
    lost = LIVE + 2 * M1.ms
    ledger = written(without=((M1, lost),))
    ledger.write(M1, {**encode(boundary(M1, lost)), "c": "1"}, at_ms=int(PACE.real(lost)) + GRACE_MS + 1_250)
    found = judge(ledger)
    assert (found.missing, found.out_of_order, found.late, found.is_exact) == (0, 0, 1, True)
    assert found.blind_s == 1.25


def test_other_values_are_invented_even_when_they_are_corrected_later() -> None:
    close_time = LIVE + M1.ms
    right = boundary(M1, close_time, ("BTC/USDT",))
    candle: Candle = right.candles()["BTC/USDT"]
    wrong = Boundary.of(M1, right.open_time, {"BTC/USDT": candle._replace(volume=candle.volume + 1)}.items())
    ledger = written()
    ledger.write(M1, {**encode(wrong), "c": "1"}, at_ms=NOW)
    assert (judge(ledger).invented, judge(ledger).missing) == (1, 1)
    ledger.write(M1, {**encode(right), "c": "1"}, at_ms=NOW)
    assert (judge(ledger).invented, judge(ledger).missing, judge(ledger).is_exact) == (1, 0, False)


def test_a_candle_the_tape_does_not_have_is_invented() -> None:
    known = boundary(M1, LIVE + M1.ms, ("BTC/USDT",))
    stranger = Boundary.of(M1, known.open_time, {"NOPE/USDT": known.candles()["BTC/USDT"]}.items())
    assert TAPE.end is not None
    after = Boundary.of(M1, TAPE.end, {"BTC/USDT": known.candles()["BTC/USDT"]._replace(open_time=TAPE.end)}.items())
    unflagged = Boundary.of(
        M1, known.open_time, {"BTC/USDT": known.candles()["BTC/USDT"]._replace(filled=True)}.items()
    )
    for invented in (stranger, after, unflagged):
        ledger = written()
        ledger.write(M1, {**encode(invented), "c": "1"}, at_ms=NOW)
        assert judge(ledger).invented == 1


def test_the_spine_rises_and_what_is_written_twice_is_counted() -> None:
    ledger = written()
    ledger.write(M1, encode(boundary(M1, UNTIL)), at_ms=NOW)
    found = judge(ledger)
    assert (found.out_of_order, found.repeated, found.is_exact) == (1, 3, False)
    ledger.write(M1, {**encode(boundary(M1, UNTIL)), "c": "1"}, at_ms=NOW)
    assert (judge(ledger).out_of_order, judge(ledger).repeated) == (1, 6)


def test_an_announcement_before_its_entry_is_premature() -> None:
    ledger = written()
    ledger.tell(M1, UNTIL, at_ms=int(PACE.real(UNTIL)))
    assert (judge(ledger).premature, judge(ledger).unannounced) == (0, 5)
    ledger.tell(M5, UNTIL, at_ms=int(PACE.real(UNTIL)) - 1)
    assert (judge(ledger).premature, judge(ledger).unannounced) == (1, 4)
    ledger.tell(M1, UNTIL + M1.ms, at_ms=NOW)
    assert (judge(ledger).premature, judge(ledger).is_exact) == (2, False)


def test_every_breach_fails_the_verdict_and_has_words() -> None:
    exact = judge(written())
    assert exact.breaches == dict.fromkeys(exact.breaches, 0)
    for name in ("missing", "invented", "out_of_order", "premature"):
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
    assert kinds == set(FaultKind)
    of_days = {step.kind for seed in range(5) for step in day(seed).steps if isinstance(step, Fault)}
    assert of_days == set(FaultKind) - {FaultKind.CLOCK}
    assert {step for drill in found.values() for step in drill.steps if isinstance(step, Do)} == set(Do)


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
