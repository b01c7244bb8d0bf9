"""ccxt's structures as the desk's: contracts become base units, states the desk's, rights are read."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from shared.adapters import ccxt_parsing as parsing
from shared.adapters.ccxt_venues import dialect_of
from shared.domain.errors import TransientError
from shared.domain.trading.accounts import VenuePosition
from shared.domain.trading.instruments import InstrumentKind, Side
from shared.domain.trading.states import OrderState

D = Decimal
SPOT: dict[str, Any] = {
    "symbol": "BTC/USDT",
    "base": "BTC",
    "quote": "USDT",
    "spot": True,
    "swap": False,
    "linear": None,
    "contract": False,
    "contractSize": None,
    "active": True,
    "maker": 0.001,
    "taker": 0.001,
    "precision": {"price": "0.01", "amount": "0.00001"},
    "limits": {"amount": {"min": "0.0001"}, "cost": {"min": None}},
}
SWAP = SPOT | {
    "symbol": "BTC/USDT:USDT",
    "spot": False,
    "swap": True,
    "linear": True,
    "contract": True,
    "contractSize": "0.01",
    "precision": {"price": "0.1", "amount": "1"},
    "limits": {"amount": {"min": None}, "cost": {"min": "5"}},
}
ORDER: dict[str, Any] = {
    "id": "7",
    "clientOrderId": "nd",
    "symbol": "BTC/USDT",
    "side": "buy",
    "status": "open",
    "amount": "10",
    "filled": "0",
    "cost": "0",
    "average": None,
    "timestamp": 5,
    "lastTradeTimestamp": None,
    "lastUpdateTimestamp": None,
}
TRADE: dict[str, Any] = {
    "id": "9",
    "order": "7",
    "symbol": "BTC/USDT",
    "side": "sell",
    "price": "40000.01",
    "amount": "3",
    "fee": {"cost": "0.002", "currency": "BTC"},
    "takerOrMaker": "maker",
    "timestamp": 6,
}


def test_a_contract_is_counted_in_base_units() -> None:
    listed = parsing.instrument("okx_swap", SWAP)
    assert listed is not None
    assert (listed.kind, listed.contract_size) == (InstrumentKind.SWAP, D("0.01"))
    assert (listed.step_size, listed.min_qty, listed.min_notional) == (D("0.01"), D("0.01"), D(5))
    report = parsing.report(ORDER | {"filled": "4", "average": "40000.5"}, SWAP)
    assert (report.qty, report.filled_qty, report.average_price) == (D("0.10"), D("0.04"), D("40000.5"))
    fill = parsing.fill(TRADE | {"fee": {"cost": "1", "currency": "USDT"}}, SWAP, client_order_id="nd", price_of=_no)
    assert (fill.qty, fill.fee_notional) == (D("0.03"), D(1))
    held = {"symbol": "BTC/USDT:USDT", "contracts": "25", "side": "short", "entryPrice": "41000"}
    assert parsing.position(held, SWAP) == VenuePosition(symbol="BTC/USDT:USDT", qty=D("-0.25"), entry_price=D(41_000))
    assert parsing.position(held | {"contracts": "0"}, SWAP) is None
    book = {"timestamp": None, "bids": [["9", "2"], ["10", "3"]], "asks": [["11", "0"], ["12", "1"], ["100", "1"]]}
    depth = parsing.depth(book, SWAP, now_ms=8)
    assert [level.price for level in (*depth.bids, *depth.asks)] == [D(10), D(9), D(12), D(100)]
    assert (depth.bids[0].qty, depth.time_ms) == (D("0.03"), 8)


@pytest.mark.parametrize(
    "changes",
    [{"active": False}, {"precision": {"price": None, "amount": "1"}}, {"spot": False}, {"swap": True, "spot": False}],
)
def test_what_the_desk_does_not_trade_is_no_instrument(changes: dict[str, Any]) -> None:
    assert parsing.instrument("binance", SPOT | changes) is None


@pytest.mark.parametrize(
    ("status", "filled", "state"),
    [
        ("open", "0", OrderState.OPEN),
        ("open", "3", OrderState.PARTIALLY_FILLED),
        ("open", "10", OrderState.FILLED),
        ("closed", "10", OrderState.FILLED),
        ("closed", "3", OrderState.CANCELLED),
        ("closed", "0", OrderState.CANCELLED),
        ("canceled", "0", OrderState.CANCELLED),
        ("canceled", "3", OrderState.CANCELLED),
        ("expired", "3", OrderState.CANCELLED),
        ("canceling", "3", OrderState.CANCEL_PENDING),
        ("rejected", "0", OrderState.REJECTED),
    ],
)
def test_states(status: str, filled: str, state: OrderState) -> None:
    cost = str(int(filled) * 7)
    report = parsing.report(ORDER | {"status": status, "filled": filled, "cost": cost}, SPOT)
    assert report.state is state
    assert report.average_price == (D(7) if filled != "0" else None)


def test_a_fee_is_worth_what_its_asset_is_worth() -> None:
    fill = parsing.fill(TRADE, SPOT, client_order_id="nd", price_of=_no)
    assert (fill.side, fill.is_maker, fill.event_time) == (Side.SELL, True, 6)
    assert (fill.fee_qty, fill.fee_asset, fill.fee_notional) == (D("0.002"), "BTC", D("80.00002"))
    rebate = parsing.fill(
        TRADE | {"fee": {"cost": "-0.5", "currency": "OKB"}}, SPOT, client_order_id="", price_of=lambda *_: D(50)
    )
    assert (rebate.fee_qty, rebate.fee_notional) == (D("-0.5"), D(-25))


@pytest.mark.parametrize("fee", [None, {"cost": None, "currency": None}, {"cost": "1", "currency": None}])
def test_a_fee_that_is_not_told_is_not_zero(fee: Any) -> None:
    with pytest.raises(TransientError, match="fee"):
        parsing.fill(TRADE | {"fee": fee}, SPOT, client_order_id="nd", price_of=_no)


@pytest.mark.parametrize("may", [False, True])
def test_what_a_key_may_do_is_read_where_the_venue_tells(may: bool) -> None:
    client = SimpleNamespace(
        sapiGetAccountApiRestrictions=lambda: {"ipRestrict": True, "enableWithdrawals": may},
        privateGetV5UserQueryApi=lambda: {
            "result": {"permissions": {"Wallet": ["AccountTransfer", "Withdraw"] if may else ["AccountTransfer"]}}
        },
        privateGetAccountConfig=lambda: {"data": [{"perm": "read_only,trade" + (",withdraw" if may else "")}]},
    )
    for venue in ("binance", "binance_usdm", "bybit", "bybit_linear", "okx", "okx_swap"):
        may_withdraw = dialect_of(venue).may_withdraw
        assert may_withdraw is not None
        assert may_withdraw(client) is may


def _no(asset: str, quote: str) -> Decimal:
    raise AssertionError(f"nobody asks for the price of {asset} in {quote}")
