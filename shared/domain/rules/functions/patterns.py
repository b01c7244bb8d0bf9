"""Candlestick patterns by their plain names: +1 where a pattern says up, -1 where it says down, else 0."""

from collections.abc import Callable
from typing import Final

import numpy as np
import talib
from talib import abstract

from shared.domain.candles import Floats
from shared.domain.rules.definition import Arguments, Function, Param
from shared.domain.rules.indicators import Compute, Input, Recipe
from shared.domain.rules.nodes import SERIES

CANDLE: Final = tuple(SERIES[name] for name in ("open", "high", "low", "close"))
BITS: Final = 40


def _verdicts(pattern: Callable[..., Floats], bars: int, *options: float) -> Compute:
    """Return how TA-Lib judges the last candles of each window, all windows in one call.

    They are laid end to end, as whole numbers of 40 bits: the running sums TA-Lib carries from one candle to the next
    are then exact, so nothing of a window is left in the next one, and each is judged as if it stood alone.
    """

    def compute(prices: list[Floats], k: int) -> Floats:
        windows = _windows(prices, bars, k)
        missing = np.isnan(windows.sum(axis=(0, 3)))
        _, exponents = np.frexp(windows[1].max(axis=2))
        windows *= np.ldexp(1.0, BITS - exponents)[None, :, :, None]
        np.rint(windows, out=windows)
        if missing.any():
            windows[:, missing] = 1.0
        found = np.sign(pattern(*windows.reshape(4, -1), *options)[bars - 1 :: bars].reshape(missing.shape))
        return np.where(missing, np.nan, found).T

    return compute


def _windows(prices: list[Floats], bars: int, k: int) -> Floats:
    """Return a copy of the windows of all prices, (prices × k × rows × bars)."""
    windows = np.empty((len(prices), k, len(prices[0]), bars))
    for copy, x in zip(windows, prices, strict=True):
        for bar in range(k):
            copy[bar] = x[:, bar : bar + bars]
    return windows


def _pattern(name: str, code: str, doc: str) -> Function:
    described = getattr(abstract, f"CDL{code}")
    bars: int = described.lookback + 1
    pattern: Callable[..., Floats] = getattr(talib, f"CDL{code}")
    options = [
        Param(name=option, default=float(default), low=0.0, high=1.0, whole=False)
        for option, default in described.parameters.items()
    ]

    def build(a: Arguments) -> Recipe:
        judge = _verdicts(pattern, bars, *(a.factor(option.name) for option in options))
        return Recipe([Input(prices, bars) for prices in CANDLE], judge)

    return Function(
        name=name, doc=doc, formula=f"TA-Lib's CDL{code} on {bars} candles", params=tuple(options), build=build
    )


FUNCTIONS: Final = tuple(
    _pattern(name, code, doc)
    for name, code, doc in (
        ("abandoned_baby", "ABANDONEDBABY", "a doji with gaps on both sides turns a fall (+1) or a rise (-1)"),
        ("advance_block", "ADVANCEBLOCK", "three rising candles, each weaker than the one before (-1)"),
        ("belt_hold", "BELTHOLD", "long body without a shadow where it opened: rising (+1) or falling (-1)"),
        ("breakaway", "BREAKAWAY", "a gap and three candles away are taken back, after a fall (+1) or a rise (-1)"),
        (
            "closing_marubozu",
            "CLOSINGMARUBOZU",
            "long body without a shadow where it closed: rising (+1), falling (-1)",
        ),
        (
            "concealing_baby_swallow",
            "CONCEALBABYSWALL",
            "four falling candles, the last two swallow their shadows (+1)",
        ),
        (
            "counterattack",
            "COUNTERATTACK",
            "long opposite candles that close at the same price, rising (+1), falling (-1)",
        ),
        ("dark_cloud_cover", "DARKCLOUDCOVER", "opens above a long rising candle and closes deep within its body (-1)"),
        ("doji", "DOJI", "open and close nearly equal (+1, which is no direction)"),
        ("doji_star", "DOJISTAR", "a doji gaps away from a long body, against a fall (+1) or a rise (-1)"),
        ("dragonfly_doji", "DRAGONFLYDOJI", "a doji with a lower shadow only (+1)"),
        ("engulfing", "ENGULFING", "a rising body engulfs a falling one (+1), or the mirror image (-1)"),
        ("evening_doji_star", "EVENINGDOJISTAR", "long rise, a doji above it, fall into the first body (-1)"),
        ("evening_star", "EVENINGSTAR", "long rise, a small body above it, fall into the first body (-1)"),
        (
            "gap_three_methods",
            "XSIDEGAP3METHODS",
            "a gap between two candles is closed by the third: rise (+1), fall (-1)",
        ),
        ("gravestone_doji", "GRAVESTONEDOJI", "a doji with an upper shadow only (+1, which is no direction)"),
        ("hammer", "HAMMER", "small body with a long lower shadow near the low of a fall (+1)"),
        ("hanging_man", "HANGINGMAN", "small body with a long lower shadow near the high of a rise (-1)"),
        ("harami", "HARAMI", "a small body within the long one before, against a fall (+1) or a rise (-1)"),
        ("harami_cross", "HARAMICROSS", "a doji within the long body before, against a fall (+1) or a rise (-1)"),
        ("high_wave", "HIGHWAVE", "short body between very long shadows, rising (+1) or falling (-1)"),
        ("hikkake", "HIKKAKE", "an inside bar breaks out the wrong way: up to come (+1), down to come (-1)"),
        ("homing_pigeon", "HOMINGPIGEON", "a small falling body within a long falling one (+1)"),
        ("identical_three_crows", "IDENTICAL3CROWS", "three falling candles, each opens where the last closed (-1)"),
        ("in_neck", "INNECK", "opens below a long falling candle and closes just into its body (-1)"),
        ("inverted_hammer", "INVERTEDHAMMER", "small body with a long upper shadow below the body before (+1)"),
        ("kicking", "KICKING", "opposite bodies without shadows and a gap between them, up (+1) or down (-1)"),
        ("kicking_by_length", "KICKINGBYLENGTH", "as kicking, in the direction of the longer body: up (+1), down (-1)"),
        ("ladder_bottom", "LADDERBOTTOM", "four falling candles, then a rise above the last of them (+1)"),
        ("long_legged_doji", "LONGLEGGEDDOJI", "a doji with a long shadow (+1, which is no direction)"),
        ("long_line", "LONGLINE", "long body with short shadows, rising (+1) or falling (-1)"),
        ("marubozu", "MARUBOZU", "long body without shadows, rising (+1) or falling (-1)"),
        ("mat_hold", "MATHOLD", "a rise rests above its start for three small candles and goes on (+1)"),
        ("matching_low", "MATCHINGLOW", "two falling candles close at the same price (+1)"),
        ("modified_hikkake", "HIKKAKEMOD", "a hikkake after a second inside bar: up to come (+1), down to come (-1)"),
        ("morning_doji_star", "MORNINGDOJISTAR", "long fall, a doji below it, rise into the first body (+1)"),
        ("morning_star", "MORNINGSTAR", "long fall, a small body below it, rise into the first body (+1)"),
        ("on_neck", "ONNECK", "opens below a long falling candle and closes at its low (-1)"),
        ("piercing", "PIERCING", "opens below a long falling candle and closes above the middle of its body (+1)"),
        ("rickshaw_man", "RICKSHAWMAN", "a doji with long shadows, its body in the middle (+1, which is no direction)"),
        (
            "rising_falling_three_methods",
            "RISEFALL3METHODS",
            "three small candles rest within a long one, and it goes on: rising (+1), falling (-1)",
        ),
        (
            "separating_lines",
            "SEPARATINGLINES",
            "opposite candles with one open, and the way goes on: up (+1), down (-1)",
        ),
        ("shooting_star", "SHOOTINGSTAR", "small body with a long upper shadow above the body before (-1)"),
        ("short_line", "SHORTLINE", "short body with short shadows, rising (+1) or falling (-1)"),
        (
            "side_by_side_white_lines",
            "GAPSIDESIDEWHITE",
            "two equal rising candles beyond a gap, up (+1) or down (-1)",
        ),
        ("spinning_top", "SPINNINGTOP", "short body between longer shadows, rising (+1) or falling (-1)"),
        ("stalled_pattern", "STALLEDPATTERN", "three rising candles, the last one small (-1)"),
        ("stick_sandwich", "STICKSANDWICH", "a rise between two falling candles that close at the same price (+1)"),
        ("takuri", "TAKURI", "a dragonfly doji with a very long lower shadow (+1)"),
        ("tasuki_gap", "TASUKIGAP", "a gap is not closed by the candle against it: up (+1), down (-1)"),
        ("three_black_crows", "3BLACKCROWS", "three falling candles that close near their lows (-1)"),
        ("three_inside", "3INSIDE", "a harami and a candle that confirms it: up (+1), down (-1)"),
        (
            "three_line_strike",
            "3LINESTRIKE",
            "three candles one way, then one takes them back: after a rise (+1), a fall (-1)",
        ),
        ("three_outside", "3OUTSIDE", "an engulfing and a candle that confirms it: up (+1), down (-1)"),
        ("three_stars_in_south", "3STARSINSOUTH", "three falling candles, each smaller and with a higher low (+1)"),
        ("three_white_soldiers", "3WHITESOLDIERS", "three rising candles that close near their highs (+1)"),
        ("thrusting", "THRUSTING", "opens below a long falling candle and closes below the middle of its body (-1)"),
        ("tristar", "TRISTAR", "three dojis, the middle one apart: below (+1), above (-1)"),
        ("two_crows", "2CROWS", "two falling candles after a gap above a long rise, the second closes into it (-1)"),
        ("unique_three_river", "UNIQUE3RIVER", "long fall, a harami with a lower low, a small rise below it (+1)"),
        ("upside_gap_two_crows", "UPSIDEGAP2CROWS", "two falling candles stay above the gap over a long rise (-1)"),
    )
)
