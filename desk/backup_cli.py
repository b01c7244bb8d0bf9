"""`desk backup` and `desk restore`: the desk's database in one file, and back, with every row accounted for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from desk.terminal import refusals
from shared.domain.errors import InvalidMessageError

_SHOWN: Final = 8

Url = Annotated[
    str,
    typer.Option(
        envvar="DATABASE_URL",
        show_envvar=True,
        show_default=False,
        help="postgresql://… of the database itself, not of a transaction pooler. On the command line it may have no"
        " password: that is for PGPASSWORD, ~/.pgpass or the variable.",
    ),
]
PgBin = Annotated[
    Path | None, typer.Option("--pg-bin", metavar="FOLDER", help="Where pg_dump, pg_restore and psql are.")
]
BackupFile = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]


def backup(context: typer.Context, file: BackupFile, *, url: Url, pg_bin: PgBin = None) -> None:
    """Write everything the desk has in its database to a file; exit code 1 when its ledger does not add up."""
    from desk.backups.programs import Server
    from desk.backups.restoring import describe
    from desk.backups.saving import NOT_IN_IT, back_up

    with refusals():
        _refuse_password(context, url)
        saved = back_up(Server.of(url), file, pg_bin=pg_bin)
    manifest = saved.manifest
    typer.echo(f"{file}: {manifest.rows:,} rows in {len(manifest.tables)} tables, {file.stat().st_size:,} bytes")
    for table, rows in list(describe(manifest.tables))[:_SHOWN]:
        typer.echo(f"  {rows:,} in {table}")
    typer.echo("Not in it:")
    for what in NOT_IN_IT:
        typer.echo(f"  {what}")
    typer.echo("Keep it as a secret: people's channels and everything they trade are in it.")
    _tell_mismatches(saved.mismatches)


def restore(
    context: typer.Context,
    file: BackupFile,
    *,
    url: Url,
    force: Annotated[bool, typer.Option("--force", help="Replace a desk that was used.")] = False,
    people_later: Annotated[
        bool, typer.Option("--people-later", help="Accounts of people (auth.users) are restored afterwards.")
    ] = False,
    pg_bin: PgBin = None,
) -> None:
    """Put a backup back, all of it or nothing, and leave the desk halted; exit code 1 unless its ledger adds up."""
    from desk.backups.programs import Server
    from desk.backups.restoring import restore as put_back
    from desk.backups.saving import NOT_IN_IT

    with refusals():
        _refuse_password(context, url)
        done = put_back(Server.of(url), file, force=force, people_later=people_later, pg_bin=pg_bin)
    manifest = done.manifest
    typer.echo(
        f"restored the backup of {manifest.made_at}: {manifest.rows:,} rows in {len(manifest.tables)} tables, each"
    )
    typer.echo("compared with what was backed up. The desk is halted: its venues have gone on since.")
    typer.echo("Now: `desk migrate`, then `desk reconcile`, look at what differs, then `desk resume`.")
    for statement in done.unheld:
        typer.echo(f"When people's accounts are back: {statement};")
    typer.echo("Not in it:")
    for what in NOT_IN_IT:
        typer.echo(f"  {what}")
    _tell_mismatches(done.mismatches)


def _refuse_password(context: typer.Context, url: str) -> None:
    """Raise `InvalidMessageError` for a password that everybody on this machine reads in the list of processes."""
    from desk.backups.programs import Server

    source = context.get_parameter_source("url")
    if source is not None and source.name == "COMMANDLINE" and Server.of(url).password:
        raise InvalidMessageError(
            "--url", "has a password, which the list of processes shows: use PGPASSWORD, ~/.pgpass or DATABASE_URL"
        )


def _tell_mismatches(mismatches: Sequence[str]) -> None:
    if not mismatches:
        typer.echo("The ledger adds up: every position is what its fills make it.")
        return
    for line in mismatches:
        typer.echo(f"the ledger does not add up: {line}", err=True)
    raise typer.Exit(1)
