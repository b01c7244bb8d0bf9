"""Every word of the rule language, collected from the families of functions."""

from typing import Final

from shared.domain.rules.definition import Function
from shared.domain.rules.functions import (
    across,
    averages,
    clock,
    momentum,
    order_flow,
    oscillators,
    patterns,
    statistics,
    structure,
    trend,
    volatility,
    volume,
    volume_price,
)
from shared.domain.rules.nodes import SERIES as COLUMN_SERIES
from shared.domain.rules.nodes import Number
from shared.domain.rules.parts import HL2, HLC3, OHLC4

FAMILIES: Final[dict[str, tuple[Function, ...]]] = {
    "averages": averages.FUNCTIONS,
    "trend": trend.FUNCTIONS,
    "momentum": momentum.FUNCTIONS + oscillators.FUNCTIONS,
    "volatility": volatility.FUNCTIONS,
    "volume": volume.FUNCTIONS,
    "volume and price": volume_price.FUNCTIONS,
    "order flow": order_flow.FUNCTIONS,
    "candlesticks": patterns.FUNCTIONS,
    "structure": structure.FUNCTIONS,
    "statistics": statistics.FUNCTIONS,
    "across the market": across.FUNCTIONS,
    "time": clock.FUNCTIONS,
}
FUNCTIONS: Final[dict[str, Function]] = {function.name: function for family in FAMILIES.values() for function in family}
SERIES: Final[dict[str, Number]] = {**COLUMN_SERIES, "hl2": HL2, "hlc3": HLC3, "ohlc4": OHLC4}
SERIES_DOC: Final = {
    "open": "first price of the candle, quote units",
    "high": "highest price",
    "low": "lowest price",
    "close": "last price",
    "volume": "traded volume, base units",
    "quote_volume": "traded volume, quote units",
    "trades": "number of trades",
    "taker_buy_volume": "volume bought by takers, base units",
    "hl2": "(high + low) / 2",
    "hlc3": "(high + low + close) / 3, the typical price",
    "ohlc4": "(open + high + low + close) / 4",
}
CROSSES: Final = {
    "crosses_above": "a > b now and a <= b one candle ago",
    "crosses_below": "a < b now and a >= b one candle ago",
}
FORMS: Final = {
    "on": ('on("1h", expression)', "the expression on the last closed 1h candle"),
    "of": ('of("BTC/USDT", expression)', "the expression of another symbol, the same for everybody"),
    "ha": ("ha(expression)", "the expression on Heikin-Ashi candles"),
}
