"""Which symbols the desk collects: the most traded of one quote currency, without stablecoins and leveraged tokens.

The exclusions are lists of exact base assets. A filter on substrings removes JUP and SUPER with `UP`, and lets through
whatever stablecoin is new; a list is dull, reviewable and wrong only where it is out of date.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

# Coins that track a currency, and currencies themselves: their candles are noise around a constant.
_STABLECOINS = """
AEUR BFUSD BUSD BUSDS DAI EUR EURI EURS EURT FDUSD FRAX GBP GUSD LUSD MIM PAX PYUSD RLUSD SUSD TUSD U USD1 USDC USDD
USDE USDJ USDP USDS USDSB USDT USDX UST USTC VAI XUSD
"""
STABLECOIN_BASES: Final = frozenset(_STABLECOINS.split())

# Binance's leveraged tokens were <base>UP and <base>DOWN, FTX's <base>BULL and <base>BEAR.
_LEVERAGED_UP_DOWN = "1INCH AAVE ADA BCH BNB BTC DOT EOS ETH FIL LINK LTC SUSHI SXP TRX UNI XLM XRP XTZ YFI"
_LEVERAGED_BULL_BEAR = "BULL BEAR BNBBULL BNBBEAR EOSBULL EOSBEAR ETHBULL ETHBEAR XRPBULL XRPBEAR"
LEVERAGED_BASES: Final = frozenset(
    [f"{base}{suffix}" for base in _LEVERAGED_UP_DOWN.split() for suffix in ("UP", "DOWN")]
    + _LEVERAGED_BULL_BEAR.split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A pair a venue lists; `venue_id` is the venue's own name for it, the assets come from its metadata.

    `settle` is the asset a perpetual future is settled in, empty for spot.
    """

    venue_id: str
    base: str
    quote: str
    is_trading: bool
    settle: str = ""

    @property
    def symbol(self) -> str:
        """Return the unified symbol, `BTC/USDT`, and `BTC/USDT:USDT` for a perpetual future."""
        return f"{self.base}/{self.quote}" + (f":{self.settle}" if self.settle else "")


def choose_symbols(
    listings: Collection[Listing],
    quote_volumes: Mapping[str, float],
    *,
    quote: str,
    limit: int,
    incumbents: Collection[str] = (),
    buffer: float = 0.25,
) -> dict[str, Listing]:
    """Return the `limit` most traded pairs of a quote currency by symbol, most traded first.

    `quote_volumes` is the 24 h volume in quote units by venue id; a pair without one, or with NaN, is not chosen.
    Ties go to the symbol first in the alphabet. An incumbent (symbol) stays until its rank exceeds
    `limit * (1 + buffer)`, and a newcomer displaces one only from rank `limit * (1 - buffer)` on: the buffer zone of
    index providers (FTSE Russell, "Ground Rules for the FTSE UK Index Series", periodic review), because each
    newcomer costs a rewrite of the log's history.
    """
    eligible = {
        listing.symbol: (quote_volumes[listing.venue_id], listing)
        for listing in listings
        if listing.is_trading
        and listing.quote == quote
        and listing.base not in STABLECOIN_BASES
        and listing.base not in LEVERAGED_BASES
        and quote_volumes.get(listing.venue_id, 0.0) > 0  # also false for NaN
    }
    ranked = sorted(eligible, key=lambda symbol: (-eligible[symbol][0], symbol))
    settled = ranked[: int(limit * (1 - buffer))]
    held = frozenset(incumbents)
    staying = [symbol for symbol in ranked[: int(limit * (1 + buffer))] if symbol in held]
    chosen = frozenset(list(dict.fromkeys([*settled, *staying, *ranked]))[:limit])
    return {symbol: eligible[symbol][1] for symbol in ranked if symbol in chosen}
