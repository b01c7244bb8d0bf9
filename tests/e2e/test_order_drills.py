"""Drills of trading: each fault once, through real parts; exactly what was meant exists at the venue after each."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from desk.cli import app
from desk.drills.orders.catalogue import Do, Drill, Exist, Foreign, Pass, Raise, order_drills
from desk.drills.orders.runner import run_order_drill
from desk.drills.orders.stage import OrderStage, order_stage
from desk.simulator.faults import Fault, FaultKind

DRILLS = order_drills()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrderStage]:
    with order_stage(seed=11, home=tmp_path_factory.mktemp("drills")) as found:
        yield found


@pytest.mark.parametrize("drill", DRILLS.values(), ids=lambda drill: drill.name)
def test_exactly_what_was_meant_exists_after(drill: Drill, stage: OrderStage) -> None:
    outcome = run_order_drill(drill, stage)
    assert outcome.problems == ()
    assert outcome.mismatches == 0
    assert outcome.intents > 0
    assert outcome.orders > 0


def test_orders_in_doubt_are_counted(stage: OrderStage) -> None:
    assert run_order_drill(DRILLS["accept_then_timeout"], stage).unknown_settled == 3


def test_a_drill_fails_that_shows_nothing(stage: OrderStage) -> None:
    idle = replace(DRILLS["cancel_race"], steps=(Fault(kind=FaultKind.REJECT), Do.REPAIR, Raise(), Do.WORK, Pass()))
    assert run_order_drill(idle, stage).problems == ("reject was on and never struck",)


def test_a_drill_fails_whose_quantity_is_not_what_was_meant(stage: OrderStage) -> None:
    drill = replace(DRILLS["cancel_race"], steps=(Raise(exists=Exist.NONE, says="a reason"), Do.WORK, Pass()))
    quantity, reason = run_order_drill(drill, stage).problems
    assert "exists at the venue, 0 should" in quantity
    assert "expected 'a reason' in it" in reason


def test_a_drill_fails_that_does_not_report_what_is_foreign(stage: OrderStage) -> None:
    theirs = DRILLS["foreign_fill"]
    (trade,) = [step for step in theirs.steps if isinstance(step, Foreign)]
    problems = run_order_drill(replace(theirs, foreign=0, steps=(Raise(), Do.WORK, trade, Pass())), stage).problems
    assert problems[0] == "1 orders at the venue are not the desk's, 0 were placed by others"
    assert problems[1].startswith("reported differences: foreign fill BTC/USDT")


def test_the_command_prints_json_and_succeeds_when_nothing_is_wrong(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("command"))
        answer = CliRunner().invoke(app, ["drill", "orders", "--only", "killed_after_call", "--seed", "3", "--json"])
    assert answer.exit_code == 0, answer.output
    (outcome,) = json.loads(answer.output)
    assert (outcome["name"], outcome["passed"], outcome["problems"]) == ("killed_after_call", True, [])
    assert (outcome["orders"], outcome["unknown_settled"]) == (1, 1)
