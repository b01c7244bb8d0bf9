"""The monitor's checks of venues, of their candles, of the signals that come of them, and of what all of it costs."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from shared.domain.consensus import Consensus
from shared.domain.consensus_words import figures_of
from shared.domain.errors import NightdeskError
from shared.domain.judging_market import (
    answer_of,
    judge_data,
    judge_redis,
    judge_signals,
    judge_venues,
    near_quota,
)
from shared.domain.monitor_facts import VenueState
from shared.domain.monitoring import Looked, MonitorSettings, Occasion
from shared.domain.settling import DATABASE, REDIS
from shared.domain.usage import month_of
from shared.monitor_ports import CollectorReads, MonitorStore, VenuePings
from shared.ports import Clock
from shared.status_ports import UsageReads

REAL_TIME_MS = 5_000
"""How far the market's clock may be from the machine's to be the same time, and not a tape's."""


def check_exchanges(*, store: MonitorStore, pings: VenuePings, settings: MonitorSettings) -> Looked:
    """Ask every venue that is on for its time, and store how it answers; `check_venues` says what that means."""
    names = [each.venue for each in store.venues() if each.is_enabled]
    answered = pings.ask(names)

    answers = [answer_of(venue, answered[venue], settings) for venue in names]

    if answers:
        store.record_answers(answers)
    return Looked(
        checked=len(answers),
        details={
            "latency_ms": {each.venue: each.latency_ms for each in answers},
            "offline": [each.venue for each in answers if each.state is VenueState.OFFLINE],
        },
        answered=frozenset({DATABASE}),
        skipped_reason=None if answers else "no venue is on",
    )


def check_venues(*, store: MonitorStore, settings: MonitorSettings) -> Looked:
    """Judge venues by how they have answered."""
    return judge_venues(store.venues(), settings)


def check_data(
    occasion: Occasion,
    *,
    store: MonitorStore,
    collectors: CollectorReads,
    speed: Callable[[], float],
    settings: MonitorSettings,
) -> Looked:
    """Judge candles by the age of the newest close of every timeframe."""
    venues = store.venues()
    statuses = collectors.statuses([each.venue for each in venues if each.is_enabled and each.timeframes])
    return judge_data(venues, statuses, now_ms=occasion.now_ms, speed=speed(), settings=settings, before=occasion.last)


def check_signals(
    occasion: Occasion,
    *,
    store: MonitorStore,
    consensus: Callable[[int], Sequence[Consensus]],
    wall_clock: Clock,
    settings: MonitorSettings,
) -> Looked:
    """Judge how runs went that have finished lately, and tell where independent sources agree.

    What sources agree on is signal-agent's to act on: when it cannot be read the details say so, and no alert does.
    """
    flows = store.signals(window_ms=settings.signal_window_ms)
    is_real_time = abs(wall_clock.now_ms() - occasion.now_ms) <= REAL_TIME_MS
    looked = judge_signals(flows, is_real_time=is_real_time, settings=settings)
    try:
        agreed = consensus(occasion.now_ms)
    except NightdeskError as error:
        return replace(looked, details={**looked.details, "consensus": None, "consensus_error": str(error)})
    return replace(
        looked,
        checked=looked.checked + len(agreed),
        details={**looked.details, "consensus": {each.instrument: figures_of(each) for each in agreed}},
        skipped_reason=None if agreed else looked.skipped_reason,
    )


def check_quotas(
    occasion: Occasion, *, store: MonitorStore, usage: UsageReads, wall_clock: Clock, settings: MonitorSettings
) -> Looked:
    """Judge what the month has taken of Redis, and what the database takes, now and then."""
    if not occasion.is_time(settings.quotas_every_ms):
        return Looked(checked=0, skipped_reason=f"looked at every {settings.quotas_every_ms // 60_000} min")
    now_ms = wall_clock.now_ms()
    month = usage.of(month_of(now_ms))
    sizes = store.sizes()

    alerts = [] if month is None else [*judge_redis(month, now_ms, settings)]
    taken, plan = sizes.database_bytes, settings.database_bytes
    alerts += near_quota(
        "database_bytes", "bytes in the database", used=taken, coming=taken, plan=plan, settings=settings
    )

    projected = None if month is None else month.projected(now_ms)
    return Looked(
        checked=1 if month is None else 3,
        details={
            "redis_commands": None if month is None else month.used.commands,
            "redis_commands_projected": None if projected is None else projected.commands,
            "redis_bytes": None if month is None else month.used.bytes,
            "database_bytes": taken,
            "tables": dict(sizes.tables),
        },
        alerts=tuple(alerts),
        prefixes=("quota:database", *(() if month is None else ("quota:redis",))),
        answered=frozenset({DATABASE, REDIS}),
    )
