"""How often a venue is asked: every request counts against its limits, and takes its time."""

from shared.domain.trading.states import OrderState
from tests.contract.live_venues import VENUES, Live, a_limit, a_request, only
from tests.fakes.live_venues.ledger import NOW_MS

PLACED_AND_POSTED = {
    "binance_usdm": 2,  # the order, whose answer tells that it has filled, and its trades
    "bybit": 3,  # the order, what became of it, its trades
    "bybit_linear": 3,
    "coinbase": 3,
    "hyperliquid": 4,  # the price an order at the market is made of
    "kraken": 4,  # what became of it is looked for among open orders and then among those that have ended
    "okx": 3,
    "okx_swap": 3,
}


def settled_in(live: Live) -> Live:
    """Return a venue that has been asked all that is asked once."""
    live.exchange.place(a_request(live))
    live.exchange.fills(live.symbol, since_ms=NOW_MS)
    live.server.asked.clear()
    return live


def test_an_order_that_fills_at_once_is_placed_and_its_trades_are_listed(live: Live) -> None:
    settled_in(live)
    request = a_request(live)
    assert live.exchange.place(request).state is OrderState.FILLED
    fills = live.exchange.fills(live.symbol, since_ms=NOW_MS)
    assert [fill.client_order_id for fill in fills[2:]] == [request.client_order_id] * 2
    assert len(live.server.asked) == PLACED_AND_POSTED[live.name], live.server.asked


def test_an_order_that_was_told_of_is_not_asked_for_when_it_fills(live: Live) -> None:
    settled_in(live)
    request = a_limit(live)
    live.exchange.place(request)
    live.ledger.fill(live.ledger.orders[-1], live.ledger.orders[-1].qty / 2)
    live.server.asked.clear()
    fills = live.exchange.fills(live.symbol, since_ms=NOW_MS)
    assert fills[-1].client_order_id == request.client_order_id
    assert len(live.server.asked) == 1


def test_whose_a_trade_is_is_asked_once_by_a_process_that_does_not_know(live: Live) -> None:
    settled_in(live)
    live.trade_by_hand()
    live.exchange.fills(live.symbol, since_ms=NOW_MS)
    assert len(live.server.asked) <= 2, live.server.asked
    live.server.asked.clear()
    live.exchange.fills(live.symbol, since_ms=NOW_MS)
    assert len(live.server.asked) == 1


@only(*sorted(VENUES.keys() - {"coinbase"}))  # which forgets no orders
def test_trades_of_an_order_the_venue_has_forgotten_are_told_without_its_id(live: Live) -> None:
    live.exchange.instruments()
    live.trade_by_hand()
    (order,) = live.ledger.orders
    live.ledger.orders.clear()
    fills = live.exchange.fills(live.symbol, since_ms=NOW_MS)
    assert [fill.client_order_id for fill in fills] == [""] * 2
    assert {fill.venue_order_id.removeprefix("O") for fill in fills} == {str(order.number)}
