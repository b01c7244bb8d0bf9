"""What moves on a live account without a fill is in the ledger: funding by itself, the rest when it is adopted."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import ConflictError, TransientError
from shared.domain.trading.accounts import LIVE_ACCOUNT
from shared.domain.trading.equity import equity_of
from shared.domain.trading.flows import FlowKind
from shared.domain.trading.money import total
from tests.usecases.live_account import BTC, ETH, VENUE, LiveDesk
from tests.usecases.trading_in_memory import D


@pytest.fixture
def desk() -> LiveDesk:
    return LiveDesk()


def alerts(desk: LiveDesk) -> list[str]:
    return [alert.sentence for alert in desk.trading.database.trading.alerts.values()]


def test_funding_is_posted_when_a_balance_differs_and_asked_for_only_then(desk: LiveDesk) -> None:
    one, _ = desk.books
    desk.trade(one, "2")
    desk.sweep()
    assert desk.account.asked == 0
    desk.pay_funding("-1.25")
    swept = desk.sweep()
    assert (swept.differences, swept.settled, alerts(desk)) == ([], 1, [])
    assert (desk.off(), desk.position(one).funding) == (D(0), D("-1.25"))
    desk.sweep()
    assert desk.account.asked == 1
    desk.pay_funding("0.5")
    assert desk.sweep().differences == []
    assert desk.position(one).funding == D("-0.75")
    (newest, first) = desk.ledger.flows(VENUE, LIVE_ACCOUNT, limit=9)
    assert (newest.qty, first.qty, first.kind, first.book_id) == (D("0.5"), D("-1.25"), FlowKind.FUNDING, one.book_id)


def test_funding_is_a_part_of_what_the_book_is_worth(desk: LiveDesk) -> None:
    one, _ = desk.books
    desk.trade(one, "2")
    desk.pay_funding("-1.25")
    desk.sweep()
    view = desk.trading.books.view(one.book_id, now_ms=desk.clock.now_ms())
    worth = equity_of(D(100_000), [each.position for each in view.positions], {(VENUE, BTC): D(50_000)})
    assert worth.equity == D(100_000) - D("0.01") - D("1.25")


def test_books_that_share_an_account_share_what_it_was_paid(desk: LiveDesk) -> None:
    one, two = desk.books
    desk.trade(one, "3")
    desk.trade(two, "1")
    desk.pay_funding("-8")
    desk.trade(one, "-3")
    desk.pay_funding("-4")
    assert desk.sweep().differences == []
    assert (desk.position(one).funding, desk.position(two).funding) == (D(-6), D(-6))
    assert desk.off() == 0


def test_a_venue_that_does_not_tell_its_funding_leaves_the_difference(desk: LiveDesk) -> None:
    desk.trade(desk.books[0], "2")
    desk.pay_funding("-1.25")
    desk.account.fails = TransientError("busy")
    (said,) = desk.sweep().differences
    assert "balance USDT" in said
    assert alerts(desk) == [said]
    desk.account.fails = None
    assert desk.sweep().differences == []
    assert alerts(desk) == []


def test_nothing_is_asked_where_no_future_was_held_lately(desk: LiveDesk) -> None:
    desk.pay_in("10")
    assert len(desk.sweep().differences) == 1
    desk.trade(desk.books[0], "2")
    desk.trade(desk.books[0], "-2")
    desk.pay_in("10", "BNB")
    assert desk.adopt("USDT").adopted == {"USDT": "10"}
    before = desk.account.asked
    desk.sweep()
    assert desk.account.asked == before, "no future is settled in BNB"
    desk.clock.advance(8 * 86_400_000)
    desk.pay_in("10")
    desk.sweep()
    assert desk.account.asked == before


def test_what_the_owner_pays_in_is_adopted_and_nobodys_profit(desk: LiveDesk) -> None:
    one, _ = desk.books
    desk.trade(one, "2")
    desk.pay_in("5000.5")
    desk.pay_in("3", "BNB")
    desk.pay_funding("-1.25")
    assert len(desk.sweep().differences) == 2
    assert len(alerts(desk)) == 2
    before = desk.position(one)
    done = desk.adopt("BNB")
    assert (done.adopted, len(done.differences), len(alerts(desk))) == ({"BNB": "3"}, 1, 1)
    done = desk.adopt()
    assert (done.adopted, done.differences, alerts(desk)) == ({"USDT": "5000.5"}, [], [])
    assert desk.position(one) == before
    adopted, *_ = desk.ledger.flows(VENUE, LIVE_ACCOUNT, limit=9)
    assert (adopted.kind, adopted.qty, adopted.book_id) == (FlowKind.ADJUSTMENT, D("5000.5"), None)
    assert (adopted.actor, adopted.reason, adopted.symbol) == ("olga", "paid in", None)
    assert desk.adopt().adopted == {}
    assert desk.sweep().differences == []


def test_what_an_order_may_be_changing_is_not_adopted(desk: LiveDesk) -> None:
    desk.rest_order(desk.books[0])
    desk.pay_in("500")
    desk.pay_in("3", "BNB")
    assert desk.adopt().adopted == {"BNB": "3"}
    assert desk.off() == D(500)


def test_a_wish_that_comes_twice_adopts_once(desk: LiveDesk) -> None:
    desk.pay_in("-500")
    for _ in range(2):
        desk.adopt(event_id="the-same-wish")
    assert desk.off() == 0
    desk.pay_in("-500")
    desk.adopt(event_id="the-same-wish")  # delivered again, long after
    assert desk.off() == D(-500)


def test_of_two_who_adopt_at_once_one_does(desk: LiveDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.pay_in("700")
    post, store = desk.ledger.post_flows, type(desk.ledger)

    def somebody_first(_: Any, *where: Any, **expected: Any) -> int:
        monkeypatch.undo()
        desk.adopt()
        return post(*where, **expected)

    monkeypatch.setattr(store, "post_flows", somebody_first)
    with pytest.raises(ConflictError):
        desk.adopt()
    assert desk.off() == 0


def test_what_was_adopted_before_the_venue_listed_it_is_not_posted_again(desk: LiveDesk) -> None:
    desk.trade(desk.books[0], "2")
    desk.pay_funding("-1.25")
    desk.account.unlisted = 1
    assert desk.adopt().adopted == {"USDT": "-1.25"}
    desk.account.unlisted = 0
    desk.pay_funding("-1")
    assert desk.sweep().differences == []
    assert (desk.off(), desk.position(desk.books[0]).funding) == (D(0), D(-1))


QTY = st.sampled_from(["-2", "-0.5", "0.75", "1", "3"])
EVENTS = st.one_of(
    st.tuples(st.just("trade"), st.integers(0, 1), QTY, st.sampled_from(["49000.5", "50000", "51234.56"])),
    st.tuples(st.just("funding"), st.integers(0, 1), st.decimals("-9", "9", places=8)),
    st.tuples(st.just("list"), st.sampled_from([0, 1, 9])),
    st.tuples(st.just("pay_in"), st.sampled_from(["USDT", "BNB"]), st.decimals("-99", "99", places=4)),
    st.tuples(st.just("sweep")),
    st.tuples(st.just("adopt"), st.sampled_from([None, "USDT", "BNB"])),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(EVENTS, max_size=30))
def test_whatever_comes_between_the_ledger_has_what_the_venue_has(events: list[Any]) -> None:
    desk = LiveDesk()
    owed = {"USDT": Decimal(0), "BNB": Decimal(0)}
    symbols = (BTC, ETH)
    for name, *given_ in events:
        match name:
            case "trade":
                number, qty, price = given_
                desk.trade(desk.books[number], qty, price, symbols[number])
            case "funding":
                number, qty = given_
                if desk.account.held[symbols[number]]:
                    desk.pay_funding(qty, symbols[number])
                    desk.account.unlisted += desk.account.unlisted > 0  # what is paid later is not listed earlier
            case "list":
                desk.account.unlisted = min(given_[0], len(desk.account.payments))
            case "pay_in":
                asset, qty = given_
                desk.pay_in(qty, asset)
                owed[asset] += qty
            case "sweep":
                desk.sweep()
                if not desk.account.unlisted:  # a payment that makes up for what was taken out is found with the next
                    assert all(desk.off(asset) in {qty, 0} for asset, qty in owed.items())
            case _:
                done = desk.adopt(given_[0])
                for asset in done.adopted:
                    owed[asset] = Decimal(0)
                    assert desk.off(asset) == 0
    desk.account.unlisted = 0
    desk.adopt()
    assert (desk.off("USDT"), desk.off("BNB"), desk.reconcile().differences) == (D(0), D(0), ())
    flows = desk.ledger.flows(VENUE, LIVE_ACCOUNT, limit=999)
    for book, symbol in zip(desk.books, symbols, strict=True):
        own = total(flow.qty for flow in flows if flow.book_id == book.book_id)
        assert desk.position(book, symbol).funding == own
    assert not [flow for flow in flows if flow.kind is FlowKind.ADJUSTMENT and flow.book_id is not None]
