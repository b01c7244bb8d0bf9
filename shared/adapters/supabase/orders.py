"""Orders in Supabase: each method is one SQL function, one transaction, safe to repeat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from postgrest import SyncPostgrestClient

from shared.adapters.supabase.client import call
from shared.adapters.supabase.trading_rows import MEASURES, ORDER, ORDERS, REPORT, read, read_execution, write
from shared.domain.trading.accounts import AccountPlace
from shared.domain.trading.intents import Intent, Purpose
from shared.domain.trading.measures import VenueMeasure
from shared.domain.trading.orders import OrderReport
from shared.domain.trading.records import IntentView, Order
from shared.domain.trading.states import OrderState


@dataclass(frozen=True, slots=True)
class SupabaseOrderStore:
    """Orders as rows of `orders`, written before a venue is called."""

    client: SyncPostgrestClient

    def execution(self, intent_id: str) -> IntentView:
        """Return an intent with its orders and fills; raise `NotFoundError`."""
        data = call(self.client, "execution_of", {"p_intent_id": intent_id})
        return read_execution(data, f"no intent {intent_id!r}")

    def start(
        self, intent: Intent, *, plan: Mapping[str, object], orders: Sequence[Order], actor: str
    ) -> Sequence[Order]:
        """Make an approved intent executing with its plan and first orders."""
        values = {"p_version": intent.version, "p_plan": plan}
        return self._added("start_execution", intent, orders, actor, values)

    def add(self, intent: Intent, orders: Sequence[Order], *, actor: str) -> Sequence[Order]:
        """Add orders to an executing intent; those of the same (intent, role, slice, attempt) are there once."""
        return self._added("add_orders", intent, orders, actor, {})

    def submit(self, order_id: str, *, now_ms: int, lease_ms: int, actor: str) -> Order | None:
        """Make a new order `submitting` and lease it; None when it is not new."""
        lease = {"p_now_ms": now_ms, "p_lease_ms": lease_ms, "p_actor": actor, "p_holder": str(uuid4())}
        data = call(self.client, "submit_order", {"p_order_id": order_id} | lease)
        return None if data is None else read(ORDER, data, order_id)

    def advance(self, order: Order, report: OrderReport, *, actor: str) -> Order:
        """Store what the venue says of an order; the same again changes nothing."""
        return self._advanced(order, _told(report), actor)

    def mark(
        self, order: Order, state: OrderState, *, actor: str, reason: str, missed_at_ms: int | None = None
    ) -> Order:
        """Store what the desk itself knows: unknown, cancel_pending, cancelled before it was sent."""
        known = {"state": state.value, "reason": reason, "missed_at_ms": missed_at_ms}
        return self._advanced(order, known, actor)

    def advance_all(self, reports: Sequence[tuple[Order, OrderReport]], *, actor: str) -> Mapping[str, Order]:
        """Store what the venue says of many orders in one transaction; return each by its id as it is then."""
        return self._advanced_all([(order, _told(report)) for order, report in reports], actor)

    def mark_all(self, orders: Sequence[Order], state: OrderState, *, actor: str, reason: str) -> Mapping[str, Order]:
        """Store what the desk itself knows of many orders, as `advance_all` does."""
        return self._advanced_all([(order, {"state": state.value, "reason": reason}) for order in orders], actor)

    def unsettled(self, *, venue: str, account: str) -> Sequence[Order]:
        """Return orders of an account that may be at the venue or have filled more than is posted, leased ones left
        out."""
        where = {"p_venue": venue, "p_account": account}
        return read(ORDERS, call(self.client, "unsettled_orders", where), "no orders")

    def recent(self, *, venue: str, account: str, since_ms: int) -> Sequence[Order]:
        """Return orders of an account that may fill, or were sent at or after an instant, oldest first."""
        where = {"p_venue": venue, "p_account": account, "p_since_ms": since_ms}
        return read(ORDERS, call(self.client, "recent_orders", where), "no orders")

    def standing(self, book_id: str, venue: str, symbol: str) -> Sequence[Order]:
        """Return the protective orders of a position that are new or may fill."""
        where = {"p_book_id": book_id, "p_venue": venue, "p_symbol": symbol}
        return read(ORDERS, call(self.client, "standing_orders", where), "no orders")

    def resting(self, *, trader_id: str | None = None) -> Sequence[tuple[Order, Purpose]]:
        """Return every order that may fill, or those of a trader's intents, with their purpose, oldest first."""
        of_trader = ("resting_orders_of_trader", {"p_trader_id": trader_id})
        found = call(self.client, *(("resting_orders", {}) if trader_id is None else of_trader))
        return [(read(ORDER, row, "no order"), Purpose(word)) for row, word in found]

    def accounts(self) -> Sequence[AccountPlace]:
        """Return every (venue, account) that has ever been opened or traded on."""
        return [(venue, account) for venue, account in call(self.client, "traded_accounts", {})]

    def stirring(self, *, since_ms: int) -> Sequence[AccountPlace]:
        """Return the accounts with orders that may fill, or were sent at or after an instant."""
        found = call(self.client, "stirring_accounts", {"p_since_ms": since_ms})
        return [(venue, account) for venue, account in found]

    def measured(self, *, since_ms: int) -> Sequence[VenueMeasure]:
        """Return how each venue has answered slices sent since an instant, by venue and mode."""
        return read(MEASURES, call(self.client, "venue_measures", {"p_since_ms": since_ms}), "no measures")

    def _added(
        self, function: str, intent: Intent, orders: Sequence[Order], actor: str, values: dict[str, Any]
    ) -> Sequence[Order]:
        written = {"p_intent_id": intent.intent_id, "p_orders": write(ORDERS, [*orders]), "p_actor": actor}
        return read(ORDERS, call(self.client, function, written | values), f"no intent {intent.intent_id!r}")

    def _advanced(self, order: Order, report: dict[str, Any], actor: str) -> Order:
        values = {"p_order_id": order.order_id, "p_version": order.version, "p_report": report, "p_actor": actor}
        return read(ORDER, call(self.client, "advance_order", values), f"no order {order.order_id!r}")

    def _advanced_all(self, reports: Sequence[tuple[Order, dict[str, Any]]], actor: str) -> Mapping[str, Order]:
        if not reports:
            return {}
        changes = [{"order_id": order.order_id, "version": order.version, "report": told} for order, told in reports]
        stored = read(
            ORDERS, call(self.client, "advance_orders", {"p_changes": changes, "p_actor": actor}), "no orders"
        )
        return {order.order_id: order for order in stored}


def _told(report: OrderReport) -> dict[str, Any]:
    """Return what is stored of a report."""
    told = write(REPORT, report)
    names = ("state", "venue_order_id", "filled_qty", "average_price", "reason", "answer_ms")
    return {name: told[name] for name in names}
