"""`desk traders`: keep your traders in a YAML file, and bring a desk to what the file says."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from desk.api import Address, DeskApi, Token, connect
from desk.terminal import refusals
from shared.domain.errors import FatalError, InvalidMessageError, NightdeskError, RefusedError
from shared.domain.traders import DEFINITION

if TYPE_CHECKING:
    from desk.trader_files import TraderEntry
    from desk.trader_plan import Step

app = typer.Typer(name="traders", help="Your traders as a YAML file: export, import, compare.", no_args_is_help=True)

_TRADERS: Final = "/api/v1/traders"
_PAGE: Final = 500

TraderFile = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Traders as YAML.")]


@app.command("export")
def export_traders(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Write here; absent, to the terminal.")] = None,
    no_ids: Annotated[
        bool, typer.Option("--no-ids", help="Leave ids out, for another desk or another person.")
    ] = False,
    api: Address = None,
    token: Token = None,
) -> None:
    """Write all your traders as YAML, by name, leaving out what is at its default."""
    from desk.trader_files import TraderEntry, dump
    from desk.trader_plan import in_order

    with refusals(), _traders_of(api, token) as desk:
        traders = in_order(_mine(desk))
        if no_ids:
            traders = [TraderEntry(trader_id=None, definition=trader.definition) for trader in traders]
        _write(dump(traders), file)
    typer.echo(f"{len(traders)} trader{'s' * (len(traders) != 1)}{f' in {file}' if file else ''}", err=True)


@app.command("import")
def import_traders(
    file: TraderFile,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and say what would change.")] = False,
    api: Address = None,
    token: Token = None,
) -> None:
    """Make and change traders so that they are as the file says; nothing is stored when any entry is wrong.

    An entry with a `trader_id` is that trader of yours, one without is yours of that name, or a new one. What an entry
    leaves out is at its default. Traders the file does not name stay as they are.
    """
    from desk.trader_plan import plan

    with refusals(), _traders_of(api, token) as desk:
        steps = plan(_read(file), _mine(desk))
        _validate(desk, steps)
        for step in steps:
            if step.changes:
                typer.echo(_said(step))
        if not dry_run:
            _apply(desk, steps)
    counts = Counter(_kind(step) for step in steps)
    summary = ", ".join(f"{counts[kind]} {kind}" for kind in ("new", "changed", "unchanged"))
    typer.echo(f"{summary}{'; nothing stored (--dry-run)' if dry_run else ''}", err=True)


@app.command("diff")
def diff_traders(file: TraderFile, api: Address = None, token: Token = None) -> None:
    """Compare all your traders with a file: a unified diff from the desk to the file.

    Exit code 0 means no difference, 1 that there is one, 2 that they could not be compared.
    """
    from desk.trader_files import dump
    from desk.trader_plan import compared, plan

    with refusals(exit_code=2), _traders_of(api, token) as desk:
        entries, mine = _read(file), _mine(desk)
        here, there = (dump(side).splitlines(keepends=True) for side in compared(plan(entries, mine), mine))
    lines = list(unified_diff(here, there, fromfile="desk", tofile=str(file)))
    sys.stdout.write("".join(lines))
    raise typer.Exit(1 if lines else 0)


@contextmanager
def _traders_of(api: str | None, token: str | None) -> Iterator[DeskApi]:
    desk = connect(api, token)
    with desk.client:
        yield desk


def _mine(desk: DeskApi) -> list["TraderEntry"]:
    """Ask for every trader of the person."""
    from desk.trader_files import TraderEntry

    found: list[TraderEntry] = []
    query: dict[str, str | int] = {"owner": "me", "limit": _PAGE}
    while True:
        page = desk.get(_TRADERS, query)
        found += [
            TraderEntry(trader_id=item["trader_id"], definition={name: item[name] for name in DEFINITION})
            for item in page["items"]
        ]
        if page["next"] is None:
            return found
        query["after"] = page["next"]


def _write(text: str, file: Path | None) -> None:
    if file is None:
        sys.stdout.write(text)
        return
    try:
        file.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise InvalidMessageError("FILE", str(error)) from error


def _read(file: Path) -> list["TraderEntry"]:
    from desk.trader_files import load

    return load(file.read_bytes())


def _validate(desk: DeskApi, steps: Sequence["Step"]) -> None:
    """Have the desk check every entry; raise with all that is wrong, by path."""
    from desk.trader_files import TraderFileError, Wrong, path_of

    wrong: list[Wrong] = []
    for number, step in enumerate(steps):
        try:
            desk.send("POST", f"{_TRADERS}/validate", step.entry.definition)
        except RefusedError as error:
            wrong += [Wrong(f"traders[{number}].{path_of(field)}", problem) for field, problem in error.errors]
    if wrong:
        raise TraderFileError(wrong)


def _apply(desk: DeskApi, steps: Sequence["Step"]) -> None:
    waiting = [step for step in steps if step.changes]
    for number, step in enumerate(waiting):
        try:
            if step.stored is None or step.stored.trader_id is None:
                desk.send("POST", _TRADERS, step.entry.definition)
            else:
                desk.send("PATCH", f"{_TRADERS}/{step.stored.trader_id}", step.changes)
        except NightdeskError as error:
            raise FatalError(f"{step.entry.name}: {error}\n{number} of {len(waiting)} stored; import again") from error


def _kind(step: "Step") -> str:
    if step.stored is None:
        return "new"
    return "changed" if step.changes else "unchanged"


def _said(step: "Step") -> str:
    return (
        f"new      {step.entry.name}"
        if step.stored is None
        else f"changed  {step.entry.name}: {', '.join(step.changes)}"
    )
