"""Who takes: the share of volume that buyers took from the book."""

from shared.domain.rules.definition import Arguments, Function, length
from shared.domain.rules.folds import total
from shared.domain.rules.indicators import Call, Input, Recipe
from shared.domain.rules.nodes import SERIES, Number
from shared.domain.rules.parts import VOLUME, each_bar

TAKEN = SERIES["taker_buy_volume"]
TRADES = SERIES["trades"]


def _delta() -> Call:
    return each_bar("taker_delta", lambda taken, volume: 2.0 * taken - volume, Input(TAKEN, 1), Input(VOLUME, 1))


def _share(above: Number, below: Number, a: Arguments) -> Recipe:
    bars = a["length"]
    return Recipe((Input(total(above, bars), 1), Input(total(below, bars), 1)), lambda x, _: x[0] / x[1])


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
    build=lambda a: Recipe((Input(total(_delta(), a["length"]), 1),), lambda x, _: x[0]),
)
TAKER_RATIO = Function(
    name="taker_ratio",
    doc="share of the volume that takers bought, 0 to 1",
    formula="Σ taker_buy_volume / Σ volume over n candles; no value without volume",
    params=(length(1),),
    build=lambda a: _share(TAKEN, VOLUME, a),
)
TRADE_SIZE = Function(
    name="trade_size",
    doc="mean size of a trade, in base units",
    formula="Σ volume / Σ trades over n candles; no value without trades",
    params=(length(1),),
    build=lambda a: _share(VOLUME, TRADES, a),
)
FUNCTIONS = (DELTA, CUMULATIVE_DELTA, TAKER_RATIO, TRADE_SIZE)
