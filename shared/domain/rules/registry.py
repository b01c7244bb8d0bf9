"""Every word of the rule language, collected from the families of functions."""

from dataclasses import dataclass
from typing import Final

from shared.domain.rules.definition import Function
from shared.domain.rules.functions import averages, momentum, volume
from shared.domain.rules.nodes import SERIES as COLUMN_SERIES
from shared.domain.rules.nodes import Number
from shared.domain.rules.parts import HL2, HLC3, OHLC4

FUNCTIONS: Final[dict[str, Function]] = {
    function.name: function for family in (averages, momentum, volume) for function in family.FUNCTIONS
}
SERIES: Final[dict[str, Number]] = {**COLUMN_SERIES, "hl2": HL2, "hlc3": HLC3, "ohlc4": OHLC4}
CROSSES: Final = {
    "crosses_above": "a > b now and a <= b one candle ago",
    "crosses_below": "a < b now and a >= b one candle ago",
}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One line of the reference: what may be written, what it means, how it is computed."""

    kind: str
    signature: str
    doc: str
    formula: str = ""


def reference() -> list[Word]:
    """Return every series and function of the language, in reading order."""
    words = [Word(kind="series", signature=name, doc=SERIES_DOC[name]) for name in SERIES]
    words += [
        Word(kind="function", signature=function.signature, doc=function.doc, formula=function.formula)
        for function in FUNCTIONS.values()
    ]
    words += [Word(kind="condition", signature=f"{name}(a, b)", doc=doc) for name, doc in CROSSES.items()]
    words += [
        Word(kind="timeframe", signature='on("1h", expression)', doc="the expression on the last closed 1h candle"),
        Word(kind="lag", signature="expression[n]", doc="the expression n candles ago"),
    ]
    return words
