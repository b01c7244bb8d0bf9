"""`desk intents|orders|positions|pnl|trace|withdraw`: what was asked, decided, ordered, filled and earned."""

import json
from textwrap import wrap
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from desk.api import Address, DeskApi, Token, connect
from desk.book_cli import BOOKS, AsJson, find_book, who_changes
from desk.terminal import console, refusals
from desk.trading_text import SHORT_ID, exact, first_instant, money, percent, story, styled, when, wish
from shared.domain.errors import InvalidMessageError, NotFoundError

OfBook = Annotated[str | None, typer.Option("--book", metavar="BOOK", help="Only of this book: its id or name.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=500, help="At most this many, the newest.")]
State = Annotated[str | None, typer.Option("--state", help="Only in this state.")]
_SEARCHED: Final = 500
_WIDTH: Final = 78


def intents(
    *,
    book: OfBook = None,
    state: State = None,
    limit: Limit = 20,
    api: Address = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List what was asked to be traded, newest first, and what became of it."""
    items = _listed("intents", book, state, limit, api=api, token=token, as_json=as_json)
    if items is None:
        return
    screen = console(highlight=False)
    for item in items:
        line = f"{when(item['raised_at_ms'])}  {item['intent_id'][:SHORT_ID]}  {styled(item['state'])}"
        screen.print(f"{line}  {escape(wish(item))}", soft_wrap=True)
        said = [f"{reason['reason']}: {reason['sentence']}" for reason in item["reasons"]] or [item["reason"]]
        for sentence in filter(None, said):
            for part in wrap(sentence, _WIDTH - 4):
                screen.print(f"    [dim]{escape(part)}[/]", soft_wrap=True)
    if not items:
        typer.echo("no intents", err=True)


def orders(
    *,
    book: OfBook = None,
    state: State = None,
    limit: Limit = 20,
    api: Address = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List orders, the last due first."""
    items = _listed("orders", book, state, limit, api=api, token=token, as_json=as_json)
    if items is None:
        return
    table = _table("due", "intent", "symbol", "order", "filled", "price", "state", right=("filled", "price"))
    for item in items:
        role = "" if item["role"] == "slice" else f" {item['role']}"
        table.add_row(
            when(item["due_at_ms"]),
            item["intent_id"][:SHORT_ID],
            item["symbol"],
            f"{item['side']} {exact(item['qty'])}{role}",
            exact(item["filled_qty"]),
            exact(item["average_price"] or item["limit_price"] or item["trigger_price"]),
            styled(item["state"]),
        )
    console(highlight=False).print(table)


def positions(book: OfBook = None, api: Address = None, token: Token = None, as_json: AsJson = False) -> None:
    """List what is held, at which price, and what closing it now would earn."""
    items = _listed("positions", book, None, None, api=api, token=token, as_json=as_json)
    if items is None:
        return
    with refusals():
        names = {each["book_id"]: each["name"] for each in connect(api, token).get(BOOKS)["items"]}
    numbers = ("quantity", "entry", "now", "unrealised", "stop")
    table = _table("book", "venue", "symbol", *numbers, right=numbers)
    for item in items:
        table.add_row(
            escape(names.get(item["book_id"], item["book_id"])[:SHORT_ID]),
            item["venue"],
            item["symbol"],
            exact(item["qty"]),
            exact(item["entry_price"]),
            exact(item["mark_price"]),
            money(item["unrealised"]),
            _stop(item["guard"]),
        )
    console(highlight=False).print(table)


def _stop(guard: dict[str, Any]) -> str:
    """Return where a position is left at a loss: a price, a distance that trails the best one, both, or none."""
    price, rate = guard["stop_price"], guard["trailing_rate"]
    trailing = [] if rate is None else [f"trailing {percent(rate)}"]
    return " ".join(([] if price is None else [exact(price)]) + trailing) or "none"


def pnl(api: Address = None, token: Token = None, as_json: AsJson = False) -> None:
    """Show what each book has earned: realised, unrealised, fees, funding, and the day so far."""
    with refusals():
        desk = connect(api, token)
        status = desk.get("/api/risk/status")
        held = desk.get("/api/v1/positions", {"flat": "true"})["items"]
    rows = [_earned(book, held) for book in status["books"]]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    numbers = ("equity", "realised", "unrealised", "fees", "funding", "lost today")
    table = _table("book", "", *numbers, right=numbers)
    for row in rows:
        amounts = [money(row[name]) for name in numbers[:-1]]
        table.add_row(escape(row["name"][:16]), row["quote"], *amounts, percent(row["drawdown_rate"]))
    console(highlight=False).print(table)


def trace(
    wanted_id: Annotated[
        str, typer.Argument(metavar="ID", help="A correlation id, or an intent's; its first digits will do.")
    ],
    api: Address = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Tell how a position came about: signal, intent, reasons, execution plan, slices, fills, with times."""
    with refusals():
        found = _found(connect(api, token), "/api/v1/trace", wanted_id)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    screen = console(highlight=False)
    screen.print(f"[bold]{found['correlation_id']}[/]  {first_instant(found)}")
    for gone, subject, sentence in story(found):
        first, *rest = wrap(sentence, _WIDTH - 22) or [""]
        screen.print(f"{gone:>10}  [bold]{subject:<8}[/]  {escape(first)}", soft_wrap=True)
        for part in rest:
            screen.print(f"{'':22}{escape(part)}", soft_wrap=True)
    for position in found["positions"]:
        unrealised = money(position["unrealised"])
        line = (
            f"{exact(position['qty'])} {position['symbol']} at {exact(position['entry_price'])} on {position['venue']}"
        )
        screen.print(f"{'now':>10}  [bold]{'holds':<8}[/]  {escape(line)}, unrealised {unrealised}", soft_wrap=True)


def withdraw(
    intent: Annotated[str, typer.Argument(metavar="INTENT", help="Its id; the first digits will do.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")],
    api: Address = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Take back an intent: it expires, or its orders are cancelled and it ends with what has filled."""
    with refusals():
        desk = connect(api, token)
        known = _found(desk, "/api/v1/intents", intent)["intent"]
        books = {book["book_id"]: book for book in desk.get(BOOKS)["items"]}
        by = who_changes(books[known["book_id"]], desk, api, token)
        done = by.send("POST", f"/api/v1/intents/{known['intent_id']}/withdraw", {"reason": reason})
    if as_json:
        typer.echo(json.dumps(done, indent=2))
    elif done["state"] == "executing":
        typer.echo(f"{done['intent_id'][:SHORT_ID]} is withdrawn: it ends once its orders have")
    else:
        typer.echo(f"{done['intent_id'][:SHORT_ID]} is {done['state']}: {done['reason']}")


def _found(desk: DeskApi, path: str, wanted_id: str) -> dict[str, Any]:
    """Ask for what has an id; one that is not known may be the beginning of a recent intent's."""
    try:
        found: dict[str, Any] = desk.get(f"{path}/{wanted_id}")
    except NotFoundError:
        recent = desk.get("/api/v1/intents", {"limit": _SEARCHED})["items"]
        ids = [item["intent_id"] for item in recent if item["intent_id"].startswith(wanted_id)]
        if not ids:
            raise
        if len(ids) > 1:
            raise InvalidMessageError("ID", f"{wanted_id!r} may be any of {', '.join(ids)}") from None
        found = desk.get(f"{path}/{ids[0]}")
    return found


def _listed(
    path: str,
    book: str | None,
    state: str | None,
    limit: int | None,
    *,
    api: str | None,
    token: str | None,
    as_json: bool,
) -> list[dict[str, Any]] | None:
    """Return what a list of the API has, None when it has been printed as JSON."""
    with refusals():
        desk = connect(api, token)
        asked: dict[str, str | int] = {} if limit is None else {"limit": limit}
        if state is not None:
            asked["state"] = state
        if book is not None:
            asked["book_id"] = find_book(desk, book)["book_id"]
        items: list[dict[str, Any]] = desk.get(f"/api/v1/{path}", asked)["items"]
    if as_json:
        typer.echo(json.dumps(items, indent=2))
        return None
    return items


def _earned(book: dict[str, Any], held: list[dict[str, Any]]) -> dict[str, Any]:
    """Sum what the positions of a book earned; what has no price leaves the sum unknown."""
    from decimal import Decimal

    own = [position for position in held if position["book_id"] == book["book_id"]]
    open_ones = [position["unrealised"] for position in own if Decimal(position["qty"])]
    unrealised = None if None in open_ones else str(sum(map(Decimal, open_ones), Decimal(0)))
    return {
        "book_id": book["book_id"],
        "name": book["name"],
        "quote": book["quote"],
        "equity": book["equity"],
        "realised": str(sum((Decimal(position["realised"]) for position in own), Decimal(0))),
        "unrealised": unrealised,
        "fees": str(sum((Decimal(position["fees"]) for position in own), Decimal(0))),
        "funding": str(sum((Decimal(position["funding"]) for position in own), Decimal(0))),
        "drawdown_rate": book["drawdown_rate"],
    }


def _table(*names: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=True)
    return table
