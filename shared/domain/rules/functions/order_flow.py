"""Who takes: the share of volume that buyers took from the book."""

from shared.domain.rules.definition import Function, length
from shared.domain.rules.folds import ratio, summed
from shared.domain.rules.indicators import Call, Input, Recipe
from shared.domain.rules.nodes import SERIES
from shared.domain.rules.parts import VOLUME, each_bar

TAKEN = SERIES["taker_buy_volume"]
TRADES = SERIES["trades"]


def _delta() -> Call:
    return each_bar("taker_delta", lambda taken, volume: 2.0 * taken - volume, Input(TAKEN, 1), Input(VOLUME, 1))


DELTA = Function(
    name="delta",
    doc="volume bought by takers minus volume sold by them, in base units",
    formula="2 × taker_buy_volume - volume",
    build=lambda _: Recipe((Input(_delta(), 1),), lambda x, _: x[0]),
)
CUMULATIVE_DELTA = Function(
    name="cumulative_delta",
    doc="delta of the last n candles, in base units",
    formula="Σ delta over n candles",
    params=(length(100),),
    build=lambda a: summed(_delta(), a["length"]),
)
TAKER_RATIO = Function(
    name="taker_ratio",
    doc="share of the volume that takers bought, 0 to 1",
    formula="Σ taker_buy_volume / Σ volume over n candles; no value without volume",
    params=(length(1),),
    build=lambda a: ratio(TAKEN, VOLUME, a["length"]),
)
TRADE_SIZE = Function(
    name="trade_size",
    doc="mean size of a trade, in base units",
    formula="Σ volume / Σ trades over n candles; no value without trades",
    params=(length(1),),
    build=lambda a: ratio(VOLUME, TRADES, a["length"]),
)
FUNCTIONS = (DELTA, CUMULATIVE_DELTA, TAKER_RATIO, TRADE_SIZE)
