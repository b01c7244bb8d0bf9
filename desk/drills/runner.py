"""Run a drill: set the stage, do its steps, let the collector catch up, and hold the log against the tape."""

import asyncio
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from desk.drills.catalogue import AtClose, Do, Drill, Reconnected, Wait
from desk.drills.ledger import Pace, Verdict
from desk.drills.outcome import DrillOutcome
from desk.drills.stage import Stage, stage_of
from desk.local.process import LocalPartError
from desk.simulator.faults import Fault
from shared.adapters.clock import TapeClock, steer
from shared.domain.timeframe import Timeframe

HOME: Final = Path(".desk/drills")
PATIENCE_S: Final = 40.0
"""How long a collector may take, after everything is whole again, to write what it missed."""
_AFTER_BARS: Final = 2
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(DrillOutcome):
    """What a drill of the collector showed."""

    seed: int
    verdict: Verdict
    redis: str


async def run_drill(drill: Drill, *, seed: int, home: Path = HOME, patience_s: float = PATIENCE_S) -> Outcome:
    """Run one drill; everything it writes, logs included, is below `home` and stays there."""
    began = time.monotonic()
    async with stage_of(drill, home=home / drill.name, seed=seed) as stage:
        steer(stage.clock_file, tape_ms=stage.tape.live_from, speed=drill.speed)
        play = _Play(stage, Pace.of(stage.clock_file))
        await play.steps()
        hits = await stage.recover()
        await play.catch_up(patience_s)
        await stage.clear()
        await asyncio.to_thread(stage.read_back)
        verdict = play.verdict()
        problems = (*play.problems, *problems_of(drill, verdict, hits))
        return Outcome(
            name=drill.name,
            breaks=drill.breaks,
            seed=seed,
            verdict=verdict,
            problems=problems,
            hits=hits,
            redis=stage.redis.kind,
            took_s=round(time.monotonic() - began, 1),
            home=stage.home,
        )


class _Play:
    """The steps of a drill on its stage."""

    def __init__(self, stage: Stage, pace: Pace) -> None:
        self.problems: list[str] = []
        self._stage = stage
        self._pace = pace
        self._clock = TapeClock(stage.clock_file)
        self._shortest = min(stage.drill.timeframes, key=lambda timeframe: timeframe.ms)
        self._until = stage.tape.live_from

    async def steps(self) -> None:
        """Do one step after another."""
        for step in self._stage.drill.steps:
            match step:
                case Fault():
                    await self._stage.switch_on(step)
                case Wait(seconds):
                    await asyncio.sleep(seconds)
                case AtClose(and_s):
                    await self._reach(self._shortest.close_time(self._clock.now_ms()), and_s)
                case Reconnected(within_s):
                    await self._reconnected(within_s)
                case Do():
                    await self._do(step)

    async def catch_up(self, patience_s: float) -> None:
        """Wait until the log has everything up to a boundary of all timeframes that closes after the last step."""
        longest = max(self._stage.drill.timeframes, key=lambda timeframe: timeframe.ms)
        end = self._stage.tape.live_from + self._stage.drill.minutes * Timeframe.M1.ms
        soon = self._clock.now_ms() + _AFTER_BARS * self._shortest.ms
        self._until = longest.last_close(max(end, soon) + longest.ms - 1)
        await self._reach(self._until, 0.0)
        deadline = time.monotonic() + patience_s
        while not self._stage.ledger.is_whole(self._until) and time.monotonic() < deadline:
            self._check()
            await asyncio.sleep(_POLL_S * 4)

    def verdict(self) -> Verdict:
        """Judge the log up to the boundary waited for; a candle is due when the venue's own clock says so."""
        ahead_ms = sum(fault.offset_ms for fault in self._stage.drill.from_boot)
        pace = replace(self._pace, tape_ms=self._pace.tape_ms + ahead_ms)
        return self._stage.ledger.verdict(self._until, pace=pace, now_ms=time.time_ns() // 1_000_000)

    async def _do(self, what: Do) -> None:
        stage = self._stage
        match what:
            case Do.KILL:
                await stage.kill()
            case Do.START:
                await stage.start_collector()
            case Do.PAUSE:
                stage.signal_oldest(signal.SIGSTOP)
            case Do.RESUME:
                stage.signal_oldest(signal.SIGCONT)
            case Do.REDIS_DOWN:
                stage.gate.shut()
            case Do.REDIS_FREEZE:
                stage.gate.freeze()
            case Do.REDIS_UP:
                stage.gate.open()
            case Do.REDIS_EMPTY:
                await stage.empty_redis()

    async def _reach(self, tape_ms: int, and_s: float) -> None:
        while (left_s := self._pace.real(tape_ms) / 1_000 + and_s - time.time()) > 0:
            self._check()
            await asyncio.sleep(min(left_s, 1.0))

    async def _reconnected(self, within_s: float) -> None:
        began = time.monotonic()
        while not await self._stage.is_connected():
            if time.monotonic() - began > within_s:
                self.problems.append(f"no whole connection within {within_s:g} s")
                return
            await asyncio.sleep(_POLL_S)

    def _check(self) -> None:
        """Note a collector that has ended by itself, once."""
        try:
            self._stage.check()
        except LocalPartError as error:
            if str(error) not in self.problems:
                self.problems.append(str(error))


def problems_of(drill: Drill, verdict: Verdict, hits: dict[str, int]) -> list[str]:
    """Return what a drill found, in words; a fault that never struck is one, for then the drill shows nothing."""
    problems = [f"{count} {what}" for what, count in verdict.breaches.items() if count]
    kinds = {step.kind for step in (*drill.from_boot, *drill.steps) if isinstance(step, Fault) and drill.must_strike}
    problems += [f"{kind} was on and never struck" for kind in sorted(kinds) if not hits.get(kind)]
    if drill.max_blind_s is not None and verdict.blind_s > drill.max_blind_s:
        problems.append(f"blind for {verdict.blind_s:.1f} s, at most {drill.max_blind_s:g} s are allowed")
    if drill.max_held_s is not None and verdict.held_s > drill.max_held_s:
        problems.append(f"a boundary was held for {verdict.held_s:.1f} s, at most {drill.max_held_s:g} s are allowed")
    if drill.must_correct and not verdict.late:
        problems.append("no boundary went out without all of its candles")
    return problems
