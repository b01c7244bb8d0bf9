"""Every venue that trades live, through ccxt's real class; its fake has what it is asked and how it answers."""

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared.adapters.ccxt_dialect import Keys
from shared.adapters.ccxt_exchange import CcxtExchange
from shared.domain.errors import FatalError, OutcomeUnknownError, RejectedError, TransientError
from shared.domain.trading.accounts import Balance, VenuePosition
from shared.domain.trading.instruments import InstrumentKind, Side
from shared.domain.trading.money import ONE
from shared.domain.trading.orders import OrderKind, OrderReport, OrderRequest, TimeInForce, client_order_id, is_ours
from shared.domain.trading.states import OrderState
from tests.fakes.clock import ManualClock
from tests.fakes.live_venues.bybit import Bybit
from tests.fakes.live_venues.coinbase import Coinbase
from tests.fakes.live_venues.hyperliquid import Hyperliquid
from tests.fakes.live_venues.kraken import Kraken
from tests.fakes.live_venues.ledger import NOW_MS, PRICE, D, VenueLedger
from tests.fakes.live_venues.okx import Okx
from tests.fakes.live_venues.server import Speaks, VenueServer
from tests.fakes.live_venues.usdm import Usdm

TENTH, THOUSANDTH = D("0.1"), D("0.001")
API_WALLET, MAIN_WALLET = "1" * 64, "2" * 64
MAIN_ADDRESS = "0x1563915e194d8cfba1943570603f7606a3115508"


@dataclass(frozen=True)
class Facts:
    """What is to be expected of a venue: where orders go, and how the desk's id looks there."""

    speaks: Callable[[], Speaks]
    symbol: str
    order_path: str
    cancel_path: str
    keys: Keys = field(default_factory=lambda: Keys(api_key="SHOW-ME-KEY", secret="SHOW-ME-SECRET", password="SHOW-ME"))
    prefix: str = ""
    step: Decimal = THOUSANDTH
    size: Decimal = ONE
    tick: Decimal = TENTH

    @property
    def is_swap(self) -> bool:
        return ":" in self.symbol


VENUES = {
    "kraken": Facts(
        Kraken, "BTC/USD", "/0/private/AddOrder", "/0/private/CancelOrder", step=D("0.00000001"),
        keys=Keys(api_key="SHOW-ME-KEY", secret=base64.b64encode(b"SHOW-ME-SECRET").decode()),
    ),
    "hyperliquid": Facts(
        Hyperliquid, "BTC/USDC:USDC", "/exchange", "/exchange", prefix="0x", step=D("0.00001"), tick=D(1),
        keys=Keys(api_key=MAIN_ADDRESS, secret=API_WALLET),
    ),
    "coinbase": Facts(
        Coinbase, "BTC/USD", "/api/v3/brokerage/orders", "/api/v3/brokerage/orders/batch_cancel",
        step=D("0.00000001"), tick=D("0.01"),
        keys=Keys(api_key="organizations/1/apiKeys/2", secret=base64.b64encode(b"k" * 64).decode()),
    ),
    "bybit": Facts(
        lambda: Bybit("spot"), "BTC/USDT", "/v5/order/create", "/v5/order/cancel", step=D("0.000001"), tick=D("0.01")
    ),
    "bybit_linear": Facts(
        lambda: Bybit("linear"), "BTC/USDT:USDT", "/v5/order/create", "/v5/order/cancel", tick=D("0.5")
    ),
    "okx": Facts(
        lambda: Okx("SPOT"), "BTC/USDT", "/api/v5/trade/batch-orders", "/api/v5/trade/cancel-order",
        step=D("0.00000001"),
    ),
    "okx_swap": Facts(
        lambda: Okx("SWAP"), "BTC/USDT:USDT", "/api/v5/trade/batch-orders", "/api/v5/trade/cancel-order",
        size=D("0.01"),
    ),
    "binance_usdm": Facts(Usdm, "BTC/USDT:USDT", "/fapi/v1/order", "/fapi/v1/order"),
}  # fmt: skip


@dataclass
class Live:
    """A venue that answers, and the desk's account at it."""

    name: str
    facts: Facts
    server: VenueServer
    exchange: CcxtExchange
    clock: ManualClock

    @property
    def ledger(self) -> VenueLedger:
        return self.server.venue.ledger

    @property
    def symbol(self) -> str:
        return self.facts.symbol

    def ids(self) -> list[str]:
        """Return the client ids the venue has, without what it wants before them."""
        return [order.client_id.removeprefix(self.facts.prefix) for order in self.ledger.orders]

    def trade_by_hand(self, *, rests: bool = False) -> None:
        """Have somebody else trade with the account."""
        price = "50000" if rests else "60000"
        self.ledger.place("", "buy", kind="limit", qty=f"{1 / self.facts.size}", price=price, oflags="")


def account(name: str, server: VenueServer, clock: ManualClock, **options: Any) -> CcxtExchange:
    return CcxtExchange(name, options.pop("keys", VENUES[name].keys), clock, url=server.url, **options)


@pytest.fixture(params=sorted(VENUES))
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    yield from opened(request.param)


def opened(name: str) -> Iterator[Live]:
    facts, clock = VENUES[name], ManualClock(NOW_MS + 5_000)
    with VenueServer(facts.speaks()) as server:
        yield Live(name, facts, server, account(name, server, clock), clock)


def only(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("live", names, indirect=True)


_numbers = count()


def a_request(live: Live, side: Side = Side.BUY, qty: str = "0.2", **changes: Any) -> OrderRequest:
    values: dict[str, Any] = {
        "client_order_id": client_order_id(f"intent-{next(_numbers)}", 0, 1),
        "symbol": live.symbol,
        "side": side,
        "kind": OrderKind.MARKET,
        "qty": D(qty),
    }
    return OrderRequest(**(values | changes))


def a_limit(live: Live, **changes: Any) -> OrderRequest:
    return a_request(live, kind=OrderKind.LIMIT, limit_price=D(50_000), **changes)


def told(report: OrderReport | None) -> tuple[OrderState, Decimal, Decimal] | None:
    return None if report is None else (report.state, report.qty, report.filled_qty)


def test_the_instrument_has_the_venues_grid_in_base_units(live: Live) -> None:
    (listed,) = [one for one in live.exchange.instruments() if one.symbol == live.symbol]
    assert listed.kind is (InstrumentKind.SWAP if live.facts.is_swap else InstrumentKind.SPOT)
    assert (listed.step_size, listed.tick_size) == (live.facts.step, live.facts.tick)
    assert (listed.contract_size, listed.base) == (live.facts.size, "BTC")
    assert 0 < listed.taker_fee_rate < D("0.01")


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


@pytest.mark.parametrize("make", [a_request, a_limit])
def test_an_id_is_one_order(live: Live, make: Callable[[Live], OrderRequest]) -> None:
    request = make(live)
    first = live.exchange.place(request)
    with pytest.raises(RejectedError):
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


def test_balances_have_no_unrealised_gains(live: Live) -> None:
    if live.facts.is_swap:
        live.exchange.place(a_request(live))
    held = {balance.asset: balance for balance in live.exchange.balances()}
    expected = {
        "kraken": {"USD": "25435.21", "BTC": "1.2435"},
        "hyperliquid": {"USDC": "1000"},
        "coinbase": {"USD": "1000", "BTC": "1.5"},
        "binance_usdm": {"USDT": "1000.5"},
    }.get(live.name, {"USDT": "1000.5", "BTC": "1.5"})
    assert {asset: balance.total for asset, balance in held.items()} == {a: D(q) for a, q in expected.items()}
    if not live.facts.is_swap:
        assert isinstance(held["BTC"], Balance)
        assert 0 < held["BTC"].locked < held["BTC"].total


def test_funding_is_told_as_what_it_did_to_the_balance(live: Live) -> None:
    paid = [live.ledger.pay(qty, after_ms=3_600_000) for qty in ("-1.25", "0.5", "-0.00000075")]
    live.clock.advance(3 * 3_600_000)
    told_of = live.exchange.funding(since_ms=NOW_MS)
    if not live.facts.is_swap:
        assert list(told_of) == []
        return
    assert [(each.qty, each.event_time) for each in told_of] == [(each.qty, each.at_ms) for each in paid]
    assert len({each.payment_id for each in told_of}) == 3
    asset = live.symbol.partition(":")[2]
    assert {(each.symbol, each.asset) for each in told_of} == {(live.symbol, asset)}
    later = live.exchange.funding(since_ms=paid[1].at_ms)
    assert list(later) == list(told_of[1:])
    assert list(live.exchange.funding(since_ms=paid[-1].at_ms + 1)) == []


def test_much_funding_comes_in_pages(live: Live) -> None:
    if not live.facts.is_swap:
        return
    for _ in range(1_100):
        live.ledger.pay("-0.01", after_ms=600_000)
    live.clock.advance(1_100 * 600_000)
    told_of = live.exchange.funding(since_ms=NOW_MS + 1)
    assert [each.event_time for each in told_of] == [each.at_ms for each in live.ledger.payments]


@pytest.mark.parametrize("side", list(Side))
def test_positions_are_signed_base_units(live: Live, side: Side) -> None:
    live.exchange.place(a_request(live, side))
    wanted = [VenuePosition(symbol=live.symbol, qty=side.sign * D("0.2"), entry_price=PRICE)]
    assert list(live.exchange.positions()) == (wanted if live.facts.is_swap else [])


def test_the_book_is_in_base_units(live: Live) -> None:
    depth = live.exchange.depth(live.symbol)
    assert (depth.bids[0].price, depth.asks[0].price) == (PRICE - 1, PRICE)
    assert depth.asks[0].qty in (4 * live.facts.size, D("4.5"), D("5.0"))


def test_a_key_that_may_withdraw_is_refused(live: Live) -> None:
    live.ledger.may_withdraw = True
    keys = Keys(api_key=MAIN_ADDRESS, secret=MAIN_WALLET) if live.name == "hyperliquid" else live.facts.keys
    with pytest.raises(FatalError, match="may withdraw"):
        account(live.name, live.server, live.clock, keys=keys).balances()


def test_nothing_of_the_keys_is_told(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    keys = live.facts.keys
    live.exchange.instruments()
    live.server.refuse_with(live.facts.order_path, 503)
    with caplog.at_level("DEBUG"), pytest.raises(OutcomeUnknownError) as caught:
        live.exchange.place(a_request(live))
    for secret in filter(None, (keys.secret, keys.password)):
        assert secret not in str(caught.value)
        assert secret not in repr(keys)
        assert not [record for record in caplog.records if secret in record.getMessage()]


def test_the_dead_man_timer_is_set_and_stopped_where_there_is_one(live: Live) -> None:
    timer = live.exchange.capabilities().timer
    symbol = live.symbol if timer is not None and timer.per_symbol else None
    if timer is None:
        with pytest.raises(FatalError, match="no dead-man timer"):
            live.exchange.cancel_all_after(60_000, symbol=None)
        return
    wanted_ms = min(timer.longest_ms, 180_000)
    live.exchange.cancel_all_after(wanted_ms, symbol=symbol)
    assert live.ledger.timers == {"BTCUSDT" if timer.per_symbol else "account": wanted_ms}
    live.exchange.cancel_all_after(0, symbol=symbol)
    assert not any(live.ledger.timers.values())
    with pytest.raises(FatalError, match="the dead-man timer of"):
        live.exchange.cancel_all_after(wanted_ms, symbol=None if symbol else live.symbol)


def test_which_venues_have_timers_and_stops() -> None:
    with ExitStack() as stack:
        offers = {}
        for name, facts in VENUES.items():
            server = stack.enter_context(VenueServer(facts.speaks()))
            offers[name] = account(name, server, ManualClock()).capabilities()
    assert {name for name, each in offers.items() if each.timer} == {"kraken", "okx", "okx_swap", "binance_usdm"}
    assert {name for name, each in offers.items() if each.stop_orders} == {"kraken"}
    assert {name for name, each in offers.items() if each.shorts} == {name for name in VENUES if VENUES[name].is_swap}


@pytest.mark.parametrize("venue", ["gate", "kucoin", "bitstamp"])
def test_a_venue_nobody_knows_how_to_ask_is_refused(venue: str) -> None:
    with pytest.raises(FatalError, match=f"{venue} is not traded at: the desk cannot ask it for an order"):
        CcxtExchange(venue, Keys(api_key="a", secret="b"), ManualClock())


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
