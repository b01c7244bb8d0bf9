"""What the monitor reads of Redis and leaves in it: collectors' statuses, alerts that wait for the database.

Each question is one command: a venue's status, all kept alerts.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from shared.adapters.redis_rest import SOURCE, RestRedis, run
from shared.adapters.row_type import RowType
from shared.domain.alerts import Alert
from shared.domain.errors import TransientError
from shared.domain.monitor_facts import CollectorStatus
from shared.domain.timeframe import Timeframe
from shared.monitor_ports import KeptAlert

KEPT_KEY: Final = "alerts:pending"
KEPT_S: Final = 7 * 86_400
_CLOSE: Final = "newest_close:"
_KEPT: Final = RowType(KeptAlert)


@dataclass(frozen=True, slots=True)
class UpstashCollectorReads:
    """Collectors' status hashes, through Upstash's REST interface."""

    redis: RestRedis

    def statuses(self, venues: Sequence[str]) -> Mapping[str, CollectorStatus | None]:
        """Return what each venue's collector has put down last; None where there is nothing."""
        return {venue: _status(_hash(self.redis, f"collector:{venue}", "collector")) for venue in venues}


def _hash(redis: RestRedis, key: str, what: str) -> dict[str, str]:
    found: Any = run(redis, ["HGETALL", key], what)
    if not isinstance(found, dict):
        raise TransientError(f"{what}: expected a hash, got {found!r:.100}", source=SOURCE)
    return found


def _status(found: Mapping[str, str]) -> CollectorStatus | None:
    """Read a status; a timeframe this desk does not know is not looked at."""
    if not found:
        return None
    closes = {name.removeprefix(_CLOSE): int(value) for name, value in found.items() if name.startswith(_CLOSE)}
    return CollectorStatus(
        status=found.get("status", ""),
        newest_close={Timeframe(name): value for name, value in closes.items() if name in {*Timeframe}},
        open_gaps=int(found.get("open_gaps", 0)),
    )


@dataclass(frozen=True, slots=True)
class UpstashPendingAlerts:
    """Kept alerts as one hash, a field each; it vanishes a week after the last was kept."""

    redis: RestRedis

    def keep(self, alerts: Sequence[Alert], *, at_ms: int) -> None:
        """Keep alerts; one that is kept already stays as of when it was found first."""
        for alert in alerts:
            text = _KEPT.adapter.dump_json(KeptAlert(alert=alert, at_ms=at_ms)).decode()
            run(self.redis, ["HSETNX", KEPT_KEY, alert.dedupe_key, text], "kept alerts")
        run(self.redis, ["EXPIRE", KEPT_KEY, KEPT_S], "kept alerts")

    def kept(self) -> Sequence[KeptAlert]:
        """Return what is kept, the oldest first."""
        found = _hash(self.redis, KEPT_KEY, "kept alerts")
        return sorted((_kept(text) for text in found.values()), key=lambda each: (each.at_ms, each.alert.dedupe_key))

    def told(self, kept: Sequence[KeptAlert]) -> None:
        """Remember that the operators have been told of these."""
        fields: list[str] = []
        for each in kept:
            text = _KEPT.adapter.dump_json(KeptAlert(alert=each.alert, at_ms=each.at_ms, is_told=True)).decode()
            fields += [each.alert.dedupe_key, text]
        if fields:
            run(self.redis, ["HSET", KEPT_KEY, *fields], "kept alerts")

    def drop(self, kept: Sequence[KeptAlert]) -> None:
        """Keep these no longer."""
        if kept:
            run(self.redis, ["HDEL", KEPT_KEY, *(each.alert.dedupe_key for each in kept)], "kept alerts")


def _kept(text: str) -> KeptAlert:
    try:
        return _KEPT.read(json.loads(text))
    except (ValueError, ValidationError) as error:
        raise TransientError(f"kept alerts: {error}", source=SOURCE) from error
