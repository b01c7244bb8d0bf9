"""Read what operators look at: everything the desk can say of itself now, and what could not be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, cast

from shared.domain.trading.status import Valued
from shared.domain.usage import MonthUsage, Usage, month_of
from shared.domain.venues import Venue
from shared.usecases.health import Log, data_ages
from shared.usecases.risk_desk import value_positions
from shared.usecases.side_by_side import Answer, ask_all

if TYPE_CHECKING:
    from shared.domain.status import DeskStatus, QueueDepth
    from shared.ports import CandleLog, Clock, TickerBoard
    from shared.status_ports import LastMonitorRun, MonitorRuns, QueueDepths, StatusReads, UsageReads

WITHIN_S: Final = 8.0
LISTED: Final = 50
USD_PER_COMMAND: Final = Decimal("0.20") / 100_000
"""What Upstash asks for a command on its pay-as-you-go plan; up to 500,000 a month its free plan asks nothing."""
FREE_COMMANDS: Final = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisCost:
    """What the month's counted commands cost so far, and at this rate by its end, in USD on the pay-as-you-go plan."""

    month: MonthUsage
    projected: Usage | None
    usd: Decimal
    projected_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskMetrics:
    """Everything the desk can say of itself at `now_ms` (market time).

    What is None could not be read, and `unreadable` says why; where nobody has counted Redis, `redis` is None too.
    Boundaries tell their lag only where market time is real time (`is_real_time`).
    """

    now_ms: int
    is_real_time: bool
    status: DeskStatus | None
    monitor: LastMonitorRun | None
    queues: Sequence[QueueDepth] | None
    ages: dict[Log, int | None]
    valued: Sequence[Valued]
    redis: RedisCost | None
    unreadable: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsDesk:
    """What reading all of it takes."""

    status: StatusReads
    monitor: MonitorRuns
    queues: QueueDepths
    usage: UsageReads
    candles: CandleLog
    tickers: TickerBoard
    clock: Clock
    wall_clock: Clock
    is_real_time: bool = True


def read_metrics(*, desk: MetricsDesk) -> DeskMetrics:
    """Ask every source side by side; one that does not answer takes nothing from the others."""
    now_ms, wall_ms = desk.clock.now_ms(), desk.wall_clock.now_ms()
    questions: dict[str, Callable[[], object]] = {
        "database": lambda: desk.status.status(limit=LISTED),
        "monitor": desk.monitor.last_run,
        "queues": desk.queues.depths,
        "redis": lambda: desk.usage.of(month_of(wall_ms)),
    }
    found = ask_all(questions, within_s=WITHIN_S)
    known = cast("DeskStatus | None", found["database"].value)
    venues = [
        Venue(venue=each.venue, timeframes=each.timeframes, log_depth=each.log_depth)
        for each in (known.venues if known else ())
        if each.enabled
    ]
    ages = data_ages(venues, desk.candles, now_ms=now_ms, within_s=WITHIN_S)
    marks = ask_all(
        {"prices": lambda: value_positions(known.positions if known else (), tickers=desk.tickers)}, within_s=WITHIN_S
    )
    month = cast("MonthUsage | None", found["redis"].value)
    answers: list[tuple[str, Answer[object]]] = [*found.items(), *marks.items()]
    answers += [(f"candles {' '.join(log)}", age) for log, age in ages.items()]
    return DeskMetrics(
        now_ms=now_ms,
        is_real_time=desk.is_real_time,
        status=known,
        monitor=cast("LastMonitorRun | None", found["monitor"].value),
        queues=cast("Sequence[QueueDepth] | None", found["queues"].value),
        ages={log: age.value for log, age in ages.items() if age.error is None},
        valued=marks["prices"].value or [Valued(held=held, mark=None) for held in (known.positions if known else ())],
        redis=cost_of(month, now_ms=wall_ms) if month else None,
        unreadable={what: str(answer.error) for what, answer in answers if answer.error is not None},
    )


def cost_of(month: MonthUsage, *, now_ms: int) -> RedisCost:
    """Return what a month's commands cost; nothing while they fit the free plan."""
    projected = month.projected(now_ms)
    return RedisCost(
        month=month,
        projected=projected,
        usd=_usd(month.used),
        projected_usd=None if projected is None else _usd(projected),
    )


def _usd(used: Usage) -> Decimal:
    return Decimal(0) if used.commands <= FREE_COMMANDS else used.commands * USD_PER_COMMAND
