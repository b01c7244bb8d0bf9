"""What the simulated venue lists: symbols with their price and volume grids."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from math import floor, log10
from typing import Final

import numpy as np

from shared.domain.candles import VOLUME, Floats
from shared.domain.errors import InvalidMessageError

MAX_DECIMALS: Final = 8

# Rough prices, so that grids and volumes look like a venue's. JUP and SUPER are there because they are no leveraged
# tokens, although their names end as those do or contain what those contain.
_KNOWN: Final = (
    ("BTC", 43_000.0), ("ETH", 2_300.0), ("SOL", 98.0), ("BNB", 310.0), ("XRP", 0.62), ("DOGE", 0.081), ("ADA", 0.52),
    ("JUP", 0.61), ("AVAX", 36.0), ("LINK", 15.2), ("SUPER", 0.34), ("TRX", 0.104), ("DOT", 7.4), ("LTC", 71.0),
    ("SHIB", 0.0000096), ("UNI", 6.3), ("ATOM", 10.1), ("ETC", 24.0), ("NEAR", 3.1), ("APT", 9.2), ("OP", 3.3),
    ("ARB", 1.7), ("FIL", 5.6), ("INJ", 37.0), ("SUI", 1.2), ("AAVE", 98.0), ("GRT", 0.16), ("ALGO", 0.19),
    ("SAND", 0.47), ("RUNE", 4.6), ("GALA", 0.023), ("CRV", 0.51), ("FTM", 0.42), ("DYDX", 2.7), ("IMX", 2.0),
    ("CHZ", 0.083),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One listed symbol; the decimals are those of its price and its base volume."""

    symbol: str
    price: float
    price_decimals: int
    volume_decimals: int
    is_trading: bool = True

    @property
    def base(self) -> str:
        """Return the base asset."""
        return self.symbol.partition("/")[0]

    @property
    def quote(self) -> str:
        """Return the quote asset."""
        return self.symbol.partition("/")[2]

    @property
    def wire(self) -> str:
        """Return the venue's own spelling, such as BTCUSDT."""
        return self.base + self.quote


def instrument(symbol: str, price: float, *, is_trading: bool = True) -> Instrument:
    """Return an instrument with the grids a venue would give that price: about five digits, steps below one dollar."""
    magnitude = floor(log10(price))
    return Instrument(
        symbol=check_symbol(symbol),
        price=price,
        price_decimals=min(max(3 - magnitude, 2), MAX_DECIMALS),
        volume_decimals=min(max(magnitude + 1, 0), 5),
        is_trading=is_trading,
    )


def instrument_of(symbol: str, values: Floats) -> Instrument:
    """Return the instrument with the coarsest grids on which all its recorded candles (columns, bars) lie."""
    prices, volumes = values[:VOLUME], values[VOLUME]
    return Instrument(
        symbol=check_symbol(symbol),
        price=float(prices[-1][~np.isnan(prices[-1])][-1]),
        price_decimals=_decimals(prices),
        volume_decimals=_decimals(volumes),
    )


def check_symbol(symbol: str) -> str:
    """Return a spot symbol such as BTC/USDT, or raise `InvalidMessageError`."""
    base, slash, quote = symbol.partition("/")
    if not (slash and base.isalnum() and quote.isalnum() and symbol.isascii() and symbol == symbol.upper()):
        raise InvalidMessageError("symbol", f"expected a spot symbol such as BTC/USDT, got {symbol[:40]!r}")
    return symbol


def tradable(count: int) -> list[Instrument]:
    """Return `count` USDT pairs: familiar ones first, then invented ones."""
    names = [*(name for name, _ in _KNOWN), *islice(_invented_names(), max(count - len(_KNOWN), 0))]
    prices = [*(price for _, price in _KNOWN), *(4.0 / (1 + rank % 40) for rank in range(len(names) - len(_KNOWN)))]
    return [instrument(f"{name}/USDT", price) for name, price in list(zip(names, prices, strict=True))[:count]]


def untradable() -> list[Instrument]:
    """Return what the venue lists too and a collector should leave out: a stablecoin, a leveraged token, another
    quote currency, a pair almost nobody trades, a halted pair."""
    return [
        instrument("USDC/USDT", 1.0),
        instrument("BTCUP/USDT", 15.0),
        instrument("ETH/BTC", 0.0535),
        instrument("MOULD/USDT", 0.4),
        instrument("LUNA/USDT", 0.9, is_trading=False),
    ]


def _invented_names() -> Iterator[str]:
    taken = {name for name, _ in _KNOWN}
    for first, vowel, second, last in product("KMRTVZBDFGLN", "AIOE", "NRLXKV", "AOI"):
        name = first + vowel + second + last
        if name not in taken:
            yield name


def _decimals(values: Floats) -> int:
    known = values[~np.isnan(values)]
    for decimals in range(MAX_DECIMALS):
        if (np.rint(known * 10.0**decimals) / 10.0**decimals == known).all():
            return decimals
    return MAX_DECIMALS
