"""Apply sql/ to a Postgres: in order, each file in its own transaction, each once."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from shared.domain.errors import ConflictError, FatalError

if TYPE_CHECKING:
    from psycopg import Connection

    from desk.schema_check import Drift

SQL: Final = Path(__file__).resolve().parents[1] / "sql"
_LOCK: Final = 0x6E69676874  # "night": two deployments must not migrate at once
_HISTORY: Final = """
create schema if not exists desk;
create table if not exists desk.schema_migrations (
  name text primary key,
  sha256 text not null,
  applied_at timestamptz not null default clock_timestamp()
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlFile:
    """A numbered file of sql/."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        """Return the hash that tells an edited file."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def sql_files(folder: Path = SQL) -> tuple[SqlFile, ...]:
    """Return the files in the order they apply; raise `FatalError` when there are none."""
    found = sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    if not found:
        raise FatalError(f"no numbered SQL files in {folder}")
    return tuple(SqlFile(name=path.name, text=path.read_text(encoding="utf-8")) for path in found)


def pending(connection: "Connection", files: tuple[SqlFile, ...]) -> tuple[SqlFile, ...]:
    """Return the files not applied yet; raise `ConflictError` when one was edited after it was applied."""
    connection.execute(_HISTORY)
    applied: dict[str, str] = dict(connection.execute("select name, sha256 from desk.schema_migrations").fetchall())
    edited = [file.name for file in files if applied.get(file.name, file.sha256) != file.sha256]
    if edited:
        raise ConflictError(f"edited after they were applied: {', '.join(edited)}; add a new numbered file instead")
    return tuple(file for file in files if file.name not in applied)


def apply_all(url: str, *, folder: Path = SQL) -> tuple[str, ...]:
    """Apply what is pending and return the names applied; raise `FatalError` that names a file that fails."""
    import psycopg

    with _open(url) as connection:
        connection.execute("select pg_advisory_lock(%s)", (_LOCK,))  # released with the session
        files = pending(connection, sql_files(folder))
        for file in files:
            try:
                with connection.transaction():
                    connection.execute(file.text.encode())
                    connection.execute(
                        "insert into desk.schema_migrations (name, sha256) values (%s, %s)", (file.name, file.sha256)
                    )
            except psycopg.Error as error:
                raise FatalError(f"{file.name}: {error}") from error
        return tuple(file.name for file in files)


def check_all(url: str, *, folder: Path = SQL) -> "Drift":
    """Return what a database lacks of sql/, or has otherwise; nothing is changed."""
    from desk.schema_check import drift_of
    from desk.schema_reads import read_catalog, read_schema

    files = sql_files(folder)
    with _open(url) as connection:
        connection.execute("set default_transaction_read_only = on")
        return drift_of(files, read_schema(connection), read_catalog(connection))


def _open(url: str) -> "Connection":
    import psycopg

    try:
        return psycopg.connect(url, autocommit=True)
    except psycopg.Error as error:
        raise FatalError(f"cannot connect: {error}") from error


def migrate(
    url: Annotated[
        str, typer.Option(envvar="DATABASE_URL", help="postgresql://… of the database.", show_default=False)
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing: say what is pending or otherwise; exit 1 if anything is.")
    ] = False,
) -> None:
    """Apply the files of sql/ that a database does not have yet."""
    try:
        lines = [*check_all(url).lines()] if check else [f"applied {name}" for name in apply_all(url)]
    except (ConflictError, FatalError) as error:
        typer.echo(f"migrate: {error}", err=True)
        raise typer.Exit(1) from error
    for line in lines or ["nothing to apply"]:
        typer.echo(line)
    if check and lines:
        raise typer.Exit(1)
