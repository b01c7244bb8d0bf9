"""Every venue that trades live as ccxt's real class asks it; its fake has what it is asked and how it answers."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from shared.adapters.ccxt_dialect import Keys
from shared.adapters.ccxt_exchange import CcxtExchange
from shared.domain.trading.instruments import Side
from shared.domain.trading.money import ONE
from shared.domain.trading.orders import OrderKind, OrderReport, OrderRequest, client_order_id
from shared.domain.trading.states import OrderState
from tests.fakes.clock import ManualClock
from tests.fakes.live_venues.bybit import Bybit
from tests.fakes.live_venues.coinbase import Coinbase
from tests.fakes.live_venues.hyperliquid import Hyperliquid
from tests.fakes.live_venues.kraken import Kraken
from tests.fakes.live_venues.ledger import NOW_MS, D, VenueLedger
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
