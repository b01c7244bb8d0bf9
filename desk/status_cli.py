"""`desk status`: how the desk is, once or as a table that follows it."""

import json
import time
from typing import Annotated, Any

import typer

from desk.api import Address, DeskApi, connect_operator
from desk.book_cli import AsJson
from desk.switch_cli import Secret
from desk.terminal import console, refusals
from shared.domain.errors import TransientError

METRICS = "/api/metrics"

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Follow the desk until Ctrl-C.")]
Every = Annotated[float, typer.Option("--every", min=0.5, max=3_600, help="Seconds between two looks of --watch.")]


def status(
    *, watch: Watch = False, every: Every = 2.0, api: Address = None, token: Secret = None, as_json: AsJson = False
) -> None:
    """Show agents, boundaries and their lag, queues, open alerts, books, positions and what Redis costs this month.

    Exit code 1 when a part of it cannot be read.
    """
    from desk.status_view import render

    with refusals():
        desk = connect_operator(api, token)
        told = desk.get(METRICS)
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    elif watch:
        _follow(desk, told, every)
    else:
        screen = console(highlight=False)
        screen.print(render(told, width=screen.width))
    raise typer.Exit(int(bool(told["unreadable"])))


def _follow(desk: DeskApi, told: dict[str, Any], every: float) -> None:
    """Draw the desk anew until Ctrl-C; while it does not answer the last that is known stays, with the reason."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from desk.status_view import render

    screen = console(highlight=False)
    with Live(render(told, width=screen.width), console=screen, screen=screen.is_terminal) as live:
        try:
            while True:
                time.sleep(every)
                try:
                    told = desk.get(METRICS)
                    live.update(render(told, width=screen.width), refresh=True)
                except TransientError as error:
                    why = Text(f"the desk does not answer: {error}", style="bold red")
                    live.update(Group(why, render(told, width=screen.width)), refresh=True)
        except KeyboardInterrupt:
            return
