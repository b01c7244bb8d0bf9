"""Health is data age: the newest close the log has acknowledged, against the market's clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from shared.domain.timeframe import Timeframe

ALLOWANCE_MS: Final = 15_000
"""How late a close may reach the log, in real time, before the data count as stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the collector knows of itself; times in epoch ms, `now_ms` and the closes by the market's clock.

    `buffered` is how many writes wait for the log. `lease` is `holder`, `standby`, `asking` (no holder has answered) or
    `none`, `token` the fencing token of a holder.
    """

    venue: str
    timeframes: tuple[Timeframe, ...]
    now_ms: int = 0
    speed: float = 1.0
    phase: str = "starting"
    newest_close: Mapping[Timeframe, int] = field(default_factory=dict)
    last_write_ms: int | None = None
    open_gaps: int = 0
    pending_instants: int = 0
    buffered: int = 0
    lease: str = "none"
    token: int = 0
    symbols: int = 0
    connections_open: int = 0
    connections_wanted: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)

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
        """Return `ok`, `stale`, or the phase before the collector is live."""
        if self.phase != "live":
            return self.phase
        return "stale" if any(self.is_stale(timeframe) for timeframe in self.timeframes) else "ok"

    def body(self) -> dict[str, Any]:
        """Return the answer of /health."""
        return {
            "status": self.status,
            "venue": self.venue,
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
            "lease": {"state": self.lease, "token": self.token},
            "last_write_ms": self.last_write_ms,
            "connections": {"open": self.connections_open, "wanted": self.connections_wanted},
            "symbols": self.symbols,
            "counts": dict(self.counts),
        }

    def fields(self) -> dict[str, str]:
        """Return what the status hash in Redis says."""
        closes = {f"newest_close:{timeframe}": str(self.newest_close[timeframe]) for timeframe in self.newest_close}
        return {
            **closes,
            "status": self.status,
            "symbols": str(self.symbols),
            "open_gaps": str(self.open_gaps),
            "buffered": str(self.buffered),
            "last_write_ms": str(self.last_write_ms or 0),
        }


def health_app(report: Callable[[], Report]) -> web.Application:
    """Serve GET /health: 200 while every timeframe is fresh or a holder is alive beside this standby, else 503."""

    async def health(_request: web.Request) -> web.Response:
        now = report()
        return web.json_response(now.body(), status=200 if now.status in {"ok", "standby"} else 503)

    app = web.Application()
    app.router.add_get("/health", health)
    return app
