"""`desk account`: what moves on a venue's live account without a fill, and adopting what its owner paid in or out."""

import json
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from desk.api import Address, connect_operator
from desk.book_cli import AsJson
from desk.switch_cli import EXECUTION, Secret, refuse_skipped
from desk.terminal import console, refusals
from desk.trading_text import exact, when

app = typer.Typer(name="account", help="Live accounts: funding, and money paid in or out.", no_args_is_help=True)

Venue = Annotated[str, typer.Argument(metavar="VENUE", help="Where the account is.")]


@app.command()
def adopt(
    venue: Venue,
    asset: Annotated[str | None, typer.Argument(metavar="[ASSET]", help="Only of this asset.")] = None,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")],
    api: Address = None,
    token: Secret = None,
    as_json: AsJson = False,
) -> None:
    """Take what the account holds more or less than the ledger for paid in or out; exit code 1 while anything differs.

    Missed fills and funding are posted before. This is execution's own act; at --api it takes the service secret.
    """
    wish = {"adopt_at": venue, "asset": asset, "actor": "operator", "reason": reason}
    with refusals():
        found = connect_operator(api, token).send("POST", EXECUTION, wish)
        refuse_skipped(found)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        for name, qty in found["adopted"].items():
            typer.echo(f"adopted {qty} {name} at {venue}")
        for sentence in found["differences"]:
            typer.echo(sentence)
        typer.echo(f"{len(found['adopted'])} adopted, {len(found['differences'])} differences are left", err=True)
    raise typer.Exit(int(bool(found["differences"])))


@app.command()
def flows(
    venue: Venue,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="The newest so many.")] = 20,
    api: Address = None,
    token: Secret = None,
    as_json: AsJson = False,
) -> None:
    """List funding payments and adopted differences, newest first."""
    with refusals():
        items = connect_operator(api, token).get(f"/api/v1/accounts/{venue}/flows", {"limit": limit})["items"]
    if as_json:
        typer.echo(json.dumps(items, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("at", "kind", "quantity", "asset", "of"):
        table.add_column(name, justify="right" if name == "quantity" else "left", no_wrap=True)
    for item in items:
        of = escape(item["symbol"] or item["reason"])
        table.add_row(when(item["event_time"]), item["kind"], exact(item["qty"]), item["asset"], of)
    console(highlight=False).print(table)
