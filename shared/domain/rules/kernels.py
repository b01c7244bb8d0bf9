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

# After x/α candles an exponential average has forgotten all but exp(-x) of the past: a thousandth at least, a millionth
# where that takes no more than so many candles, because long averages would read more than there is.
LEAST: Final = 6.9
BEST: Final = 13.8
BEST_BARS: Final = 300

CHUNK: Final = 512
CELLS: Final = 8_000


def rolling(reduce: Callable[..., Floats], window: int, k: int, *series: Floats) -> Floats:
    """Apply a reduction of windows, (rows × window) each → (rows), at each of the last k bars.

    A window is handed over contiguous, because a strided dot product rounds differently; the result lies bar by bar,
    because most rules look at two bars and compare them whole.
    """
    series = tuple(_by_row(x) for x in series)
    rows = series[0].shape[0]
    if k <= rows:
        out = np.empty((k, rows)).T
        for bar in range(k):
            out[:, bar] = reduce(*(x[:, bar : bar + window] for x in series))
        return out
    out = np.empty((rows, k))
    windows = [sliding_window_view(x, window, axis=1) for x in series]
    for row in range(rows):
        for bar in range(0, k, CHUNK):
            stop = min(bar + CHUNK, k)
            out[row, bar:stop] = reduce(*(view[row, bar:stop] for view in windows))
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
    window, rows = len(weights), len(x)
    if k > rows:
        return rolling(lambda values: np.vecdot(values, weights), window, k, x)
    x = _by_row(x)
    out = np.empty((k, rows))
    for bar in range(k):
        np.vecdot(x[:, bar : bar + window], weights, out=out[bar])
    return out.T


def _by_row(x: Floats) -> Floats:
    return x if x.strides[1] == x.itemsize else np.ascontiguousarray(x)


def newest_first(x: Floats, ages: int, k: int) -> Floats:
    """Return the last `ages` values at each of the last k bars, newest first, as (ages × k × rows)."""
    windows = sliding_window_view(x, ages, axis=1)[:, -k:, ::-1]
    return windows.transpose(2, 1, 0).copy()


def warmup(alpha: float) -> int:
    """Return how many candles leave older history next to no weight in an average with smoothing α."""
    return max(int(LEAST / alpha), min(int(BEST / alpha), BEST_BARS))


def _frozen(values: Floats) -> Floats:
    values.flags.writeable = False
    return values


@lru_cache(maxsize=512)
def equal_weights(length: int) -> Floats:
    """Return the weights of a simple average."""
    return _frozen(np.full(length, 1.0 / length))


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
