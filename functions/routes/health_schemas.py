"""What GET /health answers."""

from typing import Literal

from pydantic import Field

from functions.routes.schemas import EXAMPLE_TIME, Schema


class CollectorHealth(Schema):
    """How fresh the candle log is, seen from here."""

    data_age_ms: dict[str, int | None] = Field(
        description="Milliseconds since the newest close per timeframe; null when there is none, or it is not known.",
        examples=[{"1m": 21_000, "5m": 201_000}],
    )
    stale: list[str] = Field(description="Timeframes older than a candle and its allowance.", examples=[[]])
    unknown: list[str] = Field(description="Timeframes whose log did not answer in time.", examples=[[]])


class MonitorHealth(Schema):
    """The watchman: its last run, by the database's clock."""

    last_run: int | None = Field(
        description="When it ended (epoch ms); null before the first.", examples=[EXAMPLE_TIME]
    )
    age_ms: int | None = Field(description="How long ago that was.", examples=[31_000])
    success: bool | None = Field(description="Whether it could look at everything.", examples=[True])
    overdue: bool = Field(description="Whether nobody is watching: no run within two minutes.", examples=[False])


class QuotaStatus(Schema):
    """What was used of something that is counted by the month."""

    month: str = Field(description="The calendar month (UTC).", examples=["2026-11"])
    since: int = Field(description="Since when it was counted in it (epoch ms).", examples=[EXAMPLE_TIME])
    commands: int = Field(description="Commands the collectors sent.", examples=[120_000])
    bytes: int = Field(description="Bytes of their requests and answers.", examples=[900_000_000])


class HealthOut(Schema):
    """Whether the desk is at work: judged by the age of its data, not by a process being up."""

    status: Literal["healthy", "degraded", "unhealthy"] = Field(
        description="`unhealthy`: candles are stale or the database cannot be reached; `degraded`: an agent or the "
        "monitor is silent, or a store is too slow to tell.",
        examples=["healthy"],
    )
    agents: dict[str, str] = Field(
        description="Each agent: `online`, `degraded`, `offline`, `paused`, or `stale` when it is silent.",
        examples=[{"strategy-agent": "online"}],
    )
    uptime_seconds: int = Field(description="Age of the process that answers.", examples=[3_600])
    timestamp: int = Field(description="The desk's now (epoch ms) when it looked.", examples=[EXAMPLE_TIME])
    database: Literal["connected", "slow", "unreachable"] = Field(
        description="Whether Postgres answers, and in time.", examples=["connected"]
    )
    collector: CollectorHealth = Field(description="Freshness of the candle log.")
    monitor: MonitorHealth = Field(description="The dead man's switch: whether somebody watches.")
    lastAnalysis: int | None = Field(  # noqa: N815 - named as an existing frontend reads it
        description="When the newest run of traders finished (epoch ms); null before the first.",
        examples=[EXAMPLE_TIME],
    )
    nextScheduledRun: int | None = Field(  # noqa: N815
        description="When the next boundary closes (epoch ms); null where no timeframe is known.",
        examples=[EXAMPLE_TIME],
    )
    quotaStatus: dict[str, QuotaStatus] = Field(  # noqa: N815
        description="What is counted by the month, as far as anybody has counted it.",
        examples=[{"redis": {"month": "2026-11", "since": EXAMPLE_TIME, "commands": 120_000, "bytes": 900_000_000}}],
    )
