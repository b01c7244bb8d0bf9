"""Hold what a database has against sql/: files that are missing or edited, functions and protection that are others."""

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
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
_POLICY: Final = re.compile(r'create policy\s+"([^"]+)"\s+on\s+public\.(\w+|%I)', re.IGNORECASE)
"""The table is `%I` where one statement makes the same policy for several."""
_TRIGGER: Final = re.compile(
    r"create (?:or replace )?(?:constraint )?trigger\s+(\w+)\b[^;]*?\bon\s+((?:public|auth)\.\w+)", re.IGNORECASE
)
_STREAMED: Final = ("0046_realtime.sql", ("alerts", "orders", "signals"))
"""No backup has a publication, so that a database that was restored streams nothing until the file is applied again."""
_INDEX: Final = re.compile(r"create (?:unique )?index if not exists\s+(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What only a direct connection sees: tables of `public` without row security, their policies as (table, name),
    triggers as (name, schema.table), indexes by name, and the tables Realtime streams."""

    unprotected: frozenset[str]
    policies: frozenset[tuple[str, str]]
    triggers: frozenset[tuple[str, str]]
    indexes: frozenset[str]
    streamed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Drift:
    """What a database lacks of sql/: `missing` and `edited` are names of files, `drifted` functions of another body,
    `exposed` whatever else is not as sql/ says, in words."""

    missing: tuple[str, ...]
    edited: tuple[str, ...]
    drifted: tuple[str, ...]
    exposed: tuple[str, ...] = ()

    @property
    def is_none(self) -> bool:
        """Tell whether the database is as sql/ says."""
        return not (self.missing or self.edited or self.drifted or self.exposed)

    def lines(self) -> Iterator[str]:
        """Yield a line for everything that is not as sql/ says."""
        yield from (f"pending {name}" for name in self.missing)
        yield from (f"edited {name}" for name in self.edited)
        yield from (f"changed {name}" for name in self.drifted)
        yield from self.exposed


def drift_of(files: Sequence[SqlFile], schema: Schema, catalog: Catalog | None = None) -> Drift:
    """Compare by what is there, and by the history of `desk migrate` where there is one.

    Row security, policies, triggers and indexes are compared where there is a catalog. Constraints leave no trace here;
    a file that has nothing else counts as applied unless the history says that it is not.
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
    if schema.files is None and not (made.keys() & schema.functions.keys() or columns.keys() & schema.columns):
        return Drift(tuple(file.name for file in files), (), ())  # nothing of the desk is there
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
        exposed=() if catalog is None else tuple(_exposed(files, catalog, absent)),
    )


def _exposed(files: Sequence[SqlFile], catalog: Catalog, absent: Collection[str]) -> Iterator[str]:
    """Yield what is not as the files that are applied say; a policy nobody wrote here opens what they close."""
    yield from (f"no row security on public.{table}" for table in sorted(catalog.unprotected))
    applied = [file for file in files if file.name not in absent]
    known = {name for file in files for name, _ in _POLICY.findall(file.text)}
    there = {*catalog.policies, *(("%I", name) for _, name in catalog.policies)}
    made = {(table, name): file.name for file in applied for name, table in _POLICY.findall(file.text)}
    yield from (f'no policy "{name}" ({made[table, name]})' for table, name in made if (table, name) not in there)
    for file in applied:
        for trigger, table in _TRIGGER.findall(file.text):
            if (trigger, table) not in catalog.triggers:
                yield f"no trigger {trigger} on {table} ({file.name})"
        yield from (
            f"no index {name} ({file.name})" for name in _INDEX.findall(file.text) if name not in catalog.indexes
        )
    realtime, tables = _STREAMED
    if realtime in {file.name for file in applied}:
        yield from (f"Realtime does not stream {name} ({realtime})" for name in tables if name not in catalog.streamed)
    yield from (
        f'a policy of somebody else on public.{table}: "{name}"'
        for table, name in sorted(catalog.policies)
        if name not in known
    )
