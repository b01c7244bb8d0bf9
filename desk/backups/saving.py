"""Back up the desk: pg_dump of its schemas, and the manifest, of one and the same instant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from desk.backups.archive import Manifest, pack, sha256_of
from desk.backups.contents import (
    PLAIN,
    SCHEMAS,
    digests_of,
    ledger_mismatches,
    outside_of,
    privileges_of,
    sequences_of,
    tables_of,
)
from desk.backups.programs import Server, find_programs
from shared.domain.errors import ConflictError, FatalError
from shared.runtime.telemetry import VERSION

NOT_IN_IT: Final = (
    "sign-in accounts (schema auth: Supabase's own backups have them)",
    "Redis (candles and prices; the collector writes them anew)",
    "messages in queues (the rows they speak of are in it; sweeps find them)",
    "secrets of functions and of the Vault, and jobs of pg_cron (run sql/cron.sql again)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A backup that was made, and the positions that were no longer what their fills make them."""

    manifest: Manifest
    mismatches: Sequence[str]


def back_up(server: Server, file: Path, *, pg_bin: Path | None = None) -> Saved:
    """Write a backup; raise `ConflictError` when the file exists, `FatalError` for what is no desk or cannot be read.

    Nothing waits for it: one repeatable read sees what pg_dump sees, by the snapshot they share.
    """
    if file.exists():
        raise ConflictError(f"{file} is there already")
    with server.connect() as connection, TemporaryDirectory(prefix="desk-backup-") as folder:
        programs = find_programs(connection.info.server_version // 10_000, folder=pg_bin)
        connection.execute("set transaction isolation level repeatable read read only")
        connection.execute(PLAIN.encode())
        if "desk.schema_migrations" not in tables_of(connection):
            raise FatalError("there is no desk in this database: `desk migrate` has never been run on it")
        row = connection.execute("select pg_catalog.pg_export_snapshot()").fetchone()
        dump = Path(folder) / "desk.dump"
        options = ["--format=custom", "--no-publications", "--no-subscriptions", "--no-security-labels"]
        schemas = [f"--schema={schema}" for schema in SCHEMAS]
        snapshot = f"--snapshot={row[0]}" if row else ""
        programs.run("pg_dump", *options, *schemas, snapshot, f"--file={dump}", server=server)
        outside = outside_of(connection)
        migrations = connection.execute("select name, sha256 from desk.schema_migrations order by name").fetchall()
        manifest = Manifest(
            made_at=datetime.now(UTC).replace(microsecond=0),
            nightdesk=VERSION,
            server_major=connection.info.server_version // 10_000,
            migrations=dict(migrations),
            tables=dict(digests_of(connection)),
            sequences=dict(sequences_of(connection)),
            privileges=dict(privileges_of(connection)),
            triggers=list(outside.triggers),
            foreign_keys=list(outside.foreign_keys),
            dump_sha256=sha256_of(dump),
        )
        mismatches = ledger_mismatches(connection)
        pack(manifest, dump, file)
    return Saved(manifest=manifest, mismatches=mismatches)
