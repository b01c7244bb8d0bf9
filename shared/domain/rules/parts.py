"""Building blocks that indicators share: cheap bar-by-bar series computed once for everybody."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from shared.domain.candles import Bools, Floats
from shared.domain.rules.indicators import Call, Input, Recipe, call
from shared.domain.rules.kernels import ema_weights, over_steps, weighted, wilder_weights
from shared.domain.rules.nodes import SERIES, Number

HIGH, LOW, CLOSE, VOLUME = (SERIES[name] for name in ("high", "low", "close", "volume"))


def each_bar(text: str, combine: Callable[..., Floats], *inputs: Input) -> Call:
    """Return a series computed bar by bar from aligned windows of others."""
    return call(text, Recipe(inputs, lambda arrays, _: combine(*arrays)), step=True)


HL2 = each_bar("hl2", lambda h, low: (h + low) / 2, Input(HIGH, 1), Input(LOW, 1))
HLC3 = each_bar("hlc3", lambda h, low, c: (h + low + c) / 3, Input(HIGH, 1), Input(LOW, 1), Input(CLOSE, 1))
OHLC4 = each_bar(
    "ohlc4",
    lambda o, h, low, c: (o + h + low + c) / 4,
    Input(SERIES["open"], 1),
    Input(HIGH, 1),
    Input(LOW, 1),
    Input(CLOSE, 1),
)


def steps(source: Number) -> Call:
    """Return each value minus the one before."""
    return each_bar(f"steps({source.text})", lambda x: x[:, 1:] - x[:, :-1], Input(source, 2))


def sizes(node: Number) -> Call:
    """Return absolute values."""
    return each_bar(f"size({node.text})", np.abs, Input(node, 1))


def true_range() -> Call:
    """Return max(high − low, |high − previous close|, |low − previous close|)."""

    def combine(h: Floats, low: Floats, c: Floats) -> Floats:
        return np.maximum(h[:, 1:], c[:, :-1]) - np.minimum(low[:, 1:], c[:, :-1])

    return each_bar("true_range", combine, Input(HIGH, 2), Input(LOW, 2), Input(CLOSE, 2))


@lru_cache(maxsize=4096)
def _step_weights(key: tuple[Callable[..., Floats], tuple[int, ...]]) -> tuple[float, Floats]:
    make, lengths = key
    weights = make(*lengths)
    return float(np.round(weights.sum())), over_steps(weights)


def linear(source: Number, make: Callable[..., Floats], *lengths: int) -> Recipe:
    """Return a weighted sum of the last values whose weights sum to one (an average) or to zero (a difference)."""
    gain, weights = _step_weights((make, lengths))
    window = len(weights)
    if not window:
        return Recipe((Input(source, 1),), lambda arrays, _: gain * arrays[0])

    def compute(arrays: list[Floats], k: int) -> Floats:
        out = weighted(arrays[0], weights, k)
        return out + arrays[1] if gain else out

    inputs = (Input(steps(source), window), Input(source, 1)) if gain else (Input(steps(source), window),)
    return Recipe(inputs, compute)


def ema(source: Number, length: int) -> Call:
    """Return the exponential moving average."""
    return call(f"ema({source.text}, {length})", linear(source, ema_weights, length))


def wilder(source: Number, length: int) -> Recipe:
    """Return Wilder's average: α = 1/n."""
    weights = wilder_weights(length)
    return Recipe((Input(source, len(weights)),), lambda x, k: weighted(x[0], weights, k))


def atr(length: int) -> Call:
    """Return the average true range."""
    return call(f"atr({length})", wilder(true_range(), length))


def flag(holds: Bools, *known: Floats) -> Floats:
    """Return 1 where something holds and 0 where it does not, no value where one of the numbers behind it has none."""
    return np.where(np.isnan(sum(known, start=np.float64(0.0))), np.nan, holds)
