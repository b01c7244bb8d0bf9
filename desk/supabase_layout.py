"""Lay sql/ out as `supabase db push` wants it: supabase/migrations, made from sql/ whenever it is needed.

The Supabase CLI takes files named `<digits>_<name>.sql` in the order of their digits, each in one transaction, and
keeps the digits as its history (supabase/cli, pkg/migration/file.go). So the number of a file becomes a moment that
never changes, and its text stays as it is.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from desk.migrate import SqlFile, sql_files
from shared.domain.errors import ConflictError

FOLDER: Final = Path("supabase/migrations")
_DAY: Final = "20260101"  # any day would do; it must stay the same, or everything would be pushed again


def migration_name(file: SqlFile) -> str:
    """Return the name under which the Supabase CLI knows a file: its number in minutes of a day, then its name."""
    number, _, rest = file.name.partition("_")
    hours, minutes = divmod(int(number), 60)
    return f"{_DAY}{hours:02}{minutes:02}00_{rest}"


def write_layout(folder: Path, files: Sequence[SqlFile]) -> tuple[Path, ...]:
    """Write what is not there yet and return it; other files of the folder stay.

    Raise `ConflictError` when one is there with another text: it may have been pushed, and would not be again.
    """
    wanted = {folder / migration_name(file): file.text for file in files}
    others = [path.name for path, text in wanted.items() if path.exists() and path.read_text(encoding="utf-8") != text]
    if others:
        raise ConflictError(f"not as in sql/: {', '.join(others)}; remove what was edited there, and try again")
    folder.mkdir(parents=True, exist_ok=True)
    missing = tuple(path for path in wanted if not path.exists())
    for path in missing:
        path.write_text(wanted[path], encoding="utf-8")
    return missing


def supabase_migrations(
    folder: Annotated[Path, typer.Argument(help="Where the Supabase CLI looks for them.")] = FOLDER,
) -> None:
    """Lay sql/ out for `supabase db push`."""
    try:
        written = write_layout(folder, sql_files())
    except ConflictError as error:
        typer.echo(f"supabase-migrations: {error}", err=True)
        raise typer.Exit(1) from error
    for path in written:
        typer.echo(f"wrote {path}")
    typer.echo(f"{folder} is as sql/: `supabase db push` applies what the project does not have yet")
