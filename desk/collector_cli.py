"""`desk collector status`: what a running collector says of itself, as a table."""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from desk.api import running
from desk.terminal import console
from desk.units import size, span
from shared.domain.errors import FatalError, InvalidMessageError, TransientError

app = typer.Typer(name="collector", help="Look after a collector.", no_args_is_help=True)

TIMEOUT_S = 10.0
WIDTH = 80


@app.callback()
def collector() -> None:
    """Look after a collector."""


@app.command()
def status(
    url: Annotated[
        str | None,
        typer.Option(envvar="NIGHTDESK_COLLECTOR_URL", help="The collector's address; the local desk's if absent."),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print what /health says and nothing else.")] = False,
) -> None:
    """Say how a collector is doing; exit code 1 when it is not healthy."""
    is_healthy, body = ask(url or running(instead="--url")["collector_url"])
    if as_json:
        typer.echo(json.dumps(body, indent=2))
    else:
        _print(body, is_healthy=is_healthy)
    raise typer.Exit(0 if is_healthy else 1)


def ask(url: str) -> tuple[bool, dict[str, Any]]:
    """Return whether the collector at an address is healthy, and what it says; raise the desk's errors."""
    import httpx

    if not url.startswith(("http://", "https://")):
        raise InvalidMessageError("url", f"expected an address such as http://localhost:8080, got {url!r}")
    try:
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=TIMEOUT_S, follow_redirects=True)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise TransientError(f"no collector answers at {url}: {error}") from error
    try:
        body = answer.json()
        is_one = isinstance(body, dict) and {"venue", "data_age", "connections"} <= body.keys()
    except ValueError:
        is_one = False
    if not is_one:
        raise FatalError(f"what answers at {url} is no collector: {answer.status_code} {answer.text[:200]}")
    return answer.is_success, body


def _print(body: Mapping[str, Any], *, is_healthy: bool) -> None:
    screen = console(highlight=False)
    screen.width = min(screen.width, WIDTH)
    colour = "green" if is_healthy else "red"
    screen.print(f"[bold]{escape(body['venue'])}[/]  [bold {colour}]{escape(body['status'])}[/]")
    for problem in body["problems"]:
        screen.print(f"  [yellow]{escape(problem)}[/]")
    ages = Table(box=None, padding=(0, 2), pad_edge=False)
    ages.add_column("timeframe")
    ages.add_column("newest close", justify="right")
    ages.add_column("")
    for timeframe, age in body["data_age"].items():
        if age["age_ms"] is None:  # one that stands by, or starts, has not looked into the log
            ages.add_row(timeframe, "not known", "")
        else:
            state = "[red]stale[/]" if age["is_stale"] else "[green]fresh[/]"
            ages.add_row(timeframe, f"{span(age['age_ms'])} ago", state)
    screen.print(ages)
    facts = Table.grid(padding=(0, 2))
    for name, value in (*_facts(body), *_redis(body["redis"])):
        facts.add_row(f"[dim]{name}[/]", escape(value))
    screen.print(facts)


def _facts(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    counts, connections, backfill = body["counts"], body["connections"], body["backfill"]
    lease = body["lease"]
    yield "lease", f"{lease['state']}, token {lease['token']}" if lease["token"] else lease["state"]
    yield "symbols", f"{body['symbols']:,}"
    yield "connections", f"{connections['open']} of {connections['wanted']} open, {counts.get('disconnects', 0):,} lost"
    yield "gaps", f"{body['open_gaps']:,} candles missing now, {counts.get('gaps', 0):,} when written"
    yield "buffer", f"{body['buffered']:,} writes wait for Redis, {body['pending_instants']} being assembled"
    yield "last write", "none" if body["last_write_ms"] is None else _time(body["last_write_ms"])
    yield "clock offset", "unknown" if body["clock_offset_ms"] is None else f"{body['clock_offset_ms']:,} ms"
    if backfill["done"] < backfill["total"]:
        yield "backfill", f"{backfill['done']:,} of {backfill['total']:,} series"
    yield "frames", f"{counts.get('frames', 0):,}, {counts.get('invalid_frames', 0):,} of them invalid"
    yield "candles", f"{counts.get('closed', 0):,}, {counts.get('corrections', 0):,} corrected"
    refused, again = counts.get("refused_subscriptions", 0), counts.get("resubscriptions", 0)
    yield "streams", f"{refused:,} refused, {again:,} made again"
    yield "repairs", f"{counts.get('repairs', 0):,} times REST was asked for what was late"
    yield "runs", f"{counts.get('runs', 0):,}"


def _redis(redis: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    if redis is None:
        return
    yield "Redis", f"{redis['commands']:,} commands, {size(redis['bytes_sent'] + redis['bytes_received'])} since start"
    plan = redis["plan"]
    for title, used in (
        (redis["month"] and f"in {redis['month']['month']}", redis["month"]),
        ("month's end", redis["projected"]),
    ):
        if used:
            shares = f"{used['commands'] / plan['commands']:.1%}", f"{used['bytes'] / plan['bytes']:.1%}"
            yield title, f"{used['commands']:,} commands ({shares[0]} of the plan), {size(used['bytes'])} ({shares[1]})"


def _time(time_ms: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(time_ms / 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
