"""Drills of operations in short: some faults alone, and an hour of all of them, through the real functions."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from desk.cli import app
from desk.drills.operations.catalogue import catalogue
from desk.drills.operations.day import run_day
from desk.drills.operations.judge import Cause
from desk.drills.operations.runner import run_operations_drill
from desk.drills.operations.stage import OperationsStage, operations_stage
from shared.domain.monitoring import Task

DRILLS = catalogue()
SHORT = ("database_5xx", "redis_down", "queues_down", "target_down")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperationsStage]:
    with operations_stage(seed=11, home=tmp_path_factory.mktemp("drills")) as found:
        yield found


@pytest.mark.parametrize("name", SHORT)
def test_what_breaks_alone_is_told_once_and_its_end_once(name: str, stage: OperationsStage) -> None:
    outcome = run_operations_drill(DRILLS[name], stage)
    assert outcome.problems == ()
    assert (outcome.alerts, outcome.notifications) == (1, 2)
    assert outcome.direct == (1 if name == "database_5xx" else 0)
    assert {*outcome.blind} <= DRILLS[name].blinds
    if name == "database_5xx":
        assert len(outcome.blind) == len(Task)


def test_a_drill_fails_that_breaks_nothing_or_something_else(stage: OperationsStage) -> None:
    def misnamed(on: OperationsStage) -> Cause:
        return replace(DRILLS["kill_switch"].make(on), key="dependency:nothing")

    idle = replace(DRILLS["kill_switch"], make=misnamed)
    problems = run_operations_drill(idle, stage).problems
    assert "dependency:nothing was never told" in problems
    assert "kill_switch was told too" in problems
    assert "people heard 0 times that it opened" in problems


def test_an_unknown_drill_is_refused_with_those_there_are() -> None:
    answer = CliRunner().invoke(app, ["drill", "operations", "--only", "nonsense"])
    assert answer.exit_code == 2
    assert "database_5xx" in answer.output


def test_the_command_prints_json_and_succeeds_when_nothing_is_wrong(
    stage: OperationsStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desk.drills.operations.stage.operations_stage", lambda **_: nullcontext(stage))
    answer = CliRunner().invoke(app, ["drill", "operations", "--only", "venue_down", "--seed", "3", "--json"])
    assert answer.exit_code == 0, answer.output
    (outcome,) = json.loads(answer.output)
    assert (outcome["name"], outcome["passed"], outcome["problems"]) == ("venue_down", True, [])
    assert (outcome["alerts"], outcome["notifications"]) == (1, 2)
    assert 1 <= outcome["until_told"] <= 2  # who looks at the answers may be quicker than who asks


def test_an_hour_in_which_everything_fails_at_random(stage: OperationsStage) -> None:
    outcome = run_day(stage, seed=5, runs=60)
    assert [each for each in outcome.problems if "slowest" not in each] == []  # this machine may be busy
    assert sum(outcome.hits.values()) > 2
    assert outcome.alerts > 0
