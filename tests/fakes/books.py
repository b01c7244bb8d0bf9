"""Books, trading states and instruments in memory; they pass the same contract suites as the Supabase adapters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.domain.errors import ConflictError, InvalidMessageError, NotFoundError
from shared.domain.traders import Trader
from shared.domain.trading.books import Book
from shared.domain.trading.instruments import Instrument
from shared.domain.trading.intents import Intent, Purpose
from shared.domain.trading.money import ZERO, total
from shared.domain.trading.records import BookView, Observed, Recent, Reservation, Role, WatchedBook
from shared.domain.trading.states import AT_RISK, Mode, OrderState, Scope, StateEntry, TradingState, strictest
from shared.domain.trading.terms import TraderMode
from shared.domain.trading.told import TrippedBreaker
from tests.fakes.stores import MemoryDatabase
from tests.fakes.trading_tables import DECIDED, UNFINISHED

DAY_MS = 86_400_000


def book_view(database: MemoryDatabase, book_id: str, now_ms: int, intent: Intent | None = None) -> BookView:
    """Return everything of a book, with what matters to one of its intents."""
    tables, book = database.trading, database.trading.books[book_id]
    before = [at for of, at in tables.equity if of == book_id and at <= now_ms - now_ms % DAY_MS]
    asked = (intent.venue, intent.symbol, intent.trader_id) if intent else (None, None, None)
    rows = [row.intent for row in tables.intents.values() if row.intent.book_id == book_id]
    newest: dict[tuple[str, str | None], Recent] = {}
    for row in sorted(rows, key=lambda row: (row.raised_at_ms, row.intent_id)):
        if intent and row.symbol == intent.symbol and row.intent_id != intent.intent_id and row.state in DECIDED:
            newest[row.side, row.trader_id] = Recent(
                intent_id=row.intent_id, side=row.side, trader_id=row.trader_id, raised_at_ms=row.raised_at_ms
            )
    return BookView(
        book=book,
        states=database.states_of(book_id, *asked),
        positions=tuple(row.held for key, row in sorted(tables.positions.items()) if key[0] == book_id),
        reservations=tuple(
            reservation
            for row in sorted(rows, key=lambda row: row.intent_id)
            if row.state in UNFINISHED and (reservation := _reservation(database, row)).qty > 0
        ),
        recent=tuple(sorted(newest.values(), key=lambda recent: (recent.raised_at_ms, recent.intent_id))),
        day_start_equity=tables.equity[book_id, max(before)].equity if before else book.capital,
        losses_in_a_row=tables.losses.get(book_id, 0),
        intent=intent,
    )


def _reservation(database: MemoryDatabase, intent: Intent) -> Reservation:
    assert intent.qty is not None
    assert intent.reference_price is not None
    posted = total(row.posted_qty for row in database.trading.slices_of(intent.intent_id))
    return Reservation(
        intent_id=intent.intent_id,
        venue=intent.venue,
        symbol=intent.symbol,
        side=intent.side,
        qty=intent.qty - posted,
        price=max(intent.reference_price, intent.algorithm.limit_price or ZERO),
        is_exit=intent.purpose is Purpose.EXIT,
    )


@dataclass(slots=True)
class MemoryBookStore:
    """Books in memory, seen by the desk (`user_id` None) or by one person."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    user_id: str | None = None

    def get(self, book_id: str) -> Book:
        """Return a book; raise `NotFoundError`."""
        for book in self.list():
            if book.book_id == book_id:
                return book
        raise NotFoundError(f"no book {book_id!r}")

    def list(self) -> Sequence[Book]:
        """Return the books one may see, by name."""
        books = self.database.trading.books.values()
        seen = [book for book in books if self.user_id is None or book.owner_id in {None, self.user_id}]
        return sorted(seen, key=lambda book: (book.name, book.book_id))

    def create(self, book: Book) -> Book:
        """Store a new book; raise `ConflictError` when its id exists."""
        self._fit(book)
        if self.database.trading.books.setdefault(book.book_id, _checked(book)) != book:
            raise ConflictError(f"book {book.book_id!r} exists")
        return book

    def update(self, book: Book, *, expected_version: int) -> Book:
        """Replace name, limits, breakers, venues and mode; raise `NotFoundError`, or `ConflictError` when it moved."""
        stored = self.get(_checked(book).book_id)
        changed = replace(
            stored, name=book.name, limits=book.limits, breakers=book.breakers, venues=book.venues, mode=book.mode
        )
        if stored.version == expected_version + 1 and changed == stored:
            return stored
        if stored.version != expected_version:
            raise ConflictError(f"book {book.book_id!r} is at version {stored.version}")
        if changed.mode is not stored.mode and self._is_traded(book.book_id):
            raise ConflictError(f"book {book.book_id!r} keeps its mode")
        self.database.people.refuse_viewer(stored.owner_id)
        if changed.mode is not stored.mode:
            self.database.people.require_mode(stored.owner_id, changed.mode)
        changed = replace(changed, version=stored.version + 1, risk_version=stored.risk_version + 1)
        self.database.trading.books[book.book_id] = changed
        return changed

    def _fit(self, book: Book) -> None:
        """Hold a new book to its owner's role and tier."""
        if book.owner_id is None:
            return
        people = self.database.people
        people.refuse_viewer(book.owner_id)
        tier, books = people.limits(book.owner_id), self.database.trading.books.values()
        others = [each for each in books if each.owner_id == book.owner_id and each.book_id != book.book_id]
        if tier.max_books is not None and len(others) >= tier.max_books:
            raise InvalidMessageError("books", f"your tier `{tier.tier}` has {tier.max_books}")
        people.require_mode(book.owner_id, book.mode)

    def view(self, book_id: str, *, now_ms: int) -> BookView:
        """Return everything the desk knows of a book; raise `NotFoundError`."""
        return book_view(self.database, self.get(book_id).book_id, now_ms)

    def observe(self, book_id: str, *, since_ms: int) -> Observed:
        """Return what a book's orders were like since an instant."""
        tables = self.database.trading
        of_book = [row.order for row in tables.orders.values() if row.order.book_id == book_id]
        sent = [o for o in of_book if o.role is Role.SLICE and (o.submitted_at_ms or -1) >= since_ms]
        prices = {order.order_id: tables.intents[order.intent_id].intent.reference_price for order in sent}
        paid, notional = ZERO, ZERO
        for order in sent:
            price = prices[order.order_id]
            if price is not None and order.average_price is not None:
                paid += order.filled_qty * (order.average_price - price) * order.side.sign
                notional += order.filled_qty * price
        filled = [row.held.last_fill_ms for key, row in tables.positions.items() if key[0] == book_id]
        return Observed(
            orders=len(sent),
            rejected=sum(order.state is OrderState.REJECTED for order in sent),
            slippage_bps=round(paid / notional * 10_000, 6) if notional else None,
            mismatches=sum(
                alert.book_id == book_id and alert.kind == "reconciliation" for alert in tables.alerts.values()
            ),
            last_fill_ms=max((at for at in filled if at is not None), default=None),
        )

    def watched(self, *, now_ms: int, after: str | None = None, limit: int) -> Sequence[WatchedBook]:
        """Return the books that need watching as of a time, by id, from after one on."""
        found = [book for _, book in sorted(self.database.trading.books.items()) if book.book_id > (after or "")]
        return [
            WatchedBook(
                view=self.view(book.book_id, now_ms=now_ms),
                observed=self.observe(book.book_id, since_ms=now_ms - book.breakers.window_ms),
            )
            for book in found
            if self._stirs(book, now_ms - DAY_MS)
        ][:limit]

    def _stirs(self, book: Book, since_ms: int) -> bool:
        tables, book_id = self.database.trading, book.book_id
        positions = [row.held for (of, _, _), row in tables.positions.items() if of == book_id]
        orders = [row.order for row in tables.orders.values() if row.order.book_id == book_id]
        of_account = {book_id, None} if book.mode is Mode.LIVE else {book_id}
        return (
            book.state is not TradingState.ACTIVE
            or any(held.position.qty or (held.last_fill_ms or 0) > since_ms for held in positions)
            or any(order.state in AT_RISK or (order.submitted_at_ms or 0) > since_ms for order in orders)
            or any(row.intent.book_id == book_id and row.intent.state in UNFINISHED for row in tables.intents.values())
            or any(each.kind == "reconciliation" and each.book_id in of_account for each in tables.alerts.values())
        )

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
        """Store that a breaker tripped, make the book at least as strict, and return its state."""
        tables, book = self.database.trading, self.get(book_id)
        if (book_id, breaker, at_ms, state) in tables.trips:
            return book.state
        event = TrippedBreaker(breaker=breaker, at_ms=at_ms, state=state, reason=reason)
        tables.trips[book_id, breaker, at_ms, state] = event
        stricter, _ = strictest({"book": book.state, "breaker": state})
        tables.books[book_id] = replace(book, state=stricter)
        if stricter is not book.state:
            tables.act("book", book_id, stricter, f"breaker {breaker}", reason, now_ms=self.database.clock.now_ms())
        return stricter

    def _is_traded(self, book_id: str) -> bool:
        def trades(trader: Trader) -> bool:
            return trader.book_id == book_id and trader.mode is not TraderMode.SIGNALS

        of_intents = any(row.intent.book_id == book_id for row in self.database.trading.intents.values())
        return of_intents or any(map(trades, self.database.traders.values()))


def _checked(book: Book) -> Book:
    if not 1 <= len(book.name) <= 100:
        raise InvalidMessageError("name", "expected 1 to 100 characters")
    if not book.venues:
        raise InvalidMessageError("venues", "expected at least one")
    if not book.capital.is_finite() or book.capital <= 0:
        raise InvalidMessageError("capital", "expected more than nothing")
    return book


@dataclass(slots=True)
class MemoryDeskStates:
    """Trading states in memory."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)

    def read(self) -> TradingState:
        """Return the desk's own state; `halted` when there is none."""
        return self.database.trading.desk_state or TradingState.HALTED

    def set(self, scope: str, key: str, state: TradingState, *, actor: str, reason: str) -> TradingState:
        """Set a state and return it; raise `NotFoundError`."""
        tables = self.database.trading
        if scope not in {*Scope}:
            raise InvalidMessageError("scope", f"expected desk, book, venue, symbol or trader, got {scope}")
        known = scope == "desk" or self._state(Scope(scope), key) is not None
        if not known:
            raise NotFoundError(f"no {scope} {key!r}")
        if scope == "desk":
            key, tables.desk_state = "desk", state
        elif scope == "book":
            tables.books[key] = replace(tables.books[key], state=state)
        else:
            tables.states[scope, key] = state
        tables.act(scope, key, state, actor, reason, now_ms=self.database.clock.now_ms())
        return state

    def entry(self, scope: Scope, key: str) -> StateEntry:
        """Return a state with who set it, when and why; raise `NotFoundError`."""
        state = self._state(scope, key)
        if state is None:
            raise NotFoundError(f"no {scope} {key!r}")
        return self.database.trading.acts.get((scope, key)) or StateEntry(scope=scope, key=key, state=state)

    def restrained(self) -> Sequence[StateEntry]:
        """Return every book, venue, symbol and living trader that is not active, by scope and key."""
        tables = self.database.trading
        found = [(Scope.BOOK, book.book_id) for book in tables.books.values() if book.state is not TradingState.ACTIVE]
        found += [
            (Scope(scope), key)
            for (scope, key), state in tables.states.items()
            if state is not TradingState.ACTIVE and key not in self.database.deleted
        ]
        return [self.entry(*place) for place in sorted(found)]

    def _state(self, scope: Scope, key: str) -> TradingState | None:
        """Return the state of something, None when there is no such thing."""
        database, tables = self.database, self.database.trading
        if scope is Scope.DESK:
            return tables.desk_state
        if scope is Scope.BOOK:
            return tables.books[key].state if key in tables.books else None
        known = {
            Scope.VENUE: {venue.venue for venue in database.venues},
            Scope.SYMBOL: {f"{venue}:{symbol}" for venue, symbol in tables.instruments},
            Scope.TRADER: {*database.traders, *database.deleted},
        }[scope]
        return tables.states.get((scope, key), TradingState.ACTIVE) if key in known else None


@dataclass(slots=True)
class MemoryInstrumentStore:
    """Instruments in memory."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)

    def record(self, instruments: Sequence[Instrument]) -> None:
        """Store instruments, or what is new about them."""
        for instrument in instruments:
            self.database.check_venue(instrument.venue)
            self.database.trading.instruments[instrument.venue, instrument.symbol] = instrument

    def list(self, *, venue: str | None = None, symbol: str | None = None) -> Sequence[Instrument]:
        """Return what is traded at a venue, or of a symbol at every venue, by venue and symbol."""
        rows = sorted(self.database.trading.instruments.items())
        return [row for (at, of), row in rows if venue in {None, at} and symbol in {None, of}]
