"""Judge whether the desk is at work by the age of its data and the heartbeats of its agents."""

import logging
from dataclasses import dataclass
from typing import Literal

from shared.agent_ports import AgentStore
from shared.domain.errors import NightdeskError
from shared.domain.timeframe import Timeframe
from shared.domain.venues import Venue
from shared.ports import CandleLog, Clock, VenueStore

DATA_ALLOWANCE_MS = 30_000
AGENT_SILENT_MS = 120_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What was seen; ages in milliseconds, None where there is no candle at all."""

    status: Literal["healthy", "degraded", "unhealthy"]
    database: Literal["connected", "unreachable"]
    agents: dict[str, str]
    data_age_ms: dict[Timeframe, int | None]
    stale: tuple[Timeframe, ...]
    now_ms: int


def check_health(
    *, venues: VenueStore, agents: AgentStore, candles: CandleLog, clock: Clock, wall_clock: Clock
) -> Health:
    """Look at every store and say what is fresh, what is stale and what cannot be reached.

    Candles are judged by the desk's clock, heartbeats by the wall clock they are written with.
    """
    now_ms = clock.now_ms()
    try:
        known: tuple[Venue, ...] = tuple(venues.enabled())
        beats = agents.heartbeats()
    except NightdeskError:
        logger.exception("the database cannot be read")
        return Health(status="unhealthy", database="unreachable", agents={}, data_age_ms={}, stale=(), now_ms=now_ms)
    ages = _data_ages(known, candles, now_ms)
    stale = tuple(tf for tf, age in ages.items() if age is None or age > tf.ms + DATA_ALLOWANCE_MS)
    states = {
        agent: "never" if beat == 0 else "online" if wall_clock.now_ms() - beat <= AGENT_SILENT_MS else "stale"
        for agent, beat in beats.items()
    }
    silent = any(state != "online" for state in states.values())
    return Health(
        status="unhealthy" if stale else "degraded" if silent else "healthy",
        database="connected",
        agents=states,
        data_age_ms=ages,
        stale=stale,
        now_ms=now_ms,
    )


def _data_ages(venues: tuple[Venue, ...], candles: CandleLog, now_ms: int) -> dict[Timeframe, int | None]:
    """Return the age of the newest candle per timeframe, of the venue that lags most; None where one has none."""
    ages: dict[Timeframe, int | None] = {}
    for venue in venues:
        for timeframe in venue.timeframes:
            newest = _newest_close(venue.venue, timeframe, candles)
            age = None if newest is None else now_ms - newest
            known = ages.get(timeframe, 0)
            ages[timeframe] = None if age is None or known is None else max(age, known)
    return ages


def _newest_close(venue: str, timeframe: Timeframe, candles: CandleLog) -> int | None:
    try:
        return candles.newest_close(venue, timeframe)
    except NightdeskError:
        logger.exception("the candle log of %s %s cannot be read", venue, timeframe)
        return None
