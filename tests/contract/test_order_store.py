"""What every OrderStore keeps, in memory and in Supabase."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.errors import ConflictError, HaltedError, InvalidMessageError, NotFoundError
from shared.domain.trading.instruments import Side
from shared.domain.trading.intents import Purpose
from shared.domain.trading.orders import OrderKind, TimeInForce
from shared.domain.trading.records import Order, Role
from shared.domain.trading.states import IntentState, Mode, OrderState, TradingState
from tests.contract.stores import CLOSE, Stores, a_trader
from tests.contract.trading import (
    BTC,
    HOUR_MS,
    PRICE,
    SWAP,
    a_fill,
    a_report,
    an_exit,
    an_intent,
    an_order,
    approve,
    executing,
    halt,
    hold,
    moved,
    open_book,
    submit,
)


def stored(stores: Stores, order: Order) -> Order:
    (found,) = (o for o in stores.orders().execution(order.intent_id).orders if o.order_id == order.order_id)
    return found


def test_an_order_comes_back_as_it_was_planned(stores: Stores) -> None:
    intent = approve(stores, an_intent(open_book(stores)), "0.3")
    orders = [
        an_order(intent, "0.1"),
        an_order(
            intent,
            "0.20000001",
            slice_no=1,
            kind=OrderKind.LIMIT,
            limit_price=Decimal("50000.123456789012345678"),
            time_in_force=TimeInForce.POST_ONLY,
            due_at_ms=CLOSE + 5,
        ),
    ]
    plan = {"algorithm": "twap", "slices": [{"qty": "0.1"}]}
    assert list(stores.orders().start(intent, plan=plan, orders=orders, actor="execution-agent")) == orders
    view = stores.orders().execution(intent.intent_id)
    assert (view.intent.state, view.intent.version, view.plan) == (IntentState.EXECUTING, 3, plan)
    assert (view.orders, view.fills, view.state) == (tuple(orders), (), TradingState.ACTIVE)
    # As after a lost answer: the same orders again, nothing twice.
    assert list(stores.orders().start(intent, plan=plan, orders=orders, actor="execution-agent")) == orders
    with pytest.raises(ConflictError):
        stores.orders().start(intent, plan={"another": 1}, orders=[an_order(intent)], actor="test")
    with pytest.raises(NotFoundError):
        stores.orders().execution("nobody")


def test_only_an_approved_intent_is_started_and_nothing_of_a_refused_start_is_stored(stores: Stores) -> None:
    book = open_book(stores)
    pending = stores.intents().raise_intent(an_intent(book), actor="test")
    with pytest.raises(ConflictError):
        stores.orders().start(pending, plan={}, orders=[an_order(pending)], actor="test")
    approved = approve(stores, pending)
    for wrong, error in (
        ({"symbol": "ETH/USDT"}, InvalidMessageError),
        ({"side": Side.SELL}, InvalidMessageError),
        ({"mode": Mode.LIVE, "account": "live"}, InvalidMessageError),
        ({"account": "live"}, InvalidMessageError),
        ({"state": OrderState.OPEN}, ConflictError),
    ):
        with pytest.raises(error):
            stores.orders().start(approved, plan={}, orders=[an_order(approved, **wrong)], actor="test")
    view = stores.orders().execution(approved.intent_id)
    assert (view.intent.state, view.orders) == (IntentState.APPROVED, ())


def test_attempts_are_added_once(stores: Stores) -> None:
    (first,) = executing(stores, an_intent(open_book(stores)), "1")
    intent = stores.orders().execution(first.intent_id).intent
    second = an_order(intent, attempt=2)
    for _ in range(2):
        assert list(stores.orders().add(intent, [second], actor="test")) == [second]
    same_slot = replace(second, order_id="o-other", client_order_id="other")
    assert list(stores.orders().add(intent, [same_slot], actor="test")) == [second]
    taken = replace(second, order_id="o-third", attempt=3)
    with pytest.raises(ConflictError):
        stores.orders().add(intent, [taken], actor="test")  # its client order id is the second's
    assert len(stores.orders().execution(first.intent_id).orders) == 2


def test_an_order_is_submitted_by_one(stores: Stores) -> None:
    (order,) = executing(stores, an_intent(open_book(stores)), "1")
    sent = submit(stores, order, lease_ms=HOUR_MS)
    assert sent == replace(order, state=OrderState.SUBMITTING, submitted_at_ms=CLOSE + 1, version=2)
    again = stores.orders().submit(order.order_id, now_ms=CLOSE + 2, lease_ms=HOUR_MS, actor="another")
    assert again is None
    assert stores.orders().submit("nobody", now_ms=CLOSE, lease_ms=0, actor="test") is None
    assert stores.orders().unsettled(venue="binance", account=order.account) == []  # its executor lives
    known = stores.orders().mark(sent, OrderState.UNKNOWN, actor="execution-agent", reason="timeout")
    assert list(stores.orders().unsettled(venue="binance", account=order.account)) == [known]


@pytest.mark.parametrize("scope", ["desk", "book", "venue", "symbol", "trader"])
def test_a_halt_after_the_decision_stops_the_order(stores: Stores, scope: str) -> None:
    book = open_book(stores)
    trader = stores.traders().create(a_trader())
    (order,) = executing(stores, an_intent(book, trader_id=trader.trader_id, venue=None), "1")
    keys = {"book": book.book_id, "venue": "binance", "symbol": f"binance:{BTC}", "trader": trader.trader_id}
    for state in (TradingState.HALTED, TradingState.REDUCING):
        halt(stores, scope, keys.get(scope, ""), state)
        with pytest.raises(HaltedError, match=scope):
            submit(stores, order)
        assert stored(stores, order) == order
    assert stores.orders().execution(order.intent_id).state is (
        TradingState.ACTIVE if scope in {"venue", "symbol"} else TradingState.REDUCING
    )
    halt(stores, scope, keys.get(scope, ""), TradingState.ACTIVE)
    assert submit(stores, order).state is OrderState.SUBMITTING


def test_reducing_lets_through_what_reduces_and_no_more_than_is_held(stores: Stores) -> None:
    book = open_book(stores)
    hold(stores, book, "2")
    exits = executing(stores, an_exit(book), "1.5", "0.5", "0.5")
    more = executing(stores, an_intent(book), "1")[0]
    halt(stores, "desk", state=TradingState.REDUCING)
    with pytest.raises(HaltedError):
        submit(stores, more)
    first = submit(stores, exits[0])
    submit(stores, exits[1])
    with pytest.raises(HaltedError):
        submit(stores, exits[2])  # all that is held is on its way out
    filled = stores.orders().advance(first, a_report(first, OrderState.FILLED, "1.5"), actor="test")
    with pytest.raises(HaltedError):
        submit(stores, exits[2])  # filled, but not in the position yet
    assert filled.state is OrderState.FILLED
    halt(stores, "desk", state=TradingState.HALTED)
    with pytest.raises(HaltedError):
        submit(stores, exits[2])


def test_protection_counts_against_exits_that_the_venue_does_not_hold_to_reducing(stores: Stores) -> None:
    book = open_book(stores)
    hold(stores, book, "1", symbol=SWAP)
    (entry,) = executing(stores, an_intent(book, symbol=SWAP), "1")
    intent = stores.orders().execution(entry.intent_id).intent
    halt(stores, "desk", state=TradingState.REDUCING)
    guards = [
        an_order(
            intent, "1", role=Role.STOP, side=Side.SELL, kind=OrderKind.STOP_MARKET, trigger_price=Decimal(40_000)
        ),
        an_order(intent, "1", role=Role.TAKE_PROFIT, side=Side.SELL, kind=OrderKind.LIMIT, limit_price=Decimal(60_000)),
    ]
    for guard in stores.orders().add(intent, guards, actor="test"):
        submit(stores, guard)  # of the two, one cancels the other
    plain, flagged = (executing(stores, an_exit(book, symbol=SWAP), "1")[0] for _ in range(2))
    with pytest.raises(HaltedError):
        submit(stores, plain)
    exit_intent = stores.orders().execution(flagged.intent_id).intent
    (held,) = stores.orders().add(exit_intent, [an_order(exit_intent, attempt=2, reduce_only=True)], actor="test")
    assert submit(stores, held).state is OrderState.SUBMITTING


def test_no_more_is_sent_than_was_approved(stores: Stores) -> None:
    one, two = executing(stores, an_intent(open_book(stores)), "0.6", "0.4")
    intent = stores.orders().execution(one.intent_id).intent
    (extra,) = stores.orders().add(intent, [an_order(intent, "0.5", attempt=2)], actor="test")
    sent = submit(stores, one)
    with pytest.raises(ConflictError):
        submit(stores, extra)
    partly = a_report(sent, OrderState.CANCELLED, "0.1")
    stores.orders().advance(sent, partly, actor="test")
    assert submit(stores, extra).state is OrderState.SUBMITTING  # 0.1 has filled, 0.5 follow
    assert submit(stores, two).state is OrderState.SUBMITTING


def test_what_the_venue_says_is_stored_once(stores: Stores) -> None:
    orders = stores.orders()
    (order,) = executing(stores, an_intent(open_book(stores)), "1")
    sent = submit(stores, order)
    partly = orders.advance(sent, a_report(sent, OrderState.PARTIALLY_FILLED, "0.4"), actor="test")
    assert (partly.filled_qty, partly.average_price, partly.venue_order_id, partly.version) == (
        Decimal("0.4"),
        PRICE,
        "v-1",
        3,
    )
    assert orders.advance(sent, a_report(sent, OrderState.PARTIALLY_FILLED, "0.4"), actor="test") == partly
    more = orders.advance(partly, a_report(sent, OrderState.PARTIALLY_FILLED, "0.5"), actor="test")
    for stale in (partly, more):
        with pytest.raises(ConflictError):
            orders.advance(stale, a_report(sent, OrderState.PARTIALLY_FILLED, "0.4"), actor="test")
    with pytest.raises(ConflictError):
        orders.advance(more, a_report(sent, OrderState.OPEN, "0.5"), actor="test")
    with pytest.raises(InvalidMessageError):
        orders.advance(more, a_report(sent, OrderState.PARTIALLY_FILLED, "1.5"), actor="test")
    with pytest.raises(InvalidMessageError):
        orders.advance(more, a_report(sent, OrderState.FILLED, "0.9"), actor="test")
    done = orders.advance(more, a_report(sent, OrderState.CANCELLED, "0.5", reason="ioc"), actor="test")
    late = orders.advance(done, a_report(sent, OrderState.CANCELLED, "0.6"), actor="test")
    assert (late.state, late.filled_qty, late.reason) == (OrderState.CANCELLED, Decimal("0.6"), "ioc")
    assert stored(stores, order) == late
    with pytest.raises(NotFoundError):
        orders.advance(replace(order, order_id="nobody"), a_report(sent, OrderState.OPEN), actor="test")


def test_what_the_desk_knows_is_marked(stores: Stores) -> None:
    orders = stores.orders()
    one, two = executing(stores, an_intent(open_book(stores)), "0.5", "0.5")
    cancelled = orders.mark(one, OrderState.CANCELLED, actor="execution-agent", reason="deadline")
    assert (cancelled.state, cancelled.reason, cancelled.version) == (OrderState.CANCELLED, "deadline", 2)
    assert orders.mark(one, OrderState.CANCELLED, actor="execution-agent", reason="deadline") == cancelled
    assert orders.submit(one.order_id, now_ms=CLOSE, lease_ms=0, actor="test") is None
    sent = submit(stores, two)
    for illegal in (OrderState.NEW, OrderState.CANCEL_PENDING):
        with pytest.raises(ConflictError):
            orders.mark(sent, illegal, actor="test", reason="")
    for state in (OrderState.UNKNOWN, OrderState.OPEN, OrderState.CANCEL_PENDING):
        sent = orders.mark(sent, state, actor="test", reason=state.value)
    assert sent.state is OrderState.CANCEL_PENDING


def test_an_order_is_missed_until_the_venue_knows_it_again(stores: Stores) -> None:
    (order,) = executing(stores, an_intent(open_book(stores)), "2")
    resting = stores.orders().advance(submit(stores, order), a_report(order, OrderState.OPEN), actor="test")
    for _ in range(2):  # the same again changes nothing
        missed = stores.orders().mark(resting, OrderState.UNKNOWN, actor="test", reason="gone", missed_at_ms=CLOSE + 9)
        assert stored(stores, order) == missed
        assert (missed.state, missed.missed_at_ms, missed.version) == (OrderState.UNKNOWN, CLOSE + 9, 4)
    found = stores.orders().advance(missed, a_report(order, OrderState.OPEN), actor="test")
    assert (found.missed_at_ms, found.version) == (None, 5)
    lost = stores.orders().mark(found, OrderState.UNKNOWN, actor="test", reason="the answer was lost")
    late = stores.orders().mark(lost, OrderState.UNKNOWN, actor="test", reason="gone", missed_at_ms=CLOSE + 20)
    assert (late.missed_at_ms, late.version) == (CLOSE + 20, 7)
    with pytest.raises(ConflictError):
        stores.orders().mark(found, OrderState.UNKNOWN, actor="test", reason="gone", missed_at_ms=CLOSE + 30)


def test_an_order_tells_what_of_it_is_posted(stores: Stores) -> None:
    book = open_book(stores)
    (order,) = executing(stores, an_intent(book), "2")
    told = stores.orders().advance(submit(stores, order), a_report(order, OrderState.FILLED, "2"), actor="test")
    fills = [a_fill(told, "t-1", "0.5"), a_fill(told, "t-2", "1.5")]
    position = stores.ledger().position(book.book_id, "binance", BTC).position
    for posted, fill in zip(("0.5", "2"), fills, strict=True):
        position = stores.ledger().post(order.account, moved(position, fill), [fill], {fill.trade_id: Decimal(0)})
        assert stored(stores, order) == replace(told, posted_qty=Decimal(posted))


def test_many_orders_are_told_of_at_once_and_those_that_moved_stay(stores: Stores) -> None:
    orders = stores.orders()
    assert orders.mark_all([], OrderState.CANCEL_PENDING, actor="ada", reason="") == {}
    parts = [submit(stores, each) for each in executing(stores, an_intent(open_book(stores)), "0.3", "0.4", "0.3")]
    resting = [orders.advance(each, a_report(each, OrderState.OPEN), actor="test") for each in parts]
    filled = orders.advance(resting[1], a_report(resting[1], OrderState.FILLED, "0.4"), actor="test")
    asked = orders.mark_all(resting, OrderState.CANCEL_PENDING, actor="ada", reason="asked to cancel")
    states = {each.order_id: OrderState.CANCEL_PENDING for each in resting} | {filled.order_id: OrderState.FILLED}
    assert {order_id: order.state for order_id, order in asked.items()} == states
    assert all(asked[each.order_id] == stored(stores, each) for each in resting)
    first, _, last = resting
    told = [
        (asked[first.order_id], a_report(first, OrderState.CANCELLED, "0.1")),
        (last, a_report(last, OrderState.CANCELLED)),  # as it was before it was asked: its version has moved
        (filled, a_report(filled, OrderState.OPEN)),  # what has filled stays so
    ]
    ended = orders.advance_all(told, actor="execution-agent")
    assert [ended[each.order_id].state for each in resting] == [
        OrderState.CANCELLED,
        OrderState.FILLED,
        OrderState.CANCEL_PENDING,
    ]
    assert ended[first.order_id].filled_qty == Decimal("0.1")
    assert orders.advance_all(told[:1], actor="execution-agent") == {first.order_id: ended[first.order_id]}
    assert all(ended[each.order_id] == stored(stores, each) for each in resting)


def test_what_filled_more_than_is_posted_is_not_settled(stores: Stores) -> None:
    book = open_book(stores)
    (order,) = executing(stores, an_intent(book), "1")
    sent = submit(stores, order, lease_ms=HOUR_MS)
    filled = stores.orders().advance(sent, a_report(sent, OrderState.FILLED, "1"), actor="test")
    unsettled = stores.orders().unsettled
    assert list(unsettled(venue="binance", account=book.book_id)) == [filled]
    assert unsettled(venue="okx", account=book.book_id) == []
    fill = a_fill(filled, "t-1")
    flat = stores.ledger().position(book.book_id, "binance", BTC).position
    stores.ledger().post(book.book_id, moved(flat, fill), [fill], {fill.trade_id: Decimal(0)})
    assert unsettled(venue="binance", account=book.book_id) == []
    assert stores.orders().execution(order.intent_id).fills == (fill,)
    assert list(stores.orders().accounts()) == [("binance", book.book_id)]


def test_an_order_is_traced_from_plan_to_fill(stores: Stores) -> None:
    book = open_book(stores)
    intent = an_intent(book)
    (order,) = executing(stores, intent, "1")
    stores.orders().advance(submit(stores, order), a_report(order, OrderState.FILLED, "1"), actor="paper")
    steps = stores.intents().trace(intent.correlation_id)
    assert [(step["subject"], step["after"]) for step in steps] == [
        ("intent", "pending"),
        ("intent", "approved"),
        ("intent", "executing"),
        ("order", "new"),
        ("order", "submitting"),
        ("order", "filled"),
    ]
    assert {step["intent_id"] for step in steps} == {intent.intent_id}


def test_what_rests_is_told_with_what_it_is_for(stores: Stores) -> None:
    book = open_book(stores)
    hold(stores, book, "2")
    (entry,) = executing(stores, an_intent(book), "1")
    (leaving,) = executing(stores, an_exit(book), "0.5")
    assert list(stores.orders().resting()) == []  # what is new does not rest
    sent = [submit(stores, entry), submit(stores, leaving)]
    found = {order.order_id: (order, purpose) for order, purpose in stores.orders().resting()}
    assert found == {sent[0].order_id: (sent[0], Purpose.ENTER), sent[1].order_id: (sent[1], Purpose.EXIT)}
    stores.orders().advance(sent[0], a_report(sent[0], OrderState.CANCELLED), actor="test")
    assert [order.order_id for order, _ in stores.orders().resting()] == [leaving.order_id]


def test_protective_orders_stand_until_they_end(stores: Stores) -> None:
    book = open_book(stores)
    hold(stores, book, "1")
    intent = stores.orders().execution(executing(stores, an_intent(book), "1")[0].intent_id).intent
    stop = an_order(intent, role=Role.STOP, side=Side.SELL, kind=OrderKind.STOP_MARKET, trigger_price=Decimal(40_000))
    (stored_stop,) = stores.orders().add(intent, [stop], actor="test")
    assert list(stores.orders().standing(book.book_id, "binance", BTC)) == [stored_stop]
    assert list(stores.orders().standing(book.book_id, "binance", SWAP)) == []
    sent = submit(stores, stored_stop)
    assert list(stores.orders().standing(book.book_id, "binance", BTC)) == [sent]
    stores.orders().advance(sent, a_report(sent, OrderState.CANCELLED), actor="test")
    assert list(stores.orders().standing(book.book_id, "binance", BTC)) == []


def test_a_position_is_protected_once_and_by_no_more_than_it_is(stores: Stores) -> None:
    book = open_book(stores)
    hold(stores, book, "1")
    first, second = (executing(stores, an_intent(book), "1")[0] for _ in range(2))

    def a_stop(order: Order, qty: str, attempt: int) -> Order:
        intent = stores.orders().execution(order.intent_id).intent
        terms: dict[str, Any] = {
            "role": Role.STOP,
            "side": Side.SELL,
            "kind": OrderKind.STOP_MARKET,
            "trigger_price": Decimal(40_000),
        }
        return stores.orders().add(intent, [an_order(intent, qty, attempt=attempt, **terms)], actor="test")[0]

    with pytest.raises(ConflictError):
        submit(stores, a_stop(first, "1.1", 1))
    standing = submit(stores, a_stop(first, "1", 2))
    again = a_stop(second, "1", 1)
    with pytest.raises(ConflictError):
        submit(stores, again)
    stores.orders().advance(standing, a_report(standing, OrderState.CANCELLED), actor="test")
    assert submit(stores, again).state is OrderState.SUBMITTING


def test_orders_are_recent_while_they_may_fill_or_since_they_were_sent(stores: Stores) -> None:
    book = open_book(stores)
    (order,) = executing(stores, an_intent(book), "1")
    where = {"venue": "binance", "account": book.book_id}
    assert list(stores.orders().recent(**where, since_ms=0)) == []  # never sent
    assert list(stores.orders().stirring(since_ms=0)) == []
    sent = submit(stores, order)
    assert list(stores.orders().recent(**where, since_ms=CLOSE + 2)) == [sent]
    assert list(stores.orders().stirring(since_ms=CLOSE + 2)) == [("binance", book.book_id)]
    ended = stores.orders().advance(sent, a_report(sent, OrderState.REJECTED), actor="test")
    assert list(stores.orders().recent(**where, since_ms=CLOSE + 2)) == []
    assert list(stores.orders().stirring(since_ms=CLOSE + 2)) == []
    assert list(stores.orders().recent(**where, since_ms=CLOSE + 1)) == [ended]
    assert list(stores.orders().stirring(since_ms=CLOSE + 1)) == [("binance", book.book_id)]
    assert list(stores.orders().recent(venue="binance", account="live", since_ms=0)) == []
