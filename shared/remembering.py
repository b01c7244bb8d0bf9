"""What seldom changes, or slowly, and is asked for often: a warm process asks once, and remembers for a while."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from shared.ports import Clock

MOST: Final = 10_000
"""So many answers are remembered; with one more all are forgotten."""

K = TypeVar("K")
V = TypeVar("V")


@dataclass(slots=True, kw_only=True)
class Remembered(Generic[K, V]):
    """Answers by what was asked, each as it was `life_ms` ago at most; `wall_clock` is real time."""

    life_ms: int
    wall_clock: Clock
    _known: dict[K, tuple[int, V]] = field(default_factory=dict, init=False)

    def of(self, key: K, ask: Callable[[], V], *, unless_empty: bool = False) -> V:
        """Return an answer; with `unless_empty` one that has nothing in it is asked for again each time."""
        now_ms = self.wall_clock.now_ms()
        if (known := self._known.get(key)) is not None and now_ms - known[0] < self.life_ms:
            return known[1]
        found = ask()
        if unless_empty and not found:
            return found
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[key] = now_ms, found
        return found

    def forget(self) -> None:
        """Forget every answer."""
        self._known.clear()
