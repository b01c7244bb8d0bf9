"""Hold what is open against what is wrong, run by run.

A cause that lasts is open within two runs of being plain to see, and no longer open within two runs of its end; nothing
is open that was not wrong. A run in which the database, or what hides a cause, is away does not count, and a cause that
only counts after a while may have had to wait for the end of that: its time begins there.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

WITHIN: Final = 2
SHORTEST_RUN_MS: Final = 59_500
"""How long a minute is at least: runs are woken a little early or late."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that can go wrong, by the key of its alert: how it begins and ends, and after how long it counts.

    `hidden_by` are dependencies that are away, and beginnings of other causes' keys, under which it cannot be told.
    """

    key: str
    begin: Callable[[], object]
    end: Callable[[], object]
    counts_after_ms: int = 0
    hidden_by: tuple[str, ...] = ("database",)


@dataclass(slots=True)
class Episode:
    """A cause from its beginning (a run's number) to its end, and for how many runs it has been plain to see.

    `began` moves on while something hides it.
    """

    cause: Cause
    began: int
    until: int
    seen_for: int = 0
    ended_for: int = 0

    def is_over(self, number: int) -> bool:
        """Tell whether it has ended, and everything that was to be seen of that has been."""
        return self.until <= number and self.ended_for > WITHIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a run has left: keys that are open, those kept while there is no database, dependencies that are away."""

    open: Collection[str]
    kept: Collection[str]
    away: Collection[str]


def judge(episodes: Sequence[Episode], number: int, seen: Seen) -> Iterator[str]:
    """Yield what is wrong with what a run has left, and count what it has shown of every episode."""
    invented = {*seen.open} - {each.cause.key for each in episodes}
    if invented:
        yield f"run {number}: nobody made {', '.join(sorted(invented))} wrong"
    under_way = {each.cause.key for each in episodes if each.until > number}
    for each in episodes:
        key = each.cause.key
        is_hidden = any(
            why in seen.away or any(one.startswith(why) for one in under_way) for why in each.cause.hidden_by
        )
        is_plain = not is_hidden and "database" not in seen.away
        if each.until <= number:
            each.ended_for = each.ended_for + 1 if is_plain else 0
            if key in seen.open and each.ended_for >= WITHIN:
                yield f"run {number}: {key} is still open"
        elif key == "dependency:database":
            if key not in seen.kept and "redis" not in seen.away:
                yield f"run {number}: {key} is not kept"
        else:
            each.began = each.began if is_plain else number + 1
            counts = (number - each.began) * SHORTEST_RUN_MS > each.cause.counts_after_ms
            each.seen_for = each.seen_for + 1 if is_plain and (counts or not each.cause.counts_after_ms) else 0
            if key not in seen.open and each.seen_for >= WITHIN:
                yield f"run {number}: {key} is not told"
