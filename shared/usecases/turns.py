"""Whose turn it is in a sweep of execution: intents that are under way, for as long as the sweep may begin any."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from shared.trading_ports import IntentStore

BUDGET_S: Final = 18.0
"""How long after its beginning a sweep begins work on an intent, in real time: positions are still to be looked at
before its function ends, after 29 seconds."""


def in_turn(intents: IntentStore, *, stopwatch: Callable[[], float], began_s: float) -> Iterator[str]:
    """Yield intents that are under way, each once, those looked at longest ago first, until the budget is spent.

    Each is taken when it is begun: one that was taken and then left would lose its turn to those before it, every time.
    """
    seen = set[str]()
    while stopwatch() - began_s <= BUDGET_S:
        taken = intents.unfinished(limit=1)
        if not taken or taken[0] in seen:
            return
        seen.add(taken[0])
        yield taken[0]
