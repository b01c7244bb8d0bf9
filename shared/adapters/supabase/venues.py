"""Venues in Supabase."""

from collections.abc import Sequence
from dataclasses import dataclass

from postgrest import SyncPostgrestClient

from shared.adapters.supabase.client import PAGE, Query, Row, every_row
from shared.domain.timeframe import Timeframe
from shared.domain.venues import Venue


@dataclass(frozen=True, slots=True)
class SupabaseVenueStore:
    """Venues as rows of `venues`."""

    client: SyncPostgrestClient

    def enabled(self) -> Sequence[Venue]:
        """Return the venues that are switched on."""
        return [
            Venue(
                venue=row["venue"],
                timeframes=tuple(Timeframe(timeframe) for timeframe in row["timeframes"]),
                log_depth=row["log_depth"],
            )
            for row in every_row(self._page)
        ]

    def _page(self, last: Row | None) -> Query:
        query = self.client.from_("venues").select("venue,timeframes,log_depth").eq("enabled", "true")
        query = query.order("venue").limit(PAGE)
        return query if last is None else query.gt("venue", last["venue"])
