"""Agents: the parts of the desk that act by themselves, what they are allowed to, and what they remember."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

MAX_MEMORIES: Final = 100
"""What one run may leave in memory; there is a word for how much more there was."""
MAX_MEMORY_CHARS: Final = 4_000
"""How long the data of one memory may be, as JSON."""
CONTEXT_CHARS: Final = 4_000
_LINE_CHARS: Final = 240


WOKEN_BY_CLOSES: Final = "strategy-agent"
"""Runs when a boundary closes, not by the clock: it may be silent for the length of the shortest timeframe more."""


class AgentState(StrEnum):
    """How an agent is.

    `online`: its last run went well and its heart beats; `degraded`: its last run failed; `offline`: it is silent,
    until its next heartbeat; `paused`: somebody has stopped it, and it does nothing until somebody resumes it.
    """

    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    PAUSED = "paused"


class Autonomy(StrEnum):
    """How far an agent goes by itself.

    `full`: it acts; `semi`: it prepares, and a person approves what trades; `user_triggered`: it does what somebody has
    asked for, and nothing of its own.
    """

    FULL = "full"
    SEMI = "semi"
    USER_TRIGGERED = "user_triggered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """One thing an agent did or saw, and why: `event_type` is its kind, `data` JSON."""

    event_type: str
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """A memory as it is kept."""

    memory_id: str
    agent: str
    memory: Memory
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent as the desk knows it; times are the database's (epoch ms), `last_run` are the figures of its last run.

    `settings` are those an operator has set, which win over the deployment's (config/agents.yaml). `paused_by` and
    `paused_reason` are None unless it is paused. One that was paused or configured before it ever ran has a
    `last_beat_ms` of 0.
    """

    agent: str
    version: str
    state: AgentState
    last_beat_ms: int
    last_error: str | None = None
    last_error_at_ms: int | None = None
    paused_by: str | None = None
    paused_reason: str | None = None
    capabilities: tuple[str, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    last_run: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """What holds for an agent: whether it runs, how far it goes by itself, its own settings (of its settings class)."""

    enabled: bool
    autonomy: Autonomy
    settings: Any


def merge_patch(target: object, patch: object) -> Any:
    """Return a JSON value changed by a merge patch (RFC 7396): objects are merged, None takes a name away, anything
    else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, given in patch.items():
        if given is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), given)
    return merged


def bounded(memories: Sequence[Memory]) -> list[Memory]:
    """Return memories as they may be kept: plain JSON, no more of one run than `MAX_MEMORIES`, and what is too long cut
    to a text."""
    kept = [_short(memory) for memory in memories[:MAX_MEMORIES]]
    if len(memories) > MAX_MEMORIES:
        kept.append(Memory(event_type="left_out", data={"memories": len(memories) - MAX_MEMORIES}))
    return kept


def context(memories: Sequence[Remembered], limit_chars: int = CONTEXT_CHARS) -> str:
    """Return the newest memories as lines of text for a prompt, the oldest of them first, at most so many characters.

    `memories` come the newest first, as they are recalled. A line that is too long ends in an ellipsis; a memory that
    no longer fits is left out with all that are older.
    """
    lines: list[str] = []
    left = limit_chars
    for each in memories:
        line = _line(each)
        if len(line) + bool(lines) > left:
            break
        left -= len(line) + bool(lines)
        lines.append(line)
    return "\n".join(reversed(lines))


def clean(text: str) -> str:
    """Return a text a database takes: what is no character there, and its escape in JSON, is a replacement one."""
    for nothing in ("\x00", "\\u0000"):
        text = text.replace(nothing, "\N{REPLACEMENT CHARACTER}")
    return text.encode(errors="replace").decode()


def _line(remembered: Remembered) -> str:
    at = datetime.fromtimestamp(remembered.at_ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    data = " ".join(_json(remembered.memory.data).splitlines())  # there are more ends of lines than JSON escapes
    text = f"[{at}] {remembered.memory.event_type}: {data}"
    return text if len(text) <= _LINE_CHARS else f"{text[: _LINE_CHARS - 1]}…"


def _short(memory: Memory) -> Memory:
    text = clean(_json(memory.data))
    if len(text) > MAX_MEMORY_CHARS:
        return Memory(event_type=memory.event_type, data={"cut": text[:MAX_MEMORY_CHARS]})
    return Memory(event_type=memory.event_type, data=json.loads(text, parse_constant=str))


def _json(data: Mapping[str, object]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(", ", ": "), default=str)
