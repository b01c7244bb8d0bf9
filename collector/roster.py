"""The roster: the symbols the collector follows, chosen anew every now and then."""

from collections.abc import Collection

from aws_lambda_powertools import Logger

from shared.domain.errors import InvalidMessageError
from shared.domain.symbols import choose_symbols
from shared.ports import VenueSource


class Roster:
    """The `limit` most traded symbols of a quote currency; both mappings are changed in place and may be held on to."""

    def __init__(self, source: VenueSource, *, quote: str, limit: int, log: Logger) -> None:
        self.venue_ids: dict[str, str] = {}
        """The venue's id of each symbol."""
        self.symbols: dict[str, str] = {}
        """The symbol of each of the venue's ids."""
        self._source = source
        self._quote = quote
        self._limit = limit
        self._log = log

    async def choose(self, *, incumbents: Collection[str]) -> frozenset[str]:
        """Choose the symbols to follow and return the new ones; raise `InvalidMessageError` if there are none."""
        chosen = choose_symbols(
            await self._source.listings(),
            await self._source.quote_volumes(),
            quote=self._quote,
            limit=self._limit,
            incumbents=incumbents,
        )
        if not chosen:
            raise InvalidMessageError("COLLECTOR_QUOTE", f"{self._quote} has no pair to collect")
        newcomers = frozenset(chosen) - frozenset(self.venue_ids)
        leavers = frozenset(self.venue_ids) - frozenset(chosen)
        self._adopt({symbol: listing.venue_id for symbol, listing in chosen.items()})
        self._log.info("symbols chosen", symbols=len(chosen), newcomers=sorted(newcomers), leavers=sorted(leavers))
        return newcomers

    def dismiss(self, symbols: Collection[str]) -> None:
        """Follow these no more."""
        self._adopt({symbol: venue_id for symbol, venue_id in self.venue_ids.items() if symbol not in symbols})

    def _adopt(self, venue_ids: dict[str, str]) -> None:
        self.venue_ids.clear()
        self.venue_ids.update(venue_ids)
        self.symbols.clear()
        self.symbols.update({venue_id: symbol for symbol, venue_id in venue_ids.items()})
