"""Run the monitor's checks side by side: none waits for another, and what befalls one is its own."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias

from shared.domain.errors import NightdeskError, TransientError
from shared.domain.monitoring import Looked, Occasion, Task, TaskOutcome

Check: TypeAlias = Callable[[Occasion], Looked]

logger: Final = logging.getLogger(__name__)


def look_apart(checks: Mapping[Task, Check], occasion: Occasion, *, limit_s: float) -> list[TaskOutcome]:
    """Return what became of every check, in the order given; one that takes longer than the limit is not waited for.

    Its thread is left to end by itself: everything a check does may be done twice.
    """
    until_s = time.monotonic() + limit_s
    answers: SimpleQueue[TaskOutcome] = SimpleQueue()
    for task, check in checks.items():
        threading.Thread(target=_look, args=(task, check, occasion, answers), name=task, daemon=True).start()
    found: dict[Task, TaskOutcome] = {}
    while len(found) < len(checks):
        try:
            outcome = answers.get(timeout=max(until_s - time.monotonic(), 0.0))
        except Empty:
            break
        found[outcome.task] = outcome
    return [found.get(task) or _ran_out(task, limit_s) for task in checks]


def _look(task: Task, check: Check, occasion: Occasion, answers: SimpleQueue[TaskOutcome]) -> None:
    began = time.perf_counter()
    looked, error, source = None, None, None
    try:
        looked = check(occasion)
    except TransientError as why:
        error, source = str(why), why.source
    except NightdeskError as why:
        error = f"{type(why).__name__}: {why}"
    except Exception as why:  # one check must not take the others down; the log has the trace
        logger.exception("%s failed", task)
        error = f"{type(why).__name__}: {why}"
    answers.put(
        TaskOutcome(
            task=task,
            looked=looked,
            error=error,
            source=source,
            duration_ms=round((time.perf_counter() - began) * 1_000, 3),
        )
    )


def _ran_out(task: Task, limit_s: float) -> TaskOutcome:
    return TaskOutcome(task=task, error=f"took longer than {limit_s:g} s", ran_out=True, duration_ms=limit_s * 1_000)
