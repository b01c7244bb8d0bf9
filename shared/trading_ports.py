"""What trading needs of what was decided and done: intents, orders, and the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shared.domain.trading.accounts import AccountPlace
    from shared.domain.trading.flows import Flow
    from shared.domain.trading.intents import Guard, Intent, Purpose
    from shared.domain.trading.measures import VenueMeasure
    from shared.domain.trading.orders import Fill, OrderReport
    from shared.domain.trading.positions import Position
    from shared.domain.trading.records import BookView, HeldPosition, IntentView, Leaving, Order
    from shared.domain.trading.states import IntentState, OrderState
    from shared.domain.trading.told import EquityPoint


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

    def mark(
        self, order: Order, state: OrderState, *, actor: str, reason: str, missed_at_ms: int | None = None
    ) -> Order:
        """Store what the desk itself knows: unknown, cancel_pending, cancelled before it was sent.

        `missed_at_ms` says that the venue no longer knows it since then; whatever is stored next says that it does.
        """
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

    def accounts(self) -> Sequence[AccountPlace]:
        """Return every (venue, account) that has ever been opened or traded on."""
        ...

    def stirring(self, *, since_ms: int) -> Sequence[AccountPlace]:
        """Return those accounts of which `recent` would return an order."""
        ...

    def measured(self, *, since_ms: int) -> Sequence[VenueMeasure]:
        """Return how each venue has answered slices sent since an instant (market time), by venue and mode.

        Orders without an `answer_ms` are left out: nobody answered, or the answer spoke of the order alone.
        """
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
        """Return what an account should hold of every asset: its opening balances, its fills and its flows.

        A future moves no assets but fees and what its position realised. Raise `NotFoundError` before `open_account`.
        """
        ...

    def post_flows(
        self, venue: str, account: str, flows: Sequence[Flow], *, expected: Mapping[str, Decimal] | None = None
    ) -> int:
        """Store those flows whose id the account does not have, with what they add to the positions of their books, in
        one transaction; return how many rows are new.

        A flow that is known stays as it was shared first. Where `expected` says what the account holds of an asset,
        raise `ConflictError` when it holds something else by now. Raise `InvalidMessageError` for a book that has never
        held the symbol on the account.
        """
        ...

    def flows(self, venue: str, account: str, *, limit: int) -> Sequence[Flow]:
        """Return the newest flows of an account, newest first."""
        ...

    def funding_since(self, venue: str, account: str, *, filled_since_ms: int) -> Mapping[str, int]:
        """Return from when on (epoch ms) funding may be missing, by the asset it is paid in.

        Only of futures that are held, or were filled since a time; not before the account's first fill of a future, nor
        before the last adjustment of the asset, which has what was paid until then in it.
        """
        ...

    def held_at(
        self, venue: str, account: str, moments: Sequence[tuple[str, int]]
    ) -> Mapping[tuple[str, int], Mapping[str, Decimal]]:
        """Return what each book of an account held at moments, each a symbol and a time (epoch ms), by the fills until
        then; books that were flat are left out."""
        ...

    def mark_equities(self, points: Mapping[str, EquityPoint]) -> None:
        """Record a point of the equity curve of each book, one a minute: the last one of a minute stays."""
        ...
