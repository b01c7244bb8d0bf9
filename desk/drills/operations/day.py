"""Run a day of the desk in which everything in the catalogue breaks at random, alone and together."""

import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from desk.drills.operations.catalogue import DAY, Drill, catalogue
from desk.drills.operations.judge import Cause, Episode, Seen, judge
from desk.drills.operations.runner import (
    DATABASE,
    OPENED,
    PATIENCE,
    RESOLVED,
    OperationsOutcome,
    Watch,
    durations_of,
    outcome_of,
    percentile,
    wrong_with,
)
from desk.drills.operations.stage import Heard, OperationsStage, Run

LIMIT_MS: Final = 5_000
"""How long of a hundred runs all but one may take."""
DAY_RUNS: Final = 1_440
_CHANCE: Final = 0.06
_STALL: Final = "a stall"
_STALLS: Final = 0.01


def run_day(stage: OperationsStage, *, seed: int, runs: int = DAY_RUNS) -> OperationsOutcome:
    """Let everything in the catalogue break at random, one run a minute; one that is interrupted tells what it saw."""
    began, drills, watch = time.monotonic(), catalogue(), Watch()
    day = Day(drills=drills, causes={drill.name: drill.make(stage) for drill in drills.values()}, seed=seed)
    try:
        for number in range(runs):
            day.strike(number)
            day.hold(number, watch.minute(stage))
        day.mend(runs)
        for _ in range(PATIENCE):
            last = watch.minute(stage)
        day.problems += [f"{key} is open after everything was mended" for key in last.open]
    except KeyboardInterrupt:
        day.problems.append(f"interrupted after {len(watch.runs):,} of {runs:,} runs")
    day.problems += _order_of(watch.heard, {cause.key for cause in day.causes.values()})
    day.problems += _pace_of(watch.runs)
    return outcome_of(
        DAY, "everything, at random", watch, stage, problems=day.problems, began=began, hits=dict(day.hits)
    )


@dataclass(slots=True, kw_only=True)
class Day:
    """What is broken now by the dice of a seed, and what was wrong with what the desk said of it."""

    drills: Mapping[str, Drill]
    causes: dict[str, Cause]
    seed: int
    problems: list[str] = field(default_factory=list)
    hits: Counter[str] = field(default_factory=Counter)
    episodes: dict[str, Episode] = field(default_factory=dict)
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311 - a game of chance

    def strike(self, number: int) -> None:
        """End what has lasted long enough by run `number`, and perhaps break something that is whole."""
        self.mend(number, exactly=True)
        busy = {each.cause.key for each in self.episodes.values()}
        fresh = [name for name, cause in self.causes.items() if cause.key not in busy]
        if fresh and self._chance.random() < _CHANCE:
            name = self._chance.choice(fresh)
            lasts = self._chance.randint(1, self.drills[name].longest)
            self.episodes[name] = Episode(self.causes[name], number, number + lasts)
            self.causes[name].begin()
            self.hits[name] += 1

    def mend(self, number: int, *, exactly: bool = False) -> None:
        """End what ends at run `number`, or whatever is still broken then."""
        for episode in self.episodes.values():
            if episode.until == number or (episode.until > number and not exactly):
                episode.cause.end()

    def hold(self, number: int, run: Run) -> None:
        """Hold what run `number` has left against what is broken; a stall nobody made is wrong for that run alone."""
        if run.stalled:
            self.episodes[_STALL] = Episode(Cause(DATABASE, _nothing, _nothing, hidden_by=()), number, number)
        seen = Seen(open=run.open, kept=run.kept, away=run.away)
        self.problems += judge([*self.episodes.values()], number, seen)
        blinds = {name: self.drills[name].blinds for name in self.episodes if name != _STALL}
        self.problems += [f"run {number}: {problem}" for problem in wrong_with([run], blinds)]
        self.episodes = {name: each for name, each in self.episodes.items() if not each.is_over(number)}


def _nothing() -> None:
    """Leave things as they are."""


def _pace_of(runs: list[Run]) -> Iterator[str]:
    """Yield that the machine was too busy for a drill, and that runs took too long."""
    if (stalls := sum(run.stalled for run in runs)) > _STALLS * len(runs) + 1:
        yield f"the database stalled in {stalls} runs by itself: this machine is too busy for a drill"
    if runs and (slowest := percentile(durations_of(runs), 0.99)) > LIMIT_MS:
        yield f"of a hundred runs the slowest but one took {slowest:,.0f} ms, more than {LIMIT_MS:,} ms"


def _order_of(heard: Heard, keys: set[str]) -> Iterator[str]:
    """Yield what was told twice, told as over without having begun, or told of what nobody made wrong."""
    is_open: dict[str, bool] = {}
    for kind, key in heard.told:
        if key not in keys:
            yield f"people were told of {key}"
        elif kind in {OPENED, RESOLVED}:
            if is_open.get(key, False) is (kind == OPENED):
                yield f"people were told twice in a row that {key} {kind.removeprefix('alert_')}"
            is_open[key] = kind == OPENED
