"""Oscillators made of averages, and averages of those."""

from functools import lru_cache

import numpy as np
import talib

from shared.domain.candles import Floats
from shared.domain.rules.definition import Arguments, Function, length, ordered, series
from shared.domain.rules.folds import sma
from shared.domain.rules.indicators import Input, Recipe, along, call
from shared.domain.rules.kernels import ema_weights, warmup
from shared.domain.rules.parts import HL2, ema, linear, sizes, steps


def _ema_lines(values: Floats, bars: int) -> Floats:
    """Return TA-Lib's EMA of each row from where it begins: it costs as much for many bars as for one."""
    if bars == 1:
        return values
    lines: Floats = np.array([talib.EMA(row, bars) for row in np.ascontiguousarray(values)])[:, bars - 1 :]
    return lines


def _ppo(a: Arguments) -> Recipe:
    fast, slow = (ema(a.source, a[name]) for name in ("fast", "slow"))
    line = Recipe((Input(slow, 1), Input(fast, 1)), lambda x, _: 100.0 * (x[1] / x[0] - 1.0))
    if a.output == "ppo":
        return line
    short, long, last = a["fast"], a["slow"], a["signal"]

    def smoothed(arrays: list[Floats], k: int) -> Floats:
        quick, calm = (_ema_lines(arrays[0], bars) for bars in (short, long))
        return _ema_lines(100.0 * (quick[:, long - short :] / calm - 1.0), last)[:, -k:]

    path = warmup(2 / (long + 1)) + warmup(2 / (last + 1))
    signal = call(f"ppo_signal({a.source.text}, {short}, {long}, {last})", along(path, smoothed, a.source))
    if a.output == "signal":
        return Recipe((Input(signal, 1),), lambda x, _: x[0])
    node = call(f"ppo({fast.text}, {slow.text})", line)
    return Recipe((Input(signal, 1), Input(node, 1)), lambda x, _: x[1] - x[0])


PPO = Function(
    name="ppo",
    doc="percentage price oscillator",
    formula="ppo = 100 (ema(fast)/ema(slow) - 1), signal = ema of ppo, histogram = ppo - signal (Appel)",
    params=(series(), length(12, name="fast"), length(26, name="slow"), length(9, name="signal")),
    outputs=("ppo", "signal", "histogram"),
    check=ordered("fast", "slow"),
    build=_ppo,
)


@lru_cache(maxsize=1024)
def _twice(long: int, short: int) -> Floats:
    """Return the weights of an EMA of an EMA."""
    return np.convolve(ema_weights(long), ema_weights(short))


def _tsi(a: Arguments) -> Recipe:
    long, short, signal = a["long"], a["short"], a["signal"]
    if a.output == "tsi":
        moves = steps(a.source)
        parts = (
            call(f"ema2({x.text}, {long}, {short})", linear(x, _twice, long, short)) for x in (moves, sizes(moves))
        )
        return Recipe([Input(part, 1) for part in parts], lambda x, _: 100.0 * x[0] / x[1])

    def smoothed(arrays: list[Floats], k: int) -> Floats:
        moves = np.diff(arrays[0], axis=1)
        up, size = (_ema_lines(_ema_lines(part, long), short) for part in (moves, np.abs(moves)))
        return _ema_lines(100.0 * up / size, signal)[:, -k:]

    path = sum(warmup(2 / (bars + 1)) for bars in (long, short, signal)) + 1
    return along(path, smoothed, a.source)


TSI = Function(
    name="tsi",
    doc="true strength index, -100 to 100",
    formula="Blau 1991: 100 ema(ema(change, long), short)/ema(ema(|change|, …)), signal = its ema; no value when flat",
    params=(series(), length(25, name="long"), length(13, name="short"), length(13, name="signal")),
    outputs=("tsi", "signal"),
    build=_tsi,
)


def _awesome(a: Arguments) -> Recipe:
    slow, fast = sma(HL2, a["slow"]), sma(HL2, a["fast"])
    return Recipe((Input(slow, 1), Input(fast, 1)), lambda x, _: x[1] - x[0])


AWESOME_OSCILLATOR = Function(
    name="awesome_oscillator",
    doc="awesome oscillator, in quote units",
    formula="Williams 1995: sma(hl2, fast) - sma(hl2, slow)",
    params=(length(5, name="fast"), length(34, name="slow")),
    check=ordered("fast", "slow"),
    build=_awesome,
)
FUNCTIONS = (PPO, TSI, AWESOME_OSCILLATOR)
