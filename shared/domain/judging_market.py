"""Judge what the monitor has read of venues, of collectors and their candles, and of who works on them."""

from collections.abc import Iterator, Mapping, Sequence

from shared.domain.alerts import Alert, Severity
from shared.domain.monitor_facts import CollectorStatus, Ping, SignalFlow, VenueAnswer, VenueState, WatchedVenue
from shared.domain.monitoring import Looked, MonitorRun, MonitorSettings, Task
from shared.domain.settling import DATABASE, REDIS
from shared.domain.timeframe import Timeframe
from shared.domain.usage import MonthUsage


def answer_of(venue: str, ping: Ping, settings: MonitorSettings) -> VenueAnswer:
    """Return what a ping says of a venue."""
    if ping.latency_ms is None:
        state = VenueState.OFFLINE
    else:
        state = VenueState.DEGRADED if ping.latency_ms > settings.venue_latency_ms else VenueState.ONLINE
    return VenueAnswer(venue=venue, state=state, latency_ms=ping.latency_ms, error=ping.error)


def judge_venues(venues: Sequence[WatchedVenue], settings: MonitorSettings) -> Looked:
    """Say which of the venues that are on do not answer, are slow, or have not been asked lately."""
    watched = [each for each in venues if each.is_enabled]
    known = [each for each in watched if each.health is not None]
    return Looked(
        checked=len(known),
        details={
            each.venue: {"state": each.health.state.value, "latency_ms": each.health.latency_ms}
            for each in known
            if each.health is not None
        },
        alerts=tuple(alert for each in known for alert in _venue(each, settings)),
        prefixes=("venue:",),
        answered=frozenset({DATABASE}),
        skipped_reason=None if known else "no venue has been asked yet" if watched else "no venue is on",
    )


def _venue(venue: WatchedVenue, settings: MonitorSettings) -> Iterator[Alert]:
    health = venue.health
    if health is None:
        return
    severity = Severity.WARNING
    if health.age_ms > settings.venue_stale_ms:
        said = f"nobody has asked {venue.venue} for {_span(health.age_ms)}"
    elif health.state is VenueState.OFFLINE:
        severity = Severity.CRITICAL
        said = f"{venue.venue} does not answer: {health.error or 'no reason given'}"
    elif health.latency_ms is not None and health.latency_ms > settings.venue_latency_ms:
        said = f"{venue.venue} takes {health.latency_ms:,} ms to answer, more than {settings.venue_latency_ms:,} ms"
    else:
        return
    yield Alert(dedupe_key=f"venue:{venue.venue}", kind="venue", severity=severity, sentence=f"{said}."[:2_000])


def judge_data(
    venues: Sequence[WatchedVenue],
    statuses: Mapping[str, CollectorStatus | None],
    *,
    now_ms: int,
    speed: float,
    settings: MonitorSettings,
    before: MonitorRun | None = None,
) -> Looked:
    """Say which collectors are silent, which of their timeframes are stale, and which closes nobody works on.

    The shortest timeframe closes most often: while that is stale, its collector is the cause, and of the others nothing
    is known. On a tape that runs faster, what is allowed in real time is more of the market's. A close that was not in
    the log yet at the run `before` has only just come, however old it is: nobody can have claimed it.
    """
    watched = [each for each in venues if each.is_enabled and each.timeframes]
    allowed_ms = round(settings.data_allowance_ms * max(speed, 1.0))
    alerts: list[Alert] = []
    prefixes = ["collector:", "boundaries:", *(f"data:{each.venue}:" for each in venues if each not in watched)]
    ages: dict[str, object] = {}
    for venue in watched:
        status = statuses.get(venue.venue)
        closes = {} if status is None else status.newest_close
        late = [
            timeframe
            for timeframe in venue.timeframes
            if _is_stale(closes.get(timeframe), timeframe, now_ms, allowed_ms)
        ]
        ages[venue.venue] = {
            "age_ms": {str(each): now_ms - closes[each] if each in closes else None for each in venue.timeframes},
            "open_gaps": None if status is None else status.open_gaps,
        }
        if min(venue.timeframes, key=lambda each: each.ms) in late:
            alerts.append(_silent(venue, closes, now_ms))
            continue
        prefixes.append(f"data:{venue.venue}:")
        alerts += [_stale(venue.venue, each, closes.get(each), now_ms) for each in late]
        lasting = _closes_at(before, venue)
        alerts += _unclaimed(venue, lasting, now_ms, round(settings.claim_allowance_ms * max(speed, 1.0)))
    return Looked(
        checked=sum(len(each.timeframes) for each in watched),
        details=ages,
        alerts=tuple(alerts),
        prefixes=tuple(prefixes),
        answered=frozenset({DATABASE, REDIS} if watched else {DATABASE}),
        skipped_reason=None if watched else "no venue is on",
    )


def _closes_at(run: MonitorRun | None, venue: WatchedVenue) -> dict[Timeframe, int]:
    """Return the newest close of every timeframe that a run has seen in the log."""
    told = run.details_of(Task.MARKET_DATA).get(venue.venue) if run is not None else None
    ages = told.get("age_ms") if isinstance(told, Mapping) else None
    if run is None or not isinstance(ages, Mapping):
        return {}
    return {each: run.at_ms - age for each in venue.timeframes if isinstance(age := ages.get(str(each)), int)}


def _is_stale(close_time: int | None, timeframe: Timeframe, now_ms: int, allowed_ms: int) -> bool:
    return close_time is None or now_ms - close_time > timeframe.ms + allowed_ms


def _silent(venue: WatchedVenue, closes: Mapping[Timeframe, int], now_ms: int) -> Alert:
    newest = max(closes.values(), default=None)
    said = "has nothing in the log" if newest is None else f"has written no close for {_span(now_ms - newest)}"
    return Alert(
        dedupe_key=f"collector:{venue.venue}",
        kind="collector",
        severity=Severity.CRITICAL,
        sentence=f"The collector of {venue.venue} {said}.",
    )


def _stale(venue: str, timeframe: Timeframe, close_time: int | None, now_ms: int) -> Alert:
    said = "there is none" if close_time is None else f"the newest closed {_span(now_ms - close_time)} ago"
    return Alert(
        dedupe_key=f"data:{venue}:{timeframe}",
        kind="data",
        severity=Severity.WARNING,
        sentence=f"Candles of {timeframe} at {venue} are stale: {said}.",
    )


def _unclaimed(venue: WatchedVenue, closes: Mapping[Timeframe, int], now_ms: int, allowed_ms: int) -> Iterator[Alert]:
    """Yield that closes are in the log which nobody has claimed, though the sweep has had the time to."""
    waiting = []
    for timeframe, claimed in venue.claimed.items():
        due = claimed + timeframe.ms
        if closes.get(timeframe, 0) >= due and now_ms - due > allowed_ms:
            waiting.append(str(timeframe))
    if waiting:
        yield Alert(
            dedupe_key=f"boundaries:{venue.venue}",
            kind="boundaries",
            severity=Severity.CRITICAL,
            sentence=f"Closes of {', '.join(waiting)} at {venue.venue} are in the log and nobody has claimed them.",
        )


def judge_signals(flows: Sequence[SignalFlow], *, is_real_time: bool, settings: MonitorSettings) -> Looked:
    """Say whether signals are stored in time, and whether more traders fail than may.

    How long after its boundary a run was done is known where the market's time is the machine's; on a tape it is not.
    """
    told = [each for each in flows if each.runs >= settings.signal_runs]
    late = [each for each in told if is_real_time and each.lag_p99_ms > settings.signal_lag_ms]
    traders, errors = sum(each.traders for each in flows), sum(each.errors for each in flows)
    alerts = []
    if late:
        worst = max(late, key=lambda each: each.lag_p99_ms)
        alerts.append(
            Alert(
                dedupe_key="signals:late",
                kind="signals",
                severity=Severity.WARNING,
                sentence=(
                    f"Of {worst.runs:,} runs of {worst.timeframe} at {worst.venue} more than one in a hundred stored "
                    f"their signals {worst.lag_p99_ms:,} ms after the close or later, which should take "
                    f"{settings.signal_lag_ms:,} ms."
                ),
            )
        )
    if errors > settings.trader_error_rate * traders:
        alerts.append(
            Alert(
                dedupe_key="signals:errors",
                kind="signals",
                severity=Severity.WARNING,
                sentence=f"{errors:,} of {traders:,} evaluations of traders have failed.",
            )
        )
    return Looked(
        checked=sum(each.runs for each in flows),
        details={
            f"{each.venue}:{each.timeframe}": {
                "runs": each.runs,
                "signals": each.signals,
                "traders": each.traders,
                "errors": each.errors,
                "lag_p99_ms": each.lag_p99_ms if is_real_time else None,
                "work_p99_ms": each.work_p99_ms,
            }
            for each in flows
        },
        alerts=tuple(alerts),
        prefixes=("signals:",),
        answered=frozenset({DATABASE}),
        skipped_reason=None if flows else "no run has finished lately",
    )


def judge_redis(month: MonthUsage, now_ms: int, settings: MonitorSettings) -> Iterator[Alert]:
    """Yield which quota of Redis the month is near, is over, or will be over at this rate."""
    projected = month.projected(now_ms)
    for name, plan in (("commands", settings.redis_commands), ("bytes", settings.redis_bytes)):
        used = getattr(month.used, name)
        coming = used if projected is None else max(used, getattr(projected, name))
        yield from near_quota(
            f"redis_{name}", f"{name} to Redis in {month.month}", used=used, coming=coming, plan=plan, settings=settings
        )


def near_quota(
    name: str, what: str, *, used: int, coming: int, plan: int, settings: MonitorSettings
) -> Iterator[Alert]:
    """Yield that a quota is used up, nearly so, or will be: `coming` is what it comes to."""
    if used >= plan:
        severity, said = Severity.CRITICAL, f"all of the plan's {plan:,} are used"
    elif coming >= plan:
        severity, said = Severity.WARNING, f"it comes to {coming:,}, and the plan has {plan:,}"
    elif used >= settings.near_rate * plan:
        severity, said = Severity.WARNING, f"that is {used / plan:.0%} of the plan's {plan:,}"
    else:
        return
    yield Alert(dedupe_key=f"quota:{name}", kind="quota", severity=severity, sentence=f"{used:,} {what}: {said}.")


def _span(ms: int) -> str:
    return f"{ms / 60_000:.0f} min" if ms >= 120_000 else f"{ms / 1_000:.0f} s"
