"""How much is traded, and on which side of the market."""

import numpy as np

from shared.domain.candles import Floats
from shared.domain.rules.definition import Arguments, Function, length, ordered
from shared.domain.rules.folds import ratio, summed, total
from shared.domain.rules.functions.averages import macd_weights
from shared.domain.rules.indicators import Call, Input, Recipe
from shared.domain.rules.kernels import ema_weights, over_steps, weighted
from shared.domain.rules.parts import CLOSE, HIGH, HLC3, LOW, VOLUME, each_bar, linear


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


OBV = Function(
    name="obv",
    doc="on-balance volume of the last n candles, in base units",
    formula="volume of rising closes minus that of falling ones, counted from n candles ago (Granville 1963)",
    params=(length(100),),
    build=lambda a: summed(_signed_volume(), a["length"]),
)


def _placed_volume() -> Call:
    """Return volume × where the close stands in its candle, -1 at the low and 1 at the high; 0 without a range."""

    def combine(h: Floats, low: Floats, c: Floats, volume: Floats) -> Floats:
        span = h - low
        place = np.divide(2.0 * c - h - low, span, out=span * 0.0, where=span > 0.0)
        return place * volume

    return each_bar("placed_volume", combine, Input(HIGH, 1), Input(LOW, 1), Input(CLOSE, 1), Input(VOLUME, 1))


AD = Function(
    name="ad",
    doc="accumulation/distribution of the last n candles, in base units",
    formula="Chaikin: Σ volume × (2 close - high - low)/(high - low), counted from n candles ago",
    params=(length(100),),
    build=lambda a: summed(_placed_volume(), a["length"]),
)


def _adosc(a: Arguments) -> Recipe:
    weights = over_steps(macd_weights(a["fast"], a["slow"]))
    return Recipe((Input(_placed_volume(), len(weights)),), lambda x, k: weighted(x[0], weights, k))


ADOSC = Function(
    name="adosc",
    doc="Chaikin oscillator, in base units",
    formula="ema(fast) - ema(slow) of accumulation/distribution; where its counting began cancels",
    params=(length(3, name="fast"), length(10, name="slow")),
    check=ordered("fast", "slow"),
    build=_adosc,
)
CMF = Function(
    name="cmf",
    doc="Chaikin money flow, -1 to 1",
    formula="Σ volume × place of the close in its candle / Σ volume over n candles; no value without volume",
    params=(length(20),),
    build=lambda a: ratio(_placed_volume(), VOLUME, a["length"]),
)


def _force() -> Call:
    return each_bar(
        "force", lambda c, volume: (c[:, 1:] - c[:, :-1]) * volume[:, 1:], Input(CLOSE, 2), Input(VOLUME, 2)
    )


FORCE_INDEX = Function(
    name="force_index",
    doc="force index, in quote units",
    formula="Elder 1993: ema of (close - close[1]) × volume",
    params=(length(13),),
    build=lambda a: linear(_force(), ema_weights, a["length"]),
)


def _volume_index(a: Arguments, *, on_rise: bool) -> Recipe:
    def combine(c: Floats, volume: Floats) -> Floats:
        more = volume[:, 1:] - volume[:, :-1]
        counts = more > 0.0 if on_rise else more < 0.0
        growth = np.log(c[:, 1:] / c[:, :-1])
        return np.where(counts, growth, 0.0 * (growth + more))  # NaN stays NaN

    growth = each_bar(f"growth_on_volume({on_rise})", combine, Input(CLOSE, 2), Input(VOLUME, 2))
    return Recipe((Input(total(growth, a["length"]), 1),), lambda x, _: 1000.0 * np.exp(x[0]))


PVI = Function(
    name="pvi",
    doc="positive volume index: what the price made of candles with more volume than the one before",
    formula="Dysart 1936: 1000 n candles ago, grows with the close where volume rose",
    params=(length(100),),
    build=lambda a: _volume_index(a, on_rise=True),
)
NVI = Function(
    name="nvi",
    doc="negative volume index: what the price made of candles with less volume than the one before",
    formula="Dysart 1936: 1000 n candles ago, grows with the close where volume fell",
    params=(length(100),),
    build=lambda a: _volume_index(a, on_rise=False),
)
FUNCTIONS = (MFI, OBV, AD, ADOSC, CMF, FORCE_INDEX, PVI, NVI)
