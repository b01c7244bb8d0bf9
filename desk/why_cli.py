"""`desk why`: make a trader's decision again and show what decided it."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.tree import Tree

from desk.api import Address, Token, connect
from desk.terminal import console
from shared.domain.errors import InvalidMessageError
from shared.domain.sentences import number

MARKS: Final = {True: "[green]yes[/]", False: "[red]no [/]", None: "[yellow] ? [/]"}
STANDING: Final = {
    "same": "bit for bit what the desk decided then",
    "different": "not what the desk decided then: the trader was edited or a candle corrected since",
    "unrecorded": "no run of this close is on record",
}


def why(
    trader: Annotated[str, typer.Argument(metavar="TRADER", help="The trader's id.")],
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="Such as BTC/USDT.")],
    at: Annotated[
        str | None, typer.Argument(metavar="[AT]", help="A close: epoch ms or 2026-01-31T12:00Z; absent is the newest.")
    ] = None,
    *,
    api: Address = None,
    token: Token = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Say why a trader fired on a symbol at a close, or why not, with every condition's value and margin."""
    asked: dict[str, str | int] = {"symbol": symbol} | ({} if at is None else {"at": instant(at)})
    found = connect(api, token).get(f"/api/v1/traders/{trader}/why", asked)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        _print(found)


def instant(text: str) -> int:
    """Return epoch milliseconds of a time written as such or in ISO 8601; without a zone it is UTC."""
    if text.isdecimal():
        return int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidMessageError(
            "AT", f"expected epoch ms or a time such as 2026-01-31T12:00Z, got {text!r}"
        ) from error
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1_000)


def _print(found: dict[str, Any]) -> None:
    screen = console(highlight=False)
    closed = datetime.fromtimestamp(found["close_time"] / 1_000, UTC)
    price = "" if found["price"] is None else f" at {found['price']:.10g}"
    verdict = found["verdict"].replace("_", " ")
    screen.print(f"[bold]{found['symbol']}[/] {found['timeframe']} closed {closed:%Y-%m-%d %H:%M} UTC{price}")
    screen.print(f"[bold]{verdict}[/]: {escape(found['sentence'])}")
    if found["rule"] is not None:
        screen.print(_tree(found["rule"]))
    screen.print(f"[dim]{STANDING[found['standing']]}[/]")


def _tree(reason: dict[str, Any]) -> Tree:
    tree = Tree(_line(reason), guide_style="dim")
    for part in reason["parts"]:
        tree.add(_tree(part))
    return tree


def _line(reason: dict[str, Any]) -> str:
    text = {"all": "all of", "any": "any of", "not": "not"}.get(reason["kind"], escape(reason["text"]))
    values = [
        f"{escape(side['text'])} = {'none' if side['value'] is None else number(side['value'])}"
        for side in reason["sides"]
        if side["value"] is None or side["text"] != f"{side['value']:g}"
    ]
    margin = reason["margin"]
    if margin is not None:
        values.append(f"{'by' if reason['holds'] else 'misses by'} {number(abs(margin))}")
    line = f"{MARKS[reason['holds']]} {text}" + (f"  [dim]{', '.join(values)}[/]" if values else "")
    return f"{line}  [bold]←[/]" if reason["decided"] and not reason["parts"] else line
