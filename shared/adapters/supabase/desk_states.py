"""Trading states in Supabase."""

from collections.abc import Sequence
from dataclasses import dataclass

from postgrest import SyncPostgrestClient

from shared.adapters.supabase.client import call
from shared.adapters.supabase.trading_rows import STATE_ENTRIES, STATE_ENTRY, read
from shared.domain.errors import NightdeskError, NotFoundError, TransientError
from shared.domain.trading.states import Scope, StateEntry, TradingState


@dataclass(frozen=True, slots=True)
class SupabaseDeskStates:
    """Trading states as columns of what they are about; the desk's own is the row of `desk_state`."""

    client: SyncPostgrestClient

    def read(self) -> TradingState:
        """Return the desk's own state; `halted` when it cannot be read for any reason but a `TransientError`."""
        try:
            return TradingState(call(self.client, "trading_state", {}))
        except TransientError:
            raise
        except (NightdeskError, ValueError):
            return TradingState.HALTED

    def set(self, scope: str, key: str, state: TradingState, *, actor: str, reason: str) -> TradingState:
        """Set a state and return what the database reads back; raise `NotFoundError`."""
        values = {"p_scope": scope, "p_key": key, "p_state": state.value, "p_actor": actor, "p_reason": reason}
        stored = call(self.client, "set_trading_state", values)
        if stored is None:
            raise NotFoundError(f"no {scope} {key!r}")
        return TradingState(stored)

    def entry(self, scope: Scope, key: str) -> StateEntry:
        """Return a state with who set it, when and why; raise `NotFoundError`."""
        found = call(self.client, "state_entry", {"p_scope": scope.value, "p_key": key})
        return read(STATE_ENTRY, found, f"no {scope} {key!r}")

    def restrained(self) -> Sequence[StateEntry]:
        """Return every book, venue, symbol and trader that is not active, by scope and key."""
        return read(STATE_ENTRIES, call(self.client, "restrained", {}), "no states")
