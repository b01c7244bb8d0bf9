"""Bybit's REST (v5, unified account) as ccxt's samples and Bybit's pages tell it, spot or linear."""

import json
from collections.abc import Callable
from typing import Any

from tests.fakes.live_venues.ledger import PRICE, RefusedError, VenueLedger, VenueOrder, VenuePayment, VenueTrade

SPOT = {
    "symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "innovation": "0", "status": "Trading",
    "marginTrading": "both", "priceFilter": {"tickSize": "0.01"},
    "lotSizeFilter": {
        "basePrecision": "0.000001", "quotePrecision": "0.00000001", "minOrderQty": "0.00004",
        "maxOrderQty": "63.01197227", "minOrderAmt": "1", "maxOrderAmt": "100000",
    },
}  # fmt: skip
LINEAR = {
    "symbol": "BTCUSDT", "contractType": "LinearPerpetual", "status": "Trading", "baseCoin": "BTC",
    "quoteCoin": "USDT", "launchTime": "1585526400000", "deliveryTime": "0", "deliveryFeeRate": "", "priceScale": "2",
    "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
    "priceFilter": {"minPrice": "0.50", "maxPrice": "999999.00", "tickSize": "0.50"},
    "lotSizeFilter": {
        "maxOrderQty": "100.000", "minOrderQty": "0.001", "qtyStep": "0.001", "postOnlyMaxOrderQty": "1000.000",
    },
    "unifiedMarginTrade": True, "fundingInterval": 480, "settleCoin": "USDT",
}  # fmt: skip
PERMISSIONS = {"ContractTrade": ["Order", "Position"], "Spot": ["SpotTrade"], "Wallet": ["AccountTransfer"]}
ERRORS = {
    "spot": {
        "funds": (170131, "Balance insufficient"),
        "unknown": (170213, "Order does not exist."),
        "duplicate": (170141, "Duplicate clientOrderId"),
    },
    "linear": {
        "funds": (110007, "ab not enough for new order"),
        "unknown": (110001, "order not exists or too late to cancel"),
        "duplicate": (110072, "OrderLinkedID is duplicate"),
    },
}
WEEK_MS = 604_800_000


class Bybit:
    """Speaks for one account; of ended orders, only the newest are told as orders that are."""

    def __init__(self, category: str) -> None:
        self.ledger = VenueLedger()
        self.category = category
        self.remembers = 3

    def answer(self, method: str, path: str, query: dict[str, str], body: str) -> tuple[int, Any]:
        where = path.removeprefix("/v5/")
        if method == "POST":
            assert where in ("order/create", "order/cancel")
            return self._acted(self._create if where == "order/create" else self._cancel, json.loads(body))
        told: dict[str, Callable[[dict[str, str]], Any]] = {
            "market/time": lambda _: {"timeNano": f"{self.ledger.now_ms}000000"},
            "market/instruments-info": self._instruments,
            "market/orderbook": lambda _: {"s": "BTCUSDT", "a": [[f"{PRICE}", "4"]], "b": [[f"{PRICE - 1}", "4"]]},
            "user/query-api": self._key,
            "account/info": lambda _: {"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": 6, "timeWindow": 10},
            "account/wallet-balance": lambda _: {"list": [_wallet()]},
            "position/list": self._positions,
            "order/realtime": self._realtime,
            "order/history": lambda sent: self._listed([one for one in self.ledger.orders if not one.is_open], sent),
            "execution/list": self._executions,
        }
        return self._ok(told[where](query))

    def _instruments(self, sent: dict[str, str]) -> Any:
        listed = SPOT if sent["category"] == "spot" else LINEAR
        rows = [] if sent.get("status") == "PreLaunch" else [listed]
        return {"category": sent["category"], "list": rows, "nextPageCursor": ""}

    def _key(self, _: dict[str, str]) -> Any:
        wallet = PERMISSIONS["Wallet"] + ["Withdraw"] * self.ledger.may_withdraw
        return {"permissions": PERMISSIONS | {"Wallet": wallet}, "unified": 0, "uta": 1, "readOnly": 0}

    def _ok(self, result: Any) -> tuple[int, Any]:
        return 200, {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": self.ledger.now_ms}

    def _acted(self, act: Callable[[dict[str, Any]], VenueOrder], sent: dict[str, Any]) -> tuple[int, Any]:
        try:
            order = act(sent)
        except RefusedError as refusal:
            code, said = ERRORS[self.category][refusal.word]
            return 200, {"retCode": code, "retMsg": said, "result": {}, "retExtInfo": {}, "time": self.ledger.now_ms}
        return self._ok({"orderId": str(order.number), "orderLinkId": order.client_id})

    def _cancel(self, sent: dict[str, Any]) -> VenueOrder:
        return self.ledger.cancel(self.ledger.find(client_id=sent["orderLinkId"]))

    def _create(self, sent: dict[str, Any]) -> VenueOrder:
        assert sent["category"] == self.category
        assert sent["orderType"] == "Limit" or self.category == "linear" or sent["marketUnit"] == "baseCoin"
        if self.ledger.find(client_id=sent["orderLinkId"]):
            raise RefusedError("duplicate")
        return self.ledger.place(
            sent["orderLinkId"], sent["side"], kind=sent["orderType"], qty=sent["qty"], price=sent.get("price"),
            tif=sent.get("timeInForce", "GTC"), reduces=sent.get("reduceOnly", False),
        )  # fmt: skip

    def _realtime(self, sent: dict[str, Any]) -> Any:
        if "orderLinkId" not in sent:
            return self._listed([each for each in self.ledger.orders if each.is_open], sent)
        ended = [each for each in self.ledger.orders if not each.is_open]
        forgotten = {each.number for each in ended[: -self.remembers]}
        return self._listed([each for each in self.ledger.orders if each.number not in forgotten], sent)

    def _listed(self, orders: list[VenueOrder], sent: dict[str, Any]) -> Any:
        found = [each for each in reversed(orders) if sent.get("orderLinkId", each.client_id) == each.client_id]
        if sent.get("settleCoin", "USDT") != "USDT":
            found = []
        return self._paged(found, sent, 50, self._order)

    def _executions(self, sent: dict[str, Any]) -> Any:
        start_ms = int(sent["startTime"])
        end_ms = min(int(sent.get("endTime", start_ms + WEEK_MS)), start_ms + WEEK_MS)
        if sent["execType"] == "Funding":
            paid = [each for each in reversed(self.ledger.payments) if start_ms <= each.at_ms <= end_ms]
            return self._paged(paid, sent, 100, self._payment)
        found = [each for each in reversed(self.ledger.trades) if start_ms <= each.at_ms <= end_ms]
        return self._paged(found, sent, 100, self._execution)

    def _payment(self, payment: VenuePayment) -> Any:
        return {
            "symbol": "BTCUSDT", "orderType": "UNKNOWN", "orderLinkId": "", "orderId": f"f-{payment.number}",
            "execTime": str(payment.at_ms), "feeRate": "0.0001", "execPrice": "60000", "execType": "Funding",
            "side": "Sell", "leavesQty": "0", "isMaker": False, "execFee": f"{-payment.qty}", "execQty": "0.2",
            "execId": f"8d1e-{payment.number}", "feeCurrency": "",
        }  # fmt: skip

    def _paged(self, rows: list[Any], sent: dict[str, Any], most: int, tell: Any) -> Any:
        size, start = min(int(sent.get("limit", 20)), most), int(sent.get("cursor") or 0)
        cursor = str(start + size) if start + size < len(rows) else ""
        page = [tell(each) for each in rows[start : start + size]]
        return {"category": self.category, "list": page, "nextPageCursor": cursor}

    def _positions(self, sent: dict[str, Any]) -> Any:
        held = self.ledger.position
        row = {
            "symbol": "BTCUSDT", "leverage": "10", "avgPrice": "60000", "liqPrice": "0.0001", "positionValue": "36.15",
            "unrealisedPnl": "-1.83", "markPrice": "60000", "positionMM": "0.38", "createdTime": "1672121182216",
            "positionIdx": 0, "positionIM": "3.63", "updatedTime": "1672279322668",
            "side": "Buy" if held > 0 else "Sell", "size": f"{abs(held)}", "tradeMode": 0,
        }  # fmt: skip
        rows = [row] if held and sent["settleCoin"] == "USDT" else []
        return {"list": rows, "nextPageCursor": "", "category": "linear"}

    def _order(self, order: VenueOrder) -> Any:
        states = {(True, False): "New", (True, True): "PartiallyFilled", (False, False): "Cancelled"}
        status = (
            "Filled" if order.is_filled else states.get((order.is_open, bool(order.filled)), "PartiallyFilledCanceled")
        )
        row = {
            "symbol": "BTCUSDT", "orderType": order.kind.capitalize(), "orderLinkId": order.client_id,
            "orderId": str(order.number), "avgPrice": f"{PRICE}" if order.filled else "", "orderStatus": status,
            "cumExecValue": f"{order.filled * PRICE}", "rejectReason": "EC_NoError", "price": f"{order.price or 0}",
            "createdTime": str(order.at_ms), "timeInForce": order.terms.get("tif", "GTC"),
            "updatedTime": str(order.at_ms), "side": order.side.capitalize(), "triggerPrice": "",
            "cumExecFee": "0", "leavesQty": f"{order.qty - order.filled if order.is_open else 0}",
            "cumExecQty": f"{order.filled}", "reduceOnly": order.terms.get("reduces", False), "qty": f"{order.qty}",
        }  # fmt: skip
        return row | ({"marketUnit": "baseCoin"} if self.category == "spot" else {"tpslMode": ""})

    def _execution(self, trade: VenueTrade) -> Any:
        is_base = self.category == "spot" and trade.order.side == "buy"
        fee = trade.qty / 1_000 if is_base else trade.qty * trade.price / 1_000
        return {
            "symbol": "BTCUSDT", "orderType": "Market", "orderLinkId": trade.order.client_id,
            "side": trade.order.side.capitalize(), "orderId": str(trade.order.number), "leavesQty": "0",
            "execTime": str(trade.at_ms), "isMaker": trade.is_maker, "execFee": f"{fee}", "feeRate": "0.001",
            "execId": f"e0cb-{trade.number}", "execPrice": f"{trade.price}", "orderQty": f"{trade.order.qty}",
            "orderPrice": "0", "execValue": f"{trade.qty * trade.price}", "execType": "Trade",
            "execQty": f"{trade.qty}", **({} if self.category == "spot" else {"createType": "CreateByUser"}),
        }  # fmt: skip


def _wallet() -> Any:
    coins = [
        {
            "coin": coin, "walletBalance": total, "equity": "999999", "unrealisedPnl": "7", "locked": locked,
            "totalPositionIM": "0", "totalOrderIM": "0", "availableToWithdraw": "", "borrowAmount": "0",
            "accruedInterest": "0",
        }
        for coin, total, locked in [("USDT", "1000.5", "20.5"), ("BTC", "1.5", "0.5")]
    ]  # fmt: skip
    return {"accountType": "UNIFIED", "coin": coins}
