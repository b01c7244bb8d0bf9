"""After each event the rest is planned again from what has filled, and never from what may still fill."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.domain.trading.instruments import InstrumentKind, Side
from shared.domain.trading.intents import Algorithm, AlgorithmName, Completion, Purpose
from shared.domain.trading.orders import OrderKind, TimeInForce
from shared.domain.trading.states import IntentState, OrderState, TradingState
from tests.unit.domain.trading.offers import START_MS, a_depth, an_instrument, an_intent, an_offer
from tests.unit.domain.trading.test_execution_life import PAST
from tests.unit.domain.trading.venue_play import Play

D = Decimal
HOUR_MS = 3_600_000
TWAP = Algorithm(name=AlgorithmName.TWAP, duration_ms=HOUR_MS, slices=5)
TAKEN_TWAP = replace(TWAP, completion=Completion.TAKE)
RESTING = Algorithm(name=AlgorithmName.LIMIT, limit_price=D(99), duration_ms=HOUR_MS)


def test_the_first_orders_are_the_slices_of_the_plan_under_their_own_names() -> None:
    play = Play(an_intent(TWAP))
    orders = play.step().new_orders
    assert [(order.slice_no, order.qty, order.due_at_ms) for order in orders] == [
        (one.slice_no, one.qty, one.due_at_ms) for one in play.plan.slices
    ]
    assert {(order.attempt, order.kind, order.account, order.state) for order in orders} == {
        (1, OrderKind.MARKET, "book-1", OrderState.NEW)
    }
    assert not play.step().new_orders


def test_a_slice_that_fails_does_not_forget_those_that_filled() -> None:
    play = Play(an_intent(TWAP))
    first, second, *_ = play.step().new_orders
    play.fill(play.submit(first), first.qty)
    play.to(play.submit(second), OrderState.REJECTED, reason="too many requests")
    (again,) = play.step().new_orders
    assert (again.slice_no, again.attempt, again.qty) == (2, 2, second.qty)
    assert again.client_order_id != second.client_order_id
    assert again.due_at_ms == second.due_at_ms  # its time has not yet come
    play.run_out()
    assert play.filled_qty == 10


def test_what_a_slice_has_left_is_tried_again_after_a_pause_and_then_goes_with_the_next() -> None:
    play = Play(an_intent(TWAP))
    second = play.step().new_orders[1]
    for attempt, pause_ms in ((2, 1_000), (3, 2_000)):
        newest = max(play.of(OrderState.NEW), key=lambda order: (order.slice_no == 1, order.attempt))
        play.fill(play.submit(newest), D("0.5"))
        play.end(play.orders[newest.order_id])
        (again,) = play.step().new_orders
        assert (again.slice_no, again.attempt, again.due_at_ms) == (1, attempt, play.now_ms + pause_ms)
        assert again.qty == newest.qty - D("0.5")
    play.end(play.submit(again))
    assert [order.order_id for order in play.step().cancel] == [second.order_id]
    (larger,) = play.step().new_orders
    assert (larger.slice_no, larger.attempt, larger.qty) == (2, 2, second.qty + again.qty)
    play.run_out()
    assert (play.filled_qty, play.finished) == (D(10), IntentState.EXECUTED)


@pytest.mark.parametrize("state", [OrderState.SUBMITTING, OrderState.UNKNOWN])
def test_an_order_that_may_have_filled_is_never_planned_again_until_it_is_settled(state: OrderState) -> None:
    play = Play(an_intent(Algorithm(), purpose=Purpose.EXIT, venue="one"))
    (order,) = play.step().new_orders
    play.to(play.submit(order), state)
    play.now_ms += 10 * HOUR_MS
    steps = play.ask()
    assert (steps.new_orders, steps.cancel, steps.finish) == ((), (), None)
    play.to(play.orders[order.order_id], OrderState.REJECTED, reason="the venue never had it")
    assert [(again.slice_no, again.qty) for again in play.step().new_orders] == [(play.plan.completion_no, D(10))]


def test_what_is_unknown_of_one_slice_does_not_go_with_another() -> None:
    play = Play(an_intent(TWAP))
    first, second, *_ = play.step().new_orders
    play.to(play.submit(first), OrderState.UNKNOWN)
    assert not play.step().cancel
    play.to(play.submit(second), OrderState.REJECTED, reason="too many requests")
    assert [(again.slice_no, again.qty) for again in play.step().new_orders] == [(2, second.qty)]


def test_three_refusals_fail_the_intent_with_the_venues_words_and_what_filled_stays() -> None:
    play = Play(an_intent(TWAP))
    first = play.step().new_orders[0]
    play.fill(play.submit(first), first.qty)
    for _ in range(3):
        newest = next(order for order in play.of(OrderState.NEW) if order.slice_no == 2)
        play.to(play.submit(newest), OrderState.REJECTED, reason="insufficient balance")
        steps = play.step()
    assert len(steps.cancel) == 3
    steps = play.step()
    assert steps.finish is IntentState.FAILED
    assert steps.why == f"{first.qty:f} of 10 filled: one refused slice 2: insufficient balance"


def test_a_venue_that_refuses_is_left_for_another_but_an_exit_stays() -> None:
    offers = [an_offer("one"), an_offer("two", instrument=an_instrument("two", taker="0.002"))]
    play = Play(an_intent(Algorithm()), offers)
    (order,) = play.step().new_orders
    assert order.venue == "one"
    play.to(play.submit(order), OrderState.REJECTED, reason="halted")
    assert [(again.venue, again.attempt) for again in play.step().new_orders] == [("two", 2)]
    leaving = Play(an_intent(Algorithm(), purpose=Purpose.EXIT, venue="one"), offers)
    (order,) = leaving.step().new_orders
    leaving.to(leaving.submit(order), OrderState.REJECTED, reason="halted")
    assert [again.venue for again in leaving.step().new_orders] == ["one"]


def test_the_next_tip_of_an_iceberg_follows_when_the_former_has_filled() -> None:
    iceberg = Algorithm(name=AlgorithmName.ICEBERG, limit_price=D(99), shown_rate=D("0.25"))
    play = Play(an_intent(iceberg))
    (tip,) = play.step().new_orders
    tip = play.report(play.submit(tip))
    assert not play.step().new_orders
    play.fill(tip, tip.qty / 2)
    assert not play.step().new_orders
    play.fill(play.orders[tip.order_id], tip.qty / 2)
    (following,) = play.step().new_orders
    assert (following.slice_no, following.qty) == (2, play.plan.slices[1].qty)
    play.run_out()
    assert (play.filled_qty, play.finished) == (D(10), IntentState.EXECUTED)


def test_pov_keeps_to_its_part_of_the_volume_one_slice_a_span() -> None:
    pov = Algorithm(name=AlgorithmName.POV, duration_ms=HOUR_MS, slices=6, participation_rate=D("0.1"))
    play = Play(an_intent(pov), volumes=PAST)
    assert play.ask().why == "waiting for a candle of what trades at one since it was planned"
    play.observed_qty = D(20)
    (first,) = play.step().new_orders
    assert (first.slice_no, first.qty) == (1, D(2))
    play.fill(play.submit(first), first.qty)
    play.observed_qty = D(35)
    assert not play.step().new_orders  # its span is over only later
    play.now_ms = START_MS + 1_000_000
    (second,) = play.step().new_orders
    assert (second.slice_no, second.qty) == (2, D("1.5"))
    play.fill(play.submit(second), second.qty)
    play.now_ms = START_MS + HOUR_MS
    steps = play.step()
    assert (steps.finish, steps.why) == (IntentState.EXECUTED, "3.5 of 10 filled: the deadline has passed")


def test_at_the_deadline_what_rests_is_cancelled_and_the_rest_given_up() -> None:
    play = Play(an_intent(RESTING))
    (order,) = play.step().new_orders
    order = play.fill(play.report(play.submit(order)), D(4))
    play.now_ms = START_MS + HOUR_MS
    assert play.step().cancel == (order,)
    assert not play.step().new_orders  # the cancel is under way, and a fill may win against it
    play.fill(play.orders[order.order_id], D(1), tell=False)
    play.end(play.orders[order.order_id])
    steps = play.step()
    assert (steps.finish, steps.why) == (IntentState.EXECUTED, "5 of 10 filled: the deadline has passed")


def test_at_the_deadline_what_is_left_is_taken_within_the_price_limit() -> None:
    play = Play(an_intent(replace(RESTING, limit_price=D("99.95"), completion=Completion.TAKE)))
    (order,) = play.step().new_orders
    order = play.fill(play.report(play.submit(order)), D(4))
    play.now_ms = START_MS + HOUR_MS
    play.step()
    play.end(play.orders[order.order_id])
    beyond = play.ask()
    assert (beyond.new_orders, beyond.finish) == ((), IntentState.EXECUTED)
    play.offers = (an_offer("one", a_depth(asks=[("99.9", 5), (101, 50)], bids=[("99.8", 1)])),)
    (taken,) = play.step().new_orders
    assert (taken.qty, taken.limit_price, taken.time_in_force) == (D(5), D("99.95"), TimeInForce.IOC)
    play.fill(play.submit(taken), D(5))
    (again,) = play.step().new_orders
    assert (again.slice_no, again.attempt, again.qty) == (taken.slice_no, 2, D(1))


def test_what_is_not_tried_again_ends_with_what_it_has() -> None:
    ioc = Algorithm(name=AlgorithmName.LIMIT, limit_price=D(101), time_in_force=TimeInForce.IOC)
    play = Play(an_intent(ioc))
    (order,) = play.step().new_orders
    play.fill(play.submit(order), D(3))
    play.end(play.orders[order.order_id])
    steps = play.step()
    assert (steps.finish, steps.why) == (IntentState.EXECUTED, "3 of 10 filled: every slice has ended")


def test_nothing_to_buy_within_the_limit_fails_at_once_and_says_why() -> None:
    play = Play(an_intent(Algorithm(limit_price=D(50))))
    steps = play.step()
    assert steps.finish is IntentState.FAILED
    assert steps.why == "0 of 10 filled: no venue offers to buy within the price limit"
    never = Play(an_intent(Algorithm(limit_price=D(50)), state=IntentState.APPROVED))
    assert never.step().finish is IntentState.EXPIRED


@pytest.mark.parametrize(
    ("state", "purpose", "stops"),
    [
        (TradingState.HALTED, Purpose.ENTER, True),
        (TradingState.HALTED, Purpose.EXIT, True),
        (TradingState.REDUCING, Purpose.ENTER, True),
        (TradingState.REDUCING, Purpose.EXIT, False),
    ],
)
def test_a_halt_ends_what_is_under_way_and_reducing_lets_exits_go_on(
    state: TradingState, purpose: Purpose, stops: bool
) -> None:
    play = Play(an_intent(TWAP, purpose=purpose, venue="one"))
    first = play.step().new_orders[0]
    play.fill(play.submit(first), first.qty)
    play.state = state
    steps = play.step()
    assert len(steps.cancel) == (4 if stops else 0)
    assert play.step().finish is (IntentState.EXECUTED if stops else None)


MARKET = Algorithm()


@pytest.mark.parametrize(
    ("algorithm", "after_ms", "purpose", "takes"),
    [
        (MARKET, 59_999, Purpose.ENTER, True),
        (MARKET, 60_000, Purpose.ENTER, False),  # the intent has expired
        (MARKET, 24 * HOUR_MS, Purpose.EXIT, True),
        (TAKEN_TWAP, HOUR_MS + 299_999, Purpose.ENTER, True),
        (TAKEN_TWAP, HOUR_MS + 300_000, Purpose.ENTER, False),
        (TAKEN_TWAP, 24 * HOUR_MS, Purpose.EXIT, True),
    ],
)
def test_what_is_left_of_an_entry_is_given_up_once_it_is_too_late(
    algorithm: Algorithm, after_ms: int, purpose: Purpose, *, takes: bool
) -> None:
    play = Play(an_intent(algorithm, purpose=purpose, venue="one"))
    first, *_ = play.step().new_orders
    play.end(play.fill(play.submit(first), D("0.5"), tell=False))
    play.now_ms = START_MS + after_ms
    steps = play.step()
    if steps.cancel:  # what has not been sent goes first
        steps = play.step()
    if takes:
        assert steps.new_orders
    else:
        assert (steps.new_orders, steps.finish) == ((), IntentState.EXECUTED)
        assert steps.why.endswith("and what it was raised for has passed")


def test_what_was_to_take_the_rest_is_not_sent_once_it_is_too_late() -> None:
    play = Play(an_intent(TAKEN_TWAP))
    for order in play.step().new_orders:
        play.end(play.submit(order))
    play.now_ms = START_MS + HOUR_MS
    (taking,) = play.step().new_orders
    play.now_ms += 24 * HOUR_MS
    assert play.step().cancel == (taking,)
    assert play.step().finish is IntentState.FAILED


@pytest.mark.parametrize(("filled", "end"), [("0", IntentState.FAILED), ("1", IntentState.EXECUTED)])
def test_what_is_withdrawn_is_cancelled_waited_for_and_ended_by_what_has_filled(filled: str, end: IntentState) -> None:
    play = Play(an_intent(TWAP))
    first, *others = play.step().new_orders
    play.fill(play.submit(first), D(filled))
    play.to(play.orders[first.order_id], OrderState.UNKNOWN)
    play.intent = replace(play.intent, withdrawn="thought better of it")
    assert {order.order_id for order in play.step().cancel} == {order.order_id for order in others}
    waiting = play.step()
    assert (waiting.cancel, waiting.new_orders, waiting.finish) == ((), (), None)
    play.end(play.orders[first.order_id])
    done = play.step()
    assert (done.finish, done.why) == (end, f"{filled} of 10 filled: withdrawn: thought better of it")


def test_a_maker_is_kept_from_taking_at_the_price_there_is_now() -> None:
    maker = Algorithm(name=AlgorithmName.LIMIT, limit_price=D(105), time_in_force=TimeInForce.POST_ONLY)
    assert [order.limit_price for order in Play(an_intent(maker)).step().new_orders] == [D("99.9")]
    selling = Algorithm(name=AlgorithmName.LIMIT, limit_price=D(95), time_in_force=TimeInForce.POST_ONLY)
    assert [order.limit_price for order in Play(an_intent(selling, side=Side.SELL)).step().new_orders] == [D(100)]


def test_only_an_exit_of_a_future_is_marked_as_one() -> None:
    def marks(kind: InstrumentKind, purpose: Purpose) -> list[bool]:
        intent = an_intent(Algorithm(), purpose=purpose, venue="one")
        play = Play(intent, [an_offer(instrument=an_instrument(kind=kind))])
        return [order.reduce_only for order in play.step().new_orders]

    assert marks(InstrumentKind.SWAP, Purpose.EXIT) == [True]
    assert marks(InstrumentKind.SWAP, Purpose.ENTER) == [False]
    assert marks(InstrumentKind.SPOT, Purpose.EXIT) == [False]


def test_without_facts_of_a_venue_nothing_is_ordered_and_nothing_given_up() -> None:
    play = Play(an_intent(TAKEN_TWAP))
    offers, play.offers = play.offers, ()
    assert play.step().why == "waiting for the market"
    play.now_ms = START_MS + HOUR_MS
    assert play.step().finish is None
    play.offers = offers
    assert [order.qty for order in play.step().new_orders] == [D(10)]


def test_a_fill_is_counted_once_whether_the_report_or_the_fill_came_first() -> None:
    play = Play(an_intent(Algorithm()))
    (order,) = play.step().new_orders
    play.fill(play.submit(order), D(10), tell=False)
    play.post(play.orders[order.order_id])
    play.fills *= 3
    play.end(play.orders[order.order_id])
    assert play.step().why == "10 of 10 filled: all of it has filled"
