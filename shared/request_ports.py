"""Counting requests, together with every other instance of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shared.domain.quotas import Quota


class RequestCounter(Protocol):
    """Requests of the last minute, by who made them."""

    def count(self, who: str, *, per_minute: int) -> Quota:
        """Count a request unless there were too many, and return what is left; raise `TransientError`."""
        ...
