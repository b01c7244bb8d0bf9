"""A trading desk in memory at two venues of one price, fee and depth, which answer as a test has them."""

from dataclasses import dataclass, field, replace
from typing import Any

from shared.adapters.paper_exchange import PaperExchange
from shared.domain.timeframe import Timeframe
from shared.domain.trading.instruments import Instrument
from shared.domain.trading.intents import Intent, Sizing, SizingMethod
from shared.domain.trading.orders import OrderReport, OrderRequest
from shared.domain.trading.plan_codec import plan_from_json
from shared.domain.trading.plans import Plan
from shared.domain.venues import Venue
from shared.venue_ports import Exchange
from tests.usecases.trading_in_memory import INSTRUMENT, D, TradingInMemory

VENUES = ("binance", "okx")
SMALL = Sizing(method=SizingMethod.NOTIONAL, value=D(100))


@dataclass
class Line:
    """A paper account at the end of a line."""

    exchange: Exchange
    desk: "TwoVenues"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.exchange, name)

    def place(self, request: OrderRequest) -> OrderReport:
        """Let the venue's time pass, then place, or fail as the test has it."""
        self.desk.elapsed_s += self.desk.takes_s[self.exchange.venue]
        if failure := self.desk.fails.get(self.exchange.venue):
            raise failure
        return self.exchange.place(request)


@dataclass
class TwoVenues:
    """The desk with its one book at both; `takes_s` is how long each takes to answer, `fails` what it says instead."""

    takes_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(VENUES, 0.0))
    fails: dict[str, Exception] = field(default_factory=dict)
    elapsed_s: float = 0.0

    def __post_init__(self) -> None:
        self.trading = desk = TradingInMemory()
        desk.database.venues[:] = [Venue(venue=name, timeframes=tuple(Timeframe)) for name in VENUES]
        self.instruments = [replace(INSTRUMENT, venue=name) for name in VENUES]
        desk.instruments.record(self.instruments)
        desk.book = desk.books.update(replace(desk.book, venues=VENUES), expected_version=1)
        desk.floor = replace(desk.floor, exchanges=self, stopwatch=lambda: self.elapsed_s)
        desk.execution = replace(desk.execution, floor=desk.floor)

    def of(self, venue: str, account: str) -> Exchange:
        """Return the paper account of the book at a venue."""
        paper = PaperExchange(
            venue, account, opening={"USDT": D(100_000)}, store=self.trading.paper,
            instruments=lambda: self.instruments, market_of=self.trading.market, clock=self.trading.clock,
            pause=lambda _: None,
        )  # fmt: skip
        line: Any = Line(paper, self)
        return line  # type: ignore[no-any-return]

    def listed(self, venue: str) -> list[Instrument]:
        """Return what a venue lists."""
        return [one for one in self.instruments if one.venue == venue]

    def wish(self, **changes: Any) -> Intent:
        """Raise a small intent that may go to either venue, and let the desk work it."""
        intent = self.trading.wish(**{"venue": None, "sizing": SMALL} | changes)
        self.pass_time()
        return intent

    def pass_time(self, seconds: int = 5) -> None:
        """Deliver messages, second by second."""
        self.trading.run()
        for _ in range(seconds):
            self.trading.clock.advance(1_000)
            self.trading.run()

    def plan(self, intent: Intent) -> Plan:
        """Return the plan of an intent."""
        found = self.trading.view(intent)
        assert found.plan is not None, self.trading.intents.trace(intent.correlation_id)
        return plan_from_json(found.plan)

    def went_to(self, intent: Intent) -> list[str]:
        """Return the venue of every order of an intent, in the order they were due."""
        orders = sorted(self.trading.view(intent).orders, key=lambda order: (order.due_at_ms, order.attempt))
        return [order.venue for order in orders]
