"""A desk in memory: fakes that share a database, a log and a clock, and the use-cases wired to them."""

from dataclasses import dataclass, field

from shared.domain.candles import Boundary, Candle
from shared.domain.codec import encode
from shared.domain.consensus import SignalAgentSettings
from shared.domain.runs import ClosedBoundary
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Edge, Trader, Universe
from shared.domain.venues import Venue
from shared.messages import BoundaryClosed, ShardDue, ShardResult, Swept, Triggered
from shared.usecases.execute_trader import execute_shard
from shared.usecases.trigger_executions import sweep_boundaries, trigger_boundary
from shared.usecases.waking import Waking
from shared.usecases.watchlist import Watchlist
from tests.fakes.candle_log import FakeCandleLog
from tests.fakes.clock import ManualClock
from tests.fakes.monitor import MemoryMonitorStore
from tests.fakes.outcomes import MemoryOutcomeStore
from tests.fakes.queue import MemoryQueue
from tests.fakes.stores import (
    MemoryDatabase,
    MemoryRunStore,
    MemorySignalStore,
    MemoryTraderStore,
    MemoryVenueStore,
)
from tests.fakes.ticker_board import Texts

M1 = Timeframe.M1
START = 1_640_995_200_000
LEASE_MS = 60_000


def trader_id(number: int) -> str:
    """Return a readable trader id."""
    return f"00000000-0000-4000-8000-{number:012d}"


def make_trader(number: int, rule: str, **change: object) -> Trader:
    """Return a trader on 1m candles that fires at every bar its rule is true."""
    fields: dict[str, object] = {
        "trader_id": trader_id(number),
        "owner_id": None,
        "name": f"Trader {number}",
        "description": "",
        "rule": rule,
        "timeframe": M1,
        "universe": Universe(),
        "edge": Edge.LEVEL,
    }
    return Trader(**(fields | change))  # type: ignore[arg-type]


@dataclass
class DeskInMemory:
    """Everything a boundary passes through, without a network."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    database: MemoryDatabase = field(init=False)
    streams: dict[tuple[str, Timeframe], list[dict[str, str]]] = field(default_factory=dict)
    ticker_texts: Texts = field(default_factory=dict)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    intents_queue: MemoryQueue = field(default_factory=MemoryQueue)
    notifications: MemoryQueue = field(default_factory=MemoryQueue)
    signals_queue: MemoryQueue = field(default_factory=MemoryQueue)
    agent: SignalAgentSettings = field(default_factory=SignalAgentSettings)
    traders_per_shard: int = 2

    def __post_init__(self) -> None:
        self.database = MemoryDatabase(clock=self.clock, venues=[Venue(venue="binance", timeframes=(M1, Timeframe.M5))])
        self.traders = MemoryTraderStore(self.database)
        self.runs = MemoryRunStore(self.database)
        self.signals = MemorySignalStore(self.database)
        self.outcomes = MemoryOutcomeStore(self.database)
        self.monitor_runs = MemoryMonitorStore(self.database)
        self.venues = MemoryVenueStore(self.database)
        self.candles = FakeCandleLog(self.streams)
        self.watchlist = self.cold()

    def cold(self) -> Watchlist:
        """Return what a fresh process starts with."""
        return Watchlist(self.traders, self.venues, self.clock)

    def close(self, timeframe: Timeframe = M1, **closes: float) -> BoundaryClosed:
        """Let a candle of every named symbol close now, and return the announcement."""
        close_time = timeframe.last_close(self.clock.now_ms())
        boundary = Boundary.of(
            timeframe,
            close_time - timeframe.ms,
            [
                (f"{name}/USDT", Candle(close_time - timeframe.ms, price, price, price, price, 1.0, price, 1.0, 0.5))
                for name, price in closes.items()
            ],
        )
        self.streams.setdefault(("binance", timeframe), []).append(encode(boundary))
        return BoundaryClosed(venue="binance", timeframe=timeframe, close_time=close_time)

    def minute(self, **closes: float) -> BoundaryClosed:
        """Let a minute pass and close."""
        self.clock.advance(M1.ms)
        return self.close(M1, **closes)

    def announce(self, event: BoundaryClosed) -> Triggered:
        """Call trigger-executions as the collector does."""
        return trigger_boundary(
            event,
            traders=self.traders,
            runs=self.runs,
            queue=self.queue,
            traders_per_shard=self.traders_per_shard,
        )

    def sweep(self) -> Swept:
        """Call trigger-executions as the clock does."""
        return sweep_boundaries(
            venues=self.venues,
            candles=self.candles,
            traders=self.traders,
            runs=self.runs,
            queue=self.queue,
            clock=self.clock,
            traders_per_shard=self.traders_per_shard,
        )

    def execute(self, event: ShardDue, watchlist: Watchlist | None = None) -> ShardResult:
        """Call execute-trader with one message."""
        return execute_shard(
            event,
            candles=self.candles,
            watchlist=watchlist or self.watchlist,
            runs=self.runs,
            outcomes=self.outcomes,
            intents_queue=self.intents_queue,
            waking=self.waking(),
            clock=self.clock,
            lease_ms=LEASE_MS,
        )

    def waking(self) -> Waking:
        """Return what wakes signal-agent, as it is set now."""
        return Waking(settings=lambda: self.agent, queue=self.signals_queue, notifications=self.notifications)

    def messages(self) -> list[ShardDue]:
        """Take every message from the queue."""
        taken = [ShardDue.model_validate_json(body) for body in self.queue.bodies]
        self.queue.bodies.clear()
        return taken

    def work(self) -> list[ShardResult]:
        """Execute whatever waits in the queue."""
        return [self.execute(message) for message in self.messages()]

    def recorded(self) -> list[tuple[str, str, int]]:
        """Return (trader, symbol, close time) of every stored signal, sorted."""
        return sorted((key[0], key[1], key[3]) for key in self.database.signals)

    def boundary(self, close_time: int, timeframe: Timeframe = M1) -> ClosedBoundary:
        """Return a boundary of the venue."""
        return ClosedBoundary(venue="binance", timeframe=timeframe, close_time=close_time)
