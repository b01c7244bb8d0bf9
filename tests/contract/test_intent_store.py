"""What every IntentStore keeps, in memory and in Supabase."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from shared.domain.errors import (
    ConflictError,
    ForbiddenError,
    HaltedError,
    InvalidMessageError,
    NotFoundError,
)
from shared.domain.runs import Recorded
from shared.domain.traders import PositionSide, Trader
from shared.domain.trading.books import Book
from shared.domain.trading.intents import (
    Algorithm,
    AlgorithmName,
    Guard,
    Intent,
    Purpose,
    Sizing,
    SizingMethod,
    Source,
)
from shared.domain.trading.states import IntentState, Mode, OrderState, TradingState
from shared.domain.trading.terms import GuardRates, TraderMode, TradeTerms
from tests.contract.stores import CLOSE, RESULT, Stores, a_signal, a_trader, boundary
from tests.contract.trading import (
    BTC,
    HOLDER,
    HOUR_MS,
    PRICE,
    SWAP,
    a_book,
    a_fill,
    a_report,
    an_exit,
    an_instrument,
    an_intent,
    approve,
    executing,
    halt,
    hold,
    moved,
    open_book,
    submit,
)

ALICE, BOB = str(uuid4()), str(uuid4())
TERMS = TradeTerms(
    sizing=Sizing(method=SizingMethod.KELLY, value=Decimal("0.25"), win_rate=Decimal("0.55"), payoff=Decimal("1.5")),
    guard=GuardRates(stop_rate=Decimal("0.02"), take_profit_rate=Decimal("0.04"), hold_bars=3),
    algorithm=Algorithm(name=AlgorithmName.TWAP, duration_ms=60_000, slices=3, participation_rate=Decimal("0.1")),
    horizon_ms=30_000,
    edge_rate=Decimal("0.001"),
)


def decide(
    stores: Stores, intent: Intent, state: IntentState, *, risk_version: int = 0, qty: str | None = "1"
) -> Intent:
    return stores.intents().decide(
        intent,
        state,
        risk_version=risk_version,
        qty=None if qty is None else Decimal(qty),
        decision={"reasons": [{"limit": "max_leverage", "value": "3.5"}]},
        actor="risk-agent",
        reason="said so",
    )


def test_an_intent_comes_back_as_it_was_raised_and_is_raised_once(stores: Stores) -> None:
    book = open_book(stores)
    intent = an_intent(
        book,
        venue=None,
        purpose=Purpose.EXIT,
        direction=PositionSide.SHORT,
        guard=Guard(stop_price=Decimal("49000.123456789"), trailing_rate=Decimal("0.01"), hold_ms=5),
        algorithm=Algorithm(name=AlgorithmName.ICEBERG, shown_rate=Decimal("0.1"), limit_price=Decimal("1e-8")),
        confidence=Decimal("0.7"),
        edge_rate=Decimal("-0.01"),
    )
    assert stores.intents().raise_intent(intent, actor="api") == intent
    again = replace(intent, sizing=Sizing(method=SizingMethod.QTY, value=Decimal(9)))
    assert stores.intents().raise_intent(again, actor="api") == intent  # the first one stays
    view = stores.intents().view(intent.intent_id, now_ms=CLOSE, holder=HOLDER, lease_ms=0)
    assert view is not None
    assert (view.intent, view.book) == (intent, book)


def test_a_person_raises_intents_only_in_books_of_theirs(stores: Stores) -> None:
    hers, desks = open_book(stores, ALICE), open_book(stores)
    mine = an_intent(hers)
    assert stores.intents().raise_intent(mine, actor="api", person=ALICE) == mine
    for book in (hers, desks):
        with pytest.raises(ForbiddenError):
            stores.intents().raise_intent(an_intent(book), actor="api", person=BOB)
    with pytest.raises(ForbiddenError):
        stores.intents().raise_intent(mine, actor="api", person=BOB)
    assert stores.intents().pending(limit=10, now_ms=CLOSE) == [mine.intent_id]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sizing": Sizing(method=SizingMethod.QTY, value=Decimal(-1))}, "sizing"),
        ({"sizing": Sizing(method=SizingMethod.QTY, value=Decimal("NaN"))}, "sizing"),
        ({"mode": Mode.LIVE}, "mode"),
        ({"expires_at_ms": CLOSE}, "expires_at_ms"),
    ],
)
def test_bad_intents_are_refused_by_name_and_nothing_is_stored(
    stores: Stores, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidMessageError) as refused:
        stores.intents().raise_intent(an_intent(open_book(stores), **changes), actor="api")
    assert refused.value.field == field
    assert stores.intents().pending(limit=10, now_ms=CLOSE) == []


def test_a_pending_intent_is_viewed_by_one_at_a_time(stores: Stores) -> None:
    intents = stores.intents()
    intent = intents.raise_intent(an_intent(open_book(stores)), actor="api")
    assert intents.view(intent.intent_id, now_ms=CLOSE, holder=HOLDER, lease_ms=HOUR_MS) is not None
    assert intents.view(intent.intent_id, now_ms=CLOSE, holder=str(uuid4()), lease_ms=HOUR_MS) is None
    assert intents.view(intent.intent_id, now_ms=CLOSE, holder=HOLDER, lease_ms=HOUR_MS) is not None
    assert intents.pending(limit=10, now_ms=CLOSE) == []
    assert intents.view("nobody", now_ms=CLOSE, holder=HOLDER, lease_ms=0) is None


def test_a_decision_is_stored_once_and_answers_again(stores: Stores) -> None:
    book = open_book(stores)
    intent = stores.intents().raise_intent(an_intent(book), actor="api")
    approved = decide(stores, intent, IntentState.MODIFIED, qty="0.5")
    assert (approved.state, approved.qty, approved.version) == (IntentState.MODIFIED, Decimal("0.5"), 2)
    assert decide(stores, intent, IntentState.MODIFIED, qty="0.5") == approved  # as after a lost answer
    assert stores.books().get(book.book_id).risk_version == 1
    for state, qty in ((IntentState.MODIFIED, "0.6"), (IntentState.DENIED, None)):
        with pytest.raises(ConflictError):
            decide(stores, intent, state, risk_version=1, qty=qty)
    with pytest.raises(ConflictError):
        decide(stores, approved, IntentState.DENIED, qty=None)
    assert stores.intents().view(intent.intent_id, now_ms=CLOSE, holder=HOLDER, lease_ms=0) is None


def test_two_decisions_on_one_book_cannot_both_count(stores: Stores) -> None:
    book = open_book(stores)
    one, two, three = (stores.intents().raise_intent(an_intent(book), actor="api") for _ in range(3))
    decide(stores, one, IntentState.APPROVED)
    with pytest.raises(ConflictError):
        decide(stores, two, IntentState.APPROVED)
    assert decide(stores, three, IntentState.DENIED, qty=None).state is IntentState.DENIED  # needs no risk version
    assert decide(stores, two, IntentState.APPROVED, risk_version=1).state is IntentState.APPROVED


def test_approving_needs_a_quantity_and_a_price(stores: Stores) -> None:
    book = open_book(stores)
    intent = stores.intents().raise_intent(an_intent(book, reference_price=None), actor="api")
    with pytest.raises(InvalidMessageError, match="reference_price"):
        decide(stores, intent, IntentState.APPROVED)
    priced = replace(intent, reference_price=PRICE)
    for qty in (None, "0", "NaN"):
        with pytest.raises(InvalidMessageError, match="qty"):
            decide(stores, priced, IntentState.APPROVED, qty=qty)
    assert decide(stores, priced, IntentState.APPROVED).reference_price == PRICE


@pytest.mark.parametrize("scope", ["desk", "book", "venue", "symbol", "trader"])
def test_what_is_halted_approves_nothing(stores: Stores, scope: str) -> None:
    book = open_book(stores)
    trader = stores.traders().create(a_trader())
    intent = stores.intents().raise_intent(an_intent(book, trader_id=trader.trader_id), actor="api")
    keys = {"book": book.book_id, "venue": "binance", "symbol": f"binance:{BTC}", "trader": trader.trader_id}
    for state in (TradingState.HALTED, TradingState.REDUCING):
        halt(stores, scope, keys.get(scope, ""), state)
        with pytest.raises(HaltedError, match=scope):
            decide(stores, intent, IntentState.APPROVED)
        view = stores.intents().view(intent.intent_id, now_ms=CLOSE, holder=HOLDER, lease_ms=0)
        assert view is not None
        assert view.states == dict.fromkeys(("desk", *keys), TradingState.ACTIVE) | {scope: state}
    halt(stores, scope, keys.get(scope, ""), TradingState.ACTIVE)
    assert decide(stores, intent, IntentState.APPROVED).state is IntentState.APPROVED


def test_what_is_missing_is_halted(stores: Stores) -> None:
    book = open_book(stores)
    unlisted = stores.intents().raise_intent(an_intent(book, symbol="ETH/USDT"), actor="api")
    with pytest.raises(HaltedError, match="symbol"):
        decide(stores, unlisted, IntentState.APPROVED)
    routed = stores.intents().raise_intent(an_intent(book, symbol="ETH/USDT", venue=None), actor="api")
    assert decide(stores, routed, IntentState.APPROVED).state is IntentState.APPROVED  # its orders name the venue


def test_reducing_lets_exits_through_as_far_as_there_is_a_position(stores: Stores) -> None:
    book = open_book(stores)
    hold(stores, book, "2")
    halt(stores, "book", book.book_id, TradingState.REDUCING)
    risk_version = stores.books().get(book.book_id).risk_version
    more = stores.intents().raise_intent(an_intent(book), actor="api")
    leave = stores.intents().raise_intent(an_exit(book), actor="api")
    for intent, qty in ((more, "1"), (leave, "2.5")):
        with pytest.raises(HaltedError, match="book"):
            decide(stores, intent, IntentState.APPROVED, risk_version=risk_version, qty=qty)
    assert decide(stores, leave, IntentState.APPROVED, risk_version=risk_version, qty="2").qty == 2


def test_a_deleted_trader_only_reduces(stores: Stores) -> None:
    book = open_book(stores)
    trader = stores.traders().create(a_trader())
    intent = stores.intents().raise_intent(an_intent(book, trader_id=trader.trader_id), actor="api")
    stores.traders().delete(trader.trader_id)
    with pytest.raises(HaltedError, match="trader"):
        decide(stores, intent, IntentState.APPROVED)


def test_pending_intents_expire_by_the_markets_clock(stores: Stores) -> None:
    book, intents = open_book(stores), stores.intents()
    old = intents.raise_intent(an_intent(book, expires_at_ms=CLOSE + 10), actor="api")
    young = intents.raise_intent(an_intent(book, raised_at_ms=CLOSE + 1), actor="api")
    assert intents.pending(limit=10, now_ms=CLOSE + 9) == [old.intent_id, young.intent_id]
    assert intents.pending(limit=1, now_ms=CLOSE + 9) == [old.intent_id]
    assert intents.pending(limit=10, now_ms=CLOSE + 10) == [young.intent_id]
    assert stores.orders().execution(old.intent_id).intent.state is IntentState.EXPIRED


def test_unfinished_intents_take_turns(stores: Stores) -> None:
    book = open_book(stores)
    one, two, three = (approve(stores, an_intent(book)).intent_id for _ in range(3))
    unfinished = stores.intents().unfinished
    assert list(unfinished(limit=2)) == [one, two]
    first, second = unfinished(limit=2)
    assert (first, second in {one, two}) == (three, True)  # those two were looked at in the same moment
    ended = stores.orders().execution(three).intent
    stores.intents().finish(ended, IntentState.EXPIRED, actor="test", reason="too late")
    assert set(unfinished(limit=9)) == {one, two}


def test_an_intent_ends_once_all_of_it_is_settled(stores: Stores) -> None:
    book, intents, orders = open_book(stores), stores.intents(), stores.orders()
    (order,) = executing(stores, an_intent(book), "1")
    intent = orders.execution(order.intent_id).intent
    for step in ("new", "submitting", "filled"):
        with pytest.raises(ConflictError, match="order"):
            intents.finish(intent, IntentState.EXECUTED, actor="test", reason=step)
        if step == "new":
            order = submit(stores, order)
        if step == "submitting":
            order = orders.advance(order, a_report(order, OrderState.FILLED, "1"), actor="test")
    fill = a_fill(order, "t-1")
    flat = stores.ledger().position(book.book_id, "binance", BTC).position
    stores.ledger().post(order.account, moved(flat, fill), [fill], {fill.trade_id: Decimal(0)})

    done = intents.finish(intent, IntentState.EXECUTED, actor="test", reason="all filled")

    assert (done.state, done.version) == (IntentState.EXECUTED, 4)
    assert intents.finish(intent, IntentState.EXECUTED, actor="test", reason="all filled") == done
    for stale, state in ((intent, IntentState.FAILED), (done, IntentState.FAILED), (done, IntentState.PENDING)):
        with pytest.raises(ConflictError):
            intents.finish(stale, state, actor="test", reason="")


@pytest.mark.parametrize("before", [IntentState.PENDING, IntentState.APPROVED])
def test_what_has_not_begun_expires_when_it_is_withdrawn(stores: Stores, before: IntentState) -> None:
    intents, asked = stores.intents(), an_intent(open_book(stores))
    intent = intents.raise_intent(asked, actor="api") if before is IntentState.PENDING else approve(stores, asked)
    gone = intents.withdraw(intent, actor="alice", reason="thought better of it")
    assert (gone.state, gone.withdrawn, gone.version) == (
        IntentState.EXPIRED,
        "thought better of it",
        intent.version + 1,
    )
    assert intents.withdraw(intent, actor="bob", reason="again") == gone
    assert stores.orders().execution(intent.intent_id).intent == gone
    last = intents.trace(intent.correlation_id)[-1]
    assert (last["before"], last["after"], last["actor"], last["reason"]) == (
        before,
        "expired",
        "alice",
        "thought better of it",
    )
    view = stores.books().view(intent.book_id, now_ms=CLOSE)
    assert view.reservations == ()


def test_a_pending_intent_is_withdrawn_though_somebody_is_deciding_it(stores: Stores) -> None:
    book, intents = open_book(stores), stores.intents()
    intent = intents.raise_intent(an_intent(book), actor="api")
    assert intents.view(intent.intent_id, now_ms=CLOSE, holder=HOLDER, lease_ms=HOUR_MS) is not None
    intents.withdraw(intent, actor="alice", reason="no")
    with pytest.raises(ConflictError):
        decide(stores, intent, IntentState.APPROVED)


def test_of_a_withdrawn_intent_no_further_slice_is_submitted(stores: Stores) -> None:
    intents, orders = stores.intents(), stores.orders()
    first, second = executing(stores, an_intent(open_book(stores)), "1", "2")
    submit(stores, first)
    intent = orders.execution(first.intent_id).intent
    stale = replace(intent, version=intent.version - 1)
    with pytest.raises(ConflictError):
        intents.withdraw(stale, actor="alice", reason="no")

    gone = intents.withdraw(intent, actor="alice", reason="no")

    assert (gone.state, gone.withdrawn, gone.version) == (IntentState.EXECUTING, "no", intent.version + 1)
    assert intents.withdraw(stale, actor="bob", reason="again") == gone
    with pytest.raises(ConflictError, match="withdrawn"):
        orders.submit(second.order_id, now_ms=CLOSE + 2, lease_ms=0, actor="execution-agent")
    assert orders.execution(intent.intent_id).intent == gone
    steps = [step for step in intents.trace(intent.correlation_id) if step["subject"] == "intent"]
    assert (steps[-1]["before"], steps[-1]["after"], steps[-1]["actor"]) == ("executing", "withdrawn", "alice")
    for order in orders.execution(intent.intent_id).orders:
        orders.advance(order, a_report(order, OrderState.CANCELLED), actor="test")
    done = intents.finish(gone, IntentState.FAILED, actor="execution-agent", reason="withdrawn: no")
    assert (done.state, done.withdrawn) == (IntentState.FAILED, "no")
    assert intents.withdraw(intent, actor="bob", reason="late") == done


def test_what_leaves_a_position_is_told_with_what_it_may_still_take(stores: Stores) -> None:
    book, intents = open_book(stores), stores.intents()
    hold(stores, book, "2")
    (order,) = executing(stores, an_exit(book), "1")
    approved = approve(stores, an_exit(book, venue=None, raised_at_ms=CLOSE + 1), "0.5")
    intents.raise_intent(an_exit(book), actor="api")  # not decided
    approve(stores, an_intent(book))  # enters
    approve(stores, an_exit(book, symbol=SWAP, venue=None))  # of another symbol
    assert [(each.intent.intent_id, each.qty) for each in intents.leaving(book.book_id, "binance", BTC)] == [
        (order.intent_id, Decimal(1)),
        (approved.intent_id, Decimal("0.5")),
    ]
    filled = stores.orders().advance(submit(stores, order), a_report(order, OrderState.FILLED, "1"), actor="test")
    fill = a_fill(filled, "t-left", "0.4")
    position = stores.ledger().position(book.book_id, "binance", BTC).position
    stores.ledger().post(order.account, moved(position, fill), [fill], {fill.trade_id: Decimal(0)})
    assert [each.qty for each in intents.leaving(book.book_id, "binance", BTC)] == [Decimal("0.6"), Decimal("0.5")]
    intents.withdraw(approved, actor="alice", reason="no")
    assert [each.intent.intent_id for each in intents.leaving(book.book_id, "binance", BTC)] == [order.intent_id]
    assert list(intents.leaving(book.book_id, "okx", BTC)) == []


def test_a_withdrawal_needs_an_intent_and_a_reason(stores: Stores) -> None:
    intent = an_intent(open_book(stores))
    with pytest.raises(NotFoundError):
        stores.intents().withdraw(intent, actor="alice", reason="no")
    stores.intents().raise_intent(intent, actor="api")
    with pytest.raises(InvalidMessageError, match="withdrawn"):
        stores.intents().withdraw(intent, actor="alice", reason="")


def test_what_is_not_there_is_said(stores: Stores) -> None:
    nobody = an_intent(open_book(stores))
    with pytest.raises(NotFoundError):
        decide(stores, nobody, IntentState.DENIED, qty=None)
    with pytest.raises(NotFoundError):
        stores.intents().finish(nobody, IntentState.EXPIRED, actor="test", reason="")


def trading(book: Book, **changes: object) -> Trader:
    terms: dict[str, Any] = {"mode": TraderMode(book.mode), "book_id": book.book_id, "trade": TERMS}
    return a_trader(book.owner_id, **(terms | changes))


def test_a_new_signal_of_a_trader_that_trades_raises_its_intent(stores: Stores) -> None:
    book = open_book(stores, ALICE)
    trader = stores.traders().create(trading(book))
    signal = a_signal(trader.trader_id)._replace(price=0.00001234)

    recorded = stores.signals().record("binance", "corr", [signal])

    (intent_id,) = recorded.intents
    assert recorded == Recorded(new=1, duplicate=0, intents=(intent_id,))
    view = stores.intents().view(intent_id, now_ms=CLOSE, holder=HOLDER, lease_ms=0)
    assert view is not None
    (stored,) = stores.signals().list(limit=1)
    assert view.intent == Intent(
        intent_id=intent_id,
        book_id=book.book_id,
        mode=Mode.PAPER,
        source=Source.SIGNAL,
        trader_id=trader.trader_id,
        signal_id=stored.signal_id,
        venue="binance",
        symbol=BTC,
        direction=PositionSide.LONG,
        sizing=TERMS.sizing,
        guard=Guard(stop_price=Decimal("0.0000120932"), take_profit_price=Decimal("0.0000128336"), hold_ms=3 * 60_000),
        algorithm=TERMS.algorithm,
        reference_price=Decimal("0.00001234"),
        edge_rate=Decimal("0.001"),
        raised_at_ms=CLOSE,
        expires_at_ms=CLOSE + 30_000,
        correlation_id="corr",
    )
    again = stores.signals().record("binance", "later", [signal, a_signal(trader.trader_id, minute=1)])
    assert (again.new, again.duplicate, len(again.intents)) == (1, 1, 1)
    assert intent_id not in again.intents


def test_the_guard_of_a_short_is_mirrored_and_a_book_of_many_venues_leaves_the_venue_open(stores: Stores) -> None:
    book = open_book(stores, venues=("binance", "okx"))
    trader = stores.traders().create(trading(book, side=PositionSide.SHORT))
    signal = a_signal(trader.trader_id)._replace(price=100.0, side=PositionSide.SHORT)
    (intent_id,) = stores.signals().record("binance", "corr", [signal]).intents
    intent = stores.orders().execution(intent_id).intent
    assert (intent.venue, intent.direction) == (None, PositionSide.SHORT)
    assert (intent.guard.stop_price, intent.guard.take_profit_price) == (Decimal(102), Decimal(96))


def test_who_does_not_trade_raises_nothing(stores: Stores) -> None:
    book = open_book(stores)
    silent = [
        stores.traders().create(trader)
        for trader in (a_trader(), trading(book, mode=TraderMode.SIGNALS), trading(book, enabled=False), trading(book))
    ]
    stores.traders().delete(silent[-1].trader_id)
    recorded = stores.signals().record("binance", "c", [a_signal(trader.trader_id) for trader in silent])
    assert recorded == Recorded(new=4, duplicate=0)


def test_a_finished_run_tells_its_intents_again(stores: Stores) -> None:
    trader = stores.traders().create(trading(open_book(stores)))
    runs, at = stores.runs(), boundary()
    assert runs.claim(at, shards=1, source="test", correlation_id="c")
    ((shard, _),) = runs.take_overdue(older_than_ms=0, limit=1)
    signals = [a_signal(trader.trader_id), a_signal(trader.trader_id, symbol="ETH/USDT")]
    first = runs.finish(shard, result=RESULT, signals=signals)
    assert (first.new, len(first.intents)) == (2, 2)
    assert runs.finish(shard, result=RESULT, signals=[]) == first
    assert sorted(stores.intents().pending(limit=9, now_ms=CLOSE)) == sorted(first.intents)


def test_terms_and_book_are_part_of_a_trader_and_of_its_versions(stores: Stores) -> None:
    traders, book = stores.traders(ALICE), open_book(stores, ALICE)
    first = traders.create(a_trader(ALICE))
    stored = traders.update(
        replace(first, mode=TraderMode.PAPER, book_id=book.book_id, trade=TERMS),
        expected_updated_at_ms=first.updated_at_ms,
    )
    assert traders.get(first.trader_id) == stored
    assert (stored.mode, stored.book_id, stored.trade) == (TraderMode.PAPER, book.book_id, TERMS)
    assert [version.trader for version in traders.versions(first.trader_id, limit=9)] == [stored, first]
    (seen,) = stores.traders().changed_since(stored.updated_at_ms)
    assert seen == stored


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("trade", {"trade": None}),
        ("book_id", {"book_id": None}),
        ("book_id", {"book_id": "nobodys"}),
        ("mode", {"mode": TraderMode.LIVE}),
    ],
)
def test_a_trader_that_cannot_trade_is_refused(stores: Stores, field: str, changes: dict[str, object]) -> None:
    with pytest.raises(InvalidMessageError) as refused:
        stores.traders().create(trading(open_book(stores), **changes))
    assert refused.value.field == field


def test_a_trader_trades_only_a_book_of_its_owner(stores: Stores) -> None:
    hers, desks = open_book(stores, ALICE), open_book(stores)
    for book in (hers, desks):
        with pytest.raises(InvalidMessageError, match="book_id"):
            stores.traders(BOB).create(replace(trading(book), owner_id=BOB))
    with pytest.raises(InvalidMessageError, match="book_id"):
        stores.traders().create(replace(trading(hers), owner_id=None))
    assert stores.traders().create(trading(desks)).book_id == desks.book_id


def test_everything_under_a_correlation_id_is_traced_in_order(stores: Stores) -> None:
    trader = stores.traders().create(trading(open_book(stores)))
    (intent_id,) = stores.signals().record("binance", "the-one", [a_signal(trader.trader_id)]).intents
    intent = stores.orders().execution(intent_id).intent
    decide(stores, intent, IntentState.DENIED, qty=None)
    approve(stores, an_intent(stores.books().get(intent.book_id)))  # of another correlation
    steps = stores.intents().trace("the-one")
    assert [(step["subject"], step["before"], step["after"]) for step in steps] == [
        ("signal", None, "recorded"),
        ("intent", None, "pending"),
        ("intent", "pending", "denied"),
    ]
    assert (steps[2]["actor"], steps[2]["reason"]) == ("risk-agent", "said so")
    assert stores.intents().trace("nothing") == []


def test_an_instrument_is_recorded_and_keeps_its_state(stores: Stores) -> None:
    instruments = stores.instruments()
    instruments.record([an_instrument(), an_instrument("ETH/USDT", base="ETH")])
    halt(stores, "symbol", f"binance:{BTC}")
    changed = an_instrument(taker_fee_rate=Decimal("0.00075"))
    instruments.record([changed])
    assert list(instruments.list(symbol=BTC)) == [changed]
    assert [found.symbol for found in instruments.list(venue="binance")] == [BTC, "ETH/USDT"]
    intent = stores.intents().raise_intent(an_intent(stores.books().create(a_book())), actor="api")
    with pytest.raises(HaltedError, match="symbol"):
        decide(stores, intent, IntentState.APPROVED)
