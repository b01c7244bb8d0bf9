"""Drills in short: each kind of fault once, through real processes; the log equals the tape after all of them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis
from typer.testing import CliRunner

from desk.cli import app
from desk.drills.catalogue import AtClose, Do, Drill, Step, Wait, day, drills
from desk.drills.ledger import Pace
from desk.drills.runner import run_drill
from desk.drills.stage import VENUE, stage_of
from desk.simulator.faults import Fault, FaultKind
from shared.adapters.redis_log import stream_key
from shared.domain.timeframe import Timeframe

SPEED = 240.0
SEED = 11


def short(name: str, *steps: Step) -> Drill:
    return Drill(name=name, breaks="what a test breaks", steps=steps, speed=SPEED)


def frames(kind: FaultKind, **parameters: float) -> Fault:
    return Fault.model_validate({"kind": kind, "share": 0.3, "for_s": 1.5, **parameters})


def requests(kind: FaultKind, *, seconds: float = 0.7, **parameters: float) -> tuple[Step, ...]:
    return (Fault.model_validate({"kind": kind, "for_s": seconds, **parameters}), Wait(seconds))


SHORT = (
    short(
        "sockets",
        Wait(0.5),
        Fault(kind=FaultKind.DROP),
        Wait(1.0),
        AtClose(0.0),
        Fault(kind=FaultKind.CUT),
        Wait(1.5),
        Fault(kind=FaultKind.HALF_OPEN),
        Wait(1.0),
    ),
    short(
        "frames",
        frames(FaultKind.DUPLICATE),
        frames(FaultKind.TRUNCATE),
        Wait(1.0),
        frames(FaultKind.REORDER, delay_s=0.4),
        frames(FaultKind.DELAY, delay_s=0.6),
        Wait(1.5),
    ),
    short(
        "requests",
        Fault(kind=FaultKind.LOSE, share=0.3),
        *requests(FaultKind.REST_429, retry_after_s=1),
        *requests(FaultKind.REST_418, retry_after_s=1, seconds=2.0),  # those refused before stay quiet for a while
        *requests(FaultKind.REST_5XX, seconds=2.0),
        *requests(FaultKind.REST_SLOW, delay_s=0.3),
        Fault(kind=FaultKind.CLOCK, offset_ms=90_000, for_s=1.0),
        Wait(1.2),
    ),
    replace(
        drills(seed=SEED, redis_down_s=2.0)["redis_down"],
        speed=SPEED,
    ),
    replace(drills(seed=SEED)["redis_emptied"], speed=SPEED),
    short(
        "killed",
        Fault(kind=FaultKind.DELAY, share=0.5, delay_s=0.15),
        AtClose(0.05),
        Do.KILL,
        Do.START,
        Wait(3.0),
    ),
    replace(day(SEED, minutes=90), name="an_hour_and_a_half"),
)


@pytest.mark.parametrize("drill", SHORT, ids=lambda drill: drill.name)
async def test_the_log_equals_the_tape_after(drill: Drill, tmp_path: Path) -> None:
    outcome = await run_drill(drill, seed=SEED, home=tmp_path)
    assert outcome.problems == ()
    assert outcome.verdict.is_exact
    assert outcome.verdict.boundaries > 10


async def test_boundaries_go_out_while_rest_is_down_and_are_whole_after(tmp_path: Path) -> None:
    wide = drills(seed=SEED)["rest_down_wide"]
    outage = (Fault(kind=FaultKind.REST_SLOW, delay_s=9.0, for_s=10.0), Fault(kind=FaultKind.REST_5XX, for_s=10.0))
    lost = Fault(kind=FaultKind.LOSE, share=0.2, for_s=10.0)
    outcome = await run_drill(replace(wide, steps=(Wait(0.5), *outage, lost, Wait(10.5))), seed=SEED, home=tmp_path)
    assert outcome.problems == ()
    assert 8.0 < outcome.verdict.held_s < 10.0
    assert outcome.verdict.late > 0


def test_the_command_prints_json_and_succeeds_when_nothing_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(app, ["drill", "collector", "--only", "dropped", "--seed", "3", "--json"])
    assert answer.exit_code == 0, answer.output
    (outcome,) = json.loads(answer.output)
    assert outcome["name"] == "dropped"
    assert (outcome["seed"], outcome["passed"], outcome["problems"]) == (3, True, [])
    assert 1 <= outcome["hits"]["drop"] <= 3  # one may fall while the collector is still coming back from another
    assert outcome["verdict"]["missing"] == outcome["verdict"]["invented"] == 0


async def test_a_drill_fails_that_shows_nothing_or_takes_too_long(tmp_path: Path) -> None:
    # The collector signs nothing: what befalls signed requests alone never strikes.
    idle = short("idle", Fault(kind=FaultKind.PRIVATE_5XX, for_s=0.1), Wait(0.2))
    outcome = await run_drill(replace(idle, max_blind_s=-1.0), seed=SEED, home=tmp_path)
    assert outcome.verdict.is_exact
    assert not outcome.passed
    assert outcome.problems == (
        "private_5xx was on and never struck",
        f"blind for {outcome.verdict.blind_s:.1f} s, at most -1 s are allowed",
    )


async def test_a_drill_fails_whose_log_was_trimmed_by_one_entry_too_many(tmp_path: Path) -> None:
    drill = short("trimmed", Wait(0.5))
    async with stage_of(drill, home=tmp_path, seed=SEED) as stage:
        await stage.clear()
        until = stage.tape.live_from
        stage.read_back()
        pace = Pace(tape_ms=until, real_ms=0, speed=SPEED)
        assert stage.ledger.verdict(until, pace=pace, now_ms=0).is_exact
        with Redis(port=stage.redis.port or 0) as redis:
            key = stream_key(VENUE, Timeframe.M5)
            redis.xtrim(key, maxlen=redis.xlen(key) - 1, approximate=False)
        stage.read_back()
        found = stage.ledger.verdict(until, pace=pace, now_ms=0)
    assert (found.missing, found.short) == (0, drill.symbols)
