"""A whole trading desk in memory: stores, a paper venue whose market is moved by hand, risk and execution."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from uuid import UUID, uuid4

import numpy as np

from shared.adapters.paper_exchange import PaperExchange
from shared.adapters.remembered import RememberedMeasures
from shared.domain.candles import COLUMNS, CandleFrame
from shared.domain.errors import FatalError
from shared.domain.tickers import Snapshot, Ticker, VenueNow
from shared.domain.timeframe import Timeframe
from shared.domain.trading.books import Book, Limits
from shared.domain.trading.instruments import Instrument, InstrumentKind, PositionSide
from shared.domain.trading.intents import Guard, Intent, Purpose, Sizing, SizingMethod, Source
from shared.domain.trading.records import IntentView
from shared.domain.trading.states import Mode, TradingState
from shared.domain.venues import Venue
from shared.messages import CronTick, IntentRaised
from shared.trading_messages import ExecutionRequest, RiskRequest
from shared.usecases.execution_agent import ExecutionDesk, execution_agent
from shared.usecases.halting import Switch
from shared.usecases.listing import Listings
from shared.usecases.markets_of_books import Market
from shared.usecases.patience import Patience
from shared.usecases.protecting import Guards
from shared.usecases.risk_agent import RiskDesk, risk_agent
from shared.usecases.watching import WatchDesk
from shared.usecases.working import Floor
from shared.venue_ports import Exchange
from tests.fakes.alerts import MemoryAlertStore
from tests.fakes.books import MemoryBookStore, MemoryDeskStates, MemoryInstrumentStore
from tests.fakes.hand_market import HandMarket
from tests.fakes.intents import MemoryIntentStore
from tests.fakes.ledger import MemoryLedger
from tests.fakes.orders import MemoryOrderStore
from tests.fakes.paper import MemoryPaperStore
from tests.fakes.queue import MemoryQueue
from tests.fakes.stores import MemoryDatabase, MemoryVenueStore

D = Decimal
VENUE, SYMBOL = "binance", "BTC/USDT"
BARS = 400
INSTRUMENT = Instrument(
    venue=VENUE, symbol=SYMBOL, kind=InstrumentKind.SPOT, base="BTC", quote="USDT", tick_size=D("0.01"),
    step_size=D("0.00001"), min_qty=D("0.00001"), min_notional=D(5), maker_fee_rate=D("0.001"),
    taker_fee_rate=D("0.001"),
)  # fmt: skip
FUTURE = replace(INSTRUMENT, venue="binance_usdm", symbol="BTC/USDT:USDT", kind=InstrumentKind.SWAP)


@dataclass
class HandBoard:
    """Tickers of the market moved by hand."""

    market: HandMarket
    symbol: str = SYMBOL

    def now(self, venues: Sequence[str]) -> Mapping[str, VenueNow]:
        price = float(self.market.price)
        ticker = Ticker(last=price, bid=price - 0.01, ask=price + 0.01)
        snapshot = Snapshot(self.market.clock.now_ms(), {self.symbol: ticker})
        return {venue: VenueNow(snapshot) for venue in venues}


@dataclass
class HandLog:
    """Candles of a price that wandered a little before the test began."""

    market: HandMarket
    symbol: str = SYMBOL

    def frame(self, venue: str, timeframe: Timeframe, *, bars: int) -> CandleFrame:
        last = self.market.clock.now_ms() // timeframe.ms * timeframe.ms
        times = np.arange(last - BARS * timeframe.ms, last, timeframe.ms, dtype=np.int64)
        walk = np.random.default_rng(7).normal(0, 1e-4, BARS)
        closes = float(self.market.price) * np.exp(np.cumsum(walk) - walk.sum())
        values = np.empty((len(COLUMNS), 1, BARS))
        values[:] = closes
        values[4:] = 100.0
        filled = np.zeros((1, BARS), dtype=bool)
        return CandleFrame(timeframe=timeframe, symbols=(self.symbol,), open_times=times, values=values, filled=filled)

    def newest_close(self, venue: str, timeframe: Timeframe) -> int | None:
        return self.market.clock.now_ms() // timeframe.ms * timeframe.ms


@dataclass
class OneVenue:
    """Paper accounts at the one venue; `wrap` puts something between the desk and it."""

    desk: "TradingInMemory"

    def of(self, venue: str, account: str) -> Exchange:
        if account == "live":
            raise FatalError("this desk trades on paper")
        return self.desk.account(account)

    def listed(self, venue: str) -> Sequence[Instrument]:
        return [self.desk.instrument]


@dataclass
class TradingInMemory:
    """Everything between an intent and its position."""

    market: HandMarket = field(default_factory=HandMarket)
    paper: MemoryPaperStore = field(default_factory=MemoryPaperStore)
    exchange: Exchange | None = None
    instrument: Instrument = INSTRUMENT

    def __post_init__(self) -> None:
        self.clock = self.market.clock
        self.venue, self.symbol = self.instrument.venue, self.instrument.symbol
        venue = Venue(venue=self.venue, timeframes=tuple(Timeframe))
        self.database = MemoryDatabase(clock=self.clock, venues=[venue])
        self.intents = MemoryIntentStore(self.database)
        self.books = MemoryBookStore(self.database)
        self.states = MemoryDeskStates(self.database)
        self.ledger = MemoryLedger(self.database)
        self.orders = MemoryOrderStore(self.database)
        self.instruments = MemoryInstrumentStore(self.database)
        self.instruments.record([self.instrument])
        self.raised, self.decided = MemoryQueue(), MemoryQueue()
        self.held: list[tuple[int, str]] = []
        self.book = self.books.create(
            Book(
                book_id=str(UUID(int=1)), owner_id=None, name="Paper", mode=Mode.PAPER, quote="USDT",
                capital=D(100_000), state=TradingState.ACTIVE, venues=(self.venue,),
                limits=Limits(max_concentration_rate=D("0.5"), duplicate_window_ms=0),
            )
        )  # fmt: skip
        self.floor = Floor(
            at_once=1, orders=self.orders, ledger=self.ledger, exchanges=OneVenue(self), clock=self.clock
        )
        board, log = HandBoard(self.market, self.symbol), HandLog(self.market, self.symbol)
        self.guards = Guards(
            intents=self.intents, books=self.books, instruments=self.instruments, tickers=board,
            intents_queue=self.raised, orders_queue=self.decided,
        )  # fmt: skip
        venues = MemoryVenueStore(self.database)
        self.execution = ExecutionDesk(
            floor=self.floor, intents=self.intents, books=self.books, instruments=self.instruments, candles=log,
            orders_queue=self.decided, guards=self.guards, alerts=MemoryAlertStore(self.database),
            venues=venues, measures=RememberedMeasures(orders=self.orders, clock=self.clock, wall_clock=self.clock),
            listings=Listings(
                instruments=self.instruments, books=self.books, venues=venues, market_lists=OneVenue(self),
                wall_clock=self.clock,
            ),
        )  # fmt: skip
        market = Market(instruments=self.instruments, tickers=board, candles=log, venues=venues, clock=self.clock)
        self.risk = RiskDesk(
            intents=self.intents, market=market, orders_queue=self.decided, mode=Mode.PAPER, tier=2,
            watch=WatchDesk(books=self.books, ledger=self.ledger, market=market),
        )  # fmt: skip
        self.switch = Switch(
            states=self.states, intents=self.intents, books=self.books, intents_queue=self.raised,
            orders_queue=self.decided, patience=Patience(up_to_ms=400, pause_s=lambda _: self.run()),
        )  # fmt: skip

    def account(self, book_id: str) -> Exchange:
        """Return the paper account of a book, or what a test put in its place."""
        return self.exchange or PaperExchange(
            self.venue, book_id, opening={"USDT": D(100_000)}, store=self.paper, instruments=lambda: [self.instrument],
            market_of=self.market, clock=self.clock, kind=self.instrument.kind, pause=lambda _: None,
        )  # fmt: skip

    def wish(self, **changes: object) -> Intent:
        """Raise an intent to be long by 10,000 USDT, and queue it."""
        now_ms = self.clock.now_ms()
        intent = Intent(
            intent_id=str(uuid4()), book_id=self.book.book_id, mode=Mode.PAPER, source=Source.PERSON, venue=self.venue,
            symbol=self.symbol, direction=PositionSide.LONG,
            sizing=Sizing(method=SizingMethod.NOTIONAL, value=D(10_000)), reference_price=self.market.price,
            raised_at_ms=now_ms, expires_at_ms=now_ms + 300_000,
            correlation_id=uuid4().hex,
        )  # fmt: skip
        stored = self.intents.raise_intent(replace(intent, **changes), actor="test")  # type: ignore[arg-type]
        self.raised.send(
            [IntentRaised(intent_id=stored.intent_id, correlation_id=stored.correlation_id).model_dump_json()]
        )
        return stored

    def leave(self, qty: Decimal, **changes: object) -> Intent:
        """Raise an intent to leave a part of the long position."""
        return self.wish(purpose=Purpose.EXIT, sizing=Sizing(method=SizingMethod.QTY, value=qty), **changes)

    def run(self) -> None:
        """Deliver messages until there are none."""
        for _ in range(50):
            raised, self.raised.bodies = self.raised.bodies, []
            for body in raised:
                risk_agent(RiskRequest.validate_python(json.loads(body)), desk=self.risk)
            decided = self._due()
            for body in decided:
                execution_agent(ExecutionRequest.validate_python(json.loads(body)), desk=self.execution)
            if not raised and not decided:
                return
        raise AssertionError("messages never end")

    def _due(self) -> list[str]:
        """Return the messages to execution whose delay is over."""
        now_ms = self.clock.now_ms()
        sent = zip(self.decided.bodies, self.decided.delays_s, strict=True)
        self.held += [(now_ms + delay_s * 1_000, body) for body, delay_s in sent]
        self.decided.bodies, self.decided.delays_s = [], []
        due = [body for due_ms, body in self.held if due_ms <= now_ms]
        self.held = [(due_ms, body) for due_ms, body in self.held if due_ms > now_ms]
        return due

    def sweep(self, minutes: int = 1) -> None:
        """Let minutes pass, each with its sweeps."""
        for _ in range(minutes):
            self.clock.advance(60_000)
            risk_agent(CronTick(trigger="cron"), desk=self.risk)
            execution_agent(CronTick(trigger="cron"), desk=self.execution)
            self.run()

    def view(self, intent: Intent) -> IntentView:
        """Return an intent with its orders and fills as stored."""
        return self.orders.execution(intent.intent_id)

    def qty(self) -> Decimal:
        """Return what the book holds."""
        return self.ledger.position(self.book.book_id, self.venue, self.symbol).position.qty

    def guard(self) -> Guard:
        """Return what protects the position."""
        return self.ledger.position(self.book.book_id, self.venue, self.symbol).guard

    def adds_up(self) -> bool:
        """Tell whether the venue holds what the ledger says, to the last digit."""
        account = self.account(self.book.book_id)
        balances = {each.asset: each.total for each in account.balances()}
        held = {asset: qty for asset, qty in self.ledger.holdings(self.venue, self.book.book_id).items() if qty}
        futures = {each.symbol: each.qty for each in account.positions()}
        expected = {self.symbol: self.qty()} if ":" in self.symbol and self.qty() else {}
        return balances == held and futures == expected
