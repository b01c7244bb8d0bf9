"""The messages that cross the desk as JSON, and the answers functions give; those of trading are beside them."""

from typing import Annotated, Final, Literal, Self
from uuid import uuid4

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    TypeAdapter,
    ValidationInfo,
    field_validator,
)

from shared.domain.agents import Memory
from shared.domain.runs import ClosedBoundary, Shard
from shared.domain.timeframe import Timeframe

READ_LATE: Final = ConfigDict(defer_build=True)
"""Of what reads messages: it is made when the first one comes, since whoever imports one imports all."""

VenueName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,31}$")]
CorrelationId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
EpochMs = Annotated[int, Field(strict=True, ge=0, lt=10**14)]
AssetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.\-]{1,32}$")]
Uuid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


def new_id() -> str:
    """Return a fresh identifier, usable as a correlation or event id."""
    return uuid4().hex


def _is_boundary(close_time: int, info: ValidationInfo) -> int:
    timeframe = info.data.get("timeframe")
    if timeframe is not None and not timeframe.is_boundary(close_time):
        raise ValueError(f"{close_time} is no boundary of {timeframe}")
    return close_time


class Message(BaseModel):
    """A message nobody changes after it was read; unknown fields are refused, so that a typo is not ignored.

    Its validator is built when the first one is made or read: a function imports many kinds, and reads a few.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class BoundaryClosed(Message):
    """The collector's announcement that every candle of a boundary is in the log."""

    venue: VenueName
    timeframe: Timeframe
    close_time: EpochMs
    correlation_id: CorrelationId = Field(default_factory=new_id)

    _on_the_grid = field_validator("close_time")(_is_boundary)

    @property
    def boundary(self) -> ClosedBoundary:
        """Return the boundary announced."""
        return ClosedBoundary(venue=self.venue, timeframe=self.timeframe, close_time=self.close_time)


class CronTick(Message):
    """The clock's call: repair whatever the announcements missed."""

    trigger: Literal["cron"]


class ShardDue(Message):
    """One shard of traders is to be evaluated at one boundary."""

    schema_version: Literal[1] = 1
    event_id: CorrelationId = Field(default_factory=new_id)
    venue: VenueName
    timeframe: Timeframe
    close_time: EpochMs
    shard: int = Field(ge=0)
    shards: int = Field(ge=1, le=10_000)
    correlation_id: CorrelationId

    _on_the_grid = field_validator("close_time")(_is_boundary)

    @field_validator("shards")
    @classmethod
    def _has_the_shard(cls, shards: int, info: ValidationInfo) -> int:
        if shards <= info.data.get("shard", 0):
            raise ValueError(f"expected more than shard ({info.data['shard']}), got {shards}")
        return shards

    @classmethod
    def of(cls, shard: Shard, correlation_id: str) -> Self:
        """Make the message that starts a run."""
        boundary = shard.boundary
        return cls(
            venue=boundary.venue,
            timeframe=boundary.timeframe,
            close_time=boundary.close_time,
            shard=shard.shard,
            shards=shard.shards,
            correlation_id=correlation_id,
        )

    @property
    def run(self) -> Shard:
        """Return the identity of the run."""
        boundary = ClosedBoundary(venue=self.venue, timeframe=self.timeframe, close_time=self.close_time)
        return Shard(boundary=boundary, shard=self.shard, shards=self.shards)


class RunTrader(Message):
    """Evaluate one trader now, on its last closed candle."""

    trader_id: Uuid
    correlation_id: CorrelationId = Field(default_factory=new_id)


class IntentRaised(Message):
    """An intent waits for a decision."""

    schema_version: Literal[1] = 1
    event_id: CorrelationId = Field(default_factory=new_id)
    intent_id: Uuid
    correlation_id: CorrelationId


class Skipped(Message):
    """Nothing was done, and why."""

    skipped: str


class Triggered(Message):
    """What an announcement led to: `claimed` is False when somebody had claimed the boundary before."""

    venue: str
    timeframe: Timeframe
    close_time: int
    claimed: bool
    shards: int
    correlation_id: str


class Swept(Message):
    """What a sweep repaired, and the boundaries it could not because their candles are not in the log."""

    claimed: list[Triggered]
    redispatched: int
    missing: list[BoundaryClosed]


class ShardResult(Message):
    """What evaluating a shard, or one trader, did; `skipped` says why nothing had to be done."""

    venue: str
    timeframe: Timeframe
    close_time: int
    skipped: str | None = None
    traders: int = 0
    evaluations: int = 0
    insufficient: int = 0
    signals: int = 0
    signals_duplicate: int = 0
    errors: dict[str, str] = Field(default_factory=dict)
    duration_ms: float = 0.0
    correlation_id: str

    def memories(self) -> list[Memory]:
        """Return that signals were given, and which traders could not be evaluated."""
        given = {
            "venue": self.venue,
            "timeframe": self.timeframe.value,
            "close_time": self.close_time,
            "signals": self.signals,
            "traders": self.traders,
        }
        found = [Memory(event_type="signals", data=given)] if self.signals else []
        return found + failures_of(self.errors)


def failures_of(errors: dict[str, str]) -> list[Memory]:
    """Return what could not be done, as one memory: while it stays so, it is remembered once."""
    return [Memory(event_type="errors", data=errors)] if errors else []


def _kind_of_trigger(payload: object) -> str:
    return "cron" if isinstance(payload, dict) and "trigger" in payload else "boundary"


def _kind_of_execution(payload: object) -> str:
    return "trader" if isinstance(payload, dict) and "trader_id" in payload else "shard"


TriggerRequest: TypeAdapter[CronTick | BoundaryClosed] = TypeAdapter(
    Annotated[
        Annotated[CronTick, Tag("cron")] | Annotated[BoundaryClosed, Tag("boundary")], Discriminator(_kind_of_trigger)
    ],
    config=READ_LATE,
)
ExecuteRequest: TypeAdapter[RunTrader | ShardDue] = TypeAdapter(
    Annotated[
        Annotated[RunTrader, Tag("trader")] | Annotated[ShardDue, Tag("shard")], Discriminator(_kind_of_execution)
    ],
    config=READ_LATE,
)
