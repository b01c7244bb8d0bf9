"""What one live venue does in its own way."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared.adapters.ccxt_dialect import Keys
from shared.domain.errors import RejectedError, TransientError
from shared.domain.trading.instruments import Side
from shared.domain.trading.orders import OrderKind
from shared.domain.trading.states import OrderState
from tests.contract.live_venues import Live, a_limit, a_request, account, only, told
from tests.fakes.live_venues.coinbase import Coinbase
from tests.fakes.live_venues.hyperliquid import Hyperliquid
from tests.fakes.live_venues.kraken import Kraken
from tests.fakes.live_venues.ledger import NOW_MS, D


@only("kraken")
def test_kraken_holds_a_stop(live: Live) -> None:
    request = a_request(live, Side.SELL, kind=OrderKind.STOP_MARKET, trigger_price=D(50_000))
    assert told(live.exchange.place(request)) == (OrderState.OPEN, D("0.2"), D(0))
    (order,) = live.ledger.orders
    assert (order.kind, order.trigger, order.price) == ("stop-loss", D("50000.0"), None)
    (listed,) = live.exchange.open_orders()
    assert listed.client_order_id == request.client_order_id
    assert live.exchange.cancel(live.symbol, request.client_order_id).state is OrderState.CANCELLED


@only("kraken")
def test_kraken_is_told_until_when_to_take_an_order(live: Live) -> None:
    live.exchange.place(a_limit(live))
    assert isinstance(live.server.venue, Kraken)
    assert live.server.venue.deadlines == ["2023-11-14T22:13:55.000Z"]
    assert live.exchange.capabilities().accepts_for_ms == 40_000


@only("kraken")
def test_kraken_tells_an_id_with_dashes_or_without(live: Live) -> None:
    request = a_limit(live)
    live.exchange.place(request)
    (order,) = live.ledger.orders
    plain, order.client_id = order.client_id, "-".join(_uuid_parts(order.client_id))
    (listed,) = live.exchange.open_orders()
    assert listed.client_order_id == plain


def _uuid_parts(text: str) -> list[str]:
    return [text[:8], text[8:12], text[12:16], text[16:20], text[20:]]


@only("kraken")
def test_a_number_kraken_has_seen_is_sent_anew_and_never_fatal(live: Live) -> None:
    assert isinstance(live.server.venue, Kraken)
    live.exchange.instruments()
    live.server.venue.stale_nonces = 1
    assert live.exchange.place(a_request(live)).state is OrderState.FILLED
    live.server.venue.stale_nonces = 99
    with pytest.raises(TransientError, match="others use the key"):
        live.exchange.place(a_request(live))
    assert len(live.ids()) == 1


@only("hyperliquid")
def test_hyperliquid_is_sent_orders_that_expire_and_nothing_else(live: Live) -> None:
    live.exchange.place(a_request(live))
    resting = a_limit(live)
    live.exchange.place(resting)
    live.exchange.cancel(live.symbol, resting.client_order_id)
    assert isinstance(live.server.venue, Hyperliquid)
    actions = live.server.venue.actions
    assert [action["type"] for action, _ in actions] == ["order", "order", "cancelByCloid"], "no fee, no referral"
    assert all("builder" not in action for action, _ in actions)
    for _, expires_ms in actions[:2]:
        assert expires_ms is not None
        assert 30_000 <= expires_ms - NOW_MS < 31_000, "by the venue's clock, which is five seconds behind"


@only("hyperliquid")
def test_hyperliquid_takes_five_digits(live: Live) -> None:
    live.exchange.instruments()
    with pytest.raises(RejectedError, match="invalid_order"):
        live.exchange.place(a_request(live, kind=OrderKind.LIMIT, limit_price=D("9999.55")))
    assert live.ids() == []


@only("coinbase")
def test_coinbase_takes_a_key_in_pem_on_one_line(live: Live) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    keys = Keys(api_key="organizations/1/apiKeys/2", secret=pem.decode().replace("\n", "\\n"))
    assert account("coinbase", live.server, live.clock, keys=keys).balances()


@only("coinbase")
def test_coinbase_cancels_when_it_gets_to_it(live: Live) -> None:
    assert isinstance(live.server.venue, Coinbase)
    live.server.venue.cancels_later = True
    request = a_limit(live)
    live.exchange.place(request)
    assert live.exchange.cancel(live.symbol, request.client_order_id).state is OrderState.CANCEL_PENDING


@only("bybit", "bybit_linear")
def test_bybit_has_an_order_in_its_history_that_it_no_longer_has_at_hand(live: Live) -> None:
    requests = [a_request(live, qty="0.002") for _ in range(6)]
    for request in requests:
        live.exchange.place(request)
    for request in requests:
        report = live.exchange.order(live.symbol, request.client_order_id)
        assert report is not None
        assert (report.state, report.client_order_id) == (OrderState.FILLED, request.client_order_id)
    assert len({live.exchange.order(live.symbol, each.client_order_id).venue_order_id for each in requests}) == 6  # type: ignore[union-attr]
