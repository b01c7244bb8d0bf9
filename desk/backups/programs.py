"""PostgreSQL's own programs: found where they are installed, of a version that fits, given passwords by environment."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.domain.errors import FatalError, InvalidMessageError

if TYPE_CHECKING:
    from psycopg import Connection

NAMES: Final = ("pg_dump", "pg_restore", "psql")
_VERSION: Final = re.compile(r"\(PostgreSQL\) (\d+)")
_PLACES: Final = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/*/bin", "/usr/local/opt/*/bin")


@dataclass(frozen=True, slots=True)
class Server:
    """A database to connect to: everything but the password, and the password."""

    conninfo: str
    password: str | None

    @classmethod
    def of(cls, url: str) -> "Server":
        """Read a postgresql:// address; raise `InvalidMessageError` for what is none, without showing it."""
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict, make_conninfo

        try:
            parts = conninfo_to_dict(url)
            password = parts.pop("password", None)
            return cls(make_conninfo("", **parts), None if password is None else str(password))
        except ProgrammingError:
            raise InvalidMessageError("url", "expected postgresql://user@host:port/database") from None

    def connect(self) -> "Connection[Any]":
        """Open a session; raise `FatalError` when the server does not answer or refuses."""
        import psycopg

        try:
            return psycopg.connect(self.conninfo, password=self.password)
        except psycopg.Error as error:
            raise FatalError(f"cannot connect: {error}") from error


@dataclass(frozen=True, slots=True)
class Programs:
    """pg_dump, pg_restore and psql of one major version."""

    folder: Path
    major: int

    def run(self, name: str, *arguments: str, server: Server | None = None) -> str:
        """Run one and return what it printed; raise `FatalError` with what it complained of.

        The password is in its environment, which only the same user can read, and never among its arguments.
        """
        env = dict(os.environ)
        if server is not None:
            arguments = ("--dbname", server.conninfo, *arguments)
            env |= {"PGPASSWORD": server.password} if server.password else {}
        done = subprocess.run(
            [str(self.folder / name), *arguments], env=env, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise FatalError(f"{name}: {done.stderr.strip() or f'exit code {done.returncode}'}")
        return done.stdout


def find_programs(server_major: int, *, folder: Path | None = None) -> Programs:
    """Return the programs for a server: of its own major version, else of the next that knows it.

    Raise `FatalError` that names what was found and what to install. `folder` is looked into alone.
    """
    found = sorted(_installed([folder] if folder else _folders()), key=lambda each: each.major)
    for programs in found:
        if programs.major >= server_major:
            return programs
    versions = ", ".join(f"{each.major} in {each.folder}" for each in found) or "none"
    raise FatalError(
        f"the server is PostgreSQL {server_major}: {', '.join(NAMES)} of that version or newer are needed,"
        f" found {versions}; install postgresql-client-{server_major} or name their folder with --pg-bin"
    )


def _folders() -> Iterator[Path]:
    if on_path := shutil.which("pg_dump"):
        yield Path(on_path).parent
    for pattern in _PLACES:
        yield from Path("/").glob(pattern.lstrip("/"))


def _installed(folders: "Iterator[Path] | Sequence[Path]") -> Iterator[Programs]:
    for folder in folders:
        if all((folder / name).exists() for name in NAMES):
            said = subprocess.run([str(folder / "pg_dump"), "--version"], capture_output=True, text=True, check=False)
            if version := _VERSION.search(said.stdout):
                yield Programs(folder, int(version[1]))
