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
        return Truth(truth.yes & truth.known, truth.known)
    known = truth.known[:, 1:] & truth.known[:, :-1]
    return Truth(truth.yes[:, 1:] & ~truth.yes[:, :-1] & known, known)


def firings(trigger: Truth, cooldown_bars: int) -> Truth:
    """Return the firings within a stretch of triggers (rows × bars); the cool-down costs the first bars.

    A trigger after a known trigger is quiet. A trigger after bars that cannot be judged is unknown: the answer waits
    for the history instead of guessing, so more history never turns one answer into another.
    """
    bars = trigger.yes.shape[1] - cooldown_bars
    yes, known = trigger.yes[:, cooldown_bars:].copy(), trigger.known[:, cooldown_bars:].copy()
    if not cooldown_bars:
        return Truth(yes, known)
    blocked = np.zeros_like(yes)
    doubtful = np.zeros_like(yes)
    for ago in range(1, cooldown_bars + 1):
        earlier = slice(cooldown_bars - ago, cooldown_bars - ago + bars)
        blocked |= trigger.yes[:, earlier]
        doubtful |= ~trigger.known[:, earlier]
    known &= ~(yes & doubtful & ~blocked)
    return Truth(yes & ~blocked & known, known)
