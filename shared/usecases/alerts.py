"""Have people told of alerts at once, and say that somebody looks after one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.domain.errors import ForbiddenError, TransientError
from shared.notification_messages import NotificationDue

if TYPE_CHECKING:
    from shared.alert_ports import AlertStore
    from shared.book_ports import BookStore
    from shared.domain.alerts import Alert, AlertState, Settled, Severity, StoredAlert
    from shared.ports import Clock, Queue
    from shared.usecases.books import Caller

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedAlerts:
    """An alert store that wakes notify when somebody is to be told."""

    store: AlertStore
    queue: Queue

    def settle(self, prefixes: Sequence[str], alerts: Sequence[Alert], *, at_ms: int) -> Settled:
        """Say everything that is wrong now among the keys with one of the prefixes, and have people told."""
        settled = self.store.settle(prefixes, alerts, at_ms=at_ms)
        announce_outbox(settled.told, queue=self.queue)
        return settled

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
        return self.store.list(limit=limit, states=states, min_severity=min_severity, book_id=book_id, before=before)

    def get(self, alert_id: str) -> StoredAlert:
        """Return one alert; raise `NotFoundError`."""
        return self.store.get(alert_id)

    def acknowledge(self, alert_id: str, *, actor: str, at_ms: int) -> StoredAlert:
        """Say that somebody looks after an alert; who said so first stays."""
        return self.store.acknowledge(alert_id, actor=actor, at_ms=at_ms)


def announce_outbox(outbox_ids: Sequence[str], *, queue: Queue) -> None:
    """Wake notify, once however much is waiting: whoever is woken sends all of it.

    The rows are stored: when the queue does not take the message, the sweep of notify finds them.
    """
    if not outbox_ids:
        return
    try:
        queue.send([NotificationDue(outbox_id=outbox_ids[0]).model_dump_json()])
    except TransientError as error:
        logger.warning("%d messages to people are left to the sweep: %s", len(outbox_ids), error)


def acknowledge_alert(
    alert_id: str, *, caller: Caller, seen: AlertStore, alerts: AlertStore, books: BookStore, clock: Clock
) -> StoredAlert:
    """Say that the caller looks after an alert: an operator after any, a person after their own.

    Raise `NotFoundError` for one that is not to be seen, `ForbiddenError` for one of the desk's.
    """
    alert = seen.get(alert_id).alert
    own = alert.person_id is not None and alert.person_id == caller.user_id
    if alert.book_id is not None:
        own = own or caller.may_change(books.get(alert.book_id))
    if not own and not caller.operates:
        raise ForbiddenError("only operators look after alerts of the desk")
    return alerts.acknowledge(alert_id, actor=caller.actor, at_ms=clock.now_ms())
