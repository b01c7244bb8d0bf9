"""Alerts in Supabase."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from postgrest import SyncPostgrestClient

from shared.adapters.row_type import RowType
from shared.adapters.supabase.client import call
from shared.domain.alerts import COOL_DOWN_MS, Alert, AlertState, Settled, Severity, StoredAlert
from shared.domain.errors import NotFoundError

_ALERTS: Final = RowType(list[Alert])
_SETTLED: Final = RowType(Settled)


@dataclass(frozen=True, slots=True)
class SupabaseAlertStore:
    """Alerts as rows of `alerts`, settled by one SQL function that is safe to repeat."""

    client: SyncPostgrestClient
    cool_down_ms: int = COOL_DOWN_MS

    def settle(self, prefixes: Sequence[str], alerts: Sequence[Alert], *, at_ms: int) -> Settled:
        """Say everything that is wrong now among the keys with one of the prefixes; return what that has changed."""
        said = {
            "p_prefixes": [*prefixes],
            "p_alerts": _ALERTS.write([*alerts]),
            "p_at_ms": at_ms,
            "p_cool_down_ms": self.cool_down_ms,
        }
        return _SETTLED.read(call(self.client, "settle_alerts", said))

    def list(
        self,
        *,
        limit: int,
        states: Sequence[AlertState] | None = None,
        min_severity: Severity | None = None,
        book_id: str | None = None,
        before: tuple[int, str] | None = None,
    ) -> Sequence[StoredAlert]:
        """Return alerts by (last_at_ms, alert_id) descending, those before a cursor of the same pair."""
        asked = {
            "p_limit": limit,
            "p_states": None if states is None else [state.value for state in states],
            "p_min_severity": min_severity and min_severity.value,
            "p_book_id": book_id,
            "p_before_ms": before and before[0],
            "p_before_id": before and before[1],
        }
        return [_stored(row) for row in call(self.client, "list_alerts", asked)]

    def get(self, alert_id: str) -> StoredAlert:
        """Return one alert; raise `NotFoundError`."""
        return _found(call(self.client, "get_alert", {"p_alert_id": alert_id}), alert_id)

    def acknowledge(self, alert_id: str, *, actor: str, at_ms: int) -> StoredAlert:
        """Say that somebody looks after an alert; who said so first stays."""
        said = {"p_alert_id": alert_id, "p_actor": actor, "p_at_ms": at_ms}
        return _found(call(self.client, "acknowledge_alert", said), alert_id)


def _found(row: dict[str, Any] | None, alert_id: str) -> StoredAlert:
    if row is None:
        raise NotFoundError(f"no alert {alert_id!r}")
    return _stored(row)


def _stored(row: dict[str, Any]) -> StoredAlert:
    alert = Alert(
        dedupe_key=row["dedupe_key"],
        kind=row["kind"],
        severity=Severity(row["severity"]),
        sentence=row["sentence"],
        book_id=row["book_id"],
        details=row["details"],
        person_id=row["person_id"],
    )
    names = ("alert_id", "seen", "reopened", "first_at_ms", "opened_at_ms", "last_at_ms", "resolved_at_ms")
    more = ("acknowledged_by", "acknowledged_at_ms")
    return StoredAlert(alert=alert, state=AlertState(row["state"]), **{name: row[name] for name in (*names, *more)})
