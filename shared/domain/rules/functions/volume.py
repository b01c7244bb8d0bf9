"""Volatility, volume and patterns: functions that read whole candles."""

import numpy as np
import talib

from shared.domain.candles import Floats
from shared.domain.rules.definition import Arguments, Function, factor, length
from shared.domain.rules.folds import total
from shared.domain.rules.indicators import ANCHOR_BARS, Call, Input, Recipe, along
from shared.domain.rules.kernels import weighted, wilder_weights
from shared.domain.rules.nodes import SERIES
from shared.domain.rules.parts import CLOSE, HIGH, HLC3, LOW, VOLUME, each_bar, true_range


def _atr(a: Arguments) -> Recipe:
    weights = wilder_weights(a["length"])
    return Recipe((Input(true_range(), len(weights)),), lambda x, k: weighted(x[0], weights, k))


ATR = Function(
    name="atr",
    doc="average true range, in quote units",
    formula="Wilder 1978: average of the true range with α = 1/n",
    params=(length(14),),
    build=_atr,
)


def _flow(*, signed: bool) -> Call:
    """Return typical price × volume where the typical price moved: signed by its direction, or its size."""

    def combine(price: Floats, volume: Floats) -> Floats:
        way = np.sign(price[:, 1:] - price[:, :-1])
        return price[:, 1:] * volume[:, 1:] * (way if signed else np.abs(way))

    return each_bar(f"flow({'signed' if signed else 'size'})", combine, Input(HLC3, 2), Input(VOLUME, 2))


def _mfi(a: Arguments) -> Recipe:
    signed, size = (total(_flow(signed=signed), a["length"]) for signed in (True, False))
    return Recipe((Input(signed, 1), Input(size, 1)), lambda x, _: 50.0 * (1.0 + x[0] / x[1]))


MFI = Function(
    name="mfi",
    doc="money flow index, 0 to 100",
    formula="share of hlc3 × volume that flowed while hlc3 rose; no value without flow (TA-Lib says 0)",
    params=(length(14, low=2),),
    build=_mfi,
)


def _signed_volume() -> Call:
    def combine(c: Floats, volume: Floats) -> Floats:
        return np.sign(c[:, 1:] - c[:, :-1]) * volume[:, 1:]

    return each_bar("signed_volume", combine, Input(CLOSE, 2), Input(VOLUME, 2))


def _obv(a: Arguments) -> Recipe:
    return Recipe((Input(total(_signed_volume(), a["length"]), 1),), lambda x, _: x[0])


OBV = Function(
    name="obv",
    doc="on-balance volume of the last n candles, in base units",
    formula="volume of rising closes minus that of falling ones, counted from n candles ago (Granville 1963)",
    params=(length(100),),
    build=_obv,
)
PSAR_PATH = 200  # from acceleration 0.01 up, 2,500 of 2,500 random walks had met the path of their full history


def _psar(a: Arguments) -> Recipe:
    acceleration, maximum = a.factor("acceleration"), a.factor("maximum")

    def compute(arrays: list[Floats], k: int) -> Floats:
        high, low = (np.ascontiguousarray(prices) for prices in arrays)
        out = np.empty((len(high), k))
        for row, tops in enumerate(high):
            out[row] = talib.SAR(tops, low[row], acceleration, maximum)[-k:]
        return out

    return along(PSAR_PATH, compute, HIGH, LOW)


PSAR = Function(
    name="psar",
    doc="parabolic stop and reverse",
    formula=f"Wilder 1978, started {PSAR_PATH} to {PSAR_PATH + ANCHOR_BARS - 1} candles ago",
    params=(factor("acceleration", 0.02, low=0.01, high=1.0), factor("maximum", 0.2, low=0.01, high=1.0)),
    check=lambda p: None if p["acceleration"] <= p["maximum"] else "acceleration is at most maximum",
    build=_psar,
)


def _engulfing(_: Arguments) -> Recipe:
    def compute(arrays: list[Floats], _: int) -> Floats:
        o, c = arrays
        unknown = 0.0 * (o[:, 1:] + o[:, :-1] + c[:, 1:] + c[:, :-1])
        p, q, r, s = o[:, :-1], c[:, :-1], o[:, 1:], c[:, 1:]
        bull = (q < p) & (s >= r) & (((s >= p) & (r < q)) | ((s > p) & (r <= q)))
        bear = (q >= p) & (s < r) & (((r >= q) & (s < p)) | ((r > q) & (s <= p)))
        return bull - bear.astype(np.float64) + unknown

    return Recipe((Input(SERIES["open"], 2), Input(CLOSE, 2)), compute)


ENGULFING = Function(
    name="engulfing",
    doc="+1 when a rising body engulfs a falling one, -1 for the mirror image, else 0",
    formula="as TA-Lib's CDLENGULFING: one end of the bodies may coincide",
    build=_engulfing,
)
FUNCTIONS = (ATR, MFI, OBV, PSAR, ENGULFING)
