"""When a true rule becomes a signal: the edge and the cool-down, as pure functions of the truth of the last bars.

A trigger is the bar at which a rule is true (edge `level`) or has just become true (edge `rising`). A trader fires at a
trigger that no other trigger precedes within its cool-down: "so many bars of quiet". Nothing is remembered between
bars, so a history, a backtest and the live desk cannot disagree.
"""

import numpy as np

from shared.domain.rules import Truth
from shared.domain.traders import Edge


def truth_bars(edge: Edge, cooldown_bars: int) -> int:
    """Return how many bars of truth decide one bar of firing."""
    return cooldown_bars + (2 if edge is Edge.RISING else 1)


def triggers(truth: Truth, edge: Edge) -> Truth:
    """Return the triggers within a stretch of truth (rows × bars); `rising` costs the first bar."""
    if edge is Edge.LEVEL:
        yes, unknown = truth
    else:
        yes = truth.yes[:, 1:] > truth.yes[:, :-1]
        unknown = None if truth.unknown is None else truth.unknown[:, 1:] | truth.unknown[:, :-1]
    return Truth(yes if unknown is None else yes & ~unknown, unknown)


def firings(trigger: Truth, cooldown_bars: int) -> Truth:
    """Return the firings within a stretch of triggers (rows × bars); the cool-down costs the first bars.

    A trigger after a known trigger is quiet. A trigger after bars that cannot be judged is unknown: the answer waits
    for the history instead of guessing, so more history never turns one answer into another.
    """
    if not cooldown_bars:
        return trigger
    yes, unknown = trigger.bars(slice(cooldown_bars, None))
    blocked, doubtful = np.zeros_like(yes), np.zeros_like(yes)
    for ago in range(1, cooldown_bars + 1):
        earlier = trigger.bars(slice(cooldown_bars - ago, -ago))
        blocked |= earlier.yes
        if earlier.unknown is not None:
            doubtful |= earlier.unknown
    yes = yes & ~blocked
    return Truth(yes & ~doubtful, None if unknown is None else unknown | (yes & doubtful))
