"""People: what they may do at the desk (roles), and how much of it (tiers)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.domain.timeframe import Timeframe
from shared.domain.trading.terms import TraderMode


class PersonRole(StrEnum):
    """A viewer reads, a trader minds their own books, an operator the desk too, an admin both and the people."""

    VIEWER = "viewer"
    TRADER = "trader"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def operates(self) -> bool:
        """Tell whether the desk's own state and books are theirs to change."""
        return self in (PersonRole.OPERATOR, PersonRole.ADMIN)

    @property
    def writes(self) -> bool:
        """Tell whether anything is theirs to change."""
        return self is not PersonRole.VIEWER


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """How much of the desk a person has; a limit that is None is none. `max_traders` counts enabled ones."""

    tier: str
    max_traders: int | None
    timeframes: frozenset[Timeframe]
    max_books: int | None
    max_channels: int | None
    notifications_per_day: int | None
    requests_per_minute: int | None
    paper: bool
    live: bool

    def trades(self, mode: str) -> bool:
        """Tell whether positions may be entered in a mode; signals alone may always be had."""
        return {TraderMode.SIGNALS.value: True, "paper": self.paper, "live": self.live}[mode]


_FREE: Final = frozenset(Timeframe) - {Timeframe.M1, Timeframe.M3}
_EVERY: Final = frozenset(Timeframe)
TIERS: Final[Mapping[str, Tier]] = {
    each.tier: each
    for each in (
        Tier(
            tier="anonymous", max_traders=0, timeframes=frozenset(), max_books=0, max_channels=0,
            notifications_per_day=0, requests_per_minute=30, paper=False, live=False,
        ),
        Tier(
            tier="free", max_traders=10, timeframes=_FREE, max_books=2, max_channels=2,
            notifications_per_day=50, requests_per_minute=120, paper=True, live=False,
        ),
        Tier(
            tier="pro", max_traders=100, timeframes=_EVERY, max_books=10, max_channels=10,
            notifications_per_day=1_000, requests_per_minute=600, paper=True, live=True,
        ),
        Tier(
            tier="elite", max_traders=None, timeframes=_EVERY, max_books=None, max_channels=None,
            notifications_per_day=None, requests_per_minute=3_000, paper=True, live=True,
        ),
    )
}  # fmt: skip
"""What a new desk begins with; the rows of `tiers` are what counts."""

ANONYMOUS: Final = "anonymous"
"""The tier of somebody without a profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with an account; times are the database's (epoch ms)."""

    user_id: str
    display_name: str
    role: PersonRole
    tier: str
    created_at_ms: int
    updated_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a person has of what their tier counts: `traders_beyond` of `traders` are more than the tier has."""

    traders: int
    traders_beyond: int
    books: int
    channels: int
    notifications: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonStanding:
    """What a person may do, how much of it, and what of that is used."""

    role: PersonRole
    tier: Tier
    used: Used
