"""What a symbol trades at right now, and what holding its future costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from shared.domain.errors import NotFoundError, TransientError

Row = TypeVar("Row", "Ticker", "Funding")


class Ticker(NamedTuple):
    """The last trade and the best of the book, in quote units; NaN where the venue does not say."""

    last: float
    bid: float
    ask: float


class Funding(NamedTuple):
    """What a perpetual future pays: the rate of the current interval (longs pay shorts when it is positive), when it is
    due (epoch ms, 0 where the venue does not say), and the open interest in base units; NaN where unknown."""

    rate: float
    due_time: int
    open_interest: float


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[Row]):
    """One row of every symbol a venue told of, all asked for at `time_ms` (market time, epoch ms)."""

    time_ms: int
    rows: Mapping[str, Row]


@dataclass(frozen=True, slots=True)
class VenueNow:
    """The newest snapshots of a venue; None when there is none or it was too old to trade on."""

    tickers: Snapshot[Ticker] | None = None
    funding: Snapshot[Funding] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a symbol trades at on a venue, as asked for at `time_ms`; `funding` is None where none is known."""

    venue: str
    time_ms: int
    ticker: Ticker
    funding: Funding | None


def prices_of(symbols: Sequence[str], venues: Mapping[str, VenueNow]) -> dict[str, list[Price]]:
    """Return the prices of each symbol, one of every venue that has it.

    Raise `NotFoundError` naming a symbol that no venue has, but `TransientError` while a venue that may have it is
    silent: unknown is not absent.
    """
    found = {symbol: _prices(symbol, venues) for symbol in symbols}
    missing = [symbol for symbol, prices in found.items() if not prices]
    if not missing:
        return found
    if silent := [venue for venue, now in venues.items() if now.tickers is None]:
        raise TransientError(f"no current price of {', '.join(missing)}: {', '.join(silent)} told of none lately")
    raise NotFoundError(f"no price of {', '.join(missing)} on {', '.join(venues) or 'any venue'}")


def _prices(symbol: str, venues: Mapping[str, VenueNow]) -> list[Price]:
    return [
        Price(
            venue=venue,
            time_ms=now.tickers.time_ms,
            ticker=now.tickers.rows[symbol],
            funding=now.funding.rows.get(symbol) if now.funding else None,
        )
        for venue, now in venues.items()
        if now.tickers is not None and symbol in now.tickers.rows
    ]
