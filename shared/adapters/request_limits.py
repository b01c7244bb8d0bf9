"""How many requests people may make, by their tier."""

from dataclasses import dataclass, field
from typing import Final

from shared.people_ports import Profiles
from shared.ports import Clock

REMEMBERED_MS: Final = 60_000
MAX_REMEMBERED: Final = 10_000


@dataclass(slots=True, kw_only=True)
class TierRequestLimits:
    """The limits of tiers, as they were a minute ago at most; a warm process asks once a minute and person."""

    profiles: Profiles
    wall_clock: Clock
    _known: dict[str, tuple[int, int | None]] = field(default_factory=dict)

    def per_minute(self, user_id: str) -> int | None:
        """Return how many requests a minute somebody may make; None for as many as they like."""
        now_ms = self.wall_clock.now_ms()
        known = self._known.get(user_id)
        if known is not None and now_ms - known[0] < REMEMBERED_MS:
            return known[1]
        per_minute = self.profiles.tier(user_id).requests_per_minute
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[user_id] = now_ms, per_minute
        return per_minute
