"""Which algorithms make sense: told when an intent is raised, and again before one is planned."""

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Final

from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe
from shared.domain.trading.intents import Algorithm, AlgorithmName
from shared.domain.trading.orders import TimeInForce

MAX_SLICES: Final = 500
MAX_DURATION_MS: Final = 7 * 86_400_000
LEAST_SHOWN_RATE: Final = Decimal("0.005")

SPREAD: Final = frozenset({AlgorithmName.TWAP, AlgorithmName.VWAP, AlgorithmName.POV})
"""Algorithms that take a little at a time."""
PRICED: Final = frozenset({AlgorithmName.LIMIT, AlgorithmName.ICEBERG})
"""Algorithms that wait at a price."""
VOLUME_TIMEFRAME: Final = Timeframe.M15
"""What usually trades at a time of the day is told by candles no longer than this, where a venue has such."""
_RESTING = frozenset({TimeInForce.GTC, TimeInForce.POST_ONLY})
_AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})


EVERY: Final = frozenset(AlgorithmName)


def check_allowed(algorithm: Algorithm, allowed: Collection[AlgorithmName]) -> None:
    """Raise `InvalidMessageError` for an algorithm this desk does not work by."""
    words = ", ".join(each for each in AlgorithmName if each in allowed)
    _need("name", algorithm.name in allowed, f"expected one of those this desk allows: {words}; got {algorithm.name}")


def is_resting(algorithm: Algorithm) -> bool:
    """Tell whether its orders wait in the book."""
    return algorithm.name in PRICED and algorithm.time_in_force in _RESTING


def is_single_shot(algorithm: Algorithm) -> bool:
    """Tell whether what does not fill at once is not tried again as it was."""
    return algorithm.name is AlgorithmName.MARKET or (algorithm.time_in_force in _AT_ONCE and algorithm.name in PRICED)


def follows_volume(algorithm: Algorithm) -> bool:
    """Tell whether it goes by what trades at its venue."""
    return algorithm.name is AlgorithmName.VWAP or algorithm.participation_rate is not None


def volume_timeframe(algorithm: Algorithm, collected: Sequence[Timeframe]) -> Timeframe:
    """Return by which of the collected timeframes an algorithm that follows the volume is told what trades.

    POV looks at what trades now: the finest. The others look at the past: the longest up to `VOLUME_TIMEFRAME`, since
    the log keeps so many candles of each, or the finest. None may be longer than the time of one slice, where that is
    longer. Raise `InvalidMessageError` that says what is missing.
    """
    is_pov = algorithm.name is AlgorithmName.POV
    most_ms = max(min(Timeframe, key=_length).ms if is_pov else VOLUME_TIMEFRAME.ms, _span_ms(algorithm))
    known = sorted((each for each in collected if each.ms <= most_ms), key=_length)
    if not known:
        needed = max((each for each in Timeframe if each.ms <= most_ms), key=_length)
        has = ", ".join(each.value for each in sorted(collected, key=_length)) or "none"
        problem = f"{algorithm.name} needs candles of {needed} or shorter, collected are {has}"
        raise InvalidMessageError("algorithm", problem)
    fine = [each for each in known if each.ms <= VOLUME_TIMEFRAME.ms]
    return known[0] if is_pov or not fine else fine[-1]


def _length(timeframe: Timeframe) -> int:
    return timeframe.ms


def _span_ms(algorithm: Algorithm) -> int:
    return algorithm.duration_ms // algorithm.slices


def check_algorithm(algorithm: Algorithm) -> Algorithm:
    """Return an algorithm that can be planned; raise `InvalidMessageError` that names what is wrong with it."""
    name = algorithm.name
    _need("slices", 1 <= algorithm.slices <= MAX_SLICES, f"expected 1..{MAX_SLICES}, got {algorithm.slices}")
    span = f"expected 0..{MAX_DURATION_MS} ms, got {algorithm.duration_ms}"
    _need("duration_ms", 0 <= algorithm.duration_ms <= MAX_DURATION_MS, span)
    price, shown, part = algorithm.limit_price, algorithm.shown_rate, algorithm.participation_rate
    _need("limit_price", price is None or (price.is_finite() and price > 0), f"expected a positive price, got {price}")
    _need("limit_price", price is not None or name not in PRICED, f"expected a price for {name}")
    if name is AlgorithmName.ICEBERG:
        fits = shown is not None and shown.is_finite() and LEAST_SHOWN_RATE <= shown < 1
        _need("shown_rate", fits, f"expected a fraction within {LEAST_SHOWN_RATE}..1 for iceberg, got {shown}")
    else:
        _need("shown_rate", shown is None, f"expected none for {name}")
    if name in SPREAD:
        _need("duration_ms", algorithm.duration_ms > 0, f"expected a duration for {name}")
        fits = part is None or (part.is_finite() and 0 < part <= 1)
        _need("participation_rate", fits, f"expected a fraction within 0..1, got {part}")
        allowed = frozenset({TimeInForce.GTC, TimeInForce.IOC})
    else:
        _need("slices", algorithm.slices == 1, f"expected 1 for {name}, got {algorithm.slices}")
        _need("participation_rate", part is None, f"expected none for {name}")
        allowed = {AlgorithmName.ICEBERG: _RESTING, AlgorithmName.LIMIT: frozenset(TimeInForce)}.get(
            name, frozenset({TimeInForce.GTC, TimeInForce.IOC})
        )
    if name is AlgorithmName.POV:
        _need("participation_rate", part is not None, "expected a fraction for pov")
        _need("slices", algorithm.slices > 1, "expected at least 2 for pov, one for each look at the volume")
    words = ", ".join(sorted(allowed))
    _need("time_in_force", algorithm.time_in_force in allowed, f"expected one of {words} for {name}")
    return algorithm


def _need(field: str, holds: bool, expected: str) -> None:
    if not holds:
        raise InvalidMessageError(f"algorithm.{field}", expected)
