"""A desk that trades live at the simulated venue, of the parts the functions use: the real stores, ccxt, the use-cases.

It is made anew in every process that takes part in a drill, from one small description (`Place`).
"""

import json
import os
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final, Self

from postgrest import SyncPostgrestClient

from desk.simulator.depth import grid, price_of
from desk.simulator.spec import build_tape, read_spec
from desk.simulator.tape import Tape
from shared.adapters.ccxt_dialect import Keys
from shared.adapters.ccxt_exchange import CcxtExchange
from shared.adapters.clock import TapeClock
from shared.adapters.remembered import RememberedMeasures
from shared.adapters.supabase.alerts import SupabaseAlertStore
from shared.adapters.supabase.books import SupabaseBookStore
from shared.adapters.supabase.client import connect
from shared.adapters.supabase.desk_states import SupabaseDeskStates
from shared.adapters.supabase.instruments import SupabaseInstrumentStore
from shared.adapters.supabase.intents import SupabaseIntentStore
from shared.adapters.supabase.ledger import SupabaseLedger
from shared.adapters.supabase.orders import SupabaseOrderStore
from shared.adapters.supabase.venues import SupabaseVenueStore
from shared.domain.candles import CandleFrame
from shared.domain.errors import FatalError
from shared.domain.tickers import Snapshot, Ticker, VenueNow
from shared.domain.timeframe import Timeframe
from shared.domain.trading.accounts import LIVE_ACCOUNT
from shared.domain.trading.instruments import Instrument
from shared.domain.trading.orders import OrderReport, OrderRequest
from shared.domain.trading.states import Mode
from shared.usecases.execution_agent import ExecutionDesk
from shared.usecases.halting import Switch
from shared.usecases.listing import Listings
from shared.usecases.markets_of_books import Market
from shared.usecases.patience import Patience
from shared.usecases.protecting import Guards
from shared.usecases.risk_agent import RiskDesk
from shared.usecases.watching import WatchDesk
from shared.usecases.working import Floor
from shared.venue_ports import Exchange

VENUE: Final = "binance"
API_KEY, SECRET = "a-drill", "a-drill-secret"
TIMEOUT_MS: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a drill happens: the venue, the database, and the folder with the tape and its clock."""

    venue_url: str
    database_url: str
    database_key: str
    home: str

    def to_env(self) -> dict[str, str]:
        """Return it as an environment variable."""
        return {"ORDER_DRILL": json.dumps(asdict(self))}

    @classmethod
    def from_env(cls) -> Self:
        """Read what `to_env` wrote."""
        return cls(**json.loads(os.environ["ORDER_DRILL"]))


class Death(StrEnum):
    """When a process is killed: with the row written and nothing sent, or with the order sent and nothing written."""

    BEFORE_CALL = "before_call"
    AFTER_CALL = "after_call"


class DyingExchange(CcxtExchange):
    """The live adapter in a process that is killed around its first order; nothing is cleaned up."""

    death: Death

    def place(self, request: OrderRequest) -> OrderReport:
        """Send an order, and be killed before or after."""
        if self.death is Death.AFTER_CALL:
            super().place(request)
        os.kill(os.getpid(), signal.SIGKILL)
        raise FatalError("a process outlived SIGKILL")


@dataclass(frozen=True, slots=True)
class TapeMarket:
    """What the collector would have written of a venue on a tape: its tickers, and its closed candles."""

    tape: Tape
    clock: TapeClock

    def now(self, venues: Sequence[str]) -> Mapping[str, VenueNow]:
        """Return tickers as of now, bid and ask a tick around the last price as the venue's book has them."""
        now_ms, rows = self.clock.now_ms(), {}
        for listed in self.tape.listed(now_ms):
            if (last := price_of(self.tape, listed, now_ms)) is not None:
                tick, _ = grid(listed)
                rows[listed.symbol] = Ticker(float(last), float(last - tick), float(last + tick))
        return dict.fromkeys(venues, VenueNow(tickers=Snapshot(now_ms, rows)))

    def frame(self, venue: str, timeframe: Timeframe, *, bars: int) -> CandleFrame:  # noqa: ARG002 there is one
        """Return the newest closed candles."""
        now_ms = self.clock.now_ms()
        since_ms = max(self.tape.start, timeframe.last_close(now_ms) - bars * timeframe.ms)
        return self.tape.frame(timeframe, since=since_ms, until=now_ms)

    def newest_close(self, venue: str, timeframe: Timeframe) -> int | None:  # noqa: ARG002 there is one
        """Return the newest close."""
        return timeframe.last_close(self.clock.now_ms())


@dataclass(slots=True)
class Mailbox:
    """A queue whose messages somebody takes by hand, none before its time; what was not done goes back."""

    clock: TapeClock
    waiting: deque[tuple[int, str]] = field(default_factory=deque)

    def send(self, bodies: Sequence[str], *, delay_s: int = 0) -> None:
        """Keep messages until they are due."""
        due_ms = self.clock.now_ms() + delay_s * 1_000
        self.waiting.extend((due_ms, body) for body in bodies)

    def take(self) -> list[str]:
        """Return the messages that are due, which are gone then."""
        now_ms = self.clock.now_ms()
        due = [body for due_ms, body in self.waiting if due_ms <= now_ms]
        self.waiting = deque((due_ms, body) for due_ms, body in self.waiting if due_ms > now_ms)
        return due


class Parts:
    """The desk of one process, each part made when it is first used."""

    def __init__(self, place: Place, *, death: Death | None = None) -> None:
        self.place, self._death = place, death
        self.clock = TapeClock(Path(place.home) / "clock.json")
        self.intents_queue, self.orders_queue = Mailbox(self.clock), Mailbox(self.clock)

    @cached_property
    def database(self) -> SyncPostgrestClient:
        """Return the database as the service sees it."""
        return connect(self.place.database_url, self.place.database_key)

    @cached_property
    def exchange(self) -> CcxtExchange:
        """Return the account at the venue."""
        keys = Keys(api_key=API_KEY, secret=SECRET)
        kind = CcxtExchange if self._death is None else DyingExchange
        exchange = kind(VENUE, keys, self.clock, url=self.place.venue_url, timeout_ms=TIMEOUT_MS)
        if isinstance(exchange, DyingExchange) and self._death is not None:
            exchange.death = self._death
        return exchange

    def of(self, venue: str, account: str) -> Exchange:
        """Return an account; there is one."""
        if (venue, account) != (VENUE, LIVE_ACCOUNT):
            raise FatalError(f"the drill has no account {account} at {venue}")
        return self.exchange

    @cached_property
    def tape(self) -> Tape:
        """Return what the venue plays."""
        return build_tape(read_spec(Path(self.place.home) / "tape.json"))

    @cached_property
    def market(self) -> TapeMarket:
        """Return the market data."""
        return TapeMarket(self.tape, self.clock)

    @cached_property
    def intents(self) -> SupabaseIntentStore:
        """Return the intents."""
        return SupabaseIntentStore(self.database)

    @cached_property
    def books(self) -> SupabaseBookStore:
        """Return the books."""
        return SupabaseBookStore(self.database)

    @cached_property
    def instruments(self) -> SupabaseInstrumentStore:
        """Return the instruments."""
        return SupabaseInstrumentStore(self.database)

    @cached_property
    def floor(self) -> Floor:
        """Return what orders are worked with."""
        return Floor(
            orders=SupabaseOrderStore(self.database),
            ledger=SupabaseLedger(self.database),
            exchanges=self,
            clock=self.clock,
        )

    @cached_property
    def execution(self) -> ExecutionDesk:
        """Return what execution-agent takes."""
        guards = Guards(
            intents=self.intents,
            books=self.books,
            instruments=self.instruments,
            tickers=self.market,
            intents_queue=self.intents_queue,
            orders_queue=self.orders_queue,
        )
        return ExecutionDesk(
            floor=self.floor,
            intents=self.intents,
            books=self.books,
            instruments=self.instruments,
            candles=self.market,
            venues=SupabaseVenueStore(self.database),
            orders_queue=self.orders_queue,
            measures=RememberedMeasures(orders=self.floor.orders, clock=self.clock, wall_clock=self.clock),
            guards=guards,
            alerts=SupabaseAlertStore(self.database),
            listings=self.listings,
        )

    @cached_property
    def listings(self) -> Listings:
        """Return what is listed: as the drill began, since no drill takes an hour."""
        return Listings(
            instruments=self.instruments,
            books=self.books,
            venues=SupabaseVenueStore(self.database),
            market_lists=self,
            wall_clock=self.clock,
            read_ms={VENUE: self.clock.now_ms()},
        )

    def listed(self, venue: str) -> Sequence[Instrument]:
        """Return what the venue lists."""
        return self.of(venue, LIVE_ACCOUNT).instruments()

    @cached_property
    def risk(self) -> RiskDesk:
        """Return what risk-agent takes."""
        return RiskDesk(
            intents=self.intents,
            market=self.seen,
            orders_queue=self.orders_queue,
            mode=Mode.LIVE,
            tier=2,
            watch=WatchDesk(books=self.books, ledger=self.floor.ledger, market=self.seen),
        )

    @cached_property
    def seen(self) -> Market:
        """Return where prices, candles and instruments are read."""
        return Market(
            instruments=self.instruments,
            tickers=self.market,
            candles=self.market,
            venues=SupabaseVenueStore(self.database),
            clock=self.clock,
        )

    @cached_property
    def switch(self) -> Switch:
        """Return the kill switch."""
        return Switch(
            states=SupabaseDeskStates(self.database),
            intents=self.intents,
            books=self.books,
            intents_queue=self.intents_queue,
            orders_queue=self.orders_queue,
            patience=Patience(up_to_ms=0),  # what is left is the drill's to look at
        )
