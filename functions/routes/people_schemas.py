"""What the API says of people: what they may do, how much of it, and what of that is used."""

from pydantic import Field

from functions.routes.schemas import EXAMPLE_ID, EXAMPLE_TIME, Schema
from shared.domain.people import Person, PersonRole, PersonStanding, Tier
from shared.domain.timeframe import Timeframe


class TierOut(Schema):
    """How much of the desk a person has; a limit that is null is none."""

    tier: str = Field(description="Its name.", examples=["free"])
    max_traders: int | None = Field(description="Enabled traders.", examples=[10])
    timeframes: list[Timeframe] = Field(description="Timeframes of traders.", examples=[["5m", "1h"]])
    max_books: int | None = Field(description="Books.", examples=[2])
    max_channels: int | None = Field(description="Notification channels.", examples=[2])
    notifications_per_day: int | None = Field(description="Notifications of a UTC day.", examples=[50])
    requests_per_minute: int | None = Field(description="Requests to this API.", examples=[120])
    paper: bool = Field(description="Whether positions are entered on paper.", examples=[True])
    live: bool = Field(description="Whether positions are entered live.", examples=[False])

    @classmethod
    def of(cls, tier: Tier) -> "TierOut":
        """Describe a tier, its timeframes from the shortest on."""
        timeframes = [each for each in Timeframe if each in tier.timeframes]
        names = cls.model_fields.keys() - {"timeframes"}
        return cls(timeframes=timeframes, **{name: getattr(tier, name) for name in names})


class UsedOut(Schema):
    """What a person has of what their tier counts."""

    traders: int = Field(description="Enabled traders.", examples=[12])
    traders_beyond: int = Field(description="Those of them beyond the tier: they are not evaluated.", examples=[2])
    books: int = Field(description="Books.", examples=[1])
    channels: int = Field(description="Notification channels.", examples=[1])
    notifications: int = Field(description="Notifications of this UTC day.", examples=[7])


class MeOut(Schema):
    """You: what you may do, how much of it, and what of that is used."""

    user_id: str = Field(description="Your id.", examples=[EXAMPLE_ID])
    role: PersonRole = Field(description="`viewer` reads only.", examples=["trader"])
    tier: TierOut = Field(description="Your tier with its limits.")
    used: UsedOut = Field(description="What of it is used.")

    @classmethod
    def of(cls, user_id: str, standing: PersonStanding) -> "MeOut":
        """Describe a person to themselves."""
        used = UsedOut(**{name: getattr(standing.used, name) for name in UsedOut.model_fields})
        return cls(user_id=user_id, role=standing.role, tier=TierOut.of(standing.tier), used=used)


class PersonOut(Schema):
    """Somebody with an account."""

    user_id: str = Field(description="Their id.", examples=[EXAMPLE_ID])
    display_name: str = Field(description="What they call themselves.", examples=["Ada"])
    role: PersonRole = Field(description="What they may do.", examples=["trader"])
    tier: str = Field(description="How much of it.", examples=["free"])
    created_at_ms: int = Field(description="When they came (epoch ms).", examples=[EXAMPLE_TIME])
    updated_at_ms: int = Field(description="When this last changed (epoch ms).", examples=[EXAMPLE_TIME])

    @classmethod
    def of(cls, person: Person) -> "PersonOut":
        """Describe a person."""
        return cls(**{name: getattr(person, name) for name in cls.model_fields})


class PersonPage(Schema):
    """People by id."""

    items: list[PersonOut] = Field(description="The people.")
    next: str | None = Field(description="Pass as `after` for the next page; null on the last.", examples=[EXAMPLE_ID])


class PersonPatch(Schema):
    """What of a person to change; what is absent stays."""

    role: PersonRole | None = Field(None, description="Their new role.", examples=["viewer"])
    tier: str | None = Field(None, pattern="^[a-z_]{1,32}$", description="Their new tier.", examples=["pro"])
