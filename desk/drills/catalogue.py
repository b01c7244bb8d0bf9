"""The drills, as data: what each breaks and when. Times are real seconds; the tape plays at the drill's speed.

At 60 times the real pace a minute's candle takes a second and the grace half of one, so a delay of 1.5 s is to that
tape what 90 s are to a real market.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

from desk.simulator.faults import Fault, FaultKind
from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe

T = TypeVar("T")
DAY: Final = "day"
DAY_SPEED: Final = 600.0
REDIS_DOWN_S: Final = 90.0
TAKE_OVER_S: Final = 10.0
HELD_S: Final = 10.0  # the repair's eight seconds, and the grace before them


class Do(StrEnum):
    """What can be done to the processes around the venue; a collector is meant by its age."""

    KILL = "kill the oldest collector"
    START = "start a collector"
    PAUSE = "pause the oldest collector"
    RESUME = "resume the oldest collector"
    REDIS_DOWN = "cut Redis off"
    REDIS_FREEZE = "freeze Redis"
    REDIS_UP = "give Redis back"
    REDIS_EMPTY = "empty Redis"


@dataclass(frozen=True, slots=True)
class Wait:
    """Let a number of real seconds pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class AtClose:
    """Wait for the next close of the shortest timeframe, and then some real seconds."""

    and_s: float


@dataclass(frozen=True, slots=True)
class Reconnected:
    """Wait until no socket of the venue is half-open and one is whole; the drill fails if that takes longer."""

    within_s: float


Step = Fault | Do | Wait | AtClose | Reconnected


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """One drill: after `steps` whatever was broken is whole again, and the collector has until then and a little more.

    `from_boot` is wrong before the collector starts and stays so. `max_blind_s` bounds the longest stretch without
    candles where the drill is about that, `max_held_s` how long after its close a boundary may come into the log, with
    what there is; `must_correct` says that some must have come without all of their candles. `listed` and `delisted`
    name symbols of the tape and the minute of it, a multiple of all timeframes, at which they come and go. `minutes` is
    how much of the tape is played at least. `must_strike` says that a fault that never struck fails the drill; what was
    drawn may miss, such as a refusal when nothing is asked.
    """

    name: str
    breaks: str
    steps: tuple[Step, ...]
    from_boot: tuple[Fault, ...] = ()
    speed: float = 60.0
    timeframes: tuple[Timeframe, ...] = (Timeframe.M1, Timeframe.M5)
    symbols: int = 6
    minutes: int = 0
    max_blind_s: float | None = None
    max_held_s: float | None = None
    must_correct: bool = False
    must_strike: bool = True
    listed: dict[str, int] = field(default_factory=dict)
    delisted: dict[str, int] = field(default_factory=dict)


def drills(*, seed: int, redis_down_s: float = REDIS_DOWN_S) -> dict[str, Drill]:
    """Return every drill by name, the quick ones first; the day is drawn from the seed."""
    return {drill.name: drill for drill in (*_streams(), *_requests(), *_parts(redis_down_s), day(seed))}


def choose(found: dict[str, T], names: list[str]) -> list[T]:
    """Return the drills of these names, all for none; raise `InvalidMessageError` that lists what there is."""
    for name in names:
        if name not in found:
            raise InvalidMessageError("--only", f"no drill is named {name!r}, expected one of {', '.join(found)}")
    return [found[name] for name in names] or list(found.values())


def _streams() -> tuple[Drill, ...]:
    drop, cut = Fault(kind=FaultKind.DROP), Fault(kind=FaultKind.CUT)
    half_open = Fault(kind=FaultKind.HALF_OPEN)
    return (
        Drill(
            name="dropped",
            breaks="the socket is gone, without a word, three times",
            steps=(Wait(1.5), drop, Wait(2.0), drop, AtClose(0.0), drop, Wait(2.0)),
        ),
        Drill(
            name="half_open",
            breaks="the socket stays open and silent, pings unanswered",
            steps=(Wait(1.5), half_open, Reconnected(45.0), Wait(1.0)),
        ),
        Drill(
            name="cut_24h",
            breaks="the venue closes every socket in order, twice",
            steps=(Wait(1.5), cut, Wait(3.0), AtClose(0.0), cut, Wait(2.0)),
        ),
        _of_frames("duplicated", "half of the frames arrive twice", Fault(kind=FaultKind.DUPLICATE, share=0.5)),
        _of_frames(
            "reordered", "frames arrive up to a candle and a half late", Fault(kind=FaultKind.REORDER, delay_s=1.5)
        ),
        _of_frames("truncated", "a third of the frames end early", Fault(kind=FaultKind.TRUNCATE, share=0.33)),
        _of_frames(
            "delayed",
            "half of the frames arrive long past the grace",
            Fault(kind=FaultKind.DELAY, share=0.5, delay_s=1.5),
        ),
        _of_frames("lost", "a third of the frames never arrive", Fault(kind=FaultKind.LOSE, share=0.33)),
        Drill(
            name="delisted",
            breaks="a symbol stops trading for good",
            steps=(Wait(20.0),),
            delisted={"ETH/USDT": 5},
        ),
        Drill(
            name="listed",
            breaks="a symbol begins to trade",
            steps=(Wait(20.0),),
            listed={"ETH/USDT": 5},
        ),
    )


def _of_frames(name: str, breaks: str, fault: Fault) -> Drill:
    return Drill(name=name, breaks=breaks, steps=(Wait(1.0), fault, Wait(8.0), Wait(0.5)))


def _requests() -> tuple[Drill, ...]:
    def losing(fault: Fault, seconds: float) -> tuple[Step, ...]:
        """Lose frames meanwhile, so that there is something to ask for."""
        lose = Fault(kind=FaultKind.LOSE, share=0.33, for_s=seconds)
        return (Wait(1.0), fault, lose, Wait(seconds), Wait(1.0))

    def skewed(offset_ms: int) -> Fault:
        return Fault(kind=FaultKind.CLOCK, offset_ms=offset_ms)

    lose = Fault(kind=FaultKind.LOSE, share=0.33)
    return (
        Drill(
            name="rest_429",
            breaks="frames are lost and requests refused for their number",
            steps=losing(Fault(kind=FaultKind.REST_429, retry_after_s=2, for_s=4.0), 5.0),
        ),
        Drill(
            name="rest_418",
            breaks="frames are lost and the address is banned",
            steps=losing(Fault(kind=FaultKind.REST_418, retry_after_s=5, for_s=4.0), 5.0),
        ),
        Drill(
            name="rest_5xx",
            breaks="frames are lost and two requests of three fail",
            steps=losing(Fault(kind=FaultKind.REST_5XX, share=0.67, for_s=6.0), 6.0),
        ),
        Drill(
            name="rest_slow",
            breaks="frames are lost and every answer takes three seconds",
            steps=losing(Fault(kind=FaultKind.REST_SLOW, delay_s=3.0, for_s=6.0), 6.0),
        ),
        Drill(
            name="rest_down_wide",
            breaks="frames of 50 symbols are lost, and REST fails after ten seconds",
            steps=(
                Wait(1.0),
                Fault(kind=FaultKind.REST_SLOW, delay_s=10.0, for_s=20.0),
                *losing(Fault(kind=FaultKind.REST_5XX, for_s=20.0), 20.0),
            ),
            symbols=50,
            max_held_s=HELD_S,
            must_correct=True,
        ),
        Drill(
            name="clock_ahead",
            breaks="the venue's clock is a candle and a half ahead of ours, and frames are lost",
            steps=(Wait(1.0), lose, Wait(8.0)),
            from_boot=(skewed(90_000),),
        ),
        Drill(
            name="clock_behind",
            breaks="the venue's clock is a candle and a half behind ours, and frames are lost",
            steps=(Wait(1.0), lose, Wait(8.0)),
            from_boot=(skewed(-90_000),),
        ),
        Drill(
            name="clock_step",
            breaks="the venue's clock falls back by a candle and a half, and frames are lost",
            steps=losing(skewed(-90_000), 8.0),
        ),
    )


def _parts(redis_down_s: float) -> tuple[Drill, ...]:
    halved = Fault(kind=FaultKind.DELAY, share=0.5, delay_s=0.4)
    return (
        Drill(
            name="redis_down",
            breaks=f"Redis is away for {redis_down_s:g} s",
            steps=(Wait(2.0), Do.REDIS_DOWN, Wait(redis_down_s), Do.REDIS_UP),
        ),
        Drill(
            name="redis_frozen",
            breaks="Redis answers nothing for 8 s, then does what it was told meanwhile",
            steps=(Wait(2.0), Do.REDIS_FREEZE, Wait(8.0), Do.REDIS_UP),
        ),
        Drill(
            name="redis_emptied",
            breaks="Redis loses all it has: log, lease and prices",
            steps=(Wait(4.0), AtClose(0.1), Do.REDIS_EMPTY, Wait(6.0)),
            max_blind_s=TAKE_OVER_S,
        ),
        Drill(
            name="killed",
            breaks="the collector is killed with half of a boundary in its hands",
            steps=(Wait(1.5), halved, AtClose(0.15), Do.KILL, Do.START, Wait(6.0)),
        ),
        Drill(
            name="two_collectors",
            breaks="a second collector starts beside the first, which is killed later",
            steps=(Wait(1.5), Do.START, Wait(6.0), AtClose(0.1), Do.KILL, Wait(TAKE_OVER_S)),
            max_blind_s=TAKE_OVER_S,
        ),
        Drill(
            name="paused",
            breaks="the writing collector stops for 15 s and goes on as if nothing had been",
            steps=(Wait(1.5), Do.START, Wait(6.0), AtClose(0.1), Do.PAUSE, Wait(15.0), Do.RESUME, Wait(4.0)),
            max_blind_s=TAKE_OVER_S,
        ),
    )


def day(seed: int, *, minutes: int = 1_440) -> Drill:
    """Return a day at 600 times the real pace with a fault every few seconds, drawn from the seed."""
    draw = random.Random(seed)  # noqa: S311 a venue's mishaps, not a secret
    steps: list[Step] = [Wait(1.0)]
    seconds, count = 1.0, 0
    while seconds < minutes * Timeframe.M1.ms / 1_000 / DAY_SPEED - 4.0:
        mishap = (*draw.choice(_MISHAPS)(draw), Wait(draw.uniform(1.0, 4.0)))
        steps += mishap
        seconds += sum(step.seconds for step in mishap if isinstance(step, Wait))
        count += 1
    return Drill(
        name=DAY,
        breaks=f"{minutes / 60:g} hours with {count} mishaps, seed {seed}",
        steps=tuple(steps),
        speed=DAY_SPEED,
        timeframes=(Timeframe.M1, Timeframe.M5, Timeframe.M15),
        symbols=8,
        minutes=minutes,
        must_strike=False,
    )


Mishap = Callable[[random.Random], tuple[Step, ...]]


def _lasting(kind: FaultKind, **parameters: float) -> Mishap:
    def mishap(draw: random.Random) -> tuple[Step, ...]:
        share, for_s = draw.uniform(0.1, 0.7), draw.uniform(0.5, 3.0)
        return (Fault.model_validate({"kind": kind, "share": share, "for_s": for_s, **parameters}),)

    return mishap


def _restart(draw: random.Random) -> tuple[Step, ...]:
    return (AtClose(draw.uniform(0.0, 0.1)), Do.KILL, Wait(draw.uniform(0.0, 1.0)), Do.START, Wait(2.0))


def _redis(how: Do) -> Mishap:
    return lambda draw: (how, Wait(draw.uniform(0.5, 4.0)), Do.REDIS_UP)


_MISHAPS: Final[tuple[Mishap, ...]] = (
    lambda _: (Fault(kind=FaultKind.DROP),),
    lambda _: (Fault(kind=FaultKind.CUT),),
    lambda draw: (Fault(kind=FaultKind.HALF_OPEN, share=draw.uniform(0.3, 1.0)),),
    _lasting(FaultKind.LOSE),
    _lasting(FaultKind.DUPLICATE),
    _lasting(FaultKind.TRUNCATE),
    _lasting(FaultKind.DELAY, delay_s=0.6),
    _lasting(FaultKind.REORDER, delay_s=0.4),
    _lasting(FaultKind.REST_429, retry_after_s=1),
    _lasting(FaultKind.REST_418, retry_after_s=2),
    _lasting(FaultKind.REST_5XX),
    _lasting(FaultKind.REST_SLOW, delay_s=1.0),
    _redis(Do.REDIS_DOWN),
    _redis(Do.REDIS_FREEZE),
    _restart,
)
