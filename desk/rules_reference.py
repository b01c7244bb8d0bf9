"""Show the reference of the rule language: as a table in the terminal, and as the last part of docs/rules.md.

`python -m desk.rules_reference` writes that part anew.
"""

from itertools import groupby
from pathlib import Path
from typing import Final

from rich.markup import escape
from rich.table import Table

from shared.domain.rules import Entry, reference

PAGE: Final = Path(__file__).parents[1] / "docs" / "rules.md"
HEADING: Final = "## Every word\n"


def table() -> Table:
    """Return the whole language as a table, a family under the other."""
    found = Table(box=None, pad_edge=False)
    found.add_column("write", overflow="fold")
    found.add_column("meaning", overflow="fold")
    found.add_column("reads", justify="right")
    found.add_column("formula", overflow="fold")
    for family, entries in groupby(reference(), key=lambda entry: entry.family):
        if found.row_count:
            found.add_row()
        found.add_row(f"[bold]{escape(family)}[/]")
        for entry in entries:
            found.add_row(escape(entry.signature), escape(entry.doc), f"{entry.lookback:,}", escape(entry.formula))
    return found


def page() -> str:
    """Return docs/rules.md with its last part made from the registry."""
    written, _, _ = PAGE.read_text().partition(HEADING)
    made = "Made from the registry by `make docs`. *Reads* is how many candles the call with its defaults reads.\n"
    parts = [written + HEADING, made]
    for family, entries in groupby(reference(), key=lambda entry: entry.family):
        parts.append(f"### {family.capitalize()}\n\n| write | meaning | reads | formula |\n|---|---|---:|---|")
        parts += [_line(entry) for entry in entries]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _line(entry: Entry) -> str:
    cells = (f"`{entry.signature}`", entry.doc, f"{entry.lookback:,}", entry.formula)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page())
