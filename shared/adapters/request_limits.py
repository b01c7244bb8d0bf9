"""How many requests people may make, by their tier."""

from dataclasses import InitVar, dataclass, field
from typing import Final

from shared.people_ports import Profiles
from shared.ports import Clock
from shared.remembering import Remembered

REMEMBERED_MS: Final = 60_000


@dataclass(slots=True, kw_only=True)
class TierRequestLimits:
    """The limits of tiers, as they were a minute ago at most; a warm process asks once a minute and person."""

    profiles: Profiles
    wall_clock: InitVar[Clock]
    _known: Remembered[str, int | None] = field(init=False)

    def __post_init__(self, wall_clock: Clock) -> None:
        self._known = Remembered(life_ms=REMEMBERED_MS, wall_clock=wall_clock)

    def per_minute(self, user_id: str) -> int | None:
        """Return how many requests a minute somebody may make; None for as many as they like."""
        return self._known.of(user_id, lambda: self.profiles.tier(user_id).requests_per_minute)
