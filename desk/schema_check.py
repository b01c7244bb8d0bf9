"""Hold what a database has against sql/: files that are missing, edited, or whose functions are others by now."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from desk.migrate import SqlFile
from shared.domain.status import Schema

_FUNCTION: Final = re.compile(
    r"create or replace function\s+((?:public|desk)\.\w+)\s*\(.*?\bas\s+\$(\w*)\$(.*?)\$\2\$", re.DOTALL | re.IGNORECASE
)
_DROPPED: Final = re.compile(r"drop function(?: if exists)?\s+((?:public|desk)\.\w+)", re.IGNORECASE)
_TABLE: Final = re.compile(r"create table if not exists\s+public\.(\w+)\s*\(\s*(?:--[^\n]*\s*)*(\w+)", re.IGNORECASE)
_ALTER: Final = re.compile(r"alter table(?: if exists)?\s+public\.(\w+)(.*?);", re.DOTALL | re.IGNORECASE)
_ADDED: Final = re.compile(r"add column(?: if not exists)?\s+(\w+)", re.IGNORECASE)
_REMOVED: Final = re.compile(r"drop column(?: if exists)?\s+(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Drift:
    """What a database lacks of sql/: `missing` and `edited` are names of files, `drifted` functions of another body."""

    missing: tuple[str, ...]
    edited: tuple[str, ...]
    drifted: tuple[str, ...]

    @property
    def is_none(self) -> bool:
        """Tell whether the database is as sql/ says."""
        return not (self.missing or self.edited or self.drifted)


def drift_of(files: Sequence[SqlFile], schema: Schema) -> Drift:
    """Compare by what is there, and by the history of `desk migrate` where there is one.

    Policies, triggers and constraints leave no trace here; a file that has nothing else counts as applied unless the
    history says that it is not.
    """
    made: dict[str, tuple[str, str]] = {}  # a function's newest body, and the file it is in
    columns: dict[str, str] = {}
    for file in files:
        for name in _DROPPED.findall(file.text):
            made.pop(name, None)
        for name, _, body in _FUNCTION.findall(file.text):
            made[name] = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(), file.name
        for table, first in _TABLE.findall(file.text):
            columns[f"{table}.{first}"] = file.name
        for table, changes in _ALTER.findall(file.text):
            columns |= {f"{table}.{column}": file.name for column in _ADDED.findall(changes)}
            for column in _REMOVED.findall(changes):
                columns.pop(f"{table}.{column}", None)
    absent = {file for name, (_, file) in made.items() if name not in schema.functions}
    absent |= {file for column, file in columns.items() if column not in schema.columns}
    history = schema.files or {}
    if schema.files is not None:
        absent |= {file.name for file in files if file.name not in history}
    return Drift(
        missing=tuple(sorted(absent)),
        edited=tuple(file.name for file in files if history.get(file.name, file.sha256) != file.sha256),
        drifted=tuple(
            f"{name} ({file})"
            for name, (digest, file) in sorted(made.items())
            if name in schema.functions and digest not in schema.functions[name]
        ),
    )
