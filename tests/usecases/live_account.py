"""A desk in memory with live books at one venue, whose account is moved by hand: by trades, funding, its owner."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from typing import Any

from shared.domain.trading.accounts import LIVE_ACCOUNT, Balance, Capabilities, VenuePosition
from shared.domain.trading.books import Book
from shared.domain.trading.flows import FundingPayment
from shared.domain.trading.instruments import Side
from shared.domain.trading.money import ZERO
from shared.domain.trading.orders import Fill, OrderReport
from shared.domain.trading.states import Mode, OrderState
from shared.messages import CronTick
from shared.trading_messages import AdoptBalances, ExecutionResult
from shared.usecases.execution_agent import execution_agent
from shared.usecases.posting import post_fills
from shared.usecases.reconciling import Reconciled, reconcile
from shared.venue_ports import Exchange
from tests.contract.trading import a_report, an_intent, an_order
from tests.fakes.trading_tables import OrderRow
from tests.usecases.trading_in_memory import FUTURE, D, TradingInMemory

VENUE = FUTURE.venue
BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


@dataclass
class HandAccount:
    """What the venue says of the account; `asked` counts how often it was asked for funding."""

    cash: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal, USDT=D(100_000)))
    held: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    payments: list[FundingPayment] = field(default_factory=list)
    unlisted: int = 0
    asked: int = 0
    fails: Exception | None = None
    resting: list[OrderReport] = field(default_factory=list)
    venue: str = VENUE

    def capabilities(self) -> Capabilities:
        return Capabilities(
            shorts=True, stop_orders=False, oco=False, reduce_only=True, timer=None, accepts_for_ms=30_000
        )

    def balances(self) -> list[Balance]:
        return [Balance(asset=asset, total=qty, locked=ZERO) for asset, qty in self.cash.items() if qty]

    def positions(self) -> list[VenuePosition]:
        return [VenuePosition(symbol=symbol, qty=qty, entry_price=None) for symbol, qty in self.held.items() if qty]

    def funding(self, *, since_ms: int) -> list[FundingPayment]:
        self.asked += 1
        if self.fails is not None:
            raise self.fails
        listed = self.payments[: len(self.payments) - self.unlisted]
        return [each for each in listed if each.event_time >= since_ms]

    def open_orders(self) -> list[OrderReport]:
        return self.resting

    def fills(self, symbol: str, *, since_ms: int) -> list[Fill]:
        return []


@dataclass
class LiveDesk:
    """Two live books on the one account of the venue; each event takes a minute."""

    account: HandAccount = field(default_factory=HandAccount)
    numbers: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.trading = TradingInMemory(instrument=FUTURE)
        self.clock, self.ledger = self.trading.clock, self.trading.ledger
        self.books = [self._book(name) for name in ("one", "two")]
        self.floor = replace(self.trading.floor, exchanges=self)
        self.execution = replace(self.trading.execution, floor=self.floor)
        self.ledger.open_account(VENUE, LIVE_ACCOUNT, dict(self.account.cash))

    def of(self, venue: str, account: str) -> Exchange:
        """Return the live account."""
        assert (venue, account) == (VENUE, LIVE_ACCOUNT)
        stands_for: Any = self.account
        return stands_for  # type: ignore[no-any-return]

    def trade(self, book: Book, qty: str | Decimal, price: str | Decimal = "50000", symbol: str = BTC) -> None:
        """Fill an order of a book, at the venue and in the ledger."""
        self.clock.advance(60_000)
        signed, at = D(qty), D(price)
        fill = Fill(
            trade_id=f"{next(self.numbers)}", client_order_id="", venue_order_id="v", symbol=symbol,
            side=Side.BUY if signed > 0 else Side.SELL, qty=abs(signed), price=at, fee_qty=D("0.01"), fee_asset="USDT",
            fee_notional=D("0.01"), is_maker=False, event_time=self.clock.now_ms(),
        )  # fmt: skip
        before = self.position(book, symbol).realised
        post_fills([fill], ledger=self.ledger, book_id=book.book_id, venue=VENUE, account=LIVE_ACCOUNT, symbol=symbol)
        self.account.held[symbol] += signed
        self.account.cash["USDT"] += self.position(book, symbol).realised - before - fill.fee_qty

    def pay_funding(self, qty: str | Decimal, symbol: str = BTC) -> None:
        """Have the venue settle funding of what the account holds."""
        self.clock.advance(60_000)
        number, now_ms = next(self.numbers), self.clock.now_ms()
        self.account.payments.append(
            FundingPayment(payment_id=f"f-{number}", symbol=symbol, asset="USDT", qty=D(qty), event_time=now_ms)
        )
        self.account.cash["USDT"] += D(qty)

    def pay_in(self, qty: str | Decimal, asset: str = "USDT") -> None:
        """Have the owner pay in, or take out."""
        self.clock.advance(60_000)
        self.account.cash[asset] += D(qty)

    def rest_order(self, book: Book) -> None:
        """Have an order of a book rest at the venue."""
        order = replace(
            an_order(an_intent(book, symbol=BTC)),
            venue=VENUE,
            state=OrderState.OPEN,
            submitted_at_ms=self.clock.now_ms(),
        )
        self.trading.database.trading.orders[order.order_id] = OrderRow(order)
        self.account.resting.append(a_report(order, OrderState.OPEN))

    def reconcile(self) -> Reconciled:
        """Hold the account against the ledger."""
        self.clock.advance(60_000)
        return reconcile(VENUE, LIVE_ACCOUNT, floor=self.floor)

    def sweep(self) -> ExecutionResult:
        """Let execution do what it does every minute."""
        self.clock.advance(60_000)
        return execution_agent(CronTick(trigger="cron"), desk=self.execution)

    def adopt(self, asset: str | None = None, **changes: Any) -> ExecutionResult:
        """Adopt what differs."""
        self.clock.advance(60_000)
        wish: dict[str, Any] = {"adopt_at": VENUE, "asset": asset, "actor": "olga", "reason": "paid in"}
        return execution_agent(AdoptBalances(**wish | changes), desk=self.execution)

    def off(self, asset: str = "USDT") -> Decimal:
        """Return how much more the venue has than the ledger."""
        return self.account.cash[asset] - self.ledger.holdings(VENUE, LIVE_ACCOUNT).get(asset, ZERO)

    def position(self, book: Book, symbol: str = BTC) -> Any:
        """Return what a book holds."""
        return self.ledger.position(book.book_id, VENUE, symbol).position

    def _book(self, name: str) -> Book:
        book = replace(self.trading.book, book_id=name, name=name, mode=Mode.LIVE, risk_version=0, version=1)
        return self.trading.books.create(book)
