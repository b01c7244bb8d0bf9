"""One invocation as a run of its agent: whether it may run, what came of it, what is remembered."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from shared.agent_ports import Remembers
from shared.domain.agents import Memory, clean
from shared.domain.errors import NightdeskError
from shared.runtime.redaction import redact
from shared.runtime.telemetry import VERSION

if TYPE_CHECKING:
    from shared.runtime.wiring import Deps

_NO_FIGURES: Final = ("_time", "_ms", "timestamp")
"""How the names of numbers end that are not counted up: times, and durations, which the run has one of."""


class AgentRun:
    """What is written down of one invocation, in one call at its end; of a function that is no agent's, nothing."""

    def __init__(self, agent: str | None, deps: Deps, log: Any) -> None:
        self._agent, self._deps, self._log = agent, deps, log
        self._began = time.perf_counter()
        self._memories: list[Memory] = []
        self._figures: Counter[str] = Counter()
        self._did = self._failed = self._skipped = 0
        self._error: str | None = None
        self._refused: NightdeskError | None = None

    def stopped(self) -> str | None:
        """Return why the agent does nothing, None when it may run; raise when that cannot be known.

        What could not be read is not asked for again by the next message of a batch: each would wait as long.
        """
        if self._agent is None:
            return None
        if self._refused is not None:
            raise self._refused
        try:
            return self._deps.clearances.of(self._agent).stopped
        except NightdeskError as error:
            self._refused = error
            raise

    def did(self, result: BaseModel) -> None:
        """Note what a message led to."""
        self._did += 1
        self._figures.update(figures_of(result))
        if isinstance(result, Remembers):
            self._memories += [
                Memory(event_type=each.event_type, data=_redacted(each.data)) for each in result.memories()
            ]

    def skipped(self) -> None:
        """Note that a message was passed over."""
        self._skipped += 1

    def failed(self, error: Exception) -> None:
        """Note what kept a message from being handled."""
        self._failed += 1
        self._error = redact(clean(f"{type(error).__name__}: {error}"))
        self._memories.append(Memory(event_type="failed", data={"error": self._error}))

    def beat(self) -> None:
        """Write it down, unless nothing came in that was the agent's to handle."""
        if self._agent is None or not (self._did or self._failed or self._skipped):
            return
        from shared.runtime.agent_config import SPECS  # noqa: PLC0415 - only an agent's run pays for what agents are

        spec = SPECS.get(self._agent)
        try:
            agents = self._deps.hasty_agents if spec is not None and spec.watchman else self._deps.agents
            agents.beat(
                self._agent,
                version=VERSION,
                error=self._error,
                run=self._run() if self._did or self._failed else None,
                memories=self._memories,
                capabilities=None if spec is None else spec.capabilities,
            )
        except NightdeskError as error:
            self._log.error(
                "the heartbeat was not recorded", agent=self._agent, error=str(error), memories=len(self._memories)
            )

    def _run(self) -> dict[str, object]:
        return {
            "messages": self._did + self._failed + self._skipped,
            "failed": self._failed,
            "duration_ms": round((time.perf_counter() - self._began) * 1_000, 3),
            **self._figures,
        }


def _redacted(value: Any) -> Any:
    """Return what is to be kept without the secrets of this process."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {name: _redacted(each) for name, each in value.items()}
    return [_redacted(each) for each in value] if isinstance(value, list | tuple) else value


def figures_of(result: BaseModel) -> dict[str, float]:
    """Return the numbers of a result by name; of a collection how many are in it."""
    found: dict[str, float] = {}
    for name, value in result:
        if isinstance(value, bool) or name.endswith(_NO_FIGURES):
            continue
        if isinstance(value, int | float) and math.isfinite(value):
            found[name] = value
        elif isinstance(value, list | tuple | dict):
            found[name] = len(value)
    return found
