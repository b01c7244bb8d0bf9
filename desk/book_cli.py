"""`desk book`: open books, see how they stand, set their limits, freeze and thaw them."""

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from desk.api import Address, DeskApi, Token, connect, connect_operator
from desk.terminal import console, refusals
from desk.trading_text import money, percent, styled
from shared.domain.errors import InvalidMessageError, NotFoundError

app = typer.Typer(name="book", help="Books: capital, how it stands, and what it may risk.", no_args_is_help=True)

BOOKS = "/api/v1/books"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
BookArgument = Annotated[str, typer.Argument(metavar="BOOK", help="Its id, or its name.")]
Why = Annotated[str, typer.Option("--reason", help="Why, for the record.")]


@app.command("list")
def list_books(api: Address = None, token: Token = None, as_json: AsJson = False) -> None:
    """List your books and the desk's, by name."""
    with refusals():
        books = connect(api, token).get(BOOKS)["items"]
    if as_json:
        typer.echo(json.dumps(books, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("book", "name", "owner", "mode", "state"):
        table.add_column(name, no_wrap=True)
    table.add_column("capital", justify="right", no_wrap=True)
    for book in books:
        capital = f"{money(book['capital'])} {book['quote']}"
        owner = "you" if book["owner_id"] else "the desk"
        name = escape(book["name"][:16])
        table.add_row(book["book_id"][:8], name, owner, book["mode"], styled(book["state"]), capital)
    console(highlight=False).print(table)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    *,
    capital: Annotated[str, typer.Option(help="What it starts with, in quote units.")] = "10000",
    quote: Annotated[str, typer.Option(help="The currency it is counted in.")] = "USDT",
    venues: Annotated[str, typer.Option(help="Where it may trade, comma-separated.")] = "binance",
    live: Annotated[bool, typer.Option("--live", help="Trade with money; the desk must trade live too.")] = False,
    api: Address = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Open a book of your own."""
    body = {"name": name, "capital": capital, "quote": quote, "venues": venues.split(",")}
    with refusals():
        book = connect(api, token).send("POST", BOOKS, body | {"mode": "live" if live else "paper"})
    typer.echo(json.dumps(book, indent=2) if as_json else book["book_id"])


@app.command()
def show(book: BookArgument, api: Address = None, token: Token = None, as_json: AsJson = False) -> None:
    """Show what a book is worth and has at stake, beside its limits."""
    with refusals():
        desk = connect(api, token)
        found = desk.get(f"{BOOKS}/{find_book(desk, book)['book_id']}")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        console(highlight=False).print(_standing(found))


@app.command()
def limits(
    book: BookArgument,
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="What to set; `none` lifts a notional.")
    ] = None,
    api: Address = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show what a book may risk, or change some of it."""
    with refusals():
        desk = connect(api, token)
        known = find_book(desk, book)
        if settings:
            owner = who_changes(known, desk, api, token)
            patch = {"limits": _settings(settings), "version": known["version"]}
            known = owner.send("PATCH", f"{BOOKS}/{known['book_id']}", patch)
    if as_json:
        typer.echo(json.dumps(known["limits"], indent=2))
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in known["limits"].items():
        table.add_row(name, "none" if value is None else str(value))
    console(highlight=False).print(table)


@app.command()
def freeze(book: BookArgument, reason: Why = "", api: Address = None, token: Token = None) -> None:
    """Let a book trade nothing, and cancel what rests of it."""
    _set_state(book, "halted", reason, api, token)


@app.command()
def reduce(book: BookArgument, reason: Why = "", api: Address = None, token: Token = None) -> None:
    """Let a book leave positions and enter none, and cancel its resting entries."""
    _set_state(book, "reducing", reason, api, token)


@app.command()
def thaw(book: BookArgument, reason: Why = "", api: Address = None, token: Token = None) -> None:
    """Let a book trade again."""
    _set_state(book, "active", reason, api, token)


def find_book(desk: DeskApi, wanted: str) -> dict[str, Any]:
    """Return the book of an id, the beginning of one, or a name; raise `NotFoundError`, or say that it is several."""
    books: list[dict[str, Any]] = desk.get(BOOKS)["items"]
    exact = [book for book in books if wanted == book["book_id"]]
    found = exact or [book for book in books if wanted == book["name"] or book["book_id"].startswith(wanted)]
    if not found:
        raise NotFoundError(f"no book {wanted!r}")
    if len(found) > 1:
        ids = ", ".join(book["book_id"] for book in found)
        raise InvalidMessageError("BOOK", f"{wanted!r} may be any of {ids}")
    return found[0]


def who_changes(book: dict[str, Any], desk: DeskApi, api: str | None, token: str | None) -> DeskApi:
    """Return who may change a book: operators where it is the desk's, its owner otherwise."""
    return connect_operator(api, token) if book["owner_id"] is None else desk


def _set_state(wanted: str, state: str, reason: str, api: str | None, token: str | None) -> None:
    with refusals():
        desk = connect(api, token)
        book = find_book(desk, wanted)
        path = f"{BOOKS}/{book['book_id']}/state"
        done = who_changes(book, desk, api, token).send("PUT", path, {"state": state, "reason": reason})
    cancelled = sum(account["cancelled"] for account in done["accounts"])
    left = sum(account["left"] for account in done["accounts"])
    typer.echo(f"{book['name']} is {done['state']}: {cancelled} orders cancelled, {left} left")


def _settings(words: list[str]) -> dict[str, str | None]:
    settings: dict[str, str | None] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise InvalidMessageError("NAME=VALUE", f"expected such as max_leverage=2, got {word!r}")
        settings[name] = None if value == "none" else value
    return settings


def _standing(found: dict[str, Any]) -> Table:
    book, status = found["book"], found["status"]
    bounds, tails = status["limits"], status["tails"]
    table = Table(box=None, pad_edge=False, title=f"{book['name']}  {book['book_id']}", title_justify="left")
    table.add_column("")
    table.add_column("now", justify="right")
    table.add_column("limit", justify="right")
    worst = max(
        (tails[way]["value_at_risk"] for way in ("historical", "parametric", "monte_carlo") if tails[way]), default=None
    )
    equity, stress = status["equity"], float(status["stress_loss"])
    asset = status["concentration_asset"] or "one coin"
    rows = (
        ("state", styled(status["state"]), ""),
        (f"equity, {book['quote']}", money(status["equity"]), ""),
        ("lost today", percent(status["drawdown_rate"]), percent(bounds["max_daily_drawdown_rate"])),
        ("leverage", money(status["leverage"]), bounds["max_leverage"]),
        (f"in {asset}", percent(status["concentration_rate"] or "0"), percent(bounds["max_concentration_rate"])),
        ("value at risk, 1 day", _share(worst, equity), percent(bounds["var_limit_rate"])),
        (f"stress {status['stress_scenario']}", _share(stress, equity), percent(bounds["max_stress_loss_rate"])),
        ("positions", str(status["open_positions"]), str(bounds["max_open_positions"])),
    )
    for row in rows:
        table.add_row(*row)
    if tails["insufficient_data"]:
        table.caption = f"value at risk: {tails['insufficient_data']}"
    for event in status["breakers"]:
        table.add_row(f"breaker {event['breaker']}", styled(event["state"]), escape(event["reason"]))
    return table


def _share(loss: float | None, equity: str | None) -> str:
    """Write a loss as a share of the equity."""
    return percent(None if loss is None or equity is None or float(equity) <= 0 else repr(loss / float(equity)))
