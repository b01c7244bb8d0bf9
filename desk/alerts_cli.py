"""`desk alerts`: what is wrong, and saying that somebody looks after it."""

import json
from textwrap import wrap
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from desk.api import Address, DeskApi, Token, connect, connect_operator
from desk.book_cli import AsJson
from desk.terminal import console, refusals
from desk.trading_text import SHORT_ID, when
from shared.domain.errors import InvalidMessageError, NotFoundError

app = typer.Typer(name="alerts", help="Alerts: what is wrong now, since when, and who looks after it.")

ALERTS: Final = "/api/v1/alerts"
SEVERITY_STYLES: Final = {"info": "dim", "warning": "yellow", "critical": "red"}
_WIDTH: Final = 78


@app.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """List what is wrong when nothing else is asked for."""
    if context.invoked_subcommand is None:
        list_alerts()


@app.command("list")
def list_alerts(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    severity: Annotated[str | None, typer.Option(help="Only this severe or more: info, warning, critical.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="At most this many.")] = 50,
    api: Address = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List alerts, those found last first; of the desk that runs here all, otherwise those you may see."""
    asked: dict[str, Any] = {"limit": limit} | ({} if everything else {"state": ["open", "acknowledged"]})
    asked |= {"severity": severity} if severity else {}
    with refusals():
        items = connect_operator(api, token).get(ALERTS, asked)["items"]
    if as_json:
        typer.echo(json.dumps(items, indent=2))
        return
    screen = console(highlight=False)
    for item in items:
        style = SEVERITY_STYLES[item["severity"]]
        seen = f"×{item['seen']}" + (f", back {item['reopened']}×" if item["reopened"] else "")
        line = f"{when(item['opened_at_ms'])}  {item['alert_id'][:SHORT_ID]}  [{style}]{item['severity']}[/]"
        screen.print(f"{line}  {item['state']} {seen}  {escape(item['kind'])}", soft_wrap=True)
        for part in wrap(item["sentence"], _WIDTH - 4):
            screen.print(f"    {escape(part)}", soft_wrap=True)
        if item["acknowledged_by"]:
            screen.print(f"    [dim]{escape(item['acknowledged_by'])} looks after it[/]", soft_wrap=True)
    if not items:
        typer.echo("no alerts", err=True)


@app.command()
def ack(
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="Its id, or the beginning of it.")],
    api: Address = None,
    token: Token = None,
) -> None:
    """Say that you look after an alert."""
    with refusals():
        desk = connect(api, token) if token else connect_operator(api, token)
        done = desk.send("POST", f"{ALERTS}/{_find(desk, alert)}/acknowledge", None)
    typer.echo(f"{done['alert_id'][:SHORT_ID]} is {done['state']}, by {done['acknowledged_by']}")


def _find(desk: DeskApi, wanted: str) -> str:
    items = desk.get(ALERTS, {"limit": 500})["items"]
    found = [item["alert_id"] for item in items if item["alert_id"].startswith(wanted)]
    if not found:
        raise NotFoundError(f"no alert {wanted!r}")
    if len(found) > 1:
        raise InvalidMessageError("ALERT", f"{wanted!r} may be any of {', '.join(found)}")
    return str(found[0])
