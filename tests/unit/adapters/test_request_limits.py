"""How many requests somebody may make is asked once a minute."""

from dataclasses import dataclass, replace

from shared.adapters.request_limits import REMEMBERED_MS, TierRequestLimits
from shared.domain.people import TIERS, Tier
from tests.fakes.clock import ManualClock
from tests.fakes.people import MemoryProfiles


@dataclass
class CountedProfiles(MemoryProfiles):
    """Everybody is of one tier; counts how often it is asked for."""

    given: Tier = TIERS["free"]
    asked: int = 0

    def tier(self, user_id: str) -> Tier:
        """Return the tier."""
        self.asked += 1
        return self.given


def test_a_tiers_limit_is_remembered_for_a_minute() -> None:
    profiles, clock = CountedProfiles(), ManualClock()
    limits = TierRequestLimits(profiles=profiles, wall_clock=clock)
    assert [limits.per_minute("p"), limits.per_minute("p"), limits.per_minute("q")] == [120] * 3
    assert profiles.asked == 2
    profiles.given = replace(TIERS["elite"], requests_per_minute=None)
    assert limits.per_minute("p") == 120
    clock.advance(REMEMBERED_MS)
    assert limits.per_minute("p") is None
    assert profiles.asked == 3
