"""Those who are on the desk while it is watched: a collector that writes, agents that run, one book that is held.

They are played by the stores they write with, a minute at a time; each can fall silent, or leave something undone.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from postgrest import SyncPostgrestClient

from shared.adapters.clock import TapeClock
from shared.adapters.supabase.agents import SupabaseAgentStore
from shared.adapters.supabase.books import SupabaseBookStore
from shared.adapters.supabase.channels import SupabaseChannelStore
from shared.adapters.supabase.client import once
from shared.adapters.supabase.desk_states import SupabaseDeskStates
from shared.adapters.supabase.instruments import SupabaseInstrumentStore
from shared.adapters.supabase.intents import SupabaseIntentStore
from shared.adapters.supabase.ledger import SupabaseLedger
from shared.adapters.supabase.runs import SupabaseRunStore
from shared.domain.runs import ClosedBoundary, RunResult, Shard
from shared.domain.timeframe import Timeframe
from shared.domain.trading.books import Book
from shared.domain.trading.instruments import Instrument, InstrumentKind, PositionSide
from shared.domain.trading.intents import Intent, Purpose, Sizing, SizingMethod, Source
from shared.domain.trading.money import ZERO
from shared.domain.trading.states import IntentState, Mode, TradingState
from shared.domain.trading.told import EquityPoint

if TYPE_CHECKING:
    from redis import Redis

MINUTE_MS: Final = 60_000
VENUE: Final = "binance"
TIMEFRAMES: Final = (Timeframe.M1, Timeframe.M5)
AGENTS: Final = ("execution-agent", "risk-agent", "strategy-agent")
BOOK: Final = "drill"
_SYMBOL: Final = "BTC/USDT"
_CAPITAL: Final = Decimal(10_000)
_ACTOR: Final = "drill"
_DONE: Final = RunResult(traders=1, evaluations=2, insufficient=0, errors=0, duration_ms=1.0)


@dataclass(slots=True, kw_only=True)
class Cast:
    """Collector and agents; `silent` agents do not run, of `stale` timeframes nothing is written any more."""

    database: SyncPostgrestClient
    redis: "Redis"
    clock: TapeClock
    channels: SupabaseChannelStore
    silent: set[str] = field(default_factory=set)
    stale: set[Timeframe] = field(default_factory=set)
    leaves_runs: bool = False
    _closes: dict[Timeframe, int] = field(default_factory=dict)
    _claimed: dict[Timeframe, int] = field(default_factory=dict)
    _left: list[Shard] = field(default_factory=list)
    _approved: Intent | None = None

    def enter(self) -> None:
        """List what is collected and traded, open the book, and have everybody been there a minute ago."""
        venue = {"venue": VENUE, "timeframes": [*TIMEFRAMES], "log_depth": 1_000, "enabled": True}
        once(self.database.from_("venues").upsert(venue))
        SupabaseInstrumentStore(self.database).record([
            Instrument(
                venue=VENUE, symbol=_SYMBOL, kind=InstrumentKind.SPOT, base="BTC", quote="USDT",
                tick_size=Decimal("0.01"), step_size=Decimal("0.00001"), min_qty=Decimal("0.00001"),
                min_notional=Decimal(5), maker_fee_rate=ZERO, taker_fee_rate=ZERO,
            )
        ])  # fmt: skip
        SupabaseBookStore(self.database).create(
            Book(
                book_id=BOOK, owner_id=None, name="Drill", mode=Mode.PAPER, quote="USDT", capital=_CAPITAL,
                state=TradingState.ACTIVE, venues=(VENUE,),
            )
        )  # fmt: skip
        self.set_desk(TradingState.ACTIVE)
        self.collect()
        self.work()
        self.beat()

    def collect(self) -> None:
        """Put down what has closed, as collectors do."""
        now_ms = self.clock.now_ms()
        self._closes |= {each: each.last_close(now_ms) for each in TIMEFRAMES if each not in self.stale}
        closes = [part for each, close in self._closes.items() for part in (f"newest_close:{each}", close)]
        self.redis.hset(f"collector:{VENUE}", items=["status", "ok", "open_gaps", 0, *closes])

    def work(self) -> None:
        """Claim the closes that are in the log and finish their runs; one run is left where runs are."""
        runs = SupabaseRunStore(self.database)
        for timeframe, close_time in self._closes.items():
            if self._claimed.get(timeframe) == close_time:
                continue
            shard = Shard(
                boundary=ClosedBoundary(venue=VENUE, timeframe=timeframe, close_time=close_time), shard=0, shards=1
            )
            if not runs.claim(shard.boundary, shards=1, source=_ACTOR, correlation_id=str(close_time)):
                continue
            self._claimed[timeframe] = close_time
            if self.leaves_runs and not self._left:
                self._left.append(shard)
            else:
                self._finish(shard)

    def finish_left(self) -> None:
        """Finish the run that was left."""
        self.leaves_runs = False
        while self._left:
            self._finish(self._left.pop())

    def beat(self) -> None:
        """Let every agent have run that is not silent; risk-agent marks the book."""
        agents = SupabaseAgentStore(self.database)
        for each in AGENTS:
            if each not in self.silent:
                agents.beat(each, version="drill", run={"messages": 1})
        if "risk-agent" not in self.silent:
            at_ms = self.clock.now_ms() // MINUTE_MS * MINUTE_MS
            point = EquityPoint(at_ms=at_ms, equity=_CAPITAL, realised=ZERO, fees=ZERO)
            SupabaseLedger(self.database).mark_equities({BOOK: point})

    def approve(self) -> None:
        """Have an intent approved that nobody works and whose horizon ends at once."""
        intents, now_ms = SupabaseIntentStore(self.database), self.clock.now_ms()
        intent = intents.raise_intent(
            Intent(
                intent_id=str(uuid4()), book_id=BOOK, mode=Mode.PAPER, source=Source.PERSON, venue=VENUE,
                symbol=_SYMBOL, purpose=Purpose.ENTER, direction=PositionSide.LONG,
                sizing=Sizing(method=SizingMethod.NOTIONAL, value=Decimal(1_000)), reference_price=Decimal(40_000),
                raised_at_ms=now_ms, expires_at_ms=now_ms + MINUTE_MS, correlation_id=uuid4().hex,
            ),
            actor=_ACTOR,
        )  # fmt: skip
        version = SupabaseBookStore(self.database).get(BOOK).risk_version
        self._approved = intents.decide(
            intent, IntentState.APPROVED, risk_version=version, qty=Decimal("0.025"), decision={}, actor="risk-agent",
            reason="a drill",
        )  # fmt: skip

    def expire(self) -> None:
        """End the intent that was left."""
        if self._approved is not None:
            SupabaseIntentStore(self.database).finish(
                self._approved, IntentState.EXPIRED, actor=_ACTOR, reason="the drill is over"
            )
            self._approved = None

    def set_desk(self, state: TradingState) -> None:
        """Halt the desk, or let it trade."""
        SupabaseDeskStates(self.database).set("desk", "", state, actor=_ACTOR, reason="a drill")

    def _finish(self, shard: Shard) -> None:
        runs = SupabaseRunStore(self.database)
        runs.start(shard, lease_ms=MINUTE_MS)
        runs.finish(shard, result=_DONE, signals=[])
