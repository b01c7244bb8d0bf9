"""How good a trader's signals were: counted, with how sure one can be, and never from too few."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ENOUGH: Final = 20
"""Below so many measured signals nothing is said about them."""
Z_95: Final = 1.959963984540054
DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Sums over some signals of a trader; `symbol` or `hour` (UTC) say which, both None is all of them.

    `measured` have an outcome, of which `hits` have a return above zero; returns are fractions.
    """

    symbol: str | None = None
    hour: int | None = None
    signals: int
    measured: int
    hits: int
    total_return: float
    total_favourable: float
    total_adverse: float
    first_close_time: int
    last_close_time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a tally says; everything but the counts is None when there are not enough measured signals.

    The interval of the hit rate is Wilson's at 95 %. Expectancy is the mean return of a signal, in percent, before and
    after the fee is paid twice, in and out.
    """

    tally: Tally
    hit_rate: float | None = None
    hit_rate_low: float | None = None
    hit_rate_high: float | None = None
    expectancy_percent: float | None = None
    expectancy_after_fee_percent: float | None = None
    favourable_percent: float | None = None
    adverse_percent: float | None = None

    @property
    def enough(self) -> bool:
        """Tell whether there were enough signals to say something."""
        return self.tally.measured >= ENOUGH


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """A trader's scores: of all signals, by symbol and by hour of the day (UTC) of the close."""

    total: Score
    signals_per_day: float | None
    by_symbol: tuple[Score, ...]
    by_hour: tuple[Score, ...]


NOTHING: Final = Tally(
    signals=0,
    measured=0,
    hits=0,
    total_return=0.0,
    total_favourable=0.0,
    total_adverse=0.0,
    first_close_time=0,
    last_close_time=0,
)


def wilson(hits: int, count: int, z: float = Z_95) -> tuple[float, float]:
    """Return the interval in which the true rate lies (Wilson 1927); `count` is at least 1."""
    rate, spread = hits / count, z * z / count
    middle = (rate + spread / 2) / (1 + spread)
    reach = z * math.sqrt(rate * (1 - rate) / count + spread / (4 * count)) / (1 + spread)
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def score(tally: Tally, *, fee_rate: float) -> Score:
    """Return what a tally says; `fee_rate` is the share of the notional paid on each of the two trades."""
    count = tally.measured
    if count < ENOUGH:
        return Score(tally=tally)
    low, high = wilson(tally.hits, count)
    return Score(
        tally=tally,
        hit_rate=tally.hits / count,
        hit_rate_low=low,
        hit_rate_high=high,
        expectancy_percent=100 * tally.total_return / count,
        expectancy_after_fee_percent=100 * (tally.total_return / count - 2 * fee_rate),
        favourable_percent=100 * tally.total_favourable / count,
        adverse_percent=100 * tally.total_adverse / count,
    )


def scorecard(tallies: Sequence[Tally], *, fee_rate: float, now_ms: int) -> Scorecard:
    """Return a trader's scores, symbols with the most signals first; the rate a day counts from its first signal."""
    whole = next((tally for tally in tallies if tally.symbol is None and tally.hour is None), NOTHING)
    by_symbol = sorted((t for t in tallies if t.symbol is not None), key=lambda t: (-t.signals, t.symbol))
    by_hour = sorted((t for t in tallies if t.hour is not None), key=lambda t: t.hour or 0)
    days = max((now_ms - whole.first_close_time) / DAY_MS, 1.0)
    return Scorecard(
        total=score(whole, fee_rate=fee_rate),
        signals_per_day=whole.signals / days if whole.measured >= ENOUGH else None,
        by_symbol=tuple(score(tally, fee_rate=fee_rate) for tally in by_symbol),
        by_hour=tuple(score(tally, fee_rate=fee_rate) for tally in by_hour),
    )
