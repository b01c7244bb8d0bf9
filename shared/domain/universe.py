"""Which symbols a trader looks at: by quote currency, by name, and by how much of them is traded a day."""

from collections.abc import Sequence
from typing import Final

from shared.domain.errors import InvalidMessageError
from shared.domain.rules import MAX_LOOKBACK
from shared.domain.rules.conditions import compare, on_truth
from shared.domain.rules.folds import total
from shared.domain.rules.nodes import SERIES, Boolean, constant
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Universe

DAY_MS: Final = 86_400_000


def check_universe(universe: Universe, timeframes: Sequence[Timeframe]) -> None:
    """Raise `InvalidMessageError` that names the field when a universe cannot be told from the candles collected."""
    quote = universe.quote
    if not quote or quote != quote.strip():
        raise InvalidMessageError("universe.quote", "expected a quote currency, such as USDT")
    if not 0 <= universe.min_quote_volume_24h < float("inf"):
        raise InvalidMessageError("universe.min_quote_volume_24h", "expected a number >= 0")
    for name, symbols in (("include", universe.include), ("exclude", universe.exclude)):
        for symbol in symbols:
            if quote_of(symbol) != quote:
                raise InvalidMessageError(f"universe.{name}", f"{symbol!r} is no {quote} symbol, such as BTC/{quote}")
    both = set(universe.include) & set(universe.exclude)
    if both:
        raise InvalidMessageError("universe.exclude", f"{min(both)!r} is included, too")
    if universe.min_quote_volume_24h > 0:
        volume_timeframe(timeframes)


def quote_of(symbol: str) -> str:
    """Return the quote currency of a unified symbol (`BTC/USDT`, `BTC/USDT:USDT`), empty when it is none."""
    _, slash, rest = symbol.partition("/")
    return rest.partition(":")[0] if slash else ""


def is_member(universe: Universe, symbol: str) -> bool:
    """Tell whether a symbol belongs by name."""
    if symbol in universe.exclude:
        return False
    return symbol in universe.include if universe.include else quote_of(symbol) == universe.quote


def volume_timeframe(timeframes: Sequence[Timeframe]) -> Timeframe:
    """Return the timeframe the daily volume is summed from: the longest up to 1h whose day fits the log.

    Raise `InvalidMessageError` when none of the collected timeframes will do.
    """
    fit = [tf for tf in timeframes if tf.ms <= Timeframe.H1.ms and DAY_MS // tf.ms <= MAX_LOOKBACK]
    if not fit:
        raise InvalidMessageError(
            "universe.min_quote_volume_24h",
            f"needs 5m, 15m, 30m or 1h candles, collected are {', '.join(timeframes) or 'none'}",
        )
    return max(fit, key=lambda timeframe: timeframe.ms)


def volume_condition(universe: Universe, timeframes: Sequence[Timeframe]) -> Boolean | None:
    """Return the condition that the last 24 h traded enough (quote units); None when any volume will do."""
    if universe.min_quote_volume_24h <= 0:
        return None
    timeframe = volume_timeframe(timeframes)
    day = total(SERIES["quote_volume"], DAY_MS // timeframe.ms)
    return on_truth(timeframe, compare([">="], [day, constant(float(universe.min_quote_volume_24h))]))
