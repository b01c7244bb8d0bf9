"""Health is data age: the newest close the log has acknowledged, against the market's clock."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from collector.usage import RedisUse
from collector.venue_clock import is_off
from shared.domain.timeframe import Timeframe

ALLOWANCE_MS: Final = 15_000
"""How late a close may reach the log, in real time, before the data count as stale."""

HEALTHY: Final = frozenset({"ok", "standby"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the collector knows of itself; times in epoch ms, `now_ms` and the closes by the market's clock.

    `buffered` is how many writes wait for the log. `lease` is `holder`, `standby`, `asking` (no holder has answered) or
    `none`, `token` the fencing token of a holder; `is_cut_off` when Redis is out of its reach. `clock_offset_ms` is the
    venue's clock less ours, None if unknown.
    """

    venue: str
    timeframes: tuple[Timeframe, ...]
    now_ms: int = 0
    speed: float = 1.0
    phase: str = "starting"
    lease: str = "none"
    is_cut_off: bool = False
    token: int = 0
    newest_close: Mapping[Timeframe, int] = field(default_factory=dict)
    last_write_ms: int | None = None
    clock_offset_ms: int | None = None
    open_gaps: int = 0
    pending_instants: int = 0
    buffered: int = 0
    backfill_done: int = 0
    backfill_total: int = 0
    symbols: int = 0
    connections_open: int = 0
    connections_wanted: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    redis: RedisUse | None = None

    def age_ms(self, timeframe: Timeframe) -> int | None:
        """Return how old the newest close of a timeframe is, None while there is none."""
        close_time = self.newest_close.get(timeframe)
        return None if close_time is None else self.now_ms - close_time

    def is_stale(self, timeframe: Timeframe) -> bool:
        """Tell whether a close is overdue: older than one candle and the allowance, or absent."""
        age = self.age_ms(timeframe)
        return age is None or age > timeframe.ms + ALLOWANCE_MS * max(self.speed, 1.0)

    @property
    def status(self) -> str:
        """Return `ok`, `stale`, or the phase of a collector that is not live."""
        if self.phase != "live":
            return self.phase
        return "stale" if any(self.is_stale(timeframe) for timeframe in self.timeframes) else "ok"

    @property
    def is_healthy(self) -> bool:
        """Tell whether all is as it should be: every timeframe fresh, or standing by for the one that writes."""
        return self.status in HEALTHY

    def problems(self) -> list[str]:
        """Return what somebody should know, one sentence each; not all of it makes the collector unhealthy."""
        return [*self._data_problems(), *self._other_problems()]

    def body(self) -> dict[str, Any]:
        """Return the answer of /health."""
        return {
            "status": self.status,
            "problems": self.problems(),
            "venue": self.venue,
            "lease": {"state": self.lease, "token": self.token},
            "now_ms": self.now_ms,
            "data_age": {
                str(timeframe): {
                    "newest_close": self.newest_close.get(timeframe),
                    "age_ms": self.age_ms(timeframe),
                    "is_stale": self.is_stale(timeframe),
                }
                for timeframe in self.timeframes
            },
            "open_gaps": self.open_gaps,
            "pending_instants": self.pending_instants,
            "buffered": self.buffered,
            "last_write_ms": self.last_write_ms,
            "clock_offset_ms": self.clock_offset_ms,
            "backfill": {"done": self.backfill_done, "total": self.backfill_total},
            "connections": {"open": self.connections_open, "wanted": self.connections_wanted},
            "symbols": self.symbols,
            "counts": dict(self.counts),
            "redis": self.redis and self.redis.body(),
        }

    def fields(self) -> dict[str, str]:
        """Return what the status hash in Redis says."""
        closes = {f"newest_close:{timeframe}": str(self.newest_close[timeframe]) for timeframe in self.newest_close}
        return {
            **closes,
            "status": self.status,
            "symbols": str(self.symbols),
            "open_gaps": str(self.open_gaps),
            "last_write_ms": str(self.last_write_ms or 0),
        }

    def _data_problems(self) -> Iterator[str]:
        if self.phase == "backfilling" and self.backfill_total:
            yield f"Backfilling: {self.backfill_done} of {self.backfill_total} series are whole."
        elif self.phase != "live" and not self.is_healthy:
            yield f"The collector is not live: {self.phase}."
        if self.is_cut_off:
            yield "Redis is out of reach."
        if self.phase == "live":
            for timeframe in self.timeframes:
                age_ms = self.age_ms(timeframe)
                if age_ms is None:
                    yield f"There is no {timeframe} close yet."
                elif self.is_stale(timeframe):
                    yield f"The newest {timeframe} close is {age_ms / 1_000:.0f} s old."
        if self.open_gaps:
            yield f"{_number(self.open_gaps, 'candle is', 'candles are')} missing and asked for again."

    def _other_problems(self) -> Iterator[str]:
        if self.buffered:
            yield f"{_number(self.buffered, 'write waits', 'writes wait')} for Redis."
        if self.phase == "live" and self.connections_open < self.connections_wanted:
            yield f"{self.connections_open} of {self.connections_wanted} connections are open."
        offset_ms = self.clock_offset_ms or 0
        if is_off(offset_ms, self.speed):
            side = "behind" if offset_ms > 0 else "ahead of"
            yield f"Our clock is {abs(offset_ms):,} ms {side} the venue's."
        if self.redis is not None and self.redis.is_over_plan:
            yield "Redis is, or at this rate will be, used beyond the plan this month."


def health_app(report: Callable[[], Report], metrics: Callable[[], bytes]) -> web.Application:
    """Serve GET /health, 200 while healthy, else 503, and GET /metrics in Prometheus' text format.

    Metrics are for those who reach the port itself: what a proxy forwards from the public is refused.
    """

    async def health(_request: web.Request) -> web.Response:
        now = report()
        return web.json_response(now.body(), status=200 if now.is_healthy else 503)

    async def scrape(request: web.Request) -> web.Response:
        if "X-Forwarded-For" in request.headers:
            raise web.HTTPForbidden(text="metrics are served to the private network only")
        return web.Response(body=metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application()
    app.router.add_get("/health", health)
    app.router.add_get("/metrics", scrape)
    return app


def _number(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
