"""Leave an audit event of every request that asks for a change, also of those that were refused.

Written before the answer goes out, since Lambda freezes a process once it has answered. See docs/adr/0099.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from shared.domain.audit import ActorKind, AuditEvent, AuditOutcome
from shared.domain.errors import NightdeskError
from shared.domain.signing import SIGNATURE_HEADER
from shared.runtime.redaction import redact
from shared.runtime.telemetry import start_logging

if TYPE_CHECKING:
    from shared.people_ports import AuditLog
    from shared.runtime.visits import Visit

ANONYMOUS: Final = "anonymous"
STRANGERS_PER_MINUTE: Final = 60
"""So many refusals of callers nobody knows are kept a minute by each process; the rest are counted, and logged."""

_MAX_TARGET_CHARS: Final = 300
_MAX_DETAIL_CHARS: Final = 500


@dataclass(slots=True)
class Strangers:
    """How many refusals of unknown callers are kept: a flood of them must not become a flood of rows."""

    kept: int = 0
    passed_over: int = 0
    _minute: int = 0

    def keeps(self) -> bool:
        """Tell whether one more is kept, and count it either way."""
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self.kept = minute, 0
        kept = self.kept < STRANGERS_PER_MINUTE
        self.kept, self.passed_over = self.kept + kept, self.passed_over + (not kept)
        return kept

    def told(self) -> int:
        """Return how many were not kept since this was asked last."""
        passed_over, self.passed_over = self.passed_over, 0
        return passed_over


@dataclass(slots=True)
class AuditTrail:
    """The trail as a warm process writes it; `lost` counts events that could not be stored."""

    log: Callable[[], AuditLog]
    strangers: Strangers = field(default_factory=Strangers)
    lost: int = 0

    def leave(self, event: AuditEvent) -> None:
        """Store an event; where that cannot be, log it whole: what was asked for has had its outcome already."""
        if event.actor == ANONYMOUS:
            if not self.strangers.keeps():
                return
            if passed_over := self.strangers.told():
                event = replace(event, details={**event.details, "not_kept_before": passed_over})
        self._append([event])

    def _append(self, events: Sequence[AuditEvent]) -> None:
        try:
            self.log().append(events)
        except NightdeskError as error:
            self.lost += len(events)
            start_logging("api").error(
                "audit events were not stored",
                error=str(error),
                lost=self.lost,
                events=[asdict(event) for event in events],
            )


def event_of(visit: Visit, *, status: int, request_id: str, took_ms: float, detail: str | None) -> AuditEvent:
    """Describe what became of a request; `detail` is what a refused caller was told."""
    actor, kind = _actor(visit)
    details: dict[str, object] = {"took_ms": took_ms}
    if detail:
        details["detail"] = detail[:_MAX_DETAIL_CHARS]
    return AuditEvent(
        at_ms=time.time_ns() // 1_000_000,
        actor=actor,
        actor_kind=kind,
        action=f"{visit.method} {visit.route.template if visit.route else 'unknown'}",
        target=redact(" ".join(f"{name}={value}" for name, value in visit.named.items()))[:_MAX_TARGET_CHARS],
        outcome=outcome_of(status),
        status=status,
        request_id=request_id,
        correlation_id=request_id,
        address=visit.address,
        details=details,
    )


def event_of_machine(request: Mapping[str, Any], answer: Mapping[str, Any], *, request_id: str) -> AuditEvent | None:
    """Describe a call of a function's address that is worth keeping: who was refused, and what operators asked for.

    The collector's signed announcements and the clock's calls are the desk's own pulse, and leave none.
    """
    status, context = int(answer["statusCode"]), request.get("requestContext", {})
    known, refusal = status != 401, json.loads(answer["body"]) if status >= 400 else {}
    names = {name.lower() for name in request.get("headers") or ()}
    if known and (SIGNATURE_HEADER in names or (status < 400 and _is_the_clocks(request.get("body")))):
        return None
    return AuditEvent(
        at_ms=time.time_ns() // 1_000_000,
        actor="operator" if known else ANONYMOUS,
        actor_kind=ActorKind.MACHINE,
        action=str(request.get("routeKey", "POST unknown")),
        outcome=outcome_of(status),
        status=status,
        request_id=request_id,
        correlation_id=request_id,
        address=context.get("http", {}).get("sourceIp"),
        details={"detail": str(refusal["detail"])[:_MAX_DETAIL_CHARS]} if refusal else {},
    )


def _is_the_clocks(body: Any) -> bool:
    """Tell whether a body says no more than that it is time (`trigger`), or for what (`task`)."""
    try:
        return set(json.loads(body or "")) <= {"trigger", "task"}
    except (TypeError, ValueError, RecursionError):
        return False


def outcome_of(status: int) -> AuditOutcome:
    """Return what a status says: below 400 done, below 500 refused, and failed."""
    if status < 400:
        return AuditOutcome.OK
    return AuditOutcome.REFUSED if status < 500 else AuditOutcome.FAILED


def _actor(visit: Visit) -> tuple[str, ActorKind]:
    if visit.is_machine:
        return "operator", ActorKind.MACHINE
    return visit.user.user_id if visit.user else ANONYMOUS, ActorKind.PERSON
