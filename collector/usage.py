"""What the collector costs Redis: counted on the wire, added up in Redis, held against the plan."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from aws_lambda_powertools import Logger

from shared.adapters.redis_tcp import RedisMeter
from shared.domain.errors import TransientError
from shared.domain.usage import MonthUsage, Usage, month_end, month_of
from shared.ports import UsageBook

SAVE_S: Final = 1_800.0
RETRY_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUse:
    """What this process has sent and received, and the month of every collector on the same Redis, if known."""

    commands: int
    bytes_sent: int
    bytes_received: int
    plan: Usage
    month: MonthUsage | None = None
    projected: Usage | None = None

    @property
    def is_over_plan(self) -> bool:
        """Tell whether the month is, or at this rate will be, over the plan."""
        known = [self.month.used] if self.month else []
        known += [self.projected] if self.projected else []
        return any(usage.commands > self.plan.commands or usage.bytes > self.plan.bytes for usage in known)

    def body(self) -> dict[str, Any]:
        """Return what /health says of it."""
        month = self.month
        return {
            "commands": self.commands,
            "bytes_sent": self.bytes_sent,
            "bytes_received": self.bytes_received,
            "month": month and {"month": month.month, "since_ms": month.since_ms, **_counts(month.used)},
            "projected": self.projected and _counts(self.projected),
            "plan": _counts(self.plan),
        }


class UsageKeeper:
    """Writes what the meter counted into the book every half hour; that much is lost when a process is killed."""

    def __init__(self, meter: RedisMeter, book: UsageBook, *, plan: Usage, log: Logger) -> None:
        self._meter = meter
        self._book = book
        self._plan = plan
        self._log = log
        self._saved: MonthUsage | None = None

    async def run(self, sleep: Callable[[float], Any] = asyncio.sleep) -> None:
        """Save now, every half hour and when a month has ended, until cancelled."""
        while True:
            try:
                await self.save()
            except TransientError as error:
                self._log.warning("usage not saved", error=str(error))
                await sleep(RETRY_S)
            else:
                now_ms = self._meter.now_ms()
                await sleep(min(SAVE_S, (month_end(month_of(now_ms)) - now_ms) / 1_000 + 1))

    async def save(self) -> None:
        """Add what is not in the book yet; raise `TransientError`."""
        now_ms = self._meter.now_ms()
        month = month_of(now_ms)
        for name, used in sorted({month: Usage(), **self._meter.months()}.items()):
            self._saved = await self._book.add(name, used, now_ms=now_ms)
            self._meter.settle(name, used)

    def use(self) -> RedisUse:
        """Return what is known right now."""
        meter = self._meter
        now_ms = meter.now_ms()
        month = self._saved
        if month is not None:
            # After a month's end the others' part of the new one is unknown until it is asked for.
            is_current = month.month == month_of(now_ms)
            unsaved = meter.months().get(month.month, Usage())
            month = replace(month, used=month.used + unsaved) if is_current else None
        return RedisUse(
            commands=meter.commands,
            bytes_sent=meter.bytes_sent,
            bytes_received=meter.bytes_received,
            plan=self._plan,
            month=month,
            projected=None if month is None else month.projected(now_ms),
        )


def _counts(usage: Usage) -> dict[str, int]:
    return {"commands": usage.commands, "bytes": usage.bytes}
