"""What GET /api/metrics answers."""

from decimal import Decimal
from typing import Self

from pydantic import Field

from functions.routes.schemas import EXAMPLE_ID, EXAMPLE_TIME, Schema
from shared.domain.status import AgentPulse, BookWorth, LastBoundary, OpenAlert, QueueDepth, shortest_of
from shared.domain.trading.decisions import plain
from shared.domain.trading.status import Valued
from shared.usecases.metrics import DeskMetrics, RedisCost


class AgentOut(Schema):
    """An agent and its last sign of life."""

    agent: str = Field(description="Its name.", examples=["strategy-agent"])
    state: str = Field(
        description="`online`, `degraded`, `offline`, `paused`, or `stale` when it is silent.", examples=["online"]
    )
    version: str = Field(description="What it last ran as.", examples=["0.1.0"])
    last_beat: int = Field(description="Its last heartbeat (epoch ms, the database's clock).", examples=[EXAMPLE_TIME])
    age_ms: int = Field(description="How long ago that was.", examples=[21_000])
    paused_reason: str | None = Field(description="Why it is paused.", examples=[None])
    last_error: str | None = Field(description="Its last error.", examples=[None])
    last_error_at: int | None = Field(description="When that was (epoch ms).", examples=[None])

    @classmethod
    def of(cls, agent: AgentPulse, now_ms: int, shortest_ms: int) -> Self:
        """Make it of an agent at an instant."""
        return cls(
            agent=agent.agent,
            state=agent.condition(now_ms, shortest_ms=shortest_ms),
            version=agent.version,
            last_beat=agent.last_beat_ms,
            age_ms=max(now_ms - agent.last_beat_ms, 0),
            paused_reason=agent.paused_reason,
            last_error=agent.last_error,
            last_error_at=agent.last_error_ms,
        )


class BoundaryOut(Schema):
    """The newest boundary of a timeframe that was evaluated whole, and how old the candles are."""

    venue: str = Field(description="Of which venue.", examples=["binance"])
    timeframe: str = Field(description="Of which timeframe.", examples=["1m"])
    close_time: int | None = Field(
        description="When it closed (epoch ms); null before the first.", examples=[EXAMPLE_TIME]
    )
    lag_ms: int | None = Field(
        description="From the close to its last signal being stored; null on a tape, whose time is not real.",
        examples=[640],
    )
    data_age_ms: int | None = Field(
        description="Age of the newest close in the candle log; null when there is none, or it could not be read.",
        examples=[21_000],
    )
    shards: int | None = Field(description="In how many parts it was evaluated.", examples=[1])
    traders: int | None = Field(description="How many traders that were.", examples=[200])
    signals: int | None = Field(description="How many new signals it led to.", examples=[3])
    errors: int | None = Field(description="How many traders could not be evaluated.", examples=[0])

    @classmethod
    def of(cls, last: LastBoundary, age_ms: int | None, *, is_real_time: bool) -> Self:
        """Make it of a boundary and the age of its log."""
        return cls(
            venue=last.venue,
            timeframe=last.timeframe.value,
            close_time=last.close_time,
            lag_ms=last.lag_ms if is_real_time else None,
            data_age_ms=age_ms,
            shards=last.shards,
            traders=last.traders,
            signals=last.signals,
            errors=last.errors,
        )


class QueueOut(Schema):
    """How much is in a queue, about."""

    queue: str = Field(description="Its name.", examples=["executions"])
    waiting: int = Field(description="Messages that wait.", examples=[0])
    in_flight: int = Field(description="Messages being handled.", examples=[1])
    delayed: int = Field(description="Messages held back until their time.", examples=[0])
    dead: int | None = Field(description="Messages in its dead-letter queue; null where it has none.", examples=[0])

    @classmethod
    def of(cls, depth: QueueDepth) -> Self:
        """Make it of a queue's depth."""
        return cls(
            queue=depth.queue,
            waiting=depth.waiting,
            in_flight=depth.in_flight,
            delayed=depth.delayed,
            dead=depth.dead,
        )


class OpenAlertOut(Schema):
    """Something that is wrong."""

    dedupe_key: str = Field(description="What makes two findings the same.", examples=["venue:binance"])
    kind: str = Field(description="What kind of thing.", examples=["reconciliation"])
    severity: str = Field(description="`critical`, `warning` or `info`.", examples=["critical"])
    sentence: str = Field(description="What is wrong.", examples=["binance holds 0.1 BTC more than the ledger."])
    state: str = Field(description="`open` or `acknowledged`.", examples=["open"])
    seen: int = Field(description="How often it was found.", examples=[3])
    first_at: int = Field(description="Since when (epoch ms, market time).", examples=[EXAMPLE_TIME])
    last_at: int = Field(description="When it was found last.", examples=[EXAMPLE_TIME])

    @classmethod
    def of(cls, alert: OpenAlert) -> Self:
        """Make it of an open alert."""
        return cls(
            dedupe_key=alert.dedupe_key,
            kind=alert.kind,
            severity=alert.severity.value,
            sentence=alert.sentence,
            state=alert.state,
            seen=alert.seen,
            first_at=alert.first_at_ms,
            last_at=alert.last_at_ms,
        )


class BookWorthOut(Schema):
    """A book with what it was last worth."""

    book_id: str = Field(description="Which book.", examples=[EXAMPLE_ID])
    name: str = Field(description="What people call it.", examples=["Paper"])
    mode: str = Field(description="`paper` or `live`.", examples=["paper"])
    state: str = Field(description="Its own trading state.", examples=["active"])
    quote: str = Field(description="What it is counted in.", examples=["USDT"])
    capital: str = Field(description="What it started with.", examples=["100000"])
    equity: str | None = Field(
        description="What it was last worth; null before it was measured.", examples=["100250.5"]
    )
    equity_at: int | None = Field(description="When that was (epoch ms, market time).", examples=[EXAMPLE_TIME])
    positions: int = Field(description="How many positions it has open.", examples=[2])

    @classmethod
    def of(cls, book: BookWorth) -> Self:
        """Make it of a book's worth."""
        return cls(
            book_id=book.book_id,
            name=book.name,
            mode=book.mode.value,
            state=book.state.value,
            quote=book.quote,
            capital=plain(book.capital),
            equity=None if book.equity is None else plain(book.equity),
            equity_at=book.equity_at_ms,
            positions=book.positions,
        )


class HeldOut(Schema):
    """An open position."""

    book_id: str = Field(description="Whose.", examples=[EXAMPLE_ID])
    venue: str = Field(description="Where.", examples=["binance"])
    symbol: str = Field(description="In what.", examples=["BTC/USDT"])
    qty: str = Field(description="Base quantity, below zero when short.", examples=["0.25"])
    entry_price: str | None = Field(description="What it was entered at on average.", examples=["40000"])
    mark: str | None = Field(description="What it trades at; null where nobody knows.", examples=["40100"])
    unrealised: str | None = Field(description="What leaving at the mark would earn before fees.", examples=["25"])

    @classmethod
    def of(cls, valued: Valued) -> Self:
        """Make it of a valued position."""
        position = valued.held.position
        return cls(
            book_id=position.book_id,
            venue=position.venue,
            symbol=position.symbol,
            qty=plain(position.qty),
            entry_price=_text(position.entry_price),
            mark=_text(valued.mark.price if valued.mark else None),
            unrealised=_text(valued.unrealised),
        )


class VenueOut(Schema):
    """A venue the desk knows."""

    venue: str = Field(description="Its name.", examples=["binance"])
    enabled: bool = Field(description="Whether it is collected.", examples=[True])
    state: str = Field(description="Its trading state.", examples=["active"])
    timeframes: list[str] = Field(description="What is collected of it.", examples=[["1m", "5m"]])


class RedisCostOut(Schema):
    """What Redis costs this month, as far as the collectors have counted it: what functions read is not in it."""

    month: str = Field(description="The calendar month (UTC).", examples=["2026-11"])
    since: int = Field(description="Since when it was counted (epoch ms).", examples=[EXAMPLE_TIME])
    commands: int = Field(description="Commands so far.", examples=[120_000])
    bytes: int = Field(description="Bytes so far.", examples=[900_000_000])
    projected_commands: int | None = Field(
        description="What the month comes to at this rate; null before an hour was counted.", examples=[410_000]
    )
    usd: str = Field(
        description="What that costs so far: nothing within the free plan, else every command at 0.20 USD in 100,000.",
        examples=["0"],
    )
    projected_usd: str | None = Field(description="What the month will cost at this rate.", examples=["0"])

    @classmethod
    def of(cls, cost: RedisCost) -> Self:
        """Make it of a cost."""
        return cls(
            month=cost.month.month,
            since=cost.month.since_ms,
            commands=cost.month.used.commands,
            bytes=cost.month.used.bytes,
            projected_commands=None if cost.projected is None else cost.projected.commands,
            usd=plain(cost.usd),
            projected_usd=_text(cost.projected_usd),
        )


class MonitorOut(Schema):
    """The monitor's last run."""

    last_run: int = Field(description="When it ended (epoch ms, the database's clock).", examples=[EXAMPLE_TIME])
    age_ms: int = Field(description="How long ago that was.", examples=[31_000])
    success: bool = Field(description="Whether it could look at everything.", examples=[True])


class MetricsOut(Schema):
    """Everything the desk can say of itself; what is null could not be read, and `unreadable` says why."""

    timestamp: int = Field(description="The desk's now (epoch ms).", examples=[EXAMPLE_TIME])
    version: str = Field(description="Of the API that answers.", examples=["0.1.0"])
    trading_state: str | None = Field(
        description="The desk's; `halted` where the row is missing, null where it could not be read.",
        examples=["active"],
    )
    monitor: MonitorOut | None = Field(description="The watchman; null before his first run.")
    agents: list[AgentOut] | None = Field(description="Every agent that ever ran.")
    boundaries: list[BoundaryOut] | None = Field(description="By venue and timeframe.")
    unfinished_runs: int | None = Field(description="Runs that are under way, wait or failed.", examples=[0])
    queues: list[QueueOut] | None = Field(description="Every queue.")
    alerts: dict[str, int] | None = Field(description="How many are open, by severity.", examples=[{"critical": 1}])
    open_alerts: list[OpenAlertOut] | None = Field(description="The worst of them, up to 50.")
    books: list[BookWorthOut] | None = Field(description="Books with positions or a measured equity, up to 50.")
    open_positions: int | None = Field(description="How many positions are open.", examples=[2])
    positions: list[HeldOut] | None = Field(description="Those touched last, up to 50.")
    venues: list[VenueOut] | None = Field(description="Every venue.")
    redis: RedisCostOut | None = Field(description="The month of Redis; null where nobody has counted.")
    database_bytes: int | None = Field(description="Size of the database.", examples=[42_000_000])
    unreadable: dict[str, str] = Field(description="What could not be read, and why.", examples=[{}])

    @classmethod
    def of(cls, found: DeskMetrics, *, version: str) -> Self:
        """Make it of what was read."""
        status, run = found.status, found.monitor
        shortest_ms = shortest_of(each for each in status.venues if each.enabled) if status else 0
        told = {} if status is None else {
            "trading_state": status.trading_state.value if status.trading_state else "halted",
            "agents": [AgentOut.of(each, status.now_ms, shortest_ms) for each in status.agents],
            "boundaries": [
                BoundaryOut.of(each, found.ages.get((each.venue, each.timeframe)), is_real_time=found.is_real_time)
                for each in status.boundaries
            ],
            "unfinished_runs": status.unfinished_runs,
            "alerts": {severity.value: count for severity, count in status.alerts.items()},
            "open_alerts": [OpenAlertOut.of(each) for each in status.worst_alerts],
            "books": [BookWorthOut.of(each) for each in status.books],
            "open_positions": status.open_positions,
            "positions": [HeldOut.of(each) for each in found.valued],
            "venues": [
                VenueOut(venue=each.venue, enabled=each.enabled, state=each.state.value, timeframes=[*each.timeframes])
                for each in status.venues
            ],
            "database_bytes": status.database_bytes,
        }  # fmt: skip
        return cls(
            timestamp=found.now_ms,
            version=version,
            monitor=run and MonitorOut(last_run=run.finished_ms, age_ms=run.age_ms, success=run.success),
            queues=None if found.queues is None else [QueueOut.of(each) for each in found.queues],
            redis=found.redis and RedisCostOut.of(found.redis),
            unreadable=found.unreadable,
            **(_UNREAD | told),
        )


_UNREAD: dict[str, None] = dict.fromkeys((
    "trading_state", "agents", "boundaries", "unfinished_runs", "alerts", "open_alerts", "books", "open_positions",
    "positions", "venues", "database_bytes",
))  # fmt: skip


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)
