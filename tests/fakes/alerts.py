"""Alerts in memory; passes the same contract suite as the Supabase adapter."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.domain.alerts import Alert
from tests.fakes.stores import MemoryDatabase


@dataclass(slots=True)
class MemoryAlertStore:
    """The open alerts of a database."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)

    def settle(self, prefixes: Sequence[str], alerts: Sequence[Alert], *, at_ms: int) -> int:
        """Say everything that is wrong now among the keys with one of the prefixes; return how many are open."""
        among = tuple(prefixes)
        others = {k: alert for k, alert in self.database.trading.alerts.items() if not k.startswith(among)}
        wrong = {alert.dedupe_key: alert for alert in alerts if alert.dedupe_key.startswith(among)}
        self.database.trading.alerts = others | wrong
        return len(wrong)
