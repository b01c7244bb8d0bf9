"""Hold people and addresses to their requests a minute; a Redis that does not answer closes nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from shared.domain.errors import NightdeskError
from shared.runtime.telemetry import start_logging

if TYPE_CHECKING:
    from shared.domain.quotas import Quota
    from shared.people_ports import RequestLimits
    from shared.request_ports import RequestCounter

ANONYMOUS_PER_MINUTE: Final = 60
DEFAULT_PER_MINUTE: Final[int | None] = 120
"""For people whose limit cannot be read."""

QUOTA_HEADERS: Final = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset")
PAUSE_S: Final = 10.0
"""For so long a Redis that did not answer is not asked again: nobody waits for it twice."""

_MAX_REFUSED: Final = 10_000


class LimitedError(NightdeskError):
    """Refuse a request beyond somebody's limit until it is over."""

    def __init__(self, quota: Quota, *, now_ms: int) -> None:
        self.quota = quota
        self.retry_after_s = quota.wait_s(now_ms)
        super().__init__(f"more than {quota.limit} requests a minute: try again in {self.retry_after_s} s")


@dataclass(slots=True)
class Limits:
    """The limits as a warm process keeps them.

    Who has been refused is refused here until the time they were told, and costs Redis nothing. `let_through` counts
    requests nobody counted because Redis did not answer.
    """

    counter: RequestCounter
    people: RequestLimits
    let_through: int = 0
    _refused: dict[str, Quota] = field(default_factory=dict)
    _paused_until_s: float = 0.0

    def take_person(self, user_id: str) -> Quota | None:
        """Return what a person has left; raise `LimitedError`."""
        try:
            per_minute = self.people.per_minute(user_id)
        except NightdeskError as error:
            start_logging("api").error("a person's limit cannot be read", error=str(error))
            per_minute = DEFAULT_PER_MINUTE
        return None if per_minute is None else self.take(f"p:{user_id}", per_minute=per_minute)

    def take(self, who: str, *, per_minute: int) -> Quota | None:
        """Return what somebody has left, None when it is not known; raise `LimitedError` when it is nothing."""
        now_ms = time.time_ns() // 1_000_000
        quota = self._remembered(who, per_minute, now_ms) or self._counted(who, per_minute)
        if quota is None or quota.allowed:
            return quota
        self._remember(who, quota, now_ms)
        raise LimitedError(quota, now_ms=now_ms)

    def _remembered(self, who: str, per_minute: int, now_ms: int) -> Quota | None:
        quota = self._refused.get(who)
        return quota if quota and quota.limit == per_minute and now_ms < quota.reset_ms else None

    def _remember(self, who: str, quota: Quota, now_ms: int) -> None:
        if len(self._refused) >= _MAX_REFUSED:
            self._refused = {each: left for each, left in self._refused.items() if now_ms < left.reset_ms}
        if len(self._refused) < _MAX_REFUSED:
            self._refused[who] = quota

    def _counted(self, who: str, per_minute: int) -> Quota | None:
        if time.monotonic() < self._paused_until_s:
            self.let_through += 1
            return None
        try:
            return self.counter.count(who, per_minute=per_minute)
        except NightdeskError as error:
            self.let_through += 1
            self._paused_until_s = time.monotonic() + PAUSE_S
            start_logging("api").error(
                "requests are not limited", error=str(error), let_through=self.let_through, again_in_s=PAUSE_S
            )
            return None


def address_key(address: str) -> str:
    """Return what an address' requests are counted under: of IPv6 the /64, since one line has all of it."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "a:unknown"
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return f"a:{mapped}" if mapped else f"a:{ip_network((parsed, 64), strict=False).network_address}"
    return f"a:{parsed}"


def quota_headers(quota: Quota, now_ms: int) -> dict[str, str]:
    """Return the headers that tell a caller what is left (RateLimit header fields, IETF draft 7)."""
    values = (quota.limit, quota.remaining, max(-((now_ms - quota.reset_ms) // 1_000), 0))
    return dict(zip(QUOTA_HEADERS, map(str, values), strict=True))
