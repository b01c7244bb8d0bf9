"""`desk dead-letters`: see why messages died, have them tried again, or drop them."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from desk.api import running
from desk.book_cli import AsJson
from desk.terminal import console, refusals
from desk.trading_text import when
from shared.domain.errors import InvalidMessageError, TransientError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from desk.dead_letters import DeadLetter, DeadLetters

app = typer.Typer(name="dead-letters", help="Messages no function could finish.", no_args_is_help=True)

SERVICE: Final = "nightdesk"
LOCAL_STAGE: Final = "dev"
_SHOWN: Final = 8

Queue = Annotated[str, typer.Argument(metavar="QUEUE", help="executions, intents, orders, …")]
Stage = Annotated[
    str | None,
    typer.Option(
        metavar="STAGE",
        help="The deployed desk of this stage, by your AWS credentials and region; the local desk's if absent.",
    ),
]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")]
Ids = Annotated[
    list[str] | None, typer.Option("--id", metavar="ID", help="This one alone, by how its id begins; repeat for more.")
]


@app.command("list")
def list_letters(queue: Queue, stage: Stage = None, limit: Limit = 100, as_json: AsJson = False) -> None:
    """List the dead letters of a queue with why they are there, oldest first; exit code 1 when there are any."""
    with refusals(), _queue(queue, stage) as letters:
        found = letters.list(limit=limit)
    if as_json:
        typer.echo(json.dumps([_body(letter) for letter in found], indent=2))
    elif found:
        _print(found)
    typer.echo(f"{len(found)} dead letters in {queue}", err=True)
    raise typer.Exit(int(bool(found)))


@app.command()
def replay(queue: Queue, ids: Ids = None, stage: Stage = None, limit: Limit = 1_000) -> None:
    """Send dead letters back to their queue, all or those named; exit code 1 when some can never succeed."""
    with refusals(), _queue(queue, stage) as letters:
        moved = letters.replay(ids or [], limit=limit)
    typer.echo(f"{len(moved.done)} sent back to {queue}")
    for letter in moved.left:
        typer.echo(f"{letter.message_id[:_SHOWN]} is left, it {letter.why}", err=True)
    raise typer.Exit(int(bool(moved.left)))


@app.command()
def drop(
    queue: Queue,
    ids: Ids = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    stage: Stage = None,
    limit: Limit = 1_000,
) -> None:
    """Delete dead letters for good: those named, or --all."""
    with refusals():
        if bool(ids) is everything:
            raise InvalidMessageError("what", "expected --id ID, once or more, or --all")
        with _queue(queue, stage) as letters:
            moved = letters.drop(ids or [], limit=limit)
    typer.echo(f"{len(moved.done)} dropped from {queue}")


@contextmanager
def _queue(name: str, stage: str | None) -> "Iterator[DeadLetters]":
    """Open a queue's dead letters; raise `TransientError` when SQS refuses, or nobody may ask it."""
    from botocore.exceptions import BotoCoreError, ClientError

    from desk.dead_letters import DeadLetters

    try:
        with closing(_client(stage)) as client:
            yield DeadLetters.of(client, name, service=f"{SERVICE}-{stage or LOCAL_STAGE}")
    except (BotoCoreError, ClientError) as error:
        raise TransientError(f"SQS: {error}", source="queues") from error


def _client(stage: str | None) -> "SQSClient":
    import boto3

    if stage is not None:
        return boto3.client("sqs")
    return boto3.client(
        "sqs",
        endpoint_url=running(instead="--stage")["sqs_url"],
        region_name="eu-central-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - opens nothing
    )


def _print(letters: "Sequence[DeadLetter]") -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("id", "sent", "seen", "why", "what"):
        table.add_column(name, justify="right" if name == "seen" else "left", overflow="fold")
    for letter in letters:
        row = (letter.message_id[:_SHOWN], when(letter.sent_ms), str(letter.receives), letter.why, letter.body)
        table.add_row(*map(escape, row))
    console(highlight=False).print(table)


def _body(letter: "DeadLetter") -> dict[str, Any]:
    names = ("message_id", "sent_ms", "receives", "why", "is_readable", "body")
    return {name: getattr(letter, name) for name in names}
