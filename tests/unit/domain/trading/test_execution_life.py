"""Whatever venues do, in whatever order, an intent's orders never come to more than its quantity, and never forget."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.domain.trading.intents import Algorithm, AlgorithmName, Completion, Purpose
from shared.domain.trading.orders import TimeInForce
from shared.domain.trading.records import Order
from shared.domain.trading.schedules import DAY_MS, VolumeHistory
from shared.domain.trading.states import IntentState, OrderState, TradingState, is_final
from tests.unit.domain.trading.offers import START_MS, a_depth, an_instrument, an_intent, an_offer
from tests.unit.domain.trading.venue_play import Play

D = Decimal
HOUR_MS = 3_600_000
PAST = VolumeHistory(
    bar_ms=60_000, bars=tuple((START_MS - DAY_MS + minute * 60_000, D(minute % 7)) for minute in range(120))
)
WORKING = (OrderState.OPEN, OrderState.PARTIALLY_FILLED, OrderState.CANCEL_PENDING)

completions = st.sampled_from(Completion)
limits = st.sampled_from([None, D("100.5")])
prices = st.sampled_from([D("100.5"), D("99.8")])
algorithms = st.one_of(
    st.builds(Algorithm, limit_price=limits),
    st.builds(
        Algorithm,
        name=st.just(AlgorithmName.LIMIT),
        limit_price=prices,
        time_in_force=st.sampled_from(TimeInForce),
        duration_ms=st.sampled_from([0, HOUR_MS]),
        completion=completions,
    ),
    st.builds(
        Algorithm,
        name=st.sampled_from([AlgorithmName.TWAP, AlgorithmName.VWAP]),
        duration_ms=st.just(HOUR_MS),
        slices=st.integers(1, 8),
        limit_price=limits,
        participation_rate=st.sampled_from([None, D("0.5"), D("0.1")]),
        completion=completions,
    ),
    st.builds(
        Algorithm,
        name=st.just(AlgorithmName.ICEBERG),
        limit_price=prices,
        shown_rate=st.sampled_from([D("0.1"), D("0.4")]),
        time_in_force=st.sampled_from([TimeInForce.GTC, TimeInForce.POST_ONLY]),
        duration_ms=st.sampled_from([0, HOUR_MS]),
        completion=completions,
    ),
    st.builds(
        Algorithm,
        name=st.just(AlgorithmName.POV),
        duration_ms=st.just(HOUR_MS),
        slices=st.integers(2, 8),
        limit_price=limits,
        participation_rate=st.sampled_from([D("0.5"), D("0.1")]),
        completion=completions,
    ),
)


class ExecutionLife(RuleBasedStateMachine):
    @initialize(
        algorithm=algorithms,
        qty=st.sampled_from(["10", "7.003", "9.05", "3.33333", "0.6"]),
        purpose=st.sampled_from(Purpose),
        seed=st.integers(0, 99),
    )
    def begin(self, algorithm: Algorithm, qty: str, purpose: Purpose, seed: int) -> None:
        depth = a_depth(asks=[(100, 4), ("100.4", 4), (101, 4)], bids=[("99.9", 4), (99, 4)])
        offers = [
            an_offer("one", depth, instrument=an_instrument("one", step="0.01", min_qty="0.01")),
            an_offer("two", depth, instrument=an_instrument("two", step="0.05", min_qty="0.1", taker="0.0005")),
        ]
        venue = "one" if purpose is Purpose.EXIT else None
        intent = an_intent(algorithm, qty=qty, purpose=purpose, venue=venue, intent_id=f"intent-{seed}")
        self.play = Play(intent, offers, volumes=PAST)
        self.play.observed_qty = D(4)
        self.step()

    def pick(self, data: st.DataObject, *states: OrderState) -> Order:
        return data.draw(st.sampled_from(self.play.of(*states)))

    def has(self, *states: OrderState) -> bool:
        return bool(self.play.of(*states))

    @rule()
    def step(self) -> None:
        first, second = self.play.ask(), self.play.ask()
        assert first == second
        assert self.play.needs_offers() or self.play.ask(offers=()) == first
        is_ended = self.play.finished is not None
        done = self.play.step()
        assert not (is_ended and (done.new_orders or done.finish))
        assert not (done.finish and not all(is_final(order.state) for order in self.play.orders.values()))
        again = self.play.ask()
        assert not set(again.new_orders) & set(done.new_orders)
        if done.new_orders:
            assert not {(o.slice_no, o.attempt) for o in again.new_orders} & {
                (o.slice_no, o.attempt) for o in self.play.orders.values()
            }

    @rule(passes_ms=st.sampled_from([0, 500, 5_000, 400_000, 700_000]), traded=st.sampled_from([D(0), D("0.4"), D(9)]))
    def wait(self, passes_ms: int, traded: Decimal) -> None:
        self.play.now_ms += passes_ms
        self.play.observed_qty = (self.play.observed_qty or D(0)) + traded
        self.step()

    @rule(
        price=st.sampled_from([None, D(100), D(100), D("100.4"), D("100.6")]),
        qty=st.sampled_from([D("0.03"), D(3), D(50)]),
    )
    def market_moves(self, price: Decimal | None, qty: Decimal) -> None:
        asks = [] if price is None else [(price, qty), (price + 1, qty)]
        bids = [] if price is None else [(price - D("0.1"), qty), (price - 1, qty)]
        self.play.offers = tuple(
            an_offer(offer.venue, a_depth(asks=asks, bids=bids), instrument=offer.instrument)
            for offer in self.play.offers
        )

    @precondition(lambda self: self.has(OrderState.NEW))
    @rule(data=st.data())
    def submit(self, data: st.DataObject) -> None:
        order = self.pick(data, OrderState.NEW)
        self.play.now_ms = max(self.play.now_ms, order.due_at_ms)
        self.play.submit(order)

    @precondition(lambda self: self.play.of(OrderState.NEW))
    @rule(ends=st.lists(st.sampled_from([OrderState.UNKNOWN, OrderState.OPEN, OrderState.REJECTED]), min_size=2))
    def time_passes_and_slices_go_wrong(self, ends: list[OrderState]) -> None:
        """Send the next slices at their times, each to an end of its own, with a decision after each."""
        for end in ends:
            waiting = sorted(self.play.of(OrderState.NEW), key=lambda order: order.due_at_ms)
            if waiting:
                self.play.now_ms = max(self.play.now_ms, waiting[0].due_at_ms)
                self.play.to(self.play.submit(waiting[0]), end)
                self.step()
                self.play.check()

    @precondition(lambda self: self.has(OrderState.SUBMITTING, OrderState.UNKNOWN, *WORKING))
    @rule(data=st.data(), part=st.sampled_from([D(1), D("0.5"), D("0.07"), D(0)]), tell=st.booleans())
    def fill(self, data: st.DataObject, part: Decimal, *, tell: bool) -> None:
        order = self.pick(data, OrderState.SUBMITTING, OrderState.UNKNOWN, *WORKING)
        left = order.qty - self.play.at_venue.get(order.order_id, D(0))
        if part < 1 and order.time_in_force is TimeInForce.FOK:
            return
        order = self.play.fill(order, left * part, tell=False)
        if tell and order.state is not OrderState.CANCEL_PENDING:
            self.play.report(order)
            self.step()

    @precondition(lambda self: self.has(*OrderState))
    @rule(data=st.data(), twice=st.booleans())
    def fill_is_posted(self, data: st.DataObject, *, twice: bool) -> None:
        self.play.post(self.pick(data, *OrderState))
        if twice and self.play.fills:
            self.play.fills.append(data.draw(st.sampled_from(self.play.fills)))

    @precondition(lambda self: self.has(OrderState.SUBMITTING, *WORKING))
    @rule(data=st.data())
    def outcome_is_unknown(self, data: st.DataObject) -> None:
        self.play.to(self.pick(data, OrderState.SUBMITTING, *WORKING), OrderState.UNKNOWN)

    @precondition(lambda self: self.has(OrderState.SUBMITTING, OrderState.UNKNOWN))
    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        order = self.pick(data, OrderState.SUBMITTING, OrderState.UNKNOWN)
        if not self.play.at_venue.get(order.order_id):
            self.play.to(order, OrderState.REJECTED, reason="insufficient balance")
            self.step()

    @precondition(lambda self: self.has(OrderState.SUBMITTING, OrderState.UNKNOWN, *WORKING))
    @rule(data=st.data())
    def venue_cancels(self, data: st.DataObject) -> None:
        self.play.end(self.pick(data, OrderState.SUBMITTING, OrderState.UNKNOWN, *WORKING))
        self.step()

    @precondition(lambda self: len(self.play.orders) > 6)
    @rule(state=st.sampled_from([*[TradingState.ACTIVE] * 8, *TradingState]))
    def state_changes(self, state: TradingState) -> None:
        self.play.state = state
        self.step()

    @precondition(lambda self: len(self.play.orders) > 6)
    @rule(is_meant=st.sampled_from([True, *[False] * 8]))
    def withdraw(self, *, is_meant: bool) -> None:
        if is_meant:
            self.play.intent = replace(self.play.intent, withdrawn="thought better of it")
            self.step()
            assert not self.play.ask().new_orders

    @invariant()
    def never_more_than_approved(self) -> None:
        if hasattr(self, "play"):
            self.play.check()

    def teardown(self) -> None:
        """From any state a venue that fills what it is sent brings the intent to an end that tells what has filled."""
        if not hasattr(self, "play") or self.play.finished is not None:
            return
        play = self.play
        play.offers = tuple(an_offer(offer.venue, instrument=offer.instrument) for offer in play.offers)
        play.observed_qty = D(10_000)
        play.run_out()
        play.check()
        for order in play.orders.values():
            play.post(order)
        assert play.filled_qty == sum(
            (fill.qty for fill in {fill.trade_id: fill for fill in play.fills}.values()), D(0)
        )
        if play.finished is IntentState.EXECUTED:
            assert play.filled_qty > 0
        elif play.finished is IntentState.FAILED:
            assert play.filled_qty == 0 or "refused" in play.why


def test_no_life_of_an_intents_orders_breaks_its_quantity() -> None:
    run_state_machine_as_test(
        ExecutionLife,
        settings=settings(
            max_examples=200, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )


@given(algorithms, st.sampled_from(["10", "7.003", "0.9", "0.06"]), st.integers(0, 20))
def test_what_fills_whatever_it_is_sent_fills_exactly_the_quantity(algorithm: Algorithm, qty: str, seed: int) -> None:
    depth = a_depth(asks=[(100, 500)], bids=[("99.9", 500)])
    play = Play(
        an_intent(
            replace(algorithm, completion=Completion.TAKE, limit_price=algorithm.limit_price and D("100.5")),
            qty=qty,
            intent_id=f"i-{seed}",
        ),
        [an_offer("one", depth)],
        volumes=PAST,
    )
    play.observed_qty = D(10_000)
    play.run_out()
    assert play.filled_qty == D(qty)
    assert play.finished is IntentState.EXECUTED
