"""What a run leaves is held against what is wrong."""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from desk.drills.operations import day
from desk.drills.operations.catalogue import Drill
from desk.drills.operations.day import Day, run_day
from desk.drills.operations.judge import WITHIN, Cause, Episode, Seen, judge
from desk.drills.operations.stage import Heard, OperationsStage, Run
from shared.domain.monitoring import Task


def noted() -> None:
    """Do nothing."""


a_cause = partial(Cause, begin=noted, end=noted)


def seen(*keys: str, kept: tuple[str, ...] = (), away: tuple[str, ...] = ()) -> Seen:
    return Seen(open=keys, kept=kept, away=away)


def test_what_nobody_made_wrong_is_a_problem() -> None:
    assert [*judge([], 3, seen("venue:x", "agent:y"))] == ["run 3: nobody made agent:y, venue:x wrong"]


def test_a_cause_is_told_within_two_runs_of_being_plain_to_see() -> None:
    episode = Episode(a_cause("venue:x", hidden_by=("database", "agent:")), began=0, until=100)
    assert [*judge([episode], 0, seen())] == []
    assert [*judge([episode], 1, seen())] == ["run 1: venue:x is not told"]
    assert [*judge([episode], 2, seen("venue:x"))] == []


def test_what_is_hidden_or_does_not_count_yet_need_not_be_told() -> None:
    episode = Episode(a_cause("venue:x", hidden_by=("database", "agent:")), began=0, until=100)
    agent = Episode(a_cause("agent:y", counts_after_ms=10**9), began=0, until=100)
    for number in range(4):
        assert [*judge([episode, agent], number, seen())] == []
        assert [*judge([episode], number, seen(away=("database",)))] == []
    late = Episode(a_cause("runs:stuck", counts_after_ms=3 * 60_000), began=0, until=100)
    problems = [problem for number in range(6) for problem in judge([late], number, seen())]
    assert problems == ["run 5: runs:stuck is not told"]


def test_the_time_of_what_was_hidden_begins_when_it_no_longer_is() -> None:
    """A run that is to be left cannot be claimed while there is no database."""
    late = Episode(a_cause("runs:stuck", counts_after_ms=3 * 60_000), began=0, until=100)
    kept = partial(seen, kept=("dependency:database",), away=("database",))
    assert [problem for number in range(5) for problem in judge([late], number, kept())] == []
    problems = [problem for number in range(5, 11) for problem in judge([late], number, seen())]
    assert problems == ["run 10: runs:stuck is not told"]


def test_a_cause_is_over_within_two_runs_of_its_end() -> None:
    episode = Episode(a_cause("venue:x"), began=0, until=1)
    assert [*judge([episode], 1, seen("venue:x"))] == []
    assert not episode.is_over(1)
    assert [*judge([episode], 2, seen("venue:x"))] == ["run 2: venue:x is still open"]
    assert [*judge([episode], 3, seen())] == []
    assert episode.ended_for > WITHIN
    assert episode.is_over(3)


def test_while_there_is_no_database_that_is_kept_unless_redis_is_away_too() -> None:
    episode = Episode(a_cause("dependency:database", hidden_by=()), began=0, until=9)
    assert [*judge([episode], 0, seen(kept=("dependency:database",), away=("database",)))] == []
    assert [*judge([episode], 1, seen(away=("database", "redis")))] == []
    assert [*judge([episode], 2, seen(away=("database",)))] == ["run 2: dependency:database is not kept"]


CALM = Run(
    duration_ms=10.0, error=None, failed=frozenset(), answered=len(Task), skipped_reason=None, open=(),
    kept=frozenset(), away=frozenset(), stalled=False,
)  # fmt: skip
STALLED = replace(CALM, failed=frozenset({Task.SIGNALS}), open=("dependency:database",), stalled=True)


@dataclass
class Played:
    """A stage whose runs are written down beforehand; after them somebody presses Ctrl-C."""

    runs: list[Run]
    home: Path = Path()
    heard: object = field(default=Heard)

    def minute(self) -> Run:
        if not self.runs:
            raise KeyboardInterrupt
        return self.runs.pop(0)


def play(*runs: Run, of: int) -> tuple[str, ...]:
    return run_day(cast("OperationsStage", Played([*runs])), seed=1, runs=of).problems


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day, "catalogue", dict)


@pytest.mark.usefixtures("quiet")
def test_a_stall_explains_the_alert_it_leads_to_and_nothing_after_that() -> None:
    assert play(STALLED, *[CALM] * 9, of=6) == ()
    lasting = [replace(CALM, open=STALLED.open)] * 2
    assert play(STALLED, *lasting, *[CALM] * 7, of=6) == (
        "run 1: dependency:database is still open",
        "run 2: dependency:database is still open",
    )
    assert play(*lasting, *[CALM] * 7, of=6)[0] == "run 0: nobody made dependency:database wrong"


@pytest.mark.usefixtures("quiet")
def test_a_machine_that_stalls_often_is_no_place_for_a_drill() -> None:
    (problem,) = play(*[STALLED, CALM, CALM, CALM] * 3, *[CALM] * 4, of=12)
    assert problem == "the database stalled in 3 runs by itself: this machine is too busy for a drill"


@pytest.mark.usefixtures("quiet")
def test_runs_that_take_too_long_are_a_problem() -> None:
    (problem,) = play(replace(CALM, duration_ms=5_001.0), *[CALM] * 9, of=6)
    assert problem == "of a hundred runs the slowest but one took 5,001 ms, more than 5,000 ms"


@pytest.mark.usefixtures("quiet")
def test_a_day_that_is_interrupted_tells_what_it_saw() -> None:
    wrong = replace(CALM, open=("venue:x",))
    outcome = run_day(cast("OperationsStage", Played([CALM, wrong])), seed=1, runs=1_440)
    assert outcome.problems == ("run 1: nobody made venue:x wrong", "interrupted after 2 of 1,440 runs")
    assert (outcome.runs, outcome.passed) == (2, False)
    assert play(of=1_440) == ("interrupted after 0 of 1,440 runs",)


def test_what_strikes_ends_when_its_time_is_over_or_the_day_is() -> None:
    begun, ended = list[str](), list[str]()

    def make(name: str) -> Cause:
        return Cause(f"venue:{name}", lambda: begun.append(name), lambda: ended.append(name))

    names = ["a", "b", "c"]
    drills = {name: Drill(name=name, breaks=name, make=lambda _: make(""), longest=3) for name in names}
    one = Day(drills=drills, causes={name: make(name) for name in names}, seed=3)
    for number in range(200):
        one.strike(number)
        broken = [each.cause.key for each in one.episodes.values() if each.until > number]
        assert len(broken) == len({*broken}) == len(begun) - len(ended)
        one.hold(number, replace(CALM, open=tuple(broken)))
    one.mend(200)
    assert one.problems == []
    assert sorted(begun) == sorted(ended)
    assert {*begun} == {*names}
    assert one.hits.total() == len(begun) > 3
