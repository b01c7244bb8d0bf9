"""What can be wrong with a desk's surroundings: every check says what it found and what to do, never a secret."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

from desk.migrate import SqlFile, sql_files
from desk.schema_check import drift_of
from shared.domain.errors import NightdeskError
from shared.domain.status import SILENT_MS, DeskStatus, Schema, shortest_of
from shared.domain.timeframe import Timeframe
from shared.domain.usage import month_of
from shared.ports import Clock
from shared.status_ports import MonitorRuns, QueueDepths, StatusReads, UsageReads
from shared.usecases.metrics import FREE_COMMANDS

CLOCK_WARN_MS: Final = 1_000
CLOCK_FAIL_MS: Final = 5_000
"""Venues refuse requests that are older than their window, which is five seconds at Binance."""
CRON_LATE_MS: Final = 180_000
"""How long after a close its boundary is claimed at the latest when the clock's sweep runs each minute."""
_NAMED: Final = 5


class State(StrEnum):
    """What came of a check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, and what to do about it where something is wrong."""

    name: str
    state: State
    found: str
    advice: str = ""


class RedisProbe(Protocol):
    """What is asked of Redis beside the month."""

    def ping(self) -> bool:
        """Tell whether it answers as Redis does; raise the desk's errors."""
        ...

    def eviction(self) -> str | None:
        """Return its eviction policy; None where it does not tell."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a desk stands on, as the checks reach it; what is None is not configured, and skipped with the reason.

    `try_token` asks the database with a freshly signed person's token. `channels` returns how many desk-wide
    channels are enabled and how many of them fail. `venue_times` returns each venue's clock.
    """

    status: StatusReads | None = None
    monitor: MonitorRuns | None = None
    redis: RedisProbe | None = None
    usage: UsageReads | None = None
    queues: QueueDepths | None = None
    try_token: Callable[[], None] | None = None
    channels: Callable[[], tuple[int, int]] | None = None
    venue_times: Callable[[Sequence[str]], Mapping[str, int | NightdeskError]] | None = None
    urgent_urls: int = 0
    wall_clock: Clock
    stopwatch: Callable[[], float] = time.perf_counter
    files: Sequence[SqlFile] = field(default_factory=sql_files)


def examine(around: Surroundings) -> Iterator[Finding]:
    """Yield every finding, each as soon as it is made; a check that cannot look is a finding, and stops no other."""
    schema: Schema | None = None
    for finding, value in _database(around):
        schema = value or schema
        yield finding
    yield from _guarded("token", around.try_token, _token, _JWT)
    yield from _redis(around)
    yield from _guarded("queues", around.queues, _queues, _QUEUES)
    status = _status(around)
    yield from _clocks(around, schema, status)
    yield from _cron(around, status)
    yield from _channels(around)


_DATABASE: Final = "check SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY, and that the project is not paused"
_JWT: Final = (
    "SUPABASE_JWT_SECRET is not the project's (Supabase: Project Settings, JWT Keys), or SUPABASE_KEY is wrong"
)
_QUEUES: Final = "check the queue URLs, the region and the credentials: the role needs sqs:GetQueueAttributes"
_REDIS: Final = "check UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN"


def _guarded(name: str, part: Any, check: Callable[[Any], Iterator[Finding]], advice: str) -> Iterator[Finding]:
    """Yield what a check finds; skipped without its part, failed with the advice when the part does not answer."""
    if part is None:
        yield Finding(name, State.SKIP, "not configured here")
        return
    try:
        yield from check(part)
    except NightdeskError as error:
        yield Finding(name, State.FAIL, str(error), advice)


def _database(around: Surroundings) -> Iterator[tuple[Finding, Schema | None]]:
    if around.status is None:
        yield Finding("database", State.SKIP, "SUPABASE_URL or SUPABASE_SERVICE_ROLE_KEY is not set"), None
        return
    began = around.stopwatch()
    try:
        schema = around.status.schema()
    except NightdeskError as error:
        if "read_schema" in str(error):  # PostgREST names the function it does not find
            said = "apply sql/ with `desk migrate` (DATABASE_URL), or in the SQL editor in the order of the names"
            yield (
                Finding("migrations", State.FAIL, f"{around.files[-1].name} or an earlier file is missing", said),
                None,
            )
        else:
            yield Finding("database", State.FAIL, str(error), _DATABASE), None
        return
    took_ms = round((around.stopwatch() - began) * 1_000)
    yield Finding("database", State.OK, f"Postgres {schema.version} answers in {took_ms} ms"), schema
    yield _migrations(around.files, schema), schema


def _migrations(files: Sequence[SqlFile], schema: Schema) -> Finding:
    drift = drift_of(files, schema)
    if drift.is_none:
        kept = "" if schema.files is not None else ", told by what is there: `desk migrate` has kept no history"
        return Finding("migrations", State.OK, f"all {len(files)} files are applied{kept}")
    found = "; ".join(
        f"{what}: {_some(names)}"
        for what, names in (("missing", drift.missing), ("edited since", drift.edited), ("changed", drift.drifted))
        if names
    )
    advice = "apply what is missing with `desk migrate`, or in the SQL editor in the order of the names"
    if drift.edited or drift.drifted:
        advice = f"{advice}; files are applied again safely, so apply those that were changed by hand anew"
    return Finding("migrations", State.FAIL, found, advice)


def _token(try_token: Callable[[], None]) -> Iterator[Finding]:
    try_token()
    yield Finding("token", State.OK, "a token signed with SUPABASE_JWT_SECRET is accepted here and by the database")


def _redis(around: Surroundings) -> Iterator[Finding]:
    yield from _guarded("redis", around.redis, _redis_answers, _REDIS)
    if around.usage is not None:
        try:
            yield _plan(around.usage, around.wall_clock.now_ms())
        except NightdeskError as error:
            yield Finding("redis plan", State.FAIL, str(error), _REDIS)


def _redis_answers(redis: RedisProbe) -> Iterator[Finding]:
    if not redis.ping():
        yield Finding("redis", State.FAIL, "what answers is no Redis", _REDIS)
        return
    policy = redis.eviction()
    if policy in (None, "noeviction"):
        yield Finding("redis", State.OK, "answers" + ("" if policy is None else ", and evicts nothing"))
    else:
        advice = "switch eviction off: candles would vanish unseen; the log keeps itself short"
        yield Finding("redis", State.WARN, f"answers, and evicts by {policy}", advice)


def _plan(usage: UsageReads, now_ms: int) -> Finding:
    month = usage.of(month_of(now_ms))
    if month is None:
        return Finding("redis plan", State.WARN, "nobody has counted this month", "see that the collector runs")
    projected = month.projected(now_ms)
    most = max(month.used.commands, projected.commands if projected else 0)
    found = f"{month.used.commands:,} commands this month" + (
        f", {projected.commands:,} by its end" if projected else ""
    )
    if most <= FREE_COMMANDS:
        return Finding("redis plan", State.OK, f"{found}; the free plan has {FREE_COMMANDS:,}")
    advice = "write tickers less often (TICKER_INTERVAL_S), collect fewer timeframes, or use the pay-as-you-go plan"
    return Finding("redis plan", State.WARN, f"{found}: more than the free plan's {FREE_COMMANDS:,}", advice)


def _queues(queues: QueueDepths) -> Iterator[Finding]:
    depths = queues.depths()
    dead = [f"{depth.queue} {depth.dead}" for depth in depths if depth.dead]
    if not depths:
        yield Finding("queues", State.SKIP, "no queue is known here")
    elif dead:
        advice = "read them, mend the cause, and replay them: docs/runbook.md"
        yield Finding("queues", State.WARN, f"dead letters: {', '.join(dead)}", advice)
    else:
        waiting = ", ".join(f"{depth.queue} {depth.waiting}" for depth in depths)
        yield Finding("queues", State.OK, f"all answer, waiting: {waiting}")


def _status(around: Surroundings) -> DeskStatus | None:
    try:
        return around.status.status(limit=1) if around.status else None
    except NightdeskError:
        return None  # the database's own check has said why


def _clocks(around: Surroundings, schema: Schema | None, status: DeskStatus | None) -> Iterator[Finding]:
    if schema is not None and around.status is not None:
        before_ms = around.wall_clock.now_ms()
        try:
            there_ms = around.status.pulse().now_ms
        except NightdeskError as error:
            yield Finding("clock", State.FAIL, str(error), _DATABASE)
        else:
            yield _offset("the database", there_ms, before_ms, around.wall_clock.now_ms())
    venues = [venue.venue for venue in status.venues if venue.enabled] if status else []
    if around.venue_times is not None and venues:
        before_ms = around.wall_clock.now_ms()
        times = around.venue_times(venues)
        after_ms = around.wall_clock.now_ms()
        for venue, told in times.items():
            if isinstance(told, NightdeskError):
                advice = "see whether the venue is up, and whether it may be reached from here"
                yield Finding("clock", State.WARN, f"{venue} does not tell its time: {told}", advice)
            else:
                yield _offset(venue, told, before_ms, after_ms)


def _offset(whose: str, there_ms: int, before_ms: int, after_ms: int) -> Finding:
    """Compare a clock with ours; while the question was under way there is no offset."""
    offset_ms = there_ms - min(max(there_ms, before_ms), after_ms)
    state = State.FAIL if abs(offset_ms) > CLOCK_FAIL_MS else State.WARN if abs(offset_ms) > CLOCK_WARN_MS else State.OK
    side = "behind" if offset_ms > 0 else "ahead of"
    found = f"within {abs(offset_ms):,} ms of {whose}" if state is State.OK else f"{abs(offset_ms):,} ms {side} {whose}"
    advice = "" if state is State.OK else "let this machine's clock be set by NTP; requests to venues carry its time"
    return Finding("clock", state, found, advice)


def _cron(around: Surroundings, status: DeskStatus | None) -> Iterator[Finding]:
    if status is None:
        yield Finding("boundaries", State.SKIP, "the database cannot be read")
        return
    yield _boundaries(status)
    if around.monitor is not None:
        try:
            run = around.monitor.last_run()
        except NightdeskError as error:
            yield Finding("monitor", State.FAIL, str(error), _DATABASE)
            return
        advice = "see that its schedule is on (EventBridge, or sql/cron.sql) and what its log says: desk logs"
        if run is None:
            yield Finding("monitor", State.FAIL, "it has never run", advice)
        elif run.age_ms > SILENT_MS:
            yield Finding("monitor", State.FAIL, f"its last run was {run.age_ms // 1_000:,} s ago", advice)
        elif not run.success:
            yield Finding("monitor", State.WARN, "its last run could not look at everything", "desk logs, desk status")
        else:
            yield Finding("monitor", State.OK, f"ran {run.age_ms // 1_000} s ago")
    shortest_ms = shortest_of(each for each in status.venues if each.enabled)
    conditions = {each.agent: each.condition(status.now_ms, shortest_ms=shortest_ms) for each in status.agents}
    silent = [agent for agent, condition in conditions.items() if condition in {"stale", "offline"}]
    if silent:
        advice = "see that their schedules are on, and what their logs say: desk logs FUNCTION"
        yield Finding("agents", State.WARN, f"silent: {', '.join(silent)}", advice)
    elif status.agents:
        yield Finding("agents", State.OK, f"{len(status.agents)} heard of within two minutes, or paused")
    else:
        yield Finding("agents", State.WARN, "no agent has ever run", "deploy the functions, or start `desk up`")


def _boundaries(status: DeskStatus) -> Finding:
    """Judge announcements and the clock's sweep by the newest boundary of the shortest timeframe of each venue."""
    late = []
    for venue in status.venues:
        timeframes = [Timeframe(each) for each in venue.timeframes]
        if not venue.enabled or not timeframes:
            continue
        shortest = min(timeframes, key=lambda timeframe: timeframe.ms)
        last = next(each for each in status.boundaries if (each.venue, each.timeframe) == (venue.venue, shortest))
        if last.close_time is None:
            late.append(f"{venue.venue} {shortest} never")
        elif (age_ms := status.now_ms - last.close_time) > shortest.ms + CRON_LATE_MS:
            late.append(f"{venue.venue} {shortest} {age_ms // 1_000:,} s ago")
    if late:
        advice = "see that the collector runs (desk collector status) and that the schedule of trigger-executions is on"
        return Finding("boundaries", State.FAIL, f"last evaluated: {', '.join(late)}", advice)
    return Finding("boundaries", State.OK, "closes are evaluated as they come")


def _channels(around: Surroundings) -> Iterator[Finding]:
    if around.channels is None:
        yield Finding("channels", State.SKIP, "not configured here")
        return
    try:
        enabled, failing = around.channels()
    except NightdeskError as error:
        yield Finding("channels", State.FAIL, str(error), _DATABASE)
        return
    direct = f", {around.urgent_urls} in ALERT_URLS" if around.urgent_urls else ""
    if failing:
        yield Finding("channels", State.WARN, f"{failing} of {enabled} fail{direct}", "see what their deliveries say")
    elif enabled or around.urgent_urls:
        yield Finding("channels", State.OK, f"{enabled} enabled{direct}")
    else:
        advice = "make a channel for operators, and set ALERT_URLS for when the database is down"
        yield Finding("channels", State.WARN, "nobody is told of alerts", advice)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
