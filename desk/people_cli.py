"""`desk people`: who there is, and what they may do."""

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from desk.api import Address, DeskApi, Token, connect_operator
from desk.terminal import console, refusals
from shared.domain.errors import InvalidMessageError, NotFoundError

app = typer.Typer(name="people", help="People, their roles and tiers; for admins.")

PEOPLE = "/api/v1/people"
_PAGE = 500
_ID_CHARS = 36
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
PersonArgument = Annotated[str, typer.Argument(metavar="PERSON", help="Their id, or the beginning of it.")]


@app.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """List people when nothing else is asked for."""
    if context.invoked_subcommand is None:
        list_people()


@app.command("list")
def list_people(api: Address = None, token: Token = None, as_json: AsJson = False) -> None:
    """List everybody with an account, by id."""
    with refusals():
        people = _everybody(connect_operator(api, token))
    if as_json:
        typer.echo(json.dumps(people, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("person", "name", "role", "tier"):
        table.add_column(name, no_wrap=True)
    for person in people:
        table.add_row(person["user_id"], escape(person["display_name"][:32]), person["role"], person["tier"])
    console(highlight=False).print(table)


@app.command("set-role")
def set_role(
    person: PersonArgument,
    role: Annotated[str, typer.Argument(help="viewer, trader, operator or admin.")],
    api: Address = None,
    token: Token = None,
) -> None:
    """Say what somebody may do. The last admin stays one."""
    _change(person, {"role": role}, api, token)


@app.command("set-tier")
def set_tier(
    person: PersonArgument,
    tier: Annotated[str, typer.Argument(help="A tier, such as free, pro or elite.")],
    api: Address = None,
    token: Token = None,
) -> None:
    """Say how much of the desk somebody has. What is more than the new tier has stays, and is not worked on."""
    _change(person, {"tier": tier}, api, token)


def _everybody(desk: DeskApi) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    query: dict[str, str | int] = {"limit": _PAGE}
    while True:
        page = desk.get(PEOPLE, query)
        found += page["items"]
        if page["next"] is None:
            return found
        query["after"] = page["next"]


def _change(person: str, change: dict[str, str], api: str | None, token: str | None) -> None:
    with refusals():
        desk = connect_operator(api, token)
        stored = desk.send("PATCH", f"{PEOPLE}/{_found(desk, person)}", change)
    typer.echo(f"{stored['user_id']} is {stored['role']}, tier {stored['tier']}")


def _found(desk: DeskApi, wanted: str) -> str:
    """Return the id of somebody, of whom it may be the beginning."""
    if len(wanted) == _ID_CHARS:
        return wanted
    found = [person["user_id"] for person in _everybody(desk) if person["user_id"].startswith(wanted)]
    if not found:
        raise NotFoundError(f"no person {wanted!r}")
    if len(found) > 1:
        raise InvalidMessageError("PERSON", f"{wanted!r} may be any of {', '.join(found)}")
    return str(found[0])
