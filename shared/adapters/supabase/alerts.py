"""Alerts in Supabase."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from postgrest import SyncPostgrestClient
from pydantic import TypeAdapter

from shared.adapters.supabase.client import call
from shared.domain.alerts import Alert

_ALERTS: Final = TypeAdapter(list[Alert])


@dataclass(frozen=True, slots=True)
class SupabaseAlertStore:
    """Alerts as rows of `alerts`, settled by one SQL function that is safe to repeat."""

    client: SyncPostgrestClient

    def settle(self, prefixes: Sequence[str], alerts: Sequence[Alert], *, at_ms: int) -> int:
        """Say everything that is wrong now among the keys with one of the prefixes; return how many are open."""
        wrong = _ALERTS.dump_python([*alerts], mode="json")
        said = {"p_prefixes": [*prefixes], "p_alerts": wrong, "p_at_ms": at_ms}
        return int(call(self.client, "settle_alerts", said))
