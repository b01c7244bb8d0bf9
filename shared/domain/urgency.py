"""How urgent a question to a venue is: its limits are shared by all of them, and the most urgent goes first."""

from enum import IntEnum


class Urgency(IntEnum):
    """What a question is asked for, the most urgent first."""

    REPAIR = 0
    """A boundary waits for the answer: a candle it lacks, or the venue's clock."""
    CONFIRM = 1
    """A boundary is in the log and may be wrong: a gap, or a candle that only the clock has closed."""
    BACKFILL = 2
    """History at boot and of newcomers, and the choice of symbols."""
    TICKERS = 3
    """Prices and funding, which the next interval asks for again."""
