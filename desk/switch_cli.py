"""`desk state|halt|reduce|resume|reconcile`: stop the desk or a part of it, let it go on, hold it against venues."""

import json
import time
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.markup import escape

from desk.api import Address, DeskApi, connect_operator
from desk.book_cli import AsJson, find_book
from desk.terminal import console, refusals
from desk.trading_text import UNKNOWN, styled, when
from shared.domain.errors import ConflictError, InvalidMessageError, NotFoundError

_STATE = "/api/v1/desk/state"
EXECUTION = "/functions/v1/execution-agent"

Why = Annotated[str, typer.Option("--reason", help="Why, for the record.")]
Flatten = Annotated[bool, typer.Option("--flatten", help="Also leave every position; the desk only reduces meanwhile.")]
OfVenue = Annotated[str | None, typer.Option("--venue", metavar="VENUE", help="Only of this venue.")]
OfSymbol = Annotated[
    str | None, typer.Option("--symbol", metavar="SYMBOL", help="Only of this symbol, at --venue or everywhere.")
]
OfTrader = Annotated[str | None, typer.Option("--trader", metavar="ID", help="Only of this trader.")]
OfBook = Annotated[str | None, typer.Option("--book", metavar="BOOK", help="Only of this book, whoever owns it.")]
Secret = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="NIGHTDESK_OPERATOR_TOKEN",
        help="An operator's token or the service secret; of the local desk's if absent.",
    ),
]


def state(api: Address = None, token: Secret = None, as_json: AsJson = False) -> None:
    """Show what may be traded: the desk's state, since when, who set it and why, and all that is restrained besides."""
    with refusals():
        found = connect_operator(api, token).get(_STATE)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    screen = console(highlight=False)
    for entry in (found, *found["restrained"]):
        screen.print(f"{escape(_name(entry['scope'], [entry['key']]))} is {styled(entry['state'])}", soft_wrap=True)
        if entry["actor"] is not None or entry["reason"]:
            since = f"since {when(entry['since_ms'])}, " if entry["since_ms"] is not None else ""
            why = f": {entry['reason']}" if entry["reason"] else ""
            said = escape(f"{since}set by {entry['actor'] or UNKNOWN}{why}")
            screen.print(f"    [dim]{said}[/]", soft_wrap=True)


def halt(
    *,
    flatten: Flatten = False,
    venue: OfVenue = None,
    symbol: OfSymbol = None,
    trader: OfTrader = None,
    book: OfBook = None,
    reason: Why = "",
    api: Address = None,
    token: Secret = None,
    as_json: AsJson = False,
) -> None:
    """Stop trading at once and cancel every resting order; exit code 1 while one of them still rests.

    With an option, of a venue, a symbol, a trader or anybody's book alone.
    """
    part = _Part(venue=venue, symbol=symbol, trader=trader, book=book)
    _set("halted", part, reason, api, token, flatten=flatten, as_json=as_json)


def reduce(
    *,
    flatten: Flatten = False,
    venue: OfVenue = None,
    symbol: OfSymbol = None,
    trader: OfTrader = None,
    book: OfBook = None,
    reason: Why = "",
    api: Address = None,
    token: Secret = None,
    as_json: AsJson = False,
) -> None:
    """Let the desk, or the part an option names, leave positions and enter none: cancel resting entries."""
    part = _Part(venue=venue, symbol=symbol, trader=trader, book=book)
    _set("reducing", part, reason, api, token, flatten=flatten, as_json=as_json)


def resume(
    *,
    venue: OfVenue = None,
    symbol: OfSymbol = None,
    trader: OfTrader = None,
    book: OfBook = None,
    reason: Why = "",
    api: Address = None,
    token: Secret = None,
    as_json: AsJson = False,
) -> None:
    """Let the desk, or the part an option names, trade again."""
    part = _Part(venue=venue, symbol=symbol, trader=trader, book=book)
    _set("active", part, reason, api, token, flatten=False, as_json=as_json)


def reconcile(api: Address = None, token: Secret = None, as_json: AsJson = False) -> None:
    """Hold every account against its venue, mend what can be, and print what differs; exit code 1 if anything does.

    This is execution's own sweep, called now; at --api it takes the service secret.
    """
    with refusals():
        found = connect_operator(api, token).send("POST", EXECUTION, {"trigger": "cron"})
        refuse_skipped(found)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        for sentence in found["differences"]:
            typer.echo(sentence)
        for subject, error in found["errors"].items():
            typer.echo(f"{subject}: {error}")
        typer.echo(f"{found['settled']} settled or posted, {len(found['differences'])} differences", err=True)
    raise typer.Exit(int(bool(found["differences"] or found["errors"])))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What of the desk is meant; nothing is all of it."""

    venue: str | None
    symbol: str | None
    trader: str | None
    book: str | None

    def body(self, desk: DeskApi) -> dict[str, str]:
        """Return it as the API asks for it; raise `InvalidMessageError` for two parts at once."""
        names: dict[str, str | None] = {"trader": self.trader, "book": self.book, "venue": self.venue}
        if self.symbol is not None:
            names |= {"symbol": self.symbol if self.venue is None else f"{self.venue}:{self.symbol}", "venue": None}
        given = [(scope, key) for scope, key in names.items() if key is not None]
        if len(given) > 1:
            words = " and ".join(f"--{scope}" for scope, _ in given)
            raise InvalidMessageError("part", f"expected one at a time, got {words}")
        if not given:
            return {}
        scope, key = given[0]
        return {"scope": scope, "key": _book_id(desk, key) if scope == "book" else key}


def _book_id(desk: DeskApi, wanted: str) -> str:
    """Return the id of a book the operator sees by name; of one they do not, what was given is the id."""
    try:
        return str(find_book(desk, wanted)["book_id"])
    except NotFoundError:
        return wanted


def refuse_skipped(found: dict[str, Any]) -> None:
    """Raise `ConflictError` for an answer of execution that it did nothing, since somebody has paused it."""
    if found.get("skipped") is not None:
        raise ConflictError(f"execution-agent is {found['skipped']}")


def _set(
    state: str, part: _Part, reason: str, api: str | None, token: str | None, *, flatten: bool, as_json: bool
) -> None:
    with refusals():
        began = time.perf_counter()
        desk = connect_operator(api, token)
        body = {"state": state, "reason": reason, "flatten": flatten} | part.body(desk)
        done = desk.send("PUT", _STATE, body)
        took_s = time.perf_counter() - began
    typer.echo(json.dumps(done | {"took_s": round(took_s, 3)}, indent=2) if as_json else _said(done, took_s))
    if any(account["left"] for account in done["accounts"]):
        raise typer.Exit(1)


def _name(scope: str, keys: list[str]) -> str:
    return "the desk" if scope == "desk" else f"{scope} {', '.join(keys)}"


def _said(done: dict[str, Any], took_s: float) -> str:
    lines = [f"{_name(done['scope'], done['keys'])} is {done['state']}, read back after {took_s:.2f} s"]
    for account in done["accounts"]:
        left = f", {account['left']} left" if account["left"] else ""
        lines.append(f"  {account['venue']} {account['account']}: {account['cancelled']} orders cancelled{left}")
        lines += [f"    {error}" for error in account["errors"]]
    if done["handed_over"]:
        lines.append(f"  execution was told to cancel the orders of {done['handed_over']} intents")
    if done["exits"]:
        lines.append(f"  {len(done['exits'])} positions are being left")
    return "\n".join(lines)
