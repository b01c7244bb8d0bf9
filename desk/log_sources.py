"""Where log lines come from: the files of the desk on this machine, or CloudWatch Logs of a deployed stage."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from desk.log_lines import LogLine, read_line
from shared.domain.errors import NotFoundError, TransientError

if TYPE_CHECKING:
    from botocore.client import BaseClient

_POLL_S: Final = 0.5
_CLOUD_POLL_S: Final = 3.0
_LATE_MS: Final = 60_000
"""How much later than its time CloudWatch may take a line in."""


@dataclass(slots=True)
class _Tail:
    """One file and how far it was read; a half-written line waits for its end."""

    path: Path
    place: int = 0
    last_ms: int = 0
    rest: str = ""

    def read(self) -> list[LogLine]:
        size = self.path.stat().st_size
        if size < self.place:  # the desk was started anew
            self.place, self.rest = 0, ""
        with self.path.open(encoding="utf-8", errors="replace") as file:
            file.seek(self.place)
            text = self.rest + file.read()
            self.place = file.tell()
        *whole, self.rest = text.split("\n")
        found = []
        for part in whole:
            line = read_line(part, source=self.path.stem, at_ms=self.last_ms)
            if line is not None:
                self.last_ms = line.at_ms
                found.append(line)
        return found


class LocalLogs:
    """The log files of the desk on this machine; those of some parts, or of all, also of parts that begin later."""

    def __init__(self, folder: Path, parts: Sequence[str] = ()) -> None:
        self._folder, self._parts = folder, frozenset(parts)
        there = [path.stem for path in self._files()]
        if not there:
            raise NotFoundError(f"no desk has written logs in {folder}: start one with `desk up`, or give --stage")
        if unknown := sorted(self._parts - {*there}):
            raise NotFoundError(f"no log of {', '.join(unknown)}; there are {', '.join(there)}")
        self._tails: dict[Path, _Tail] = {}

    def lines(self) -> list[LogLine]:
        """Return what was written since the last call, in the order of time, whole lines each after its own file's."""
        found: list[LogLine] = []
        for path in self._files():
            if not self._parts or path.stem in self._parts:
                found += self._tails.setdefault(path, _Tail(path)).read()
        return sorted(found, key=lambda line: line.at_ms)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.log"))

    def follow(self) -> Iterator[list[LogLine]]:
        """Yield what is written from now on, for ever."""
        while True:
            time.sleep(_POLL_S)
            yield self.lines()


@dataclass(slots=True)
class CloudLogs:
    """The log groups of a deployed stage, `/aws/lambda/{service}-{stage}-{function}`, by FilterLogEvents."""

    client: "BaseClient"
    groups: Mapping[str, str]
    since_ms: int
    pattern: str = ""
    _seen: dict[str, int] = field(default_factory=dict)

    def lines(self) -> list[LogLine]:
        """Return what has been taken in since the last call, in the order of time."""
        found = [line for function, group in self.groups.items() for line in self._group(function, group)]
        if found:  # a line may be taken in later than one that is younger: the last minute is asked for again
            self.since_ms = max(self.since_ms, max(line.at_ms for line in found) - _LATE_MS)
            self._seen = {event: at_ms for event, at_ms in self._seen.items() if at_ms >= self.since_ms}
        return sorted(found, key=lambda line: line.at_ms)

    def follow(self) -> Iterator[list[LogLine]]:
        """Yield what is taken in from now on, for ever."""
        while True:
            time.sleep(_CLOUD_POLL_S)
            yield self.lines()

    def _group(self, function: str, group: str) -> Iterator[LogLine]:
        from botocore.exceptions import BotoCoreError, ClientError

        asked: dict[str, Any] = {"logGroupName": group, "startTime": self.since_ms}
        asked |= {"filterPattern": self.pattern} if self.pattern else {}
        try:
            for page in self.client.get_paginator("filter_log_events").paginate(**asked):
                for event in page["events"]:
                    if event["eventId"] in self._seen:
                        continue
                    self._seen[event["eventId"]] = event["timestamp"]
                    line = read_line(event["message"], source=function, at_ms=event["timestamp"])
                    if line is not None and not line.message.startswith(_PLATFORM):
                        yield line
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return  # a function that never ran has no log group
            raise TransientError(f"{group}: {error}") from error
        except BotoCoreError as error:
            raise TransientError(f"{group}: {error}") from error


_PLATFORM: Final = ("START RequestId", "END RequestId", "REPORT RequestId", "INIT_START")
"""What Lambda itself writes beside a function's lines."""
