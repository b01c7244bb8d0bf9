"""What a symbol trades at right now, and what holding its future costs."""

from typing import NamedTuple


class Ticker(NamedTuple):
    """The last trade and the best of the book, in quote units; NaN where the venue does not say."""

    last: float
    bid: float
    ask: float


class Funding(NamedTuple):
    """What a perpetual future pays: the rate of the current interval (longs pay shorts when it is positive), when it is
    due (epoch ms, 0 where the venue does not say), and the open interest in base units; NaN where unknown."""

    rate: float
    due_time: int
    open_interest: float
