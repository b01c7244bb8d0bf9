"""What trading needs from the outside: venues to trade at, and stores that keep what was decided and done."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from shared.domain.alerts import Alert
from shared.domain.trading.accounts import Balance, Capabilities, VenuePosition
from shared.domain.trading.books import Book
from shared.domain.trading.depth import Depth
from shared.domain.trading.instruments import Instrument
from shared.domain.trading.intents import Guard, Intent, Purpose
from shared.domain.trading.measures import VenueMeasure
from shared.domain.trading.orders import Fill, OrderReport, OrderRequest
from shared.domain.trading.paper import PaperOrder
from shared.domain.trading.paper_accounts import PaperAccount, PaperChange
from shared.domain.trading.positions import Position
from shared.domain.trading.records import BookView, HeldPosition, IntentView, Leaving, Observed, Order, WatchedBook
from shared.domain.trading.states import IntentState, Mode, OrderState, Scope, StateEntry, TradingState
from shared.domain.trading.told import EquityPoint


class Exchange(Protocol):
    """One account at one venue.

    Reads raise `TransientError` when they may be tried again. A write raises `OutcomeUnknownError` when it may have
    happened, `RejectedError` with the venue's words when it has certainly not, `TransientError` when the venue did not
    look at it. `FatalError` is a bad key, a wrong clock, a right that must not be there.
    """

    venue: str

    def capabilities(self) -> Capabilities:
        """Return what the venue offers beyond plain orders."""
        ...

    def instruments(self) -> Sequence[Instrument]:
        """Return what the venue lists and is trading."""
        ...

    def depth(self, symbol: str, *, levels: int = 20) -> Depth:
        """Return the best levels of the order book."""
        ...

    def place(self, request: OrderRequest) -> OrderReport:
        """Send an order. Sending a client order id the venue has is a `RejectedError`, never a second order."""
        ...

    def place_oco(self, stop: OrderRequest, take_profit: OrderRequest) -> Sequence[OrderReport]:
        """Send a stop and a limit order of which one cancels the other, where `capabilities` has it."""
        ...

    def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        """Cancel an order and return what it is afterwards; one that has ended is returned as it ended."""
        ...

    def order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Return an order by the id the desk gave it, None when the venue has never seen it."""
        ...

    def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        """Return all orders that may fill, also those the desk did not send."""
        ...

    def fills(self, symbol: str, *, since_ms: int) -> Sequence[Fill]:
        """Return the account's executions of a symbol from a time on (epoch ms), oldest first, without a cap."""
        ...

    def balances(self) -> Sequence[Balance]:
        """Return what the account holds of every asset, zeros left out."""
        ...

    def positions(self) -> Sequence[VenuePosition]:
        """Return open futures positions; nothing at a spot venue."""
        ...

    def cancel_all_after(self, timeout_ms: int, *, symbol: str | None) -> None:
        """Set the venue's dead-man timer, 0 stops it: a symbol's where `capabilities` says so, else the account's."""
        ...


class PaperStore(Protocol):
    """What the paper exchange keeps: accounts, orders and fills."""

    def open(self, venue: str, account: str, opening: Mapping[str, Decimal]) -> PaperAccount:
        """Return an account with its working orders, oldest first; one that is new holds the opening balances."""
        ...

    def save(self, change: PaperChange) -> PaperAccount:
        """Store a change in one transaction and return the account with its new version.

        Raise `ConflictError`, with nothing stored, when the account is no longer at the change's version or one of its
        fills is known.
        """
        ...

    def order(self, venue: str, account: str, symbol: str, client_order_id: str) -> PaperOrder | None:
        """Return an order, ended or not; None when there never was one."""
        ...

    def fills(self, venue: str, account: str, symbol: str, *, since_ms: int) -> Sequence[Fill]:
        """Return fills from a time on (epoch ms), oldest first, without a cap."""
        ...


class IntentStore(Protocol):
    """Trade intents and how far they have come; each write is one transaction that names the version it changes.

    Every write raises `ConflictError` when the version is no longer the stored one or the step is illegal, and
    `HaltedError` when the trading state of the desk, book, venue, symbol or trader forbids it.
    """

    def raise_intent(self, intent: Intent, *, actor: str, person: str | None = None) -> Intent:
        """Store an intent, or return the one of the same id; with a `person`, only into a book of theirs, else
        `ForbiddenError`."""
        ...

    def view(self, intent_id: str, *, now_ms: int, holder: str, lease_ms: int) -> BookView | None:
        """Lease a pending intent to a holder and return it with its book as of `now_ms` (market time).

        None when it is not pending, or leased to somebody else. `holder` is a UUID.
        """
        ...

    def decide(
        self,
        intent: Intent,
        state: IntentState,
        *,
        risk_version: int,
        qty: Decimal | None,
        decision: Mapping[str, object],
        actor: str,
        reason: str,
    ) -> Intent:
        """Store a decision; approving one needs the book's `risk_version` it was made on, and adds one to it.

        An intent without a `reference_price` is approved with the one given: what it reserves is told by it, or by its
        limit where that is higher. A denial's `decision["reasons"]`, a list, is kept as the book's breaches.
        """
        ...

    def pending(self, *, limit: int, now_ms: int) -> Sequence[str]:
        """Return the ids of pending intents nobody has leased, oldest first, after expiring those past their time."""
        ...

    def unfinished(self, *, limit: int) -> Sequence[str]:
        """Return the ids of approved, modified and executing intents, those looked at longest ago first."""
        ...

    def leaving(self, book_id: str, venue: str, symbol: str) -> Sequence[Leaving]:
        """Return the exits of a position that are approved or executing, oldest first."""
        ...

    def finish(self, intent: Intent, state: IntentState, *, actor: str, reason: str) -> Intent:
        """End an intent that was executing, or expire one that never was.

        Raise `ConflictError` while one of its slices is new or may fill, or has filled more than is posted.
        """
        ...

    def withdraw(self, intent: Intent, *, actor: str, reason: str) -> Intent:
        """Take an intent back: one that has not begun expires, of one that is executing no further slice is submitted.

        One that has ended, or was withdrawn before, is returned as it is, whatever the version.
        """
        ...

    def trace(self, correlation_id: str) -> Sequence[Mapping[str, object]]:
        """Return every step of everything with a correlation id, oldest first: signals, intents, orders, fills."""
        ...


class OrderStore(Protocol):
    """Orders, written before the venue is called. Versions, illegal steps and halts raise as in `IntentStore`."""

    def execution(self, intent_id: str) -> IntentView:
        """Return an intent with its orders and fills; raise `NotFoundError`."""
        ...

    def start(
        self, intent: Intent, *, plan: Mapping[str, object], orders: Sequence[Order], actor: str
    ) -> Sequence[Order]:
        """Make an approved intent executing with its plan and first orders."""
        ...

    def add(self, intent: Intent, orders: Sequence[Order], *, actor: str) -> Sequence[Order]:
        """Add orders to an executing intent; those of the same (intent, slice, attempt) are there once."""
        ...

    def submit(self, order_id: str, *, now_ms: int, lease_ms: int, actor: str) -> Order | None:
        """Make a new order `submitting` at `now_ms` and lease it; None when it is not new.

        From now on it may be at the venue. Raise `HaltedError` when it may not be traded, `ConflictError` when its
        intent is not executing, is withdrawn, or has no such quantity left.
        """
        ...

    def advance(self, order: Order, report: OrderReport, *, actor: str) -> Order:
        """Store what the venue says of an order; the same again changes nothing."""
        ...

    def mark(self, order: Order, state: OrderState, *, actor: str, reason: str) -> Order:
        """Store what the desk itself knows: unknown, cancel_pending, cancelled before it was sent."""
        ...

    def advance_all(self, reports: Sequence[tuple[Order, OrderReport]], *, actor: str) -> Mapping[str, Order]:
        """Store what the venue says of many orders in one transaction; return each by its id as it is then.

        One that has moved meanwhile, or may not take the step, is left and returned as it is.
        """
        ...

    def mark_all(self, orders: Sequence[Order], state: OrderState, *, actor: str, reason: str) -> Mapping[str, Order]:
        """Store what the desk itself knows of many orders, as `advance_all` does."""
        ...

    def unsettled(self, *, venue: str, account: str) -> Sequence[Order]:
        """Return orders of an account that may be at the venue or have filled more than is posted, oldest first, those
        leased to a living executor left out."""
        ...

    def recent(self, *, venue: str, account: str, since_ms: int) -> Sequence[Order]:
        """Return orders of an account that may fill, or were sent at or after an instant (market time)."""
        ...

    def standing(self, book_id: str, venue: str, symbol: str) -> Sequence[Order]:
        """Return the protective orders of a position that are new or may fill."""
        ...

    def resting(self, *, trader_id: str | None = None) -> Sequence[tuple[Order, Purpose]]:
        """Return every order that may fill, or those of a trader's intents, with their purpose, oldest first."""
        ...

    def accounts(self) -> Sequence[tuple[str, str]]:
        """Return every (venue, account) that has ever been opened or traded on."""
        ...

    def stirring(self, *, since_ms: int) -> Sequence[tuple[str, str]]:
        """Return those accounts of which `recent` would return an order."""
        ...

    def measured(self, *, since_ms: int) -> Sequence[VenueMeasure]:
        """Return how each venue has answered slices sent since an instant (market time), by venue and mode.

        Orders without an `answer_ms` are left out: nobody answered, or the answer spoke of the order alone.
        """
        ...


class Measures(Protocol):
    """How venues have lately answered the desk's orders."""

    def of(self, mode: Mode) -> Mapping[str, VenueMeasure]:
        """Return the measures of a mode by venue; a venue that has answered nothing is not among them."""
        ...


class Ledger(Protocol):
    """Fills and the positions they make, posted together."""

    def position(self, book_id: str, venue: str, symbol: str) -> HeldPosition:
        """Return a position, a flat one when there is none."""
        ...

    def fills(self, book_id: str, venue: str, symbol: str) -> Sequence[Fill]:
        """Return all fills of a position, oldest first."""
        ...

    def known(self, venue: str, account: str, trades: Sequence[tuple[str, str]]) -> frozenset[tuple[str, str]]:
        """Return those of an account's trades, each a symbol and a trade id, that are posted."""
        ...

    def post(
        self, account: str, position: Position, fills: Sequence[Fill], realised: Mapping[str, Decimal]
    ) -> Position:
        """Store fills that are all new, what each fill realised by trade id (earlier ones restated), and the position
        they lead to, in one transaction.

        `position.version` is the one the fold began with; the answer has the next. A position that closes or turns
        loses its guard. Raise `ConflictError` when a fill is known or the version has moved: load, fold, post again;
        `InvalidMessageError` when the position's quantity or fees moved by anything but the fills.
        """
        ...

    def guard(self, position: Position, guard: Guard, *, best_price: Decimal | None) -> None:
        """Set what protects a position and the best price it has seen; raise `ConflictError` when it has moved,
        `NotFoundError` when there is none."""
        ...

    def open_positions(self, *, venue: str | None = None) -> Sequence[HeldPosition]:
        """Return every position that is not flat."""
        ...

    def open_account(self, venue: str, account: str, balances: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
        """Record what an account held before the desk used it, and return it; the first record stays."""
        ...

    def holdings(self, venue: str, account: str) -> Mapping[str, Decimal]:
        """Return what an account should hold of every asset: its opening balances and the sum of its fills.

        A future moves no assets but fees and what its position realised. Raise `NotFoundError` before `open_account`.
        """
        ...

    def mark_equities(self, points: Mapping[str, EquityPoint]) -> None:
        """Record a point of the equity curve of each book, one a minute: the last one of a minute stays."""
        ...


class Books(Protocol):
    """Books by their id."""

    def get(self, book_id: str) -> Book:
        """Return a book; raise `NotFoundError`."""
        ...


class BookStore(Books, Protocol):
    """Books. Whose are seen is decided by the credentials the store was made with."""

    def list(self) -> Sequence[Book]:
        """Return the books one may see, by name."""
        ...

    def create(self, book: Book) -> Book:
        """Store a new book; raise `ConflictError` when its id exists."""
        ...

    def update(self, book: Book, *, expected_version: int) -> Book:
        """Replace name, limits, breakers, venues and mode.

        Raise `NotFoundError`, or `ConflictError` when it moved, or is traded already and its mode would change.
        """
        ...

    def view(self, book_id: str, *, now_ms: int) -> BookView:
        """Return everything the desk knows of a book as of `now_ms` (market time); raise `NotFoundError`."""
        ...

    def observe(self, book_id: str, *, since_ms: int) -> Observed:
        """Return what a book's orders were like since an instant (market time)."""
        ...

    def watched(self, *, now_ms: int, after: str | None = None, limit: int) -> Sequence[WatchedBook]:
        """Return the books that need watching as of `now_ms` (market time), by id, from after one on.

        Those that hold something, have something under way, have sent or filled an order within a day, differ from a
        venue, or are not active. Any other is what it was when it was looked at last.
        """
        ...

    def trip(
        self,
        book_id: str,
        *,
        breaker: str,
        state: TradingState,
        at_ms: int,
        details: Mapping[str, object],
        reason: str,
    ) -> TradingState:
        """Store that a breaker tripped at `at_ms`, make the book at least as strict, and return its state.

        The same event again changes nothing: what a person has released stays released. Raise `NotFoundError`.
        """
        ...


class DeskStates(Protocol):
    """Trading states: of the desk, and of each book, venue, symbol and trader."""

    def read(self) -> TradingState:
        """Return the desk's own state; `halted` when it cannot be read for any reason but a `TransientError`."""
        ...

    def set(self, scope: str, key: str, state: TradingState, *, actor: str, reason: str) -> TradingState:
        """Set a state and return what the database reads back; raise `NotFoundError`.

        Scope is desk (any key), book, venue, symbol (key `venue:symbol`) or trader.
        """
        ...

    def entry(self, scope: Scope, key: str) -> StateEntry:
        """Return a state with who set it, when and why (the desk's key is `desk`); raise `NotFoundError`."""
        ...

    def restrained(self) -> Sequence[StateEntry]:
        """Return every book, venue, symbol and living trader that is not active, by scope and key."""
        ...


class AlertStore(Protocol):
    """Alerts, one open row for each thing that is wrong."""

    def settle(self, prefix: str, alerts: Sequence[Alert], *, at_ms: int) -> int:
        """Say everything that is wrong now among the keys with a prefix, as of `at_ms` (market time).

        What is new opens, what is known is counted, what is no longer wrong resolves. Return how many are open.
        """
        ...


class InstrumentStore(Protocol):
    """What venues list, with fees and grids. An instrument that was never recorded cannot be traded: it is halted."""

    def record(self, instruments: Sequence[Instrument]) -> None:
        """Store instruments, or what is new about them; their trading states stay."""
        ...

    def list(self, *, venue: str | None = None, symbol: str | None = None) -> Sequence[Instrument]:
        """Return what is traded at a venue, or of a symbol at every venue, by venue and symbol."""
        ...
