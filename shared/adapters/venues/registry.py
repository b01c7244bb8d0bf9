"""The venues the collector can serve, by name."""

from collections.abc import Mapping
from typing import Final

from shared.adapters.venues import binance, bybit, coinbase, hyperliquid, kraken, okx
from shared.adapters.venues.dialect import Dialect
from shared.domain.errors import InvalidMessageError

VENUES: Final[Mapping[str, Dialect]] = {
    dialect.venue: dialect
    for dialect in (
        binance.SPOT,
        binance.USDM,
        bybit.SPOT,
        bybit.LINEAR,
        okx.SPOT,
        okx.SWAP,
        kraken.SPOT,
        coinbase.SPOT,
        hyperliquid.PERPETUALS,
    )
}


def dialect_of(venue: str) -> Dialect:
    """Return how a venue speaks, or raise `InvalidMessageError` that names the ones there are."""
    if venue not in VENUES:
        raise InvalidMessageError("venue", f"expected one of {', '.join(VENUES)}, got {venue!r}")
    return VENUES[venue]
