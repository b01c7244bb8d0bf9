"""Restore the desk: in one transaction that commits only when every row is back, and leaves the desk halted."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from desk.backups.archive import Manifest, rows_of, unpacked
from desk.backups.contents import PLAIN, ledger_mismatches, made_here, tables_of
from desk.backups.programs import Programs, Server, find_programs
from desk.backups.scripts import BARE, CLEAR, after
from shared.domain.errors import ConflictError, FatalError

if TYPE_CHECKING:
    from psycopg import Connection

ROLES: Final = ("anon", "authenticated", "service_role")
_KEPT: Final = re.compile(r" (SCHEMA - public|COMMENT - SCHEMA public|ACL - SCHEMA public|DEFAULT ACL) ")
"""Of an archive's table of contents: what belongs to the project the desk is restored into."""
_GRANTS: Final = " ACL "


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A backup that was restored, the foreign keys that are not held yet, and the positions that are not what their
    fills make them, as they were in the backup."""

    manifest: Manifest
    unheld: Sequence[str]
    mismatches: Sequence[str]


def restore(
    server: Server, file: Path, *, force: bool = False, people_later: bool = False, pg_bin: Path | None = None
) -> Restored:
    """Put a backup into a Supabase database, in place of what is there.

    Everything is in one transaction, which compares every table with the manifest before it commits: a restore that
    fails has changed nothing. The desk is halted then, because its venues have gone on since the backup was made.
    Raise `ConflictError` when a desk is there that was used (unless `force`), or people of the backup are not in
    `auth.users` (unless `people_later`, which leaves the foreign key to be validated); `FatalError` for a backup that
    is not whole, a server older than its own, and a database that is no Supabase.
    """
    with unpacked(file) as (manifest, dump):
        with server.connect() as connection:
            _check_target(connection, manifest, force=force)
            programs = find_programs(connection.info.server_version // 10_000, folder=pg_bin)
        scripts = _scripts(manifest, dump, programs, people_later=people_later)
        try:
            programs.run(
                "psql", "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--output=/dev/null",
                *(f"--file={script}" for script in scripts), server=server,
            )  # fmt: skip
        except FatalError as error:
            missing = [name for _, name, _ in manifest.foreign_keys if f'foreign key constraint "{name}"' in str(error)]
            if not missing:
                raise
            raise ConflictError(
                f"people of the backup have no account here ({', '.join(missing)}); nothing was changed. Restore"
                " Supabase's accounts first, or give --people-later and validate the foreign key when they are back"
            ) from error
        with server.connect() as connection:
            mismatches = ledger_mismatches(connection)
    unheld = [f"alter table {table} validate constraint {name}" for table, name, _ in manifest.foreign_keys]
    return Restored(manifest=manifest, unheld=unheld if people_later else (), mismatches=mismatches)


def _check_target(connection: "Connection[Any]", manifest: Manifest, *, force: bool) -> None:
    connection.execute(PLAIN.encode())
    major = connection.info.server_version // 10_000
    if major < manifest.server_major:
        raise FatalError(
            f"the backup is of PostgreSQL {manifest.server_major}, this server is {major}: it must not be older"
        )
    roles = {name for (name,) in connection.execute("select rolname from pg_catalog.pg_roles").fetchall()}
    auth = connection.execute("select to_regprocedure('auth.uid()'), to_regclass('auth.users')").fetchone()
    if not roles.issuperset(ROLES) or auth is None or None in auth:
        raise FatalError(f"this database is no Supabase: it lacks {', '.join(ROLES)}, auth.users or auth.uid()")
    if force:
        return
    if made := made_here(connection):
        counted = ", ".join(f"{count} rows in {table}" for table, count in made.items())
        raise ConflictError(f"there is a desk here that was used: {counted}. --force replaces it")
    if others := sorted(set(tables_of(connection)) - set(manifest.tables)):
        raise ConflictError(
            f"these tables are not in the backup and would be lost: {', '.join(others)}. --force drops them"
        )


def _scripts(manifest: Manifest, dump: Path, programs: Programs, *, people_later: bool) -> Sequence[Path]:
    """Write what is run: clear, restore, take away, grant, tie to what is not the desk's, compare, halt."""
    foreign = {(table, name) for table, name, _ in manifest.foreign_keys}
    lines = [
        line
        for line in programs.run("pg_restore", "--list", str(dump)).splitlines()
        if not line.startswith(";") and _KEPT.search(line) is None and not _is_tie(line, foreign)
    ]
    restored, granted = dump.with_name("restore.sql"), dump.with_name("grant.sql")
    _write(restored, dump, programs, [line for line in lines if _GRANTS not in line])
    _write(granted, dump, programs, [line for line in lines if _GRANTS in line])
    clear, bare, rest = (dump.with_name(f"{name}.sql") for name in ("clear", "bare", "rest"))
    clear.write_text(CLEAR)
    bare.write_text(BARE)
    rest.write_text("\n".join(after(manifest, people_later=people_later)))
    return clear, restored, bare, granted, rest


def _write(script: Path, dump: Path, programs: Programs, lines: Sequence[str]) -> None:
    """Write some of an archive, by lines of its table of contents, as SQL."""
    listed = script.with_suffix(".txt")
    listed.write_text("\n".join(lines))
    programs.run("pg_restore", "--no-owner", f"--use-list={listed}", f"--file={script}", str(dump))


def _is_tie(line: str, foreign: set[tuple[str, str]]) -> bool:
    """Tell whether a line of the table of contents is a key to another schema, which comes afterwards."""
    if " FK CONSTRAINT " not in line:
        return False
    schema, table, name, *_ = line.partition(" FK CONSTRAINT ")[2].split()
    return (f"{schema}.{table}", name) in foreign


def describe(tables: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Yield the tables that have rows, with how many, the largest first."""
    counted = ((table, rows_of(digest)) for table, digest in tables.items())
    yield from sorted((each for each in counted if each[1]), key=lambda each: (-each[1], each[0]))
