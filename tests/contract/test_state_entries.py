"""Who set a trading state, when and why, is kept alike in memory and in Supabase; and what such a state bars."""

import time
from uuid import uuid4

import pytest

from shared.domain.errors import NotFoundError
from shared.domain.trading.states import OrderState, Scope, StateEntry, TradingState
from shared.domain.trading.terms import TraderMode
from tests.contract.stores import CLOSE, Stores, a_trader
from tests.contract.trading import (
    a_report,
    an_exit,
    an_intent,
    an_order,
    approve,
    executing,
    halt,
    hold,
    open_book,
    submit,
)


@pytest.fixture
def book_id(stores: Stores) -> str:
    return open_book(stores).book_id


def test_who_set_a_state_and_why_is_told_and_since_when_it_is_so(stores: Stores, book_id: str) -> None:
    states = stores.states()
    assert states.entry(Scope.BOOK, book_id) == StateEntry(scope=Scope.BOOK, key=book_id, state=TradingState.ACTIVE)
    states.set("book", book_id, TradingState.HALTED, actor="ada", reason="looks wrong")
    first = states.entry(Scope.BOOK, book_id)
    assert (first.state, first.actor, first.reason) == (TradingState.HALTED, "ada", "looks wrong")
    assert first.since_ms is not None
    time.sleep(0.005)
    for _ in range(2):  # the second as after a lost answer
        states.set("book", book_id, TradingState.HALTED, actor="bob", reason="it does")
    again = states.entry(Scope.BOOK, book_id)
    assert (again.state, again.actor, again.reason, again.since_ms) == (
        TradingState.HALTED, "bob", "it does", first.since_ms,
    )  # fmt: skip
    states.set("book", book_id, TradingState.ACTIVE, actor="ada", reason="")
    assert (states.entry(Scope.BOOK, book_id).actor, states.entry(Scope.BOOK, book_id).reason) == ("ada", "")


def test_a_breaker_is_told_by_its_name(stores: Stores, book_id: str) -> None:
    stores.books().trip(
        book_id, breaker="slippage", state=TradingState.REDUCING, at_ms=CLOSE, details={}, reason="60 bps"
    )
    entry = stores.states().entry(Scope.BOOK, book_id)
    assert (entry.state, entry.actor, entry.reason) == (TradingState.REDUCING, "breaker slippage", "60 bps")


def test_the_desk_and_each_part_have_an_entry(stores: Stores, book_id: str) -> None:
    trader = stores.traders().create(a_trader(trader_id=f"t-{uuid4().hex}"))
    places = [
        (Scope.DESK, "desk"), (Scope.BOOK, book_id), (Scope.SYMBOL, "binance:BTC/USDT:USDT"),
        (Scope.TRADER, trader.trader_id), (Scope.VENUE, "binance"),
    ]  # fmt: skip
    for scope, key in places:
        halt(stores, scope, key, TradingState.REDUCING)
        entry = stores.states().entry(scope, key)
        assert (entry.scope, entry.key, entry.state, entry.actor) == (scope, key, TradingState.REDUCING, "test")
    assert [(each.scope, each.key) for each in stores.states().restrained()] == places[1:]
    for scope, key in places:
        halt(stores, scope, key, TradingState.ACTIVE)
    assert list(stores.states().restrained()) == []
    for scope in (Scope.BOOK, Scope.SYMBOL, Scope.TRADER, Scope.VENUE):
        with pytest.raises(NotFoundError):
            stores.states().entry(scope, "binance:nothing")


def test_the_orders_of_a_trader_that_rest_are_told_apart(stores: Stores) -> None:
    book = open_book(stores)
    trader = stores.traders().create(a_trader(trader_id=f"t-{uuid4().hex}"))
    assert trader.mode is TraderMode.SIGNALS
    own, other = (
        executing(stores, an_intent(book, trader_id=trader_id), "1")[0] for trader_id in (trader.trader_id, None)
    )
    for order in (own, other):
        stores.orders().advance(submit(stores, order), a_report(order, OrderState.OPEN), actor="test")
    ((found, purpose),) = stores.orders().resting(trader_id=trader.trader_id)
    assert (found.order_id, purpose) == (own.order_id, "enter")
    assert len(stores.orders().resting()) == 2


def test_an_intent_of_any_venue_knows_the_states_of_each(stores: Stores) -> None:
    book = open_book(stores, venues=("binance", "okx"))
    routed = approve(stores, an_intent(book, venue=None))
    chosen = approve(stores, an_intent(book))
    view = stores.orders().execution(routed.intent_id)
    assert view.venue_states["binance"] is TradingState.ACTIVE
    assert view.venue_states["okx"] is TradingState.HALTED  # it lists no such symbol
    assert [view.is_barred(venue) for venue in ("binance", "okx")] == [False, True]
    assert stores.orders().execution(chosen.intent_id).venue_states == {}
    halt(stores, "venue", "binance", TradingState.REDUCING)
    view = stores.orders().execution(routed.intent_id)
    assert (view.state, view.is_barred("binance")) == (TradingState.ACTIVE, True)
    halt(stores, "venue", "binance", TradingState.ACTIVE)
    halt(stores, "symbol", "binance:BTC/USDT")
    assert stores.orders().execution(routed.intent_id).venue_states["binance"] is TradingState.HALTED


def test_an_exit_is_not_barred_where_exits_may_go(stores: Stores) -> None:
    book = open_book(stores)
    hold(stores, book, "2")
    leaving = approve(stores, an_exit(book, venue=None))
    stores.orders().start(leaving, plan={}, orders=[an_order(leaving)], actor="test")
    for state, barred in ((TradingState.REDUCING, False), (TradingState.HALTED, True)):
        halt(stores, "venue", "binance", state)
        assert stores.orders().execution(leaving.intent_id).is_barred("binance") is barred
