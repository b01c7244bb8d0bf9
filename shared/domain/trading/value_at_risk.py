"""What a portfolio may lose in a day: value at risk three ways, and the expected shortfall beside each.

A loss is a positive number, in quote units, of one day at 95 %. Markets never close, so a day is a 365th of a year and
a bar of any timeframe its exact share of a day; the returns of bars are taken to a day with the square root of time
(J.P. Morgan/Reuters, RiskMetrics Technical Document, 1996, §4.5). Statistics are floats; money is not counted here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np

from shared.domain.candles import Floats
from shared.domain.trading.closes import Closes

CONFIDENCE: Final = 0.95
DAYS_PER_YEAR: Final = 365
DAY_MS: Final = 86_400_000
ENOUGH: Final = 100
"""Fewer returns have less than five in the tail, which is no estimate."""
MAX_LATE_BARS: Final = 3
PATHS: Final = 4_000
DEGREES: Final = 4
"""Degrees of freedom of the simulated returns: daily returns of crypto have tails of index 3 to 5."""
_Z: Final = NormalDist().inv_cdf(CONFIDENCE)
_NORMAL_SHORTFALL: Final = NormalDist().pdf(_Z) / (1 - CONFIDENCE)


class InsufficientData(NamedTuple):
    """The answer when there is too little history to tell; never a number."""

    sentence: str


class Tail(NamedTuple):
    """The loss that one day in twenty exceeds, and the average loss of those days (quote units, a loss is positive)."""

    value_at_risk: float
    expected_shortfall: float


class Tails(NamedTuple):
    """The same tail three ways, and the standard deviation of a year of days (quote units)."""

    historical: Tail
    parametric: Tail
    monte_carlo: Tail
    yearly_deviation: float

    @property
    def worst(self) -> float:
        """Return the largest value at risk of the three."""
        return max(self.historical.value_at_risk, self.parametric.value_at_risk, self.monte_carlo.value_at_risk)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """Returns of symbols over the same bars: `daily` (bars × symbols) scaled to a day, their `covariance`, and the
    `simulated` days (paths × symbols)."""

    symbols: tuple[str, ...]
    daily: Floats
    covariance: Floats
    simulated: Floats

    def moving_with(self, symbol: str, least: float) -> dict[str, int]:
        """Return +1 or −1 for each symbol whose returns correlate (Pearson) with one's by `least` or more, or −`least`
        or less."""
        deviations = np.sqrt(np.diag(self.covariance))
        at = self.symbols.index(symbol)
        correlations = self.covariance[at] / (deviations[at] * deviations)
        return {
            name: 1 if correlation > 0 else -1
            for name, correlation in zip(self.symbols, correlations, strict=True)
            if abs(correlation) >= least
        }


def history_of(
    closes: Closes | None, symbols: Sequence[str], *, now_ms: int, seed: int = 0
) -> History | InsufficientData:
    """Return the simple returns of symbols over the bars that all of them have; the seed makes the simulation repeat.

    The answer is `InsufficientData` where a symbol has no candles, has not moved, or its newest are late, and where
    fewer than `ENOUGH` returns are shared.
    """
    names = tuple(sorted(set(symbols)))
    if not names:
        return History(symbols=(), daily=np.empty((0, 0)), covariance=np.empty((0, 0)), simulated=np.empty((0, 0)))
    if closes is None or (missing := [name for name in names if name not in closes.symbols]):
        return InsufficientData(f"no candles of {', '.join(names if closes is None else missing)}")
    late_bars = (now_ms - closes.close_time) / closes.timeframe.ms
    if late_bars > MAX_LATE_BARS:
        return InsufficientData(f"the newest {closes.timeframe} candle closed {late_bars:.1f} candles ago")
    prices = closes.values[[closes.symbols.index(name) for name in names]]
    returns = prices[:, 1:] / prices[:, :-1] - 1
    shared = returns[:, ~np.isnan(returns).any(axis=0)]
    if shared.shape[1] < ENOUGH:
        own = (~np.isnan(returns)).sum(axis=1)
        fewest = int(np.argmin(own))
        return InsufficientData(
            f"{len(names)} symbols share {shared.shape[1]} returns of {closes.timeframe} and {ENOUGH} are needed; "
            f"{names[fewest]} has {own[fewest]}"
        )
    if still := [name for name, row in zip(names, shared, strict=True) if not row.var() > 0]:
        return InsufficientData(f"the price of {', '.join(still)} has not moved in {shared.shape[1]} candles")
    daily = np.ascontiguousarray(shared.T) * math.sqrt(DAY_MS / closes.timeframe.ms)
    covariance = np.atleast_2d(np.cov(daily, rowvar=False))
    return History(symbols=names, daily=daily, covariance=covariance, simulated=_simulate(covariance, seed))


def _simulate(covariance: Floats, seed: int) -> Floats:
    """Draw days from a multivariate Student t of this covariance (McNeil, Frey, Embrechts 2015, §6.2)."""
    generator = np.random.default_rng(seed)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    normal = generator.standard_normal((PATHS, len(covariance))) @ root.T
    mixing = generator.chisquare(DEGREES, PATHS) / (DEGREES - 2)
    return np.asarray(normal / np.sqrt(mixing)[:, None], dtype=np.float64)


def tails_of(history: History, notionals: Mapping[str, float]) -> Tails:
    """Return what a portfolio of signed notionals (quote units, short negative) may lose in a day.

    Historical: the losses these notionals would have made at each bar (RiskMetrics 1996). Parametric: normal losses of
    mean zero, z deviations and a shortfall of φ(z) / (1 − c) of them (McNeil, Frey, Embrechts 2015, §2.3). Monte Carlo:
    simulated days.
    """
    weights = np.array([notionals.get(symbol, 0.0) for symbol in history.symbols])
    if not weights.any():
        nothing = Tail(0.0, 0.0)
        return Tails(nothing, nothing, nothing, 0.0)
    deviation = math.sqrt(max(float(weights @ history.covariance @ weights), 0.0))
    return Tails(
        historical=_tail(history.daily @ -weights),
        parametric=Tail(_Z * deviation, _NORMAL_SHORTFALL * deviation),
        monte_carlo=_tail(history.simulated @ -weights),
        yearly_deviation=deviation * math.sqrt(DAYS_PER_YEAR),
    )


def _tail(losses: Floats) -> Tail:
    """Return the smallest loss that at most 5 % exceed, and the mean of it and those (Acerbi and Tasche 2002)."""
    at = math.ceil(CONFIDENCE * len(losses)) - 1
    tail = np.partition(losses, at)[at:]
    return Tail(float(tail[0]), float(tail.mean()))


def shock_of(closes: Closes, symbol: str) -> float | InsufficientData:
    """Return how many standard deviations of a symbol's earlier returns its newest one is, whichever way it went."""
    if symbol not in closes.symbols:
        return InsufficientData(f"no candles of {symbol}")
    prices = closes.values[closes.symbols.index(symbol)]
    returns = prices[1:] / prices[:-1] - 1
    known = returns[~np.isnan(returns)]
    if len(known) <= ENOUGH or np.isnan(returns[-1]):
        return InsufficientData(f"{len(known)} returns of {symbol}, more than {ENOUGH} and the newest needed")
    deviation = float(known[:-1].std())
    if deviation <= 0:
        return InsufficientData(f"the price of {symbol} has not moved in {len(known)} candles")
    return abs(float(known[-1])) / deviation
