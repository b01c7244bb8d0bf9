"""A venue's clock that is told in whole seconds, known better with every answer."""

import math


class WholeSeconds:
    """How far a venue's clock is ahead of ours, from answers that name a second: each leaves a span it must lie in.

    The spans of answers at different parts of a second overlap in ever less. Where they do not overlap one of the two
    clocks has moved, and the newest answer counts alone. All times in ms; ours from any clock that runs evenly.
    """

    def __init__(self) -> None:
        self._least, self._most = -math.inf, math.inf

    def told(self, second: int, *, asked_ms: float, answered_ms: float) -> int:
        """Return the venue's time half-way between question and answer, which named a second (epoch s)."""
        least, most = second * 1_000 - answered_ms, second * 1_000 + 1_000 - asked_ms
        if max(least, self._least) <= min(most, self._most):
            least, most = max(least, self._least), min(most, self._most)
        self._least, self._most = least, most
        return round((asked_ms + answered_ms + least + most) / 2)
