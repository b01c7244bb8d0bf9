"""A queue that keeps what it was sent."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.domain.errors import TransientError


@dataclass(slots=True)
class MemoryQueue:
    """Messages in the order they were sent; `broken` makes it refuse them."""

    bodies: list[str] = field(default_factory=list)
    broken: bool = False

    def send(self, bodies: Sequence[str]) -> None:
        """Keep the bodies, all or none."""
        if self.broken:
            raise TransientError("the queue is down")
        self.bodies.extend(bodies)
