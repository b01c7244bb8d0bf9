"""Alerts in memory; passes the same contract suite as the Supabase adapter."""

import builtins
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.domain.alerts import COOL_DOWN_MS, Alert, AlertState, Settled, Severity, StoredAlert
from shared.domain.errors import ConflictError, NotFoundError
from tests.fakes.stores import MemoryDatabase
from tests.fakes.telling_tables import AlertRow, OutboxRow

Changes = dict[str, list[str]]


@dataclass(slots=True)
class MemoryAlertStore:
    """The alerts of a database, as a person sees them, or all of them."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    user_id: str | None = None
    cool_down_ms: int = COOL_DOWN_MS

    def settle(self, prefixes: Sequence[str], alerts: Sequence[Alert], *, at_ms: int) -> Settled:
        """Say everything that is wrong now among the keys with one of the prefixes; return what that has changed."""
        among = tuple(prefixes)
        wrong = {alert.dedupe_key: alert for alert in alerts if alert.dedupe_key.startswith(among)}
        changes: Changes = {"opened": [], "raised": [], "resolved": [], "told": []}
        for key in sorted(wrong):
            self._find(wrong[key], changes, at_ms)
        for row in self._rows():
            key = row.alert.dedupe_key
            if row.state is not AlertState.RESOLVED and key.startswith(among) and key not in wrong:
                row.state, row.resolved_at_ms = AlertState.RESOLVED, max(at_ms, row.last_at_ms)
                changes["resolved"].append(key)
                if not row.is_quiet:
                    changes["told"].append(self._tell("alert_resolved", row))
        others = {k: alert for k, alert in self.database.trading.alerts.items() if not k.startswith(among)}
        self.database.trading.alerts = others | wrong
        return Settled(open=len(wrong), **{name: tuple(each) for name, each in changes.items()})

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
        found = [
            row
            for row in self._rows()
            if self._sees(row)
            and (states is None or row.state in states)
            and (min_severity is None or row.alert.severity.rank >= min_severity.rank)
            and (book_id is None or row.alert.book_id == book_id)
            and (before is None or (row.last_at_ms, row.alert_id) < before)
        ]
        return [_stored(row) for row in sorted(found, key=lambda row: (row.last_at_ms, row.alert_id))[::-1][:limit]]

    def get(self, alert_id: str) -> StoredAlert:
        """Return one alert; raise `NotFoundError`."""
        return _stored(self._row(alert_id))

    def acknowledge(self, alert_id: str, *, actor: str, at_ms: int) -> StoredAlert:
        """Say that somebody looks after an alert; who said so first stays."""
        row = self._row(alert_id)
        if row.state is AlertState.RESOLVED:
            raise ConflictError("the alert is resolved: there is nothing to look after")
        if row.state is AlertState.OPEN:
            row.state, row.acknowledged_by, row.acknowledged_at_ms = AlertState.ACKNOWLEDGED, actor, at_ms
        return _stored(row)

    def _rows(self) -> "builtins.list[AlertRow]":
        return self.database.telling.alerts

    def _row(self, alert_id: str) -> AlertRow:
        found = [row for row in self._rows() if row.alert_id == alert_id and self._sees(row)]
        if not found:
            raise NotFoundError(f"no alert {alert_id!r}")
        return found[0]

    def _sees(self, row: AlertRow) -> bool:
        if self.user_id is None or row.alert.person_id == self.user_id:
            return True
        book = self.database.trading.books.get(row.alert.book_id or "")
        return book is not None and book.owner_id in {None, self.user_id}

    def _find(self, alert: Alert, changes: Changes, at_ms: int) -> None:
        same = [row for row in self._rows() if row.alert.dedupe_key == alert.dedupe_key]
        row = next((row for row in same if row.state is not AlertState.RESOLVED), None)
        if row is None:
            recent = [row for row in same if (row.resolved_at_ms or 0) > at_ms - self.cool_down_ms]
            row = max(recent, key=lambda row: row.resolved_at_ms or 0, default=None)
            if row is not None:
                row.state, row.resolved_at_ms, row.is_quiet = AlertState.OPEN, None, True
                row.reopened, row.opened_at_ms = row.reopened + 1, at_ms
                row.acknowledged_by = row.acknowledged_at_ms = None
        if row is None:
            row = AlertRow(alert=alert, first_at_ms=at_ms, opened_at_ms=at_ms, last_at_ms=at_ms)
            self._rows().append(row)
        else:
            row.seen += row.last_at_ms < at_ms
            row.alert, row.last_at_ms = alert, max(row.last_at_ms, at_ms)
        is_new = row.told is None or (row.is_quiet and at_ms - row.opened_at_ms >= self.cool_down_ms)
        if is_new or (row.told is not None and alert.severity.rank > row.told.rank):
            opens = is_new or row.is_quiet
            changes["told"].append(self._tell("alert_opened" if opens else "alert_risen", row))
            changes["opened" if opens else "raised"].append(alert.dedupe_key)
            row.told, row.is_quiet = alert.severity, False

    def _tell(self, kind: str, row: AlertRow) -> str:
        alert, now_ms = row.alert, self.database.clock.now_ms()
        book = self.database.trading.books.get(alert.book_id or "")
        data: dict[str, object] = {
            "alert_id": row.alert_id, "dedupe_key": alert.dedupe_key, "kind": alert.kind,
            "severity": alert.severity.value, "sentence": alert.sentence, "details": dict(alert.details),
            "first_at_ms": row.first_at_ms, "opened_at_ms": row.opened_at_ms, "reopened": row.reopened,
            "last_at_ms": row.last_at_ms, "resolved_at_ms": row.resolved_at_ms, "seen": row.seen,
        }  # fmt: skip
        person = alert.person_id or (book.owner_id if book else None)
        row_of_outbox = OutboxRow(
            kind=kind, severity=alert.severity, person_id=person, to_desk=alert.person_id is None,
            subject=f"alert:{alert.dedupe_key}", data=data, created_at_ms=now_ms, due_at_ms=now_ms,
        )  # fmt: skip
        return self.database.telling.tell(row_of_outbox)


def _stored(row: AlertRow) -> StoredAlert:
    return StoredAlert(
        alert_id=row.alert_id, alert=row.alert, state=row.state, seen=row.seen, reopened=row.reopened,
        first_at_ms=row.first_at_ms, opened_at_ms=row.opened_at_ms, last_at_ms=row.last_at_ms,
        resolved_at_ms=row.resolved_at_ms, acknowledged_by=row.acknowledged_by,
        acknowledged_at_ms=row.acknowledged_at_ms,
    )  # fmt: skip
