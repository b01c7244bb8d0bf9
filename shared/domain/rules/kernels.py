"""Row-wise arithmetic on windows: (rows × bars) in, (rows × k) out.

Every result is made of one row's window alone, in an order fixed by the window's length: `np.vecdot` runs one dot
product a row. So neither the other symbols nor the number of bars asked for can change a bit of it.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from shared.domain.candles import Floats

FORGET: Final = 6.9  # -ln(0.1 %): after 6.9/α candles an exponential average has forgotten all but 0.1 % of the past

CHUNK: Final = 512
CELLS: Final = 8_000


def rolling(reduce: Callable[..., Floats], window: int, k: int, *series: Floats) -> Floats:
    """Apply a reduction of windows, (rows × window) each → (rows), at each of the last k bars.

    A window is handed over contiguous, because a strided dot product rounds differently; the result lies bar by bar,
    because most rules look at two bars and compare them whole.
    """
    series = tuple(x if x.strides[1] == x.itemsize else np.ascontiguousarray(x) for x in series)
    rows = series[0].shape[0]
    if k <= rows:
        out = np.empty((k, rows)).T
        for bar in range(k):
            out[:, bar] = reduce(*(x[:, bar : bar + window] for x in series))
        return out
    out = np.empty((rows, k))
    for row in range(rows):
        windows = [sliding_window_view(x[row], window) for x in series]
        for bar in range(0, k, CHUNK):
            stop = min(bar + CHUNK, k)
            out[row, bar:stop] = reduce(*(view[bar:stop] for view in windows))
    return out


def in_parts(reduce: Callable[..., Floats], window: int) -> Callable[..., Floats]:
    """Run a reduction that needs temporaries on a few rows at a time, so that they stay in the cache."""
    step = max(CELLS // window, 1)

    def parts(*windows: Floats) -> Floats:
        rows = windows[0].shape[0]
        if rows <= step:
            return reduce(*windows)
        return np.concatenate([reduce(*(x[row : row + step] for x in windows)) for row in range(0, rows, step)])

    return parts


def weighted(x: Floats, weights: Floats, k: int) -> Floats:
    """Return Σ weight × value over each window, oldest weight first; a NaN in the window makes it NaN."""
    return rolling(lambda values: np.vecdot(values, weights), len(weights), k, x)


def total(x: Floats, window: int, k: int) -> Floats:
    """Return the sum of each window."""
    return weighted(x, _ones(window), k)


def highest(x: Floats, window: int, k: int) -> Floats:
    """Return the largest value of each window."""
    return _extreme(np.maximum, x, window, k)


def lowest(x: Floats, window: int, k: int) -> Floats:
    """Return the smallest value of each window."""
    return _extreme(np.minimum, x, window, k)


def _extreme(pick: np.ufunc, x: Floats, window: int, k: int) -> Floats:
    """Return the extreme of each window; neighbours share their common middle, and NaN wins."""
    if not 1 < k < window:
        return rolling(lambda values: pick.reduce(values, axis=1), window, k, x)
    common = pick.reduce(x[:, k - 1 : window], axis=1, keepdims=True)
    left = pick.accumulate(x[:, k - 2 :: -1], axis=1)[:, ::-1]
    right = pick.accumulate(x[:, window : window + k - 1], axis=1)
    out = np.empty((k, x.shape[0])).T
    out[:] = common
    pick(out[:, :-1], left, out=out[:, :-1])
    pick(out[:, 1:], right, out=out[:, 1:])
    return out


def deviation(x: Floats, window: int, k: int) -> Floats:
    """Return the population standard deviation of each window, in two passes around the last value: a flat window
    gives exactly zero, and no digits cancel as they do in E[x²] − E[x]²."""
    ones = equal_weights(window)

    def reduce(values: Floats) -> Floats:
        apart = values - values[:, -1:]
        apart -= np.vecdot(apart, ones)[:, None]
        spread: Floats = np.sqrt(np.vecdot(apart, apart) / window)
        return spread

    return rolling(in_parts(reduce, window), window, k, x)


def warmup(alpha: float) -> int:
    """Return how many candles leave older history a weight of at most 0.1 % in an average with smoothing α."""
    return int(FORGET / alpha)


def _frozen(values: Floats) -> Floats:
    values.flags.writeable = False
    return values


@lru_cache(maxsize=512)
def _ones(length: int) -> Floats:
    return _frozen(np.ones(length))


@lru_cache(maxsize=512)
def equal_weights(length: int) -> Floats:
    """Return the weights of a simple average."""
    return _frozen(np.full(length, 1.0 / length))


@lru_cache(maxsize=512)
def linear_weights(length: int) -> Floats:
    """Return the weights of a linearly weighted average: 1, 2, … n, over their sum."""
    return _frozen(np.arange(1.0, length + 1) / (length * (length + 1) / 2))


@lru_cache(maxsize=2048)
def smoothing_weights(alpha: float, seed: int) -> Floats:
    """Return the weights of an exponential average over its warm-up: seeded, as TA-Lib does, by the mean of the first
    `seed` values, then `y += α (x − y)`; oldest weight first."""
    window = max(warmup(alpha), seed)
    weights = np.empty(window)
    ages = np.arange(window - seed - 1, -1, -1.0)
    weights[:seed] = (1 - alpha) ** (window - seed) / seed
    weights[seed:] = alpha * (1 - alpha) ** ages
    return _frozen(weights)


def ema_weights(length: int) -> Floats:
    """Return the weights of an EMA: α = 2 / (n + 1)."""
    return smoothing_weights(2 / (length + 1), length)


def wilder_weights(length: int) -> Floats:
    """Return the weights of Wilder's average: α = 1 / n (Wilder, New Concepts in Technical Trading Systems, 1978)."""
    return smoothing_weights(1 / length, length)


def over_steps(weights: Floats) -> Floats:
    """Return the weights an average puts on the steps between its values, negated.

    Σ wᵢ xᵢ = gain × x_last − Σ cⱼ (xⱼ₊₁ − xⱼ) with cⱼ the sum of the weights up to j. Written so, a flat market gives
    its own price back exactly, and every average of a series shares the same steps.
    """
    return _frozen(np.ascontiguousarray(-np.cumsum(weights)[:-1]))
