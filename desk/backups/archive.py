"""The file of a backup: a tar of pg_dump's archive and the manifest that says what must be in it."""

import hashlib
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from shared.domain.errors import ConflictError, FatalError, NotFoundError

MANIFEST: Final = "manifest.json"
DUMP: Final = "desk.dump"


class Manifest(BaseModel):
    """What a backup contains: `rows:hash` by table, where sequences stand, privileges, ties to other schemas.

    `server_major` is PostgreSQL's version, `migrations` the files of sql/ that were applied, by name with their hash.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    made_at: AwareDatetime
    nightdesk: str
    server_major: int
    migrations: dict[str, str]
    tables: dict[str, str]
    sequences: dict[str, int | None]
    privileges: dict[str, str]
    triggers: list[tuple[str, str, str]]
    foreign_keys: list[tuple[str, str, str]]
    dump_sha256: str

    @property
    def rows(self) -> int:
        """Return how many rows there are in all tables."""
        return sum(rows_of(digest) for digest in self.tables.values())


def rows_of(digest: str) -> int:
    """Return the number of rows a table's `rows:hash` counts."""
    return int(digest.partition(":")[0])


def pack(manifest: Manifest, dump: Path, file: Path) -> None:
    """Write a backup, whole or not at all, readable by its owner alone: people's secrets are in it."""
    part = file.with_name(f"{file.name}.part")
    text = dump.with_name(MANIFEST)
    text.write_text(manifest.model_dump_json(indent=2))
    try:
        part.touch(mode=0o600)
        with tarfile.open(part, "w") as tar:
            tar.add(text, MANIFEST)
            tar.add(dump, DUMP)
        if file.exists():
            raise ConflictError(f"{file} is there already")
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def unpacked(file: Path) -> Iterator[tuple[Manifest, Path]]:
    """Yield a backup's manifest and the path of its dump; raise `FatalError` for what is no backup, or not whole."""
    if not file.exists():
        raise NotFoundError(f"there is no file {file}")
    with TemporaryDirectory(prefix="desk-restore-") as folder:
        try:
            with tarfile.open(file) as tar:
                for name in (MANIFEST, DUMP):
                    tar.extract(name, folder, filter="data")
            manifest = Manifest.model_validate_json((Path(folder) / MANIFEST).read_bytes())
        except (tarfile.TarError, KeyError, ValidationError, EOFError, OSError) as error:
            raise FatalError(f"{file} is no backup of a desk, or not whole: {error}") from error
        dump = Path(folder) / DUMP
        if sha256_of(dump) != manifest.dump_sha256:
            raise FatalError(f"{file} is damaged: its dump is not the one it was made with")
        yield manifest, dump


def sha256_of(file: Path) -> str:
    """Return the hash of a file's content."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
