"""Orders in memory; passes the same contract suite as the Supabase adapter."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from statistics import median

from shared.domain.errors import ConflictError, HaltedError, InvalidMessageError, NotFoundError
from shared.domain.trading.accounts import AccountPlace
from shared.domain.trading.intents import Intent, Purpose
from shared.domain.trading.measures import VenueMeasure
from shared.domain.trading.money import total
from shared.domain.trading.orders import OrderReport
from shared.domain.trading.records import IntentView, Order, Role
from shared.domain.trading.states import (
    AT_RISK,
    ORDER_STEPS,
    IntentState,
    Mode,
    OrderState,
    TradingState,
    check_step,
    strictest,
)
from tests.fakes.stores import MemoryDatabase
from tests.fakes.trading_tables import (
    OrderRow,
    advance_intent,
    check_version,
    require_trading,
    stored_intent,
    waits_for,
)

TAKES_GUARDS = frozenset({IntentState.EXECUTING, IntentState.EXECUTED, IntentState.FAILED})


@dataclass(slots=True)
class MemoryOrderStore:
    """Orders of a database."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)

    def execution(self, intent_id: str) -> IntentView:
        """Return an intent with its orders and fills; raise `NotFoundError`."""
        tables, row = self.database.trading, stored_intent(self.database.trading, intent_id)
        orders = [part.order for part in tables.orders_of(intent_id)]
        ours = {order.client_order_id for order in orders}
        fills = [known.fill for known in tables.fills.values() if known.fill.client_order_id in ours]
        intent = row.intent
        state, _ = strictest(self.database.states_of(intent.book_id, intent.venue, intent.symbol, intent.trader_id))
        return IntentView(
            intent=intent,
            plan=row.plan,
            orders=tuple(orders),
            fills=tuple(sorted(fills, key=lambda fill: (fill.event_time, fill.trade_id))),
            state=state,
            venue_states=self._venue_states(intent),
        )

    def _venue_states(self, intent: Intent) -> dict[str, TradingState]:
        if intent.venue is not None:
            return {}
        found = {}
        for venue in self.database.trading.books[intent.book_id].venues:
            states = self.database.states_of(intent.book_id, venue, intent.symbol)
            found[venue], _ = strictest({scope: states[scope] for scope in ("venue", "symbol")})
        return found

    def start(
        self, intent: Intent, *, plan: Mapping[str, object], orders: Sequence[Order], actor: str
    ) -> Sequence[Order]:
        """Make an approved intent executing with its plan and first orders."""
        tables, row = self.database.trading, stored_intent(self.database.trading, intent.intent_id)
        stored = row.intent
        again = stored.version == intent.version + 1 and stored.state is IntentState.EXECUTING and row.plan == plan
        if not again:
            check_version("the intent", stored.version, intent.version)
            check_step_to_executing(stored)
        for order in orders:
            self._check(order)
        if not again:
            row.plan = plan
            advance_intent(tables, row, IntentState.EXECUTING, actor=actor, reason="")
        return self._added(orders, actor)

    def add(self, intent: Intent, orders: Sequence[Order], *, actor: str) -> Sequence[Order]:
        """Add orders to an executing intent; those of the same (intent, role, slice, attempt) are there once."""
        state = stored_intent(self.database.trading, intent.intent_id).intent.state
        slices = any(order.role is Role.SLICE for order in orders)
        if state not in TAKES_GUARDS or (slices and state is not IntentState.EXECUTING):
            raise ConflictError(f"an intent that is {state} takes no such orders")
        for order in orders:
            self._check(order)
        return self._added(orders, actor)

    def submit(self, order_id: str, *, now_ms: int, lease_ms: int, actor: str) -> Order | None:
        """Make a new order `submitting` and lease it; None when it is not new."""
        row = self.database.trading.orders.get(order_id)
        if row is None or row.order.state is not OrderState.NEW:
            return None
        self._require_submittable(row.order)
        row.lease_until = self.database.clock.now_ms() + lease_ms
        sent = replace(row.order, state=OrderState.SUBMITTING, submitted_at_ms=now_ms)
        return self._stored(row, sent, actor)

    def advance(self, order: Order, report: OrderReport, *, actor: str) -> Order:
        """Store what the venue says of an order; the same again changes nothing."""
        row = self._row(order)
        told = replace(
            row.order,
            state=report.state,
            venue_order_id=report.venue_order_id or row.order.venue_order_id,
            filled_qty=report.filled_qty,
            average_price=row.order.average_price if report.average_price is None else report.average_price,
            reason=row.order.reason if report.reason is None else report.reason,
            missed_at_ms=None,
        )
        before = row.order
        stored = self._advanced(row, order, told, actor)
        if stored != before and report.answer_ms is not None:
            row.answer_ms = report.answer_ms
        return stored

    def mark(
        self, order: Order, state: OrderState, *, actor: str, reason: str, missed_at_ms: int | None = None
    ) -> Order:
        """Store what the desk itself knows: unknown, cancel_pending, cancelled before it was sent."""
        row = self._row(order)
        told = replace(row.order, state=state, reason=reason, missed_at_ms=missed_at_ms)
        return self._advanced(row, order, told, actor)

    def advance_all(self, reports: Sequence[tuple[Order, OrderReport]], *, actor: str) -> Mapping[str, Order]:
        """Store what the venue says of many orders; return each by its id as it is then."""
        for order, report in reports:
            with suppress(ConflictError):
                self.advance(order, report, actor=actor)
        return {order.order_id: self._row(order).order for order, _ in reports}

    def mark_all(self, orders: Sequence[Order], state: OrderState, *, actor: str, reason: str) -> Mapping[str, Order]:
        """Store what the desk itself knows of many orders, as `advance_all` does."""
        for order in orders:
            with suppress(ConflictError):
                self.mark(order, state, actor=actor, reason=reason)
        return {order.order_id: self._row(order).order for order in orders}

    def unsettled(self, *, venue: str, account: str) -> Sequence[Order]:
        """Return orders of an account that may be at the venue or have filled more than is posted, leased ones left
        out."""
        now = self.database.clock.now_ms()
        found = [
            row.order
            for row in self.database.trading.orders.values()
            if (row.order.venue, row.order.account) == (venue, account)
            and (row.order.state in AT_RISK or row.order.filled_qty > row.posted_qty)
            and row.lease_until <= now
        ]
        return sorted(found, key=lambda order: (order.submitted_at_ms or 0, order.order_id))

    def recent(self, *, venue: str, account: str, since_ms: int) -> Sequence[Order]:
        """Return orders of an account that may fill, or were sent at or after an instant, oldest first."""
        found = [
            row.order
            for row in self.database.trading.orders.values()
            if (row.order.venue, row.order.account) == (venue, account)
            and (
                row.order.state in AT_RISK
                or row.order.filled_qty > row.posted_qty
                or (row.order.submitted_at_ms or -1) >= since_ms
            )
        ]
        return sorted(found, key=lambda order: (order.submitted_at_ms or 0, order.order_id))

    def standing(self, book_id: str, venue: str, symbol: str) -> Sequence[Order]:
        """Return the protective orders of a position that are new or may fill."""
        orders = [row.order for row in self.database.trading.orders.values() if row.order.role is not Role.SLICE]
        found = [
            order
            for order in orders
            if (order.book_id, order.venue, order.symbol) == (book_id, venue, symbol)
            and order.state in AT_RISK | {OrderState.NEW}
        ]
        return sorted(found, key=lambda order: (order.due_at_ms, order.order_id))

    def resting(self, *, trader_id: str | None = None) -> Sequence[tuple[Order, Purpose]]:
        """Return every order that may fill, or those of a trader's intents, with their purpose, oldest first."""
        tables = self.database.trading
        found = [row.order for row in tables.orders.values() if row.order.state in AT_RISK]
        found.sort(key=lambda order: (order.submitted_at_ms or 0, order.order_id))
        intents = [tables.intents[order.intent_id].intent for order in found]
        both = zip(found, intents, strict=True)
        return [(order, intent.purpose) for order, intent in both if trader_id in {None, intent.trader_id}]

    def accounts(self) -> Sequence[AccountPlace]:
        """Return every (venue, account) that has ever been opened or traded on."""
        tables = self.database.trading
        return sorted({(row.order.venue, row.order.account) for row in tables.orders.values()} | {*tables.opening})

    def stirring(self, *, since_ms: int) -> Sequence[AccountPlace]:
        """Return the accounts with orders that may fill, or were sent at or after an instant."""
        return [place for place in self.accounts() if self.recent(venue=place[0], account=place[1], since_ms=since_ms)]

    def measured(self, *, since_ms: int) -> Sequence[VenueMeasure]:
        """Return how each venue has answered slices sent since an instant, by venue and mode."""
        answers: dict[tuple[str, Mode], list[tuple[int, bool]]] = {}
        for row in self.database.trading.orders.values():
            order = row.order
            if order.role is Role.SLICE and (order.submitted_at_ms or -1) >= since_ms and row.answer_ms is not None:
                answer = (row.answer_ms, order.state is OrderState.REJECTED)
                answers.setdefault((order.venue, order.mode), []).append(answer)
        return [_measure(*place, answers[place]) for place in sorted(answers)]

    def _row(self, order: Order) -> OrderRow:
        try:
            return self.database.trading.orders[order.order_id]
        except KeyError:
            raise NotFoundError(f"no order {order.order_id!r}") from None

    def _advanced(self, row: OrderRow, seen: Order, told: Order, actor: str) -> Order:
        if told == row.order:
            return row.order
        check_version("the order", row.order.version, seen.version)
        if told.filled_qty < row.order.filled_qty:
            raise ConflictError("what has filled stays filled")
        if told.filled_qty > told.qty or (told.state is OrderState.FILLED and told.filled_qty != told.qty):
            raise InvalidMessageError("filled_qty_whole", f"{told.filled_qty} of {told.qty}")
        if told.state is not row.order.state:
            check_step(ORDER_STEPS, row.order.state, told.state)
            row.lease_until = 0
        return self._stored(row, told, actor)

    def _stored(self, row: OrderRow, told: Order, actor: str) -> Order:
        before = row.order.state
        row.order = replace(told, version=row.order.version + 1)
        if row.order.state is not before:
            self.database.trading.note("order", row.order, before, actor, row.order.reason or "")
        return row.order

    def _check(self, order: Order) -> None:
        intent, tables = stored_intent(self.database.trading, order.intent_id).intent, self.database.trading
        if order.state is not OrderState.NEW:
            raise ConflictError(f"an order begins as new, not {order.state}")
        of_intent = (order.book_id, order.mode, order.symbol) == (intent.book_id, intent.mode, intent.symbol)
        if order.role is Role.SLICE:
            of_intent = of_intent and order.side is intent.side and intent.venue in {None, order.venue}
        if not of_intent:
            raise InvalidMessageError("intent_id", f"order {order.order_id} is not of intent {intent.intent_id}")
        if order.account != tables.account_of(order.book_id):
            raise InvalidMessageError("account", f"{order.account} is not the account of the book")
        for row in tables.orders.values():
            same = order.client_order_id == row.order.client_order_id or order.order_id == row.order.order_id
            if same and _slot(order) != _slot(row.order):
                raise ConflictError(f"order {order.order_id} exists")

    def _added(self, orders: Sequence[Order], actor: str) -> Sequence[Order]:
        tables = self.database.trading
        known = {_slot(row.order): row.order for row in tables.orders.values()}
        for order in orders:
            if _slot(order) not in known:
                tables.orders[order.order_id] = OrderRow(order)
                tables.note("order", order, None, actor, "")
                known[_slot(order)] = order
        added = [known[_slot(order)] for order in orders]
        return sorted(added, key=lambda order: (order.slice_no, order.attempt, order.order_id))

    def _require_submittable(self, order: Order) -> None:
        tables, intent = self.database.trading, self.database.trading.intents[order.intent_id].intent
        if order.role is Role.SLICE:
            if intent.state is not IntentState.EXECUTING or intent.qty is None:
                raise ConflictError(f"the intent is {intent.state}")
            if intent.withdrawn is not None:
                raise ConflictError(f"the intent is withdrawn: {intent.withdrawn}")
            others = (part.order for part in tables.slices_of(intent.intent_id))
            taken = total(other.qty if other.state in AT_RISK else other.filled_qty for other in others)
            if taken + order.qty > intent.qty:
                raise ConflictError(f"{taken} of {intent.qty} are taken, {order.qty} more were not approved")
        where = (order.book_id, order.venue, order.symbol)
        protects = order.role is not Role.SLICE
        if protects and not tables.reduces(*where, side=order.side, qty=order.qty, guard=order.role):
            raise ConflictError(f"order {order.order_id}: nothing of that size is left to protect")
        if tables.books[order.book_id].mode is not order.mode:
            raise HaltedError(f"book {order.book_id} does not trade {order.mode}")
        guard = waits_for(order.role, reduce_only=order.reduce_only)
        reduces = tables.reduces(*where, side=order.side, qty=order.qty, guard=guard)
        states = self.database.states_of(order.book_id, order.venue, order.symbol, intent.trader_id)
        require_trading(states, reduces=reduces)


def check_step_to_executing(intent: Intent) -> None:
    """Raise `ConflictError` unless an intent may be executed."""
    if intent.state not in {IntentState.APPROVED, IntentState.MODIFIED}:
        raise ConflictError(f"{intent.state} cannot become executing")


def _measure(venue: str, mode: Mode, answers: Sequence[tuple[int, bool]]) -> VenueMeasure:
    taken = [took_ms for took_ms, refused in answers if not refused]
    return VenueMeasure(
        venue=venue,
        mode=mode,
        answered=len(answers),
        refused=len(answers) - len(taken),
        median_ms=round(median(taken)) if taken else None,
    )


def _slot(order: Order) -> tuple[str, Role, int, int]:
    return order.intent_id, order.role, order.slice_no, order.attempt
