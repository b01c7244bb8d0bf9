"""How many requests people may make."""

from dataclasses import dataclass
from typing import Final

PER_MINUTE: Final = 120


@dataclass(frozen=True, slots=True)
class EverybodysLimit:
    """The same for everybody."""

    requests: int = PER_MINUTE

    def per_minute(self, user_id: str) -> int | None:  # noqa: ARG002 - the same for everybody
        """Return how many requests a minute somebody may make."""
        return self.requests
