"""The desk's metrics as Prometheus reads them: text format 0.0.4.

Source: Prometheus, "Exposition formats".
"""

from collections.abc import Iterator, Mapping
from typing import Final

from functions.routes.metrics_schemas import MetricsOut
from shared.domain.alerts import Severity

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
HELP: Final[Mapping[str, str]] = {
    "nightdesk_up": "1 where the part could be read, 0 where it could not.",
    "nightdesk_monitor_age_seconds": "Since the monitor's last run.",
    "nightdesk_agent_online": "1 while the agent is online.",
    "nightdesk_agent_age_seconds": "Since the agent's last heartbeat.",
    "nightdesk_boundary_lag_seconds": "From the newest boundary's close to its signals being stored.",
    "nightdesk_boundary_close_timestamp_seconds": "When the newest boundary that was evaluated closed.",
    "nightdesk_data_age_seconds": "Age of the newest close in the candle log.",
    "nightdesk_unfinished_runs": "Runs that are under way, wait or failed.",
    "nightdesk_queue_messages": "Messages in a queue, about: waiting, in_flight, delayed, dead.",
    "nightdesk_open_alerts": "Alerts that are open.",
    "nightdesk_open_positions": "Positions that are open.",
    "nightdesk_book_equity": "What a book was last worth, in its quote currency.",
    "nightdesk_trading_state": "1 for the desk's trading state.",
    "nightdesk_redis_commands_month": "Commands the collectors sent to Redis this month.",
    "nightdesk_redis_cost_usd_month": "What those cost so far.",
    "nightdesk_database_bytes": "Size of the database.",
}
Sample = tuple[str, Mapping[str, str], float | None]


def exposition(found: MetricsOut) -> str:
    """Return everything that is known, one sample a line; what is not known has no sample, and `nightdesk_up` 0."""
    by_name: dict[str, list[str]] = {}
    for name, labels, value in _samples(found):
        if value is not None:
            pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
            by_name.setdefault(name, []).append(f"{name}{{{pairs}}} {value!r}" if pairs else f"{name} {value!r}")
    lines = []
    for name, samples in by_name.items():
        lines += [f"# HELP {name} {HELP[name]}", f"# TYPE {name} gauge", *samples]
    return "\n".join(lines) + "\n"


def _samples(found: MetricsOut) -> Iterator[Sample]:
    for part in ("database", "queues", "redis", "monitor", "prices"):
        yield "nightdesk_up", {"part": part}, float(part not in found.unreadable)
    if found.monitor:
        yield "nightdesk_monitor_age_seconds", {}, found.monitor.age_ms / 1_000
    for agent in found.agents or ():
        yield "nightdesk_agent_online", {"agent": agent.agent}, float(agent.state == "online")
        yield "nightdesk_agent_age_seconds", {"agent": agent.agent}, agent.age_ms / 1_000
    for last in found.boundaries or ():
        place = {"venue": last.venue, "timeframe": last.timeframe}
        yield "nightdesk_boundary_lag_seconds", place, _seconds(last.lag_ms)
        yield "nightdesk_boundary_close_timestamp_seconds", place, _seconds(last.close_time)
        yield "nightdesk_data_age_seconds", place, _seconds(last.data_age_ms)
    yield "nightdesk_unfinished_runs", {}, found.unfinished_runs
    for queue in found.queues or ():
        for state in ("waiting", "in_flight", "delayed", "dead"):
            yield "nightdesk_queue_messages", {"queue": queue.queue, "state": state}, getattr(queue, state)
    if found.alerts is not None:
        for severity in Severity:
            yield "nightdesk_open_alerts", {"severity": severity.value}, found.alerts.get(severity.value, 0)
    yield "nightdesk_open_positions", {}, found.open_positions
    for book in found.books or ():
        named = {"book": book.book_id, "mode": book.mode, "quote": book.quote}
        yield "nightdesk_book_equity", named, None if book.equity is None else float(book.equity)
    if found.trading_state:
        yield "nightdesk_trading_state", {"state": found.trading_state}, 1.0
    if found.redis:
        yield "nightdesk_redis_commands_month", {"month": found.redis.month}, found.redis.commands
        yield "nightdesk_redis_cost_usd_month", {"month": found.redis.month}, float(found.redis.usd)
    yield "nightdesk_database_bytes", {}, found.database_bytes


def _seconds(time_ms: int | None) -> float | None:
    return None if time_ms is None else time_ms / 1_000


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
