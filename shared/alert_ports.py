"""What is wrong, and who is told."""

from collections.abc import Sequence
from typing import Protocol

from shared.domain.alerts import Alert


class AlertStore(Protocol):
    """Alerts, one open row for each thing that is wrong."""

    def settle(self, prefixes: Sequence[str], alerts: Sequence[Alert], *, at_ms: int) -> int:
        """Say everything that is wrong now among the keys with one of the prefixes, as of `at_ms` (market time).

        What is new opens, what is known is counted, what is no longer wrong resolves. Return how many are open.
        """
        ...
