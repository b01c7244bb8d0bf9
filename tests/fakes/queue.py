"""A queue that keeps what it was sent."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.domain.errors import TransientError


@dataclass(slots=True)
class MemoryQueue:
    """Messages in the order they were sent; `broken` makes it refuse them."""

    bodies: list[str] = field(default_factory=list)
    delays_s: list[int] = field(default_factory=list)
    broken: bool = False

    def send(self, bodies: Sequence[str], *, delay_s: int = 0) -> None:
        """Keep the bodies, all or none, and for how long each was to be held back."""
        if self.broken:
            raise TransientError("the queue is down")
        self.bodies.extend(bodies)
        self.delays_s.extend([delay_s] * len(bodies))
