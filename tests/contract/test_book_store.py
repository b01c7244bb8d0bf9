"""What every BookStore and DeskStates keep, in memory and in Supabase."""

from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from desk.local.supabase_lite import SupabaseLite
from shared.adapters.supabase.client import connect, once
from shared.adapters.supabase.desk_states import SupabaseDeskStates
from shared.domain.alerts import Alert, Severity
from shared.domain.errors import ConflictError, InvalidMessageError, NotFoundError
from shared.domain.trading.books import BreakerSettings, Limits, VarPolicy
from shared.domain.trading.instruments import Side
from shared.domain.trading.intents import Algorithm, AlgorithmName, Purpose
from shared.domain.trading.records import Recent, Reservation
from shared.domain.trading.states import IntentState, Mode, OrderState, TradingState
from tests.contract.stores import CLOSE, Stores, SupabaseStores
from tests.contract.trading import (
    BTC,
    HOLDER,
    PRICE,
    a_book,
    a_fill,
    a_report,
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


def test_a_book_comes_back_as_it_was_created(stores: Stores) -> None:
    book = a_book(
        ALICE,
        limits=Limits(max_leverage=Decimal("1.25"), var_policy=VarPolicy.IGNORE, max_trade_notional=Decimal("1e-7")),
        breakers=BreakerSettings(consecutive_losses=3, max_slippage_bps=Decimal("12.5")),
        venues=("binance", "okx"),
    )
    assert stores.books().create(book) == book
    assert stores.books().create(book) == book  # as after a lost answer
    assert stores.books().get(book.book_id) == book
    with pytest.raises(ConflictError):
        stores.books().create(replace(book, name="Another"))


def test_people_see_their_books_and_the_desks(stores: Stores) -> None:
    hers, his, desks = (stores.books().create(a_book(owner)) for owner in (ALICE, BOB, None))
    assert {book.book_id for book in stores.books(ALICE).list()} == {hers.book_id, desks.book_id}
    assert {book.book_id for book in stores.books().list()} == {hers.book_id, his.book_id, desks.book_id}
    assert stores.books(ALICE).get(desks.book_id) == desks
    for stranger in (his.book_id, "nobody"):
        with pytest.raises(NotFoundError):
            stores.books(ALICE).get(stranger)


def test_books_are_listed_by_name(stores: Stores) -> None:
    for name in ("b", "c", "a"):
        stores.books().create(a_book(name=name))
    assert [book.name for book in stores.books().list()] == ["a", "b", "c"]


def test_an_update_names_the_version_it_changes_and_outdates_decisions(stores: Stores) -> None:
    book = open_book(stores)
    changed = replace(book, name="New", limits=Limits(max_open_positions=1), mode=Mode.LIVE)
    stored = stores.books().update(changed, expected_version=1)
    assert stored == replace(changed, version=2, risk_version=1) == stores.books().get(book.book_id)
    assert stores.books().update(changed, expected_version=1) == stored  # as after a lost answer
    with pytest.raises(ConflictError):
        stores.books().update(replace(changed, name="Newer"), expected_version=1)
    with pytest.raises(NotFoundError):
        stores.books().update(a_book(), expected_version=1)


def test_a_book_that_was_traded_keeps_its_mode(stores: Stores) -> None:
    book = open_book(stores)
    stores.intents().raise_intent(an_intent(book), actor="test")
    with pytest.raises(ConflictError):
        stores.books().update(replace(book, mode=Mode.LIVE), expected_version=1)
    assert stores.books().update(replace(book, name="New"), expected_version=1).mode is Mode.PAPER


@pytest.mark.parametrize(
    ("field", "changes"), [("name", {"name": ""}), ("venues", {"venues": ()}), ("capital", {"capital": Decimal(0)})]
)
def test_bad_books_are_refused_by_name(stores: Stores, field: str, changes: dict[str, object]) -> None:
    with pytest.raises(InvalidMessageError) as refused:
        stores.books().create(a_book(**changes))  # type: ignore[arg-type]
    assert refused.value.field == field


def test_a_view_has_positions_reservations_and_what_was_decided_lately(stores: Stores) -> None:
    book = open_book(stores)
    position = hold(stores, book, "2")
    waiting = approve(stores, an_intent(book, raised_at_ms=CLOSE + 1, venue=None), "0.7")
    (order,) = executing(stores, an_intent(book, raised_at_ms=CLOSE + 2), "1")
    partly = stores.orders().advance(
        submit(stores, order), a_report(order, OrderState.PARTIALLY_FILLED, "0.4"), actor="t"
    )
    fill = a_fill(partly, "t-x", "0.4")
    position = stores.ledger().post(book.book_id, moved(position, fill), [fill], {fill.trade_id: Decimal(0)})
    asking = stores.intents().raise_intent(an_intent(book, raised_at_ms=CLOSE + 3), actor="test")
    stores.intents().raise_intent(an_intent(book, raised_at_ms=CLOSE + 4), actor="test")

    view = stores.intents().view(asking.intent_id, now_ms=CLOSE + 5, holder=HOLDER, lease_ms=0)

    assert view is not None
    assert [held.position for held in view.positions] == [position]
    assert sorted(view.reservations, key=lambda reservation: reservation.qty) == [
        Reservation(
            intent_id=intent_id,
            venue=venue,
            symbol=BTC,
            side=Side.BUY,
            qty=Decimal(qty),
            price=PRICE,
            is_exit=False,
        )
        for intent_id, venue, qty in ((order.intent_id, "binance", "0.6"), (waiting.intent_id, None, "0.7"))
    ]
    newest = Recent(intent_id=order.intent_id, side=Side.BUY, trader_id=None, raised_at_ms=CLOSE + 2)
    assert (view.recent, view.losses_in_a_row, view.day_start_equity) == ((newest,), 0, book.capital)
    plain = stores.books().view(book.book_id, now_ms=CLOSE + 5)
    assert plain == replace(
        view, intent=None, recent=(), states={"desk": TradingState.ACTIVE, "book": TradingState.ACTIVE}
    )
    with pytest.raises(NotFoundError):
        stores.books().view("nobody", now_ms=CLOSE)


@pytest.mark.parametrize(("limit", "price"), [(PRICE + 5, PRICE + 5), (PRICE - 5, PRICE)])
def test_what_may_be_paid_is_reserved(stores: Stores, limit: Decimal, price: Decimal) -> None:
    algorithm = Algorithm(name=AlgorithmName.LIMIT, limit_price=limit)
    intent = approve(stores, an_intent(open_book(stores), algorithm=algorithm))
    (reserved,) = stores.books().view(intent.book_id, now_ms=CLOSE).reservations
    assert reserved.price == price


def test_a_breaker_makes_a_book_stricter_and_never_looser(stores: Stores) -> None:
    book = open_book(stores)

    def trip(state: TradingState, at_ms: int) -> TradingState:
        event = {"breaker": "daily_loss", "details": {"loss": "100"}, "reason": "lost 4 % today"}
        return stores.books().trip(book.book_id, state=state, at_ms=at_ms, **event)  # type: ignore[arg-type]

    assert trip(TradingState.REDUCING, CLOSE) is TradingState.REDUCING
    halt(stores, "book", book.book_id, TradingState.ACTIVE)  # a person's act
    assert trip(TradingState.REDUCING, CLOSE) is TradingState.ACTIVE  # the same event again
    assert trip(TradingState.HALTED, CLOSE + 1) is TradingState.HALTED
    assert trip(TradingState.REDUCING, CLOSE + 2) is TradingState.HALTED
    assert stores.books().get(book.book_id).state is TradingState.HALTED
    with pytest.raises(NotFoundError):
        stores.books().trip("nobody", breaker="x", state=TradingState.HALTED, at_ms=CLOSE, details={}, reason="")


def test_the_state_of_the_desk_is_read_back(stores: Stores) -> None:
    states = stores.states()
    assert states.read() is TradingState.ACTIVE
    for state in (TradingState.HALTED, TradingState.REDUCING, TradingState.ACTIVE):
        assert states.set("desk", "", state, actor="test", reason="drill") is state
        assert states.read() is state
    for scope in ("book", "venue", "symbol", "trader"):
        with pytest.raises(NotFoundError):
            states.set(scope, "binance:nothing", TradingState.HALTED, actor="test", reason="")
    with pytest.raises(InvalidMessageError, match="scope"):
        states.set("moon", "", TradingState.HALTED, actor="test", reason="")


def test_a_denial_leaves_no_reservation(stores: Stores) -> None:
    book = open_book(stores)
    intent = stores.intents().raise_intent(an_intent(book, purpose=Purpose.EXIT), actor="test")
    stores.intents().decide(
        intent, IntentState.DENIED, risk_version=9, qty=None, decision={"reasons": ["x"]}, actor="t", reason="x"
    )
    assert stores.books().view(book.book_id, now_ms=CLOSE).reservations == ()
    assert stores.books().get(book.book_id).risk_version == 0


def test_a_desk_without_a_state_is_halted(clean_supabase: SupabaseLite) -> None:
    client = connect(clean_supabase.url, clean_supabase.secret_key)
    once(client.from_("desk_state").delete().eq("singleton", "true"))
    states = SupabaseStores(clean_supabase).states()
    assert states.read() is TradingState.HALTED
    assert states.set("desk", "", TradingState.ACTIVE, actor="test", reason="again") is TradingState.ACTIVE
    stranger = connect(clean_supabase.url, clean_supabase.publishable_key)
    assert SupabaseDeskStates(stranger).read() is TradingState.HALTED  # may not read it


def test_a_book_is_observed_by_its_orders(stores: Stores) -> None:
    book = open_book(stores)
    nothing = stores.books().observe(book.book_id, since_ms=0)
    assert (nothing.orders, nothing.rejected, nothing.slippage_bps, nothing.mismatches) == (0, 0, None, 0)
    assert nothing.last_fill_ms is None
    hold(stores, book, "2")
    (order,) = executing(stores, an_intent(book), "1")
    sent = submit(stores, order)
    worse = a_report(sent, OrderState.FILLED, "1", average_price=PRICE * Decimal("1.003"))
    stores.orders().advance(sent, worse, actor="test")
    (refused,) = executing(stores, an_intent(book), "1")
    gone = submit(stores, refused)
    stores.orders().advance(gone, a_report(gone, OrderState.REJECTED), actor="test")

    seen = stores.books().observe(book.book_id, since_ms=CLOSE)
    assert (seen.orders, seen.rejected, seen.slippage_bps) == (3, 1, Decimal(10))  # 30 bps on a third of what filled
    assert seen.last_fill_ms == CLOSE + 2
    assert stores.books().observe(book.book_id, since_ms=CLOSE + 2).orders == 0


def test_differences_from_the_venue_count_until_they_are_gone(stores: Stores) -> None:
    book, other = open_book(stores), open_book(stores)
    prefix = f"reconciliation:{uuid4().hex}:"
    alert = Alert(
        dedupe_key=f"{prefix}1", kind="reconciliation", severity=Severity.CRITICAL, sentence="x", book_id=book.book_id
    )
    stores.alerts().settle([prefix], [alert], at_ms=CLOSE)
    assert stores.books().observe(book.book_id, since_ms=0).mismatches == 1
    assert stores.books().observe(other.book_id, since_ms=0).mismatches == 0
    stores.alerts().settle([prefix], [], at_ms=CLOSE + 1)
    assert stores.books().observe(book.book_id, since_ms=0).mismatches == 0
