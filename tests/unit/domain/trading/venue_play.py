"""A store and venues in a few lines, on which the orders of one intent are played to their end."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from shared.domain.trading.intents import Intent
from shared.domain.trading.money import ZERO, total
from shared.domain.trading.orders import Fill
from shared.domain.trading.plan_codec import plan_from_json, plan_to_json
from shared.domain.trading.plans import Plan, make_plan
from shared.domain.trading.progress import Steps, needs_offers, next_steps
from shared.domain.trading.records import IntentView, Order
from shared.domain.trading.routing import VenueOffer
from shared.domain.trading.schedules import VolumeHistory
from shared.domain.trading.states import ORDER_STEPS, IntentState, OrderState, TradingState, check_step, is_final
from tests.unit.domain.trading.offers import START_MS, an_offer


class Play:
    """One intent under execution; every change of an order is a step its state machine allows."""

    def __init__(
        self, intent: Intent, offers: Sequence[VenueOffer] = (an_offer(),), *, volumes: VolumeHistory | None = None
    ) -> None:
        self.intent = intent
        self.offers = tuple(offers)
        self.now_ms = START_MS
        self.state = TradingState.ACTIVE
        self.observed_qty: Decimal | None = None
        self.orders: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self.at_venue: dict[str, Decimal] = {}
        past = {offer.venue: volumes for offer in offers if volumes is not None}
        self.plan: Plan = plan_from_json(plan_to_json(make_plan(intent, offers, now_ms=START_MS, volumes=past)))
        self.finished: IntentState | None = None
        self.why = ""

    @property
    def filled_qty(self) -> Decimal:
        return total(self.at_venue.values())

    def of(self, *states: OrderState) -> list[Order]:
        return [order for order in self.orders.values() if order.state in states]

    def view(self) -> IntentView:
        return IntentView(
            intent=self.intent,
            plan=plan_to_json(self.plan),
            orders=tuple(self.orders.values()),
            fills=tuple(self.fills),
            state=self.state,
        )

    def ask(self, offers: Sequence[VenueOffer] | None = None) -> Steps:
        seen = self.offers if offers is None else offers
        return next_steps(self.plan, self.view(), seen, now_ms=self.now_ms, observed_qty=self.observed_qty)

    def needs_offers(self) -> bool:
        return needs_offers(self.plan, self.view(), now_ms=self.now_ms)

    def step(self) -> Steps:
        """Ask and do what is said, as the use-case would."""
        steps = self.ask()
        for order in steps.new_orders:
            assert order.order_id not in self.orders
            self.orders[order.order_id] = order
        for order in steps.cancel:
            is_new = order.state is OrderState.NEW
            self.to(order, OrderState.CANCELLED if is_new else OrderState.CANCEL_PENDING)
        if steps.finish is not None:
            self.finished = steps.finish
            self.intent = replace(self.intent, state=steps.finish)
        self.why = steps.why
        return steps

    def to(self, order: Order, state: OrderState, *, reason: str | None = None) -> Order:
        if state is not order.state:
            check_step(ORDER_STEPS, order.state, state)
        stored = self.orders[order.order_id] = replace(order, state=state, reason=reason)
        return stored

    def submit(self, order: Order) -> Order:
        self.orders[order.order_id] = replace(order, submitted_at_ms=self.now_ms)
        return self.to(self.orders[order.order_id], OrderState.SUBMITTING)

    def fill(self, order: Order, qty: Decimal, *, tell: bool = True) -> Order:
        """Fill at the venue; without `tell` the desk has not heard of it yet."""
        self.at_venue[order.order_id] = self.at_venue.get(order.order_id, ZERO) + qty
        return self.report(order) if tell else order

    def report(self, order: Order) -> Order:
        """Tell the desk what the venue knows of an order that is alive there."""
        filled = self.at_venue.get(order.order_id, ZERO)
        state = OrderState.FILLED if filled == order.qty else OrderState.PARTIALLY_FILLED if filled else OrderState.OPEN
        return self.to(replace(order, filled_qty=filled), state)

    def end(self, order: Order) -> Order:
        """Tell the desk that the venue has cancelled an order, with what it had filled."""
        filled = self.at_venue.get(order.order_id, ZERO)
        state = OrderState.FILLED if filled == order.qty else OrderState.CANCELLED
        return self.to(replace(order, filled_qty=filled), state)

    def post(self, order: Order) -> None:
        """Post a fill for all the venue has filled of an order so far."""
        known = total({f.trade_id: f.qty for f in self.fills if f.client_order_id == order.client_order_id}.values())
        if qty := self.at_venue.get(order.order_id, ZERO) - known:
            self.fills.append(
                Fill(
                    trade_id=f"t{len(self.fills)}",
                    client_order_id=order.client_order_id,
                    venue_order_id="v",
                    symbol=order.symbol,
                    side=order.side,
                    qty=qty,
                    price=Decimal(100),
                    fee_qty=ZERO,
                    fee_asset="USDT",
                    fee_notional=ZERO,
                    is_maker=False,
                    event_time=self.now_ms,
                )
            )

    def due(self) -> list[Order]:
        return [order for order in self.of(OrderState.NEW) if order.due_at_ms <= self.now_ms]

    def fill_all_that_is_due(self) -> None:
        for order in self.due():
            self.fill(self.submit(order), order.qty)

    def run_out(self, *, rounds: int = 400) -> None:
        """Fill whatever is sent from now on, at the time it is due, until the intent ends."""
        for _ in range(rounds):
            self.step()
            if self.finished is not None:
                return
            for order in self.of(OrderState.SUBMITTING, OrderState.UNKNOWN, OrderState.OPEN):
                self.report(self.fill(order, order.qty - self.at_venue.get(order.order_id, ZERO), tell=False))
            for order in self.of(OrderState.PARTIALLY_FILLED, OrderState.CANCEL_PENDING):
                self.end(order)
            self.fill_all_that_is_due()
            waiting = [order.due_at_ms for order in self.of(OrderState.NEW)]
            self.now_ms = max(self.now_ms + 1, min(waiting, default=self.now_ms + 60_000))
        raise AssertionError(f"no end: {self.why}")

    def check(self) -> None:
        """What must hold at every instant."""
        assert self.filled_qty <= self.plan.qty
        alive = [order for order in self.orders.values() if not is_final(order.state)]
        may_fill = total(order.qty - self.at_venue.get(order.order_id, ZERO) for order in alive)
        assert self.filled_qty + may_fill <= self.plan.qty
        names = [(order.slice_no, order.attempt) for order in self.orders.values()]
        assert len(set(names)) == len(names)
        assert len({order.slice_no for order in alive}) == len(alive)
        assert len({order.client_order_id for order in self.orders.values()}) == len(self.orders)
        instruments = {offer.venue: offer.instrument for offer in self.offers}
        limit, sign = self.plan.algorithm.limit_price, self.plan.side.sign
        for order in self.orders.values():
            instrument = instruments[order.venue]
            assert order.qty == instrument.fit_qty(order.qty)
            assert instrument.shortfall(order.qty, order.limit_price or Decimal(110)) is None
            assert limit is None or (order.limit_price is not None and sign * (order.limit_price - limit) <= 0)
