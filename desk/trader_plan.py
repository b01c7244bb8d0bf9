"""What importing a file of traders would do: which entries are new, which change a trader, which are there already."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from desk.trader_files import TraderEntry, TraderFileError, Wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An entry of a file and the trader it stands for, None for a new one."""

    entry: TraderEntry
    stored: TraderEntry | None

    @property
    def changes(self) -> dict[str, Any]:
        """Return the fields that differ from what is stored; all of them for a new trader."""
        known = {} if self.stored is None else self.stored.definition
        return {k: v for k, v in self.entry.definition.items() if k not in known or known[k] != v}


def plan(entries: Sequence[TraderEntry], mine: Sequence[TraderEntry]) -> list[Step]:
    """Match the entries of a file with a person's traders: by id, and without one by name.

    Raises `TraderFileError` for an id that is not theirs, and where it cannot be told which trader is meant.
    """
    by_id = {trader.trader_id: trader for trader in mine}
    named = {entry.trader_id for entry in entries}
    steps: list[Step] = []
    wrong = [*_repeated(entries)]
    for number, entry in enumerate(entries):
        if entry.trader_id is None:
            found = [trader for trader in mine if trader.name == entry.name and trader.trader_id not in named]
            if len(found) > 1:
                problem = f"{len(found)} of your traders have this name, say by `trader_id` which one is meant"
                wrong.append(Wrong(f"traders[{number}].name", problem))
            steps.append(Step(entry=entry, stored=found[0] if found else None))
        elif entry.trader_id in by_id:
            steps.append(Step(entry=entry, stored=by_id[entry.trader_id]))
        else:
            wrong.append(Wrong(f"traders[{number}].trader_id", "no trader of yours, leave it out to make a new one"))
    if wrong:
        raise TraderFileError(wrong)
    return steps


def compared(steps: Sequence[Step], mine: Sequence[TraderEntry]) -> tuple[list[TraderEntry], list[TraderEntry]]:
    """Return the desk's traders and the file's in one order, matched ones with their ids, so that equal ones align."""
    desk = sorted(mine, key=_place)
    file = [
        (_place(step.stored or step.entry), TraderEntry(trader_id=_id(step), definition=step.entry.definition))
        for step in steps
    ]
    return desk, [entry for _, entry in sorted(file, key=lambda placed: placed[0])]


def in_order(traders: Sequence[TraderEntry]) -> list[TraderEntry]:
    """Return traders by name, which is the order files have them in."""
    return sorted(traders, key=_place)


def _id(step: Step) -> str | None:
    return step.stored.trader_id if step.stored else None


def _place(entry: TraderEntry) -> tuple[str, str]:
    return entry.name, entry.trader_id or ""


def _repeated(entries: Sequence[TraderEntry]) -> list[Wrong]:
    """Find entries that stand for the same trader as an earlier one."""
    keys = [("trader_id", entry.trader_id) if entry.trader_id else ("name", entry.name) for entry in entries]
    many = {key for key, count in Counter(keys).items() if count > 1}
    return [
        Wrong(f"traders[{number}].{key[0]}", f"is that of traders[{keys.index(key)}] too")
        for number, key in enumerate(keys)
        if key in many and keys.index(key) != number
    ]
