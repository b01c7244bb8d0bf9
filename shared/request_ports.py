"""Counting requests, together with every other instance of the API."""

from typing import Protocol

from shared.domain.quotas import Quota


class RequestCounter(Protocol):
    """Requests of the last minute, by who made them."""

    def count(self, who: str, *, per_minute: int) -> Quota:
        """Count a request unless there were too many, and return what is left; raise `TransientError`."""
        ...
