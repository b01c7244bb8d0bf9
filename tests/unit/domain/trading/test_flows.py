"""Whose a funding payment is."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.trading.flows import FundingPayment, flows_of
from shared.domain.trading.money import total

D = Decimal


def paid(qty: str) -> FundingPayment:
    return FundingPayment(payment_id="p", symbol="BTC/USDT:USDT", asset="USDT", qty=D(qty), event_time=7)


def parts(qty: str, **held: str) -> dict[str | None, Decimal]:
    flows = flows_of(paid(qty), {book_id: D(each) for book_id, each in held.items()}, actor="a")
    assert {(flow.flow_id, flow.event_time, flow.actor) for flow in flows} == {("p", 7, "a")}
    return {flow.book_id: flow.qty for flow in flows}


def test_a_payment_is_the_books_that_held_the_future() -> None:
    assert parts("-9", one="2") == {"one": D(-9)}
    assert parts("-9", one="2", two="1", three="0") == {"one": D(-6), "two": D(-3)}
    assert parts("9", one="-2", two="-1") == {"one": D(6), "two": D(3)}


def test_one_that_was_short_against_anothers_long_received_what_that_one_paid() -> None:
    assert parts("-4", long="3", short="-1") == {"long": D(-6), "short": D(2)}


def test_what_nobody_is_known_to_have_held_is_nobodys() -> None:
    assert parts("-4") == parts("-4", long="1", short="-1") == {None: D(-4)}


@given(
    st.decimals("-1e6", "1e6", places=8),
    st.dictionaries(st.sampled_from("abcde"), st.decimals("-1e5", "1e5", places=5), max_size=5),
)
def test_the_parts_sum_to_the_payment(qty: Decimal, held: dict[str, Decimal]) -> None:
    flows = flows_of(paid(str(qty)), held, actor="a")
    assert total(flow.qty for flow in flows) == qty
    books = [flow.book_id for flow in flows]
    assert len({*books}) == len(books)
    net = total(held.values())
    if net:
        for flow in flows:
            assert flow.book_id is not None
            exact = qty * held[flow.book_id] / net
            assert abs(flow.qty - exact) <= len(flows) * D("1e-12") + abs(exact) * D("1e-20")
