"""How many custom metrics CloudWatch bills: one for each name and each function that writes it, its only dimension."""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from desk.lambda_host.spec import FunctionSpec
from shared.runtime.metrics import METRICS, MONITOR, MONITOR_RUNS, Metric, Published

ROOT: Final = Path(__file__).parents[1]


def count_published(functions: Iterable[FunctionSpec], published: Published) -> int:
    """Return how many are billed in a month in which everything happens."""
    return sum(
        _writes(function, metric)
        for function in functions
        for metric in METRICS.values()
        if published is Published.ALL or metric.is_watched
    )


def answers_of(function: FunctionSpec) -> frozenset[str]:
    """Return the names of the types a function answers with, none of one that is not the entrypoint's."""
    return _answers_in(ROOT / "functions" / f"{function.handler.split('.')[1]}.py")


@cache
def _answers_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text())
    handlers = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == "handler"]
    return frozenset(
        name.id for each in handlers if each.returns for name in ast.walk(each.returns) if isinstance(name, ast.Name)
    )


def _writes(function: FunctionSpec, metric: Metric) -> bool:
    if metric is MONITOR_RUNS:
        return function.name == MONITOR
    return metric.answer is None or metric.answer in answers_of(function)
