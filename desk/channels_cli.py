"""`desk channels`: where you are told, trying it, and what was sent."""

import json
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from desk.api import Address, DeskApi, Token, connect, connect_operator
from desk.book_cli import AsJson
from desk.terminal import console, refusals
from desk.trading_text import SHORT_ID, when
from shared.domain.errors import InvalidMessageError, NotFoundError

app = typer.Typer(name="channels", help="Channels: where messages go, and what became of them.")

CHANNELS: Final = "/api/v1/channels"
LOG: Final = "/api/v1/notifications"
OfDesk = Annotated[bool, typer.Option("--desk", help="The desk's instead of yours; for operators.")]
Which = Annotated[str, typer.Argument(metavar="CHANNEL", help="Its id, the beginning of it, or its name.")]


@app.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """List your channels when nothing else is asked for."""
    if context.invoked_subcommand is None:
        list_channels()


@app.command("list")
def list_channels(*, desk: OfDesk = False, api: Address = None, token: Token = None, as_json: AsJson = False) -> None:
    """List channels by name, without their addresses."""
    with refusals():
        items = _channels(_connect(desk, api, token), desk)
    if as_json:
        typer.echo(json.dumps(items, indent=2))
        return
    table = _table("channel", "name", "address", "told", "state")
    for item in items:
        told = f"{item['min_severity']}+ {','.join(item['kinds']) or 'all'}"
        if item["quiet"]:
            told += f", quiet {item['quiet']['begin']}-{item['quiet']['end']}"
        state = "on" if item["enabled"] else "off"
        state = f"[red]failing ×{item['failures']}[/]" if item["failures"] else state
        row = (item["channel_id"][:SHORT_ID], escape(item["name"][:16]), escape(item["shown"][:24]), told, state)
        table.add_row(*row)
    if not items:
        typer.echo("no channels; `desk channels add` makes one", err=True)
        return
    console(highlight=False).print(table)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What you call it.")],
    target: Annotated[
        str, typer.Option("--to", envvar="NIGHTDESK_CHANNEL", prompt="Address", hide_input=True, help="Where to.")
    ],
    *,
    webhook: Annotated[bool, typer.Option("--webhook", help="A signed request to a https address.")] = False,
    severity: Annotated[str, typer.Option(help="Only this severe or more: info, warning, critical.")] = "info",
    kinds: Annotated[str, typer.Option(help="Only these, comma-separated: alert, signal, proposal.")] = "",
    quiet: Annotated[str | None, typer.Option(metavar="22:00-07:00", help="Only what is critical then.")] = None,
    time_zone: Annotated[str, typer.Option(help="Whose clocks quiet hours follow.")] = "UTC",
    desk: OfDesk = False,
    api: Address = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Say where you are told; the secret of a webhook is printed this once."""
    body: dict[str, Any] = {
        "name": name, "target": target, "kind": "webhook" if webhook else "apprise", "min_severity": severity,
        "kinds": [kind.strip() for kind in kinds.split(",") if kind.strip()], "time_zone": time_zone, "desk": desk,
    }  # fmt: skip
    if quiet:
        begin, _, end = quiet.partition("-")
        body["quiet"] = {"begin": begin.strip(), "end": end.strip()}
    with refusals():
        kept = _connect(desk, api, token).send("POST", CHANNELS, body)
    if as_json:
        typer.echo(json.dumps(kept, indent=2))
        return
    typer.echo(kept["channel"]["channel_id"])
    if kept["secret"]:
        typer.echo(f"secret, told this once: {kept['secret']}")


@app.command("test")
def try_channel(channel: Which, desk: OfDesk = False, api: Address = None, token: Token = None) -> None:
    """Send a channel a message that says it is a test."""
    with refusals():
        client = _connect(desk, api, token)
        found = _find(client, channel, desk)
        client.send("POST", f"{CHANNELS}/{found['channel_id']}/test", None)
    typer.echo(f"on its way to {found['name']}; `desk channels log` tells what became of it")


@app.command()
def remove(channel: Which, desk: OfDesk = False, api: Address = None, token: Token = None) -> None:
    """Remove a channel with its delivery log."""
    with refusals():
        client = _connect(desk, api, token)
        found = _find(client, channel, desk)
        client.send("DELETE", f"{CHANNELS}/{found['channel_id']}", None)
    typer.echo(f"{found['name']} is gone")


@app.command()
def log(
    *,
    channel: Annotated[str | None, typer.Option("--channel", metavar="CHANNEL", help="Only to this one.")] = None,
    desk: OfDesk = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="At most this many, the newest.")] = 20,
    api: Address = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List what channels were told, or are to be, newest first."""
    with refusals():
        client = _connect(desk, api, token)
        asked: dict[str, Any] = {"limit": limit, "desk": str(desk).lower()}
        asked |= {"channel_id": _find(client, channel, desk)["channel_id"]} if channel else {}
        items = client.get(LOG, asked)["items"]
    if as_json:
        typer.echo(json.dumps(items, indent=2))
        return
    if not items:
        typer.echo("nothing was sent yet", err=True)
        return
    table = _table("since", "channel", "what", "state")
    table.add_column("why", overflow="fold")
    for item in items:
        tries = f" ×{item['attempts']}" if item["attempts"] > 1 else ""
        what = f"{item['severity']} {item['kind']}"
        why = escape(item["last_error"] or "")
        table.add_row(when(item["created_at_ms"]), escape(item["channel"][:14]), what, f"{item['state']}{tries}", why)
    console(highlight=False).print(table)


def _connect(desk: bool, api: str | None, token: str | None) -> DeskApi:
    return connect_operator(api, token) if desk else connect(api, token)


def _channels(client: DeskApi, desk: bool) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(CHANNELS, {"desk": str(desk).lower()})["items"]
    return items


def _find(client: DeskApi, wanted: str, desk: bool) -> dict[str, Any]:
    """Return the channel of an id, the beginning of one, or a name."""
    items = _channels(client, desk)
    exact = [item for item in items if wanted in {item["channel_id"], item["name"]}]
    found = exact or [item for item in items if item["channel_id"].startswith(wanted)]
    if not found:
        raise NotFoundError(f"no channel {wanted!r}")
    if len(found) > 1:
        raise InvalidMessageError("CHANNEL", f"{wanted!r} may be any of {', '.join(i['channel_id'] for i in found)}")
    return found[0]


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table
