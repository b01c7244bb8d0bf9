"""`desk logs`: what every part of the desk says, as one stream in the order of time."""

import json
import re
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from desk.local.process import PROJECT
from desk.terminal import console, refusals
from shared.domain.errors import FatalError, InvalidMessageError, NotFoundError

if TYPE_CHECKING:
    from desk.log_lines import LogLine
    from desk.log_sources import CloudLogs, LocalLogs

SERVICE: Final = "nightdesk"

_SPAN: Final = re.compile(r"(\d+)(s|m|h|d)")
_UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

Parts = Annotated[
    list[str] | None, typer.Argument(metavar="[FUNCTION]…", help="Of these alone, e.g. execute-trader or collector.")
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")]
Since = Annotated[str, typer.Option("--since", metavar="SPAN", help="So far back: 90s, 15m, 2h, 1d.")]
Correlation = Annotated[
    str | None, typer.Option("--correlation", metavar="ID", help="Only what came of one boundary, intent or request.")
]
Level = Annotated[str, typer.Option("--level", help="Of this level and above: debug, info, warning, error, critical.")]
Stage = Annotated[
    str | None, typer.Option("--stage", help="Of a deployed stage, from CloudWatch Logs, instead of this machine.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def logs(
    *,
    parts: Parts = None,
    follow: Follow = False,
    since: Since = "1h",
    correlation: Correlation = None,
    level: Level = "debug",
    stage: Stage = None,
    as_json: AsJson = False,
) -> None:
    """Print what the desk's functions, collector and other parts wrote, merged by time, metrics left out."""
    from desk.log_lines import LEVELS, LogLine, text_of, wanted

    with refusals():
        since_ms = time.time_ns() // 1_000_000 - span_ms(since)
        if level.upper() not in LEVELS:
            raise InvalidMessageError("level", f"expected one of {', '.join(LEVELS).lower()}, got {level!r}")
        source = _source(parts or [], stage, since_ms, correlation)
    screen = console(highlight=False)

    def show(lines: list[LogLine]) -> None:
        for line in wanted(lines, since_ms=since_ms, correlation_id=correlation, level=level.upper()):
            if as_json:
                typer.echo(json_of(line))
            else:
                screen.print(text_of(line), soft_wrap=True)

    with refusals():
        try:
            show(source.lines())
            if follow:
                for lines in source.follow():
                    show(lines)
        except KeyboardInterrupt:
            return


def span_ms(text: str) -> int:
    """Return a span such as 90s, 15m, 2h or 1d in milliseconds; raise `InvalidMessageError`."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise InvalidMessageError("since", f"expected a span such as 90s, 15m, 2h or 1d, got {text!r}")
    return int(found[1]) * _UNIT_MS[found[2]]


def json_of(line: "LogLine") -> str:
    """Return a line as one JSON object."""
    return json.dumps({name: value for name, value in asdict(line).items() if value not in (None, "", {})}, default=str)


def _source(parts: list[str], stage: str | None, since_ms: int, correlation: str | None) -> "LocalLogs | CloudLogs":
    from desk.log_sources import LocalLogs
    from desk.up import HOME

    if stage is None:
        return LocalLogs(HOME / "logs", parts)
    return _cloud(stage, parts, since_ms, correlation)


def _cloud(stage: str, parts: list[str], since_ms: int, correlation: str | None) -> "CloudLogs":
    """Return the logs of a deployed stage; region and credentials are boto3's own settings."""
    import boto3
    from botocore.exceptions import BotoCoreError

    from desk.log_sources import CloudLogs

    functions = declared_functions()
    if unknown := sorted(set(parts) - set(functions)):
        raise NotFoundError(f"no function {', '.join(unknown)}; there are {', '.join(functions)}")
    groups = {name: f"/aws/lambda/{SERVICE}-{stage}-{name}" for name in parts or functions}
    # CloudWatch finds the lines; what their fields say is read again here, since a pattern matches anywhere in a line.
    pattern = json.dumps(correlation) if correlation else ""
    try:
        client = boto3.client("logs")
    except BotoCoreError as error:
        raise FatalError(f"CloudWatch Logs: {error}") from error
    return CloudLogs(client, groups, since_ms, pattern)


def declared_functions() -> list[str]:
    """Return the functions serverless.yml declares."""
    import yaml

    return [*yaml.safe_load((PROJECT / "serverless.yml").read_text())["functions"]]
