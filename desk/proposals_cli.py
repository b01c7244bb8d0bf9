"""`desk proposals|consensus`: what independent sources agree on, and what a person makes of it."""

import json
from textwrap import wrap
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from desk.api import Address, DeskApi, Token, connect
from desk.book_cli import BOOKS, AsJson, find_book, who_changes
from desk.terminal import console, refusals
from desk.trading_cli import Limit, OfBook
from desk.trading_text import SHORT_ID, exact, styled, when
from shared.domain.errors import InvalidMessageError, NotFoundError

app = typer.Typer(name="proposals", help="Proposals: what sources agree on, to approve or dismiss.")

PROPOSALS: Final = "/api/v1/proposals"
SUMMARY: Final = "/api/v1/engine/intelligence/summary"
_WIDTH: Final = 78
_SEARCHED: Final = 500
_STYLES: Final = {"consensus": "green", "split": "yellow", "stale": "yellow"}

Wanted = Annotated[str, typer.Argument(metavar="PROPOSAL", help="Its id; the first digits will do.")]
Why = Annotated[str, typer.Option("--reason", help="Why, for the record.")]
State = Annotated[str | None, typer.Option("--state", help="Only in this state: open, approved, dismissed, expired.")]


@app.callback(invoke_without_command=True)
def proposals(context: typer.Context) -> None:
    """List proposals, newest first, unless a command says otherwise."""
    if context.invoked_subcommand is None:
        list_proposals()


@app.command("list")
def list_proposals(
    *,
    state: State = None,
    book: OfBook = None,
    limit: Limit = 20,
    api: Address = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List proposals, newest first: what they would trade, why, and what became of them."""
    with refusals():
        desk = connect(api, token)
        asked: dict[str, str | int] = {"limit": limit} | ({} if state is None else {"state": state})
        if book is not None:
            asked["book_id"] = find_book(desk, book)["book_id"]
        items: list[dict[str, Any]] = desk.get(PROPOSALS, asked)["items"]
    if as_json:
        typer.echo(json.dumps(items, indent=2))
        return
    screen = console(highlight=False)
    for item in items:
        line = f"{when(item['created_at_ms'])}  {item['proposal_id'][:SHORT_ID]}  {styled(item['state'])}"
        screen.print(f"{line}  {escape(_wish(item))}", soft_wrap=True)
        for part in wrap(item["reason"], _WIDTH - 4):
            screen.print(f"    [dim]{escape(part)}[/]", soft_wrap=True)
    if not items:
        typer.echo("no proposals", err=True)


@app.command()
def approve(
    proposal: Wanted, reason: Why = "", api: Address = None, token: Token = None, as_json: AsJson = False
) -> None:
    """Approve a proposal: its intent is raised once, and decided as every other."""
    done = _decide(proposal, "approve", reason, api, token)
    if as_json:
        typer.echo(json.dumps(done, indent=2))
    else:
        typer.echo(f"{done['proposal_id'][:SHORT_ID]} is approved: intent {done['intent_id']}")


@app.command()
def dismiss(
    proposal: Wanted, reason: Why = "", api: Address = None, token: Token = None, as_json: AsJson = False
) -> None:
    """Dismiss a proposal: nothing is traded because of it."""
    done = _decide(proposal, "dismiss", reason, api, token)
    typer.echo(json.dumps(done, indent=2) if as_json else f"{done['proposal_id'][:SHORT_ID]} is dismissed")


def consensus(
    symbol: Annotated[str | None, typer.Argument(metavar="[SYMBOL]", help="Such as BTC/USDT; absent is all.")] = None,
    *,
    api: Address = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Say what independent sources make of an instrument, or of all, and what each of their votes weighs."""
    with refusals():
        found = connect(api, token).get(SUMMARY, {} if symbol is None else {"instrument": symbol})
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    screen = console(highlight=False)
    for each in found["instruments"]:
        style = _STYLES.get(each["verdict"], "dim")
        first, *rest = wrap(each["sentence"], _WIDTH - len(each["instrument"]) - 2)
        screen.print(f"[bold]{escape(each['instrument'])}[/]  [{style}]{escape(first)}[/]", soft_wrap=True)
        for part in rest:
            screen.print(f"{'':{len(each['instrument']) + 2}}[{style}]{escape(part)}[/]", soft_wrap=True)
        for vote in each["votes"] if symbol is not None or each["verdict"] == "consensus" else []:
            for part in wrap(f"{vote['label']}: {vote['sentence']}", _WIDTH - 4, subsequent_indent="  "):
                screen.print(f"    {escape(part)}", soft_wrap=True)
    if not found["instruments"]:
        typer.echo("no source has said anything lately", err=True)


def _decide(wanted: str, verb: str, reason: str, api: str | None, token: str | None) -> dict[str, Any]:
    with refusals():
        desk = connect(api, token)
        known = _found(desk, wanted)
        books = {book["book_id"]: book for book in desk.get(BOOKS)["items"]}
        by = who_changes(books[known["book_id"]], desk, api, token)
        done: dict[str, Any] = by.send("POST", f"{PROPOSALS}/{known['proposal_id']}/{verb}", {"reason": reason})
    return done


def _found(desk: DeskApi, wanted: str) -> dict[str, Any]:
    """Return the proposal of an id, or the only recent one whose id begins so."""
    items = desk.get(PROPOSALS, {"limit": _SEARCHED})["items"]
    found: list[dict[str, Any]] = [item for item in items if item["proposal_id"].startswith(wanted)]
    if not found:
        raise NotFoundError(f"no proposal {wanted!r}")
    if len(found) > 1:
        ids = ", ".join(item["proposal_id"] for item in found)
        raise InvalidMessageError("PROPOSAL", f"{wanted!r} may be any of {ids}")
    return found[0]


def _wish(item: dict[str, Any]) -> str:
    return f"be {item['direction']} {item['instrument']}, notional {exact(item['notional'])}"
