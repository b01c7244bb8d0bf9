"""Instruments in Supabase."""

from collections.abc import Sequence
from dataclasses import dataclass

from postgrest import SyncPostgrestClient

from shared.adapters.supabase.client import call
from shared.adapters.supabase.trading_rows import INSTRUMENTS, read, write
from shared.domain.trading.instruments import Instrument


@dataclass(frozen=True, slots=True)
class SupabaseInstrumentStore:
    """Instruments as rows of `instruments`."""

    client: SyncPostgrestClient

    def record(self, instruments: Sequence[Instrument]) -> None:
        """Store instruments, or what is new about them; their trading states stay."""
        call(self.client, "record_instruments", {"p_instruments": write(INSTRUMENTS, [*instruments])})

    def list(self, *, venue: str | None = None, symbol: str | None = None) -> Sequence[Instrument]:
        """Return what is traded at a venue, or of a symbol at every venue, by venue and symbol."""
        found = call(self.client, "get_instruments", {"p_venue": venue, "p_symbol": symbol})
        return read(INSTRUMENTS, found, "no instruments")
