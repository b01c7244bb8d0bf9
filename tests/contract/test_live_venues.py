"""Orders at every venue that trades live, through ccxt's real class."""

from contextlib import suppress

import pytest

from shared.domain.errors import OutcomeUnknownError, RejectedError, TransientError
from shared.domain.trading.instruments import Side
from shared.domain.trading.orders import OrderKind, TimeInForce, client_order_id, is_ours
from shared.domain.trading.states import OrderState
from tests.contract.live_venues import (
    Live,
    a_limit,
    a_request,
    told,
)
from tests.fakes.live_venues.ledger import NOW_MS, PRICE, D


@pytest.mark.parametrize("side", list(Side))
def test_an_order_at_the_market_fills_under_the_desks_id(live: Live, side: Side) -> None:
    request = a_request(live, side)
    report = live.exchange.place(request)
    assert told(report) == (OrderState.FILLED, D("0.2"), D("0.2"))
    assert (report.client_order_id, report.side) == (request.client_order_id, side)
    assert report.average_price in (PRICE, None)
    assert live.ids() == [request.client_order_id]
    (order,) = live.ledger.orders
    assert (order.client_id, order.side) == (live.facts.prefix + request.client_order_id, side.value)
    assert order.qty * live.facts.size == D("0.2")

    fills = live.exchange.fills(live.symbol, since_ms=NOW_MS)
    assert [fill.client_order_id for fill in fills] == [request.client_order_id] * 2
    assert [fill.qty for fill in fills] == [D("0.1")] * 2
    assert len({fill.trade_id for fill in fills}) == 2
    for fill in fills:
        assert (fill.price, fill.side, fill.is_maker) == (PRICE, side, False)
        assert fill.venue_order_id == report.venue_order_id
        assert 0 < fill.fee_notional < fill.notional / 100
    assert live.exchange.fills(live.symbol, since_ms=live.ledger.now_ms + 1) == []


def test_a_limit_order_rests_is_found_and_cancelled(live: Live) -> None:
    request = a_limit(live)
    report = live.exchange.place(request)
    assert told(report) == (OrderState.OPEN, D("0.2"), D(0))
    for listed in (live.exchange.open_orders(), live.exchange.open_orders(live.symbol)):
        assert [(one.client_order_id, told(one)) for one in listed] == [(request.client_order_id, told(report))]
    assert told(live.exchange.order(live.symbol, request.client_order_id)) == told(report)

    cancelled = live.exchange.cancel(live.symbol, request.client_order_id)
    assert told(cancelled) == (OrderState.CANCELLED, D("0.2"), D(0))
    assert list(live.exchange.open_orders()) == []
    assert told(live.exchange.cancel(live.symbol, request.client_order_id)) == told(cancelled)
    assert told(live.exchange.order(live.symbol, request.client_order_id)) == told(cancelled)


def test_a_part_that_filled_is_told_while_it_rests_and_after(live: Live) -> None:
    request = a_limit(live)
    live.exchange.place(request)
    (order,) = live.ledger.orders
    live.ledger.fill(order, order.qty / 4, is_maker=True)
    resting = live.exchange.order(live.symbol, request.client_order_id)
    assert told(resting) == (OrderState.PARTIALLY_FILLED, D("0.2"), D("0.05"))
    (listed,) = live.exchange.open_orders()
    assert told(listed) == told(resting)
    ended = live.exchange.cancel(live.symbol, request.client_order_id)
    assert told(ended) == (OrderState.CANCELLED, D("0.2"), D("0.05"))
    (fill,) = live.exchange.fills(live.symbol, since_ms=NOW_MS)
    assert (fill.qty, fill.price, fill.is_maker) == (D("0.05"), D(50_000), True)


def test_an_order_nobody_placed_is_none_and_cannot_be_cancelled(live: Live) -> None:
    live.exchange.place(a_limit(live))
    live.exchange.place(a_request(live))
    nobodys = client_order_id("nobody", 0, 1)
    assert live.exchange.order(live.symbol, nobodys) is None
    with pytest.raises(RejectedError, match="order_not_found"):
        live.exchange.cancel(live.symbol, nobodys)


def test_an_id_is_one_order_while_it_rests(live: Live) -> None:
    request = a_limit(live)
    first = live.exchange.place(request)
    with suppress(RejectedError, OutcomeUnknownError):  # Coinbase answers with the first one
        live.exchange.place(request)
    assert live.ids() == [request.client_order_id]
    assert told(live.exchange.order(live.symbol, request.client_order_id)) == told(first)


def test_an_order_whose_answer_is_lost_is_unknown_and_found_by_its_id(live: Live) -> None:
    live.exchange.instruments()
    request = a_request(live)
    live.server.lose_answers_of(live.facts.order_path)
    with pytest.raises(OutcomeUnknownError):
        live.exchange.place(request)
    live.server.lose_answers_of(None)
    assert live.ids() == [request.client_order_id], "sent once"
    assert told(live.exchange.order(live.symbol, request.client_order_id)) == (OrderState.FILLED, D("0.2"), D("0.2"))


def test_a_cancel_whose_answer_is_lost_is_unknown(live: Live) -> None:
    request = a_limit(live)
    live.exchange.place(request)
    live.server.lose_answers_of(live.facts.cancel_path)
    with pytest.raises(OutcomeUnknownError):
        live.exchange.cancel(live.symbol, request.client_order_id)
    live.server.lose_answers_of(None)
    assert told(live.exchange.order(live.symbol, request.client_order_id)) == (OrderState.CANCELLED, D("0.2"), D(0))


@pytest.mark.parametrize(("status", "error"), [(429, TransientError), (503, OutcomeUnknownError)])
def test_a_venue_that_is_busy_has_not_looked_one_that_fails_may_have(
    live: Live, status: int, error: type[Exception]
) -> None:
    live.exchange.instruments()
    live.server.refuse_with(live.facts.order_path, status)
    with pytest.raises(error):
        live.exchange.place(a_request(live))
    assert live.ids() == []


def test_what_the_account_cannot_pay_is_refused(live: Live) -> None:
    live.ledger.funds = D(100)
    # ccxt knows the codes of Binance's futures by their address, which here is another
    word = "Margin is insufficient" if live.name == "binance_usdm" else "insufficient_funds"
    with pytest.raises(RejectedError, match=word):
        live.exchange.place(a_request(live))
    assert live.ids() == []


def test_what_is_off_the_grid_or_not_offered_is_not_sent(live: Live) -> None:
    live.exchange.instruments()
    before = len(live.server.asked)
    bad = [
        a_request(live, qty="0.20000000001"),
        a_request(live, kind=OrderKind.LIMIT, limit_price=D("50000.001")),
    ]
    if not live.exchange.capabilities().stop_orders:
        bad.append(a_request(live, Side.SELL, kind=OrderKind.STOP_MARKET, trigger_price=D(50_000)))
    for request in bad:
        with pytest.raises(RejectedError, match="invalid_order"):
            live.exchange.place(request)
    assert len(live.server.asked) == before


@pytest.mark.parametrize("force", [TimeInForce.IOC, TimeInForce.FOK, TimeInForce.POST_ONLY])
def test_how_long_an_order_waits_is_said_to_the_venue_or_refused(live: Live, force: TimeInForce) -> None:
    request = a_limit(live, time_in_force=force)
    if force is TimeInForce.FOK and live.name in ("kraken", "hyperliquid"):
        with pytest.raises(RejectedError, match="time_in_force"):
            live.exchange.place(request)
        return
    live.exchange.place(request)
    (order,) = live.ledger.orders
    said = f"{order.kind} {order.terms}".lower()
    post = {"kraken": "fciq,post", "hyperliquid": "alo", "coinbase": "'post_only': true", "binance_usdm": "gtx"}
    assert (post.get(live.name, "post") if force is TimeInForce.POST_ONLY else force.value) in said
    assert told(live.exchange.order(live.symbol, request.client_order_id)) is not None


def test_what_others_do_with_the_key_is_not_ours(live: Live) -> None:
    live.trade_by_hand()
    live.trade_by_hand(rests=True)
    (resting,) = live.exchange.open_orders()
    fills = live.exchange.fills(live.symbol, since_ms=NOW_MS)
    assert [fill.qty for fill in fills] == [D("0.5")] * 2
    assert not any(is_ours(one) for one in (resting.client_order_id, *(fill.client_order_id for fill in fills)))


def test_many_fills_and_orders_come_in_pages(live: Live) -> None:
    for _ in range(120):
        live.trade_by_hand(rests=True)
    for _ in range(2_020):
        live.ledger.fill(live.ledger.orders[0], live.ledger.orders[0].qty / 4_000)
    live.clock.advance(10 * 86_400_000)
    fills = live.exchange.fills(live.symbol, since_ms=NOW_MS)
    assert len(fills) == len({fill.trade_id for fill in fills}) == 2_020
    assert [fill.event_time for fill in fills] == [trade.at_ms for trade in live.ledger.trades]
    later = live.exchange.fills(live.symbol, since_ms=live.ledger.trades[-2].at_ms)
    assert len(later) == 2
    assert len(live.exchange.open_orders()) == 120
