"""`desk halt|reduce|resume|reconcile`: stop the desk, let it go on, hold it against its venues."""

import json
import time
from typing import Annotated, Any

import typer

from desk.api import Address, connect_operator
from desk.book_cli import AsJson
from desk.terminal import refusals

_STATE = "/api/v1/desk/state"
_EXECUTION = "/functions/v1/execution-agent"

Why = Annotated[str, typer.Option("--reason", help="Why, for the record.")]
Flatten = Annotated[bool, typer.Option("--flatten", help="Also leave every position; the desk only reduces meanwhile.")]
Secret = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="NIGHTDESK_OPERATOR_TOKEN",
        help="An operator's token or the service secret; of the local desk's if absent.",
    ),
]


def halt(
    flatten: Flatten = False, reason: Why = "", api: Address = None, token: Secret = None, as_json: AsJson = False
) -> None:
    """Stop trading at once and cancel every resting order; exit code 1 while one of them still rests."""
    _set("halted", reason, api, token, flatten=flatten, as_json=as_json)


def reduce(
    flatten: Flatten = False, reason: Why = "", api: Address = None, token: Secret = None, as_json: AsJson = False
) -> None:
    """Let the desk leave positions and enter none: cancel resting entries."""
    _set("reducing", reason, api, token, flatten=flatten, as_json=as_json)


def resume(reason: Why = "", api: Address = None, token: Secret = None, as_json: AsJson = False) -> None:
    """Let the desk trade again."""
    _set("active", reason, api, token, flatten=False, as_json=as_json)


def reconcile(api: Address = None, token: Secret = None, as_json: AsJson = False) -> None:
    """Hold every account against its venue, mend what can be, and print what differs; exit code 1 if anything does.

    This is execution's own sweep, called now; at --api it takes the service secret.
    """
    with refusals():
        found = connect_operator(api, token).send("POST", _EXECUTION, {"trigger": "cron"})
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        for sentence in found["differences"]:
            typer.echo(sentence)
        for subject, error in found["errors"].items():
            typer.echo(f"{subject}: {error}")
        typer.echo(f"{found['settled']} settled or posted, {len(found['differences'])} differences", err=True)
    raise typer.Exit(int(bool(found["differences"] or found["errors"])))


def _set(state: str, reason: str, api: str | None, token: str | None, *, flatten: bool, as_json: bool) -> None:
    with refusals():
        began = time.perf_counter()
        body = {"state": state, "reason": reason, "flatten": flatten}
        done = connect_operator(api, token).send("PUT", _STATE, body)
        took_s = time.perf_counter() - began
    typer.echo(json.dumps(done | {"took_s": round(took_s, 3)}, indent=2) if as_json else _said(done, took_s))
    if any(account["left"] for account in done["accounts"]):
        raise typer.Exit(1)


def _said(done: dict[str, Any], took_s: float) -> str:
    lines = [f"the desk is {done['state']}, read back after {took_s:.2f} s"]
    for account in done["accounts"]:
        left = f", {account['left']} left" if account["left"] else ""
        lines.append(f"  {account['venue']} {account['account']}: {account['cancelled']} orders cancelled{left}")
        lines += [f"    {error}" for error in account["errors"]]
    if done["handed_over"]:
        lines.append(f"  execution was told to cancel the orders of {done['handed_over']} intents")
    if done["exits"]:
        lines.append(f"  {len(done['exits'])} positions are being left")
    return "\n".join(lines)
