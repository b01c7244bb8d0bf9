"""The desk of a storm: the use-cases over stores in memory, three paper venues, books with limits of their own."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from shared.adapters.paper_exchange import PaperExchange
from shared.adapters.remembered import RememberedMeasures
from shared.domain.errors import FatalError
from shared.domain.timeframe import Timeframe
from shared.domain.trading.books import Book, Limits, VarPolicy
from shared.domain.trading.instruments import Instrument
from shared.domain.trading.states import Mode, TradingState
from shared.domain.venues import Venue
from shared.usecases.execution_agent import ExecutionDesk
from shared.usecases.halting import Switch
from shared.usecases.listing import Listings
from shared.usecases.markets_of_books import Market
from shared.usecases.patience import Patience
from shared.usecases.protecting import Guards
from shared.usecases.risk_agent import RiskDesk
from shared.usecases.watching import WatchDesk
from shared.usecases.withdrawing import withdraw
from shared.usecases.working import Floor
from shared.venue_ports import Exchange
from tests.fakes.alerts import MemoryAlertStore
from tests.fakes.books import MemoryBookStore, MemoryDeskStates, MemoryInstrumentStore
from tests.fakes.ledger import MemoryLedger
from tests.fakes.paper import MemoryPaperStore
from tests.fakes.queue import MemoryQueue
from tests.fakes.stores import MemoryDatabase, MemoryVenueStore
from tests.storm.checks import Checks
from tests.storm.market import VENUES, StormMarket, kind_of
from tests.storm.stores import Mortal, WatchedIntents, WatchedOrders
from tests.storm.venue import BadLine, Dice

D = Decimal
_LOOSE = Limits(var_policy=VarPolicy.IGNORE, duplicate_window_ms=0, max_stress_loss_rate=D(1), var_limit_rate=D(1))
BOOKS = {
    "strict": (D(50_000), Limits(cooldown_ms=1_000), VENUES[:1]),
    "wide": (D(200_000), Limits(
        max_leverage=D(1), max_concentration_rate=D("0.6"), max_correlated_rate=D(1), duplicate_window_ms=0,
        var_limit_rate=D("0.2"), max_stress_loss_rate=D("0.9"),
    ), VENUES),
    "capped": (D(100_000), Limits(
        var_policy=VarPolicy.IGNORE, max_trade_notional=D(4_000), max_book_notional=D(15_000), duplicate_window_ms=0,
        max_concentration_rate=D(1), max_correlated_rate=D(2), var_limit_rate=D(1), max_open_positions=2,
    ), VENUES),
    "small": (D(500), _LOOSE, VENUES[1:]),
    "futures": (D(80_000), Limits(
        max_leverage=D(3), max_concentration_rate=D(2), max_correlated_rate=D(3), duplicate_window_ms=0,
        var_policy=VarPolicy.IGNORE, var_limit_rate=D(1), max_stress_loss_rate=D(3), max_daily_drawdown_rate=D("0.5"),
    ), VENUES[2:]),
}  # fmt: skip


@dataclass
class StormDesk:
    """Everything between an intent and its position, every part of which may fail."""

    draw: random.Random
    dice: Dice = field(init=False)
    sent: Counter[str] = field(default_factory=Counter)
    overtake: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.dice, self.market = Dice(self.draw), StormMarket(self.draw)
        self.clock = self.market.clock
        venues = [Venue(venue=venue, timeframes=(Timeframe.M1, Timeframe.M15, Timeframe.H1)) for venue in VENUES]
        self.database = MemoryDatabase(clock=self.clock, venues=venues)
        self.paper = MemoryPaperStore()
        self.ledger = MemoryLedger(self.database)
        self.books = MemoryBookStore(self.database)
        self.states = MemoryDeskStates(self.database)
        self.instruments = MemoryInstrumentStore(self.database)
        self.instruments.record(self.market.instruments)
        self.raised, self.decided = MemoryQueue(), MemoryQueue()
        self.lines: dict[tuple[str, str], BadLine] = {}
        self._open_books()
        self.checks = Checks(self)
        self.intents = WatchedIntents(self.database, approved=self.checks.approved, viewed=self.checks.viewed)
        self.orders = WatchedOrders(self.database, submitted=self.checks.submitted)
        self._wire()

    def of(self, venue: str, account: str) -> Exchange:
        """Return an account at a venue."""
        if (venue, account) not in self.lines:
            raise FatalError(f"no account {account} at {venue}")
        return self.lines[venue, account]

    def instrument(self, venue: str, symbol: str) -> Instrument:
        """Return what a venue lists."""
        return next(one for one in self.market.instruments if (one.venue, one.symbol) == (venue, symbol))

    def advance(self, ms: int) -> None:
        """Let time pass; orders on their way arrive when it is theirs."""
        until = self.clock.now_ms() + ms
        arrivals = sorted(at_ms for line in self.lines.values() for at_ms, _ in line.late)
        for at_ms in (at_ms for at_ms in arrivals if at_ms <= until):
            self.clock.time_ms = max(at_ms, self.clock.time_ms)
            for line in self.lines.values():
                line.deliver_late()
        self.clock.time_ms = until

    def withdraw(self, intent_id: str) -> None:
        """Take an intent back."""
        withdraw(
            intent_id, actor="storm", reason="a storm", intents=self.guards.intents, orders=self.floor.orders,
            orders_queue=self.decided,
        )  # fmt: skip

    def _open_books(self) -> None:
        for book_id, (capital, limits, venues) in BOOKS.items():
            self.books.create(
                Book(
                    book_id=book_id, owner_id=None, name=book_id, mode=Mode.PAPER, quote="USDT", capital=capital,
                    state=TradingState.ACTIVE, venues=venues, limits=limits,
                )
            )  # fmt: skip
            for venue in venues:
                opening = {"USDT": capital}
                self.ledger.open_account(venue, book_id, opening)
                exchange = PaperExchange(
                    venue, book_id, opening=opening, store=self.paper, instruments=lambda: self.market.instruments,
                    market_of=self.market, clock=self.clock, kind=kind_of(venue), pause=lambda _: None,
                )  # fmt: skip
                self.lines[venue, book_id] = BadLine(exchange, self.dice, self.clock.now_ms, self.sent)

    def _wire(self) -> None:
        def mortal(store: Any) -> Any:
            return Mortal(store, self.dice, lambda: self.overtake())  # noqa: PLW0108 it is set later

        venues = MemoryVenueStore(self.database)
        intents, ledger, orders = mortal(self.intents), mortal(self.ledger), mortal(self.orders)
        self.floor = Floor(at_once=1, orders=orders, ledger=ledger, exchanges=self, clock=self.clock)
        self.guards = Guards(
            intents=intents, books=self.books, instruments=self.instruments, tickers=self.market,
            intents_queue=self.raised, orders_queue=self.decided,
        )  # fmt: skip
        self.execution = ExecutionDesk(
            floor=self.floor, intents=intents, books=self.books, instruments=self.instruments, candles=self.market,
            orders_queue=self.decided, guards=self.guards, alerts=MemoryAlertStore(self.database),
            venues=venues, measures=RememberedMeasures(orders=orders, clock=self.clock, wall_clock=self.clock),
            listings=Listings(
                instruments=self.instruments, books=self.books, venues=venues, market_lists=self.market,
                wall_clock=self.clock,
            ),
        )  # fmt: skip
        market = Market(
            instruments=self.instruments, tickers=self.market, candles=self.market, venues=venues, clock=self.clock
        )
        self.risk = RiskDesk(
            intents=intents, market=market, orders_queue=self.decided, mode=Mode.PAPER, tier=2,
            watch=WatchDesk(books=self.books, ledger=ledger, market=market),
        )  # fmt: skip
        self.switch = Switch(
            states=self.states, intents=intents, books=self.books, intents_queue=self.raised,
            orders_queue=self.decided, patience=Patience(up_to_ms=0),
        )  # fmt: skip
