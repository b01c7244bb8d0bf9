"""Log lines of the desk as people read them: JSON of functions and the collector, and whatever else a part writes."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from rich.markup import escape

from shared.runtime.metrics import MEASURED

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_STYLES: Final = {"DEBUG": "dim", "INFO": "", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}
_KNOWN: Final = frozenset({"level", "location", "message", "timestamp", "service", "correlation_id", "request_id",
                           "xray_trace_id", "exception", "exception_name", "stack_trace", "taskName"})  # fmt: skip
_UNKNOWN_TIME: Final = 0
_LONGEST: Final = 240
_NOTHING: Final[tuple[object, ...]] = (None, 0, "", [], {})


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One thing a part said at an instant (epoch ms); `more` are the fields it gave beside the message."""

    source: str
    at_ms: int
    level: str
    message: str
    correlation_id: str | None = None
    request_id: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    trace: str = ""

    def is_of(self, correlation_id: str) -> bool:
        """Tell whether a line is about a correlation id, or came of a request with that id."""
        return correlation_id in (self.correlation_id, self.request_id, self.more.get("correlation_id"))


def read_line(text: str, *, source: str, at_ms: int) -> LogLine | None:
    """Read one line; None for nothing, and for what an invocation measured.

    What is no JSON is a message at `at_ms`, the time before it.
    """
    text = text.rstrip()
    if not text:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return LogLine(source=source, at_ms=at_ms, level=_level_of(text), message=text)
    if found.get("message") == MEASURED:
        return None
    return LogLine(
        source=source,
        at_ms=_time_of(found.get("timestamp"), at_ms),
        level=str(found.get("level", "INFO")).upper(),
        message=str(found.get("message", "")),
        correlation_id=_text(found.get("correlation_id")),
        request_id=_text(found.get("request_id")),
        more={name: value for name, value in found.items() if name not in _KNOWN},
        trace=str(found.get("exception") or ""),
    )


def wanted(
    lines: Iterable[LogLine], *, since_ms: int = 0, correlation_id: str | None = None, level: str = "DEBUG"
) -> Iterator[LogLine]:
    """Yield the lines since a time, of a correlation id, of a level and above."""
    lowest = LEVELS.index(level)
    for line in lines:
        rank = LEVELS.index(line.level) if line.level in LEVELS else LEVELS.index("INFO")
        if line.at_ms >= since_ms and rank >= lowest and (correlation_id is None or line.is_of(correlation_id)):
            yield line


def text_of(line: LogLine) -> str:
    """Return a line in rich's markup: time, part, level where it matters, message, fields; a trace below."""
    at = "" if line.at_ms == _UNKNOWN_TIME else f"{datetime.fromtimestamp(line.at_ms / 1_000, UTC):%H:%M:%S.%f}"[:-3]
    style = _STYLES.get(line.level, "")
    message = f"[{style}]{escape(line.message)}[/]" if style else escape(line.message)
    told_of = {name: _telling(value) for name, value in line.more.items()}
    fields = " ".join(f"{name}={_short(value)}" for name, value in told_of.items() if value != {})
    told = f"[dim]{at:12}[/] [cyan]{escape(line.source):18}[/] {message}"
    if line.correlation_id:
        told += f" [magenta]{escape(line.correlation_id)}[/]"
    if fields:
        told += f" [dim]{escape(fields)}[/]"
    return told + (f"\n[red]{escape(line.trace)}[/]" if line.trace else "")


def _telling(value: object) -> object:
    """Return a field without what in it is none, empty or zero: most of a result says that nothing was to be done."""
    if not isinstance(value, Mapping):
        return value
    told = {name: _telling(part) for name, part in value.items()}
    return {name: part for name, part in told.items() if part is False or part not in _NOTHING}


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _level_of(text: str) -> str:
    """Return the level a line without structure has: an error when it is the end of a traceback or says so."""
    head = text.split(":", 1)[0]
    return "ERROR" if text.startswith("Traceback") or head.endswith(("Error", "ERROR")) else "INFO"


def _time_of(text: object, default: int) -> int:
    if not isinstance(text, str):
        return default
    try:  # powertools writes 2026-11-21 20:00:00,123+0000
        at = datetime.fromisoformat(text.replace(",", "."))
    except ValueError:
        return default
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
