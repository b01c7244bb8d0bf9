"""Trading states in Supabase."""

from dataclasses import dataclass

from postgrest import SyncPostgrestClient

from shared.adapters.supabase.client import call
from shared.domain.errors import NightdeskError, NotFoundError, TransientError
from shared.domain.trading.states import TradingState


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
