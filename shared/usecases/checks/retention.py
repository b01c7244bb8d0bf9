"""The monitor's housekeeping: tables that only grow are thinned, a batch at a time."""

from collections.abc import Callable

from shared.domain.errors import NightdeskError, TransientError
from shared.domain.monitoring import DAY_MS, Looked, MonitorSettings, Occasion
from shared.domain.settling import DATABASE
from shared.monitor_ports import MonitorStore


def forget_old_rows(
    occasion: Occasion, *, store: MonitorStore, stopwatch: Callable[[], float], settings: MonitorSettings
) -> Looked:
    """Remove what is older than each table keeps, until it is done or the time for it is over.

    What is left waits for the next look. One table that cannot be thinned does not keep the others; it is raised after
    them.
    """
    if not occasion.is_time(settings.retention_every_ms):
        return Looked(checked=0, skipped_reason=f"looked at every {settings.retention_every_ms // 60_000} min")
    until_s = stopwatch() + settings.retention_budget_ms / 1_000
    forgotten: dict[str, int] = {}
    unfinished: list[str] = []
    wrong: list[str] = []
    for table, days in settings.kept_days.items():
        try:
            found, is_done = _forget(
                table,
                days,
                now_ms=occasion.now_ms,
                store=store,
                has_time=lambda: stopwatch() < until_s,
                settings=settings,
            )
        except TransientError:
            raise
        except NightdeskError as error:
            wrong.append(f"{table}: {error}")
            continue
        forgotten[table] = found
        if not is_done:
            unfinished.append(table)
    if wrong:
        raise NightdeskError("; ".join(wrong))
    return Looked(
        checked=len(forgotten),
        details={"forgotten": forgotten, "unfinished": unfinished},
        answered=frozenset({DATABASE}),
        skipped_reason=None if forgotten else "no table is to be thinned",
    )


def _forget(
    table: str,
    days: float,
    *,
    now_ms: int,
    store: MonitorStore,
    has_time: Callable[[], bool],
    settings: MonitorSettings,
) -> tuple[int, bool]:
    """Return how many rows went, and whether none is left."""
    total = 0
    while has_time():
        keep_ms = round(days * DAY_MS)
        gone = store.forget(table, keep_ms=keep_ms, now_ms=now_ms, limit=settings.retention_rows)
        total += gone
        if gone < settings.retention_rows:
            return total, True
    return total, False
