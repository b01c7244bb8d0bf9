"""Coinbase Advanced Trade's REST as ccxt's samples tell it."""

import json
from datetime import UTC, datetime
from typing import Any

from tests.fakes.live_venues.ledger import PRICE, RefusedError, VenueLedger, VenueOrder, VenueTrade

PRODUCT = {
    "product_id": "BTC-USD", "price": "60000", "base_increment": "0.00000001", "quote_increment": "0.01",
    "quote_min_size": "1", "quote_max_size": "150000000", "base_min_size": "0.00000001", "base_max_size": "3400",
    "base_name": "Bitcoin", "quote_name": "US Dollar", "is_disabled": False, "status": "online", "cancel_only": False,
    "limit_only": False, "post_only": False, "trading_disabled": False, "auction_mode": False, "product_type": "SPOT",
    "quote_currency_id": "USD", "base_currency_id": "BTC", "alias": "", "alias_to": [], "view_only": False,
    "price_increment": "0.01", "display_name": "BTC-USD", "product_venue": "CBE",
}  # fmt: skip
TIER = {"pricing_tier": "Advanced 1", "taker_fee_rate": "0.008", "maker_fee_rate": "0.006"}
PATH = "/api/v3/brokerage"
PAGE = 200
ROUTES = {
    "market/products": ("GET", "_products"),
    "transaction_summary": ("GET", "_summary"),
    "key_permissions": ("GET", "_permissions"),
    "market/product_book": ("GET", "_book"),
    "accounts": ("GET", "_held"),
    "orders": ("POST", "_create"),
    "orders/batch_cancel": ("POST", "_cancels"),
    "orders/historical/batch": ("GET", "_orders"),
    "orders/historical/fills": ("GET", "_fills"),
}


class Coinbase:
    """Speaks for one account. An order whose client id is known is not made again: the first one is told."""

    def __init__(self) -> None:
        self.ledger = VenueLedger()
        self.cancels_later = False

    def answer(self, method: str, path: str, query: dict[str, str], body: str) -> tuple[int, Any]:
        sent = json.loads(body) if body else query
        where = path.removeprefix(PATH + "/")
        if where.startswith("orders/historical/") and where not in ROUTES:
            order = self.ledger.find(number=where.rsplit("/", 1)[1])
            return (404, {"error": "NOT_FOUND"}) if order is None else (200, {"order": self._order(order)})
        wanted, name = ROUTES[where]
        assert method == wanted
        return 200, getattr(self, name)(sent)

    def _products(self, sent: dict[str, Any]) -> Any:
        return {"products": [] if sent.get("product_type") == "FUTURE" else [PRODUCT]}

    def _summary(self, _: dict[str, Any]) -> Any:
        return {"total_volume": "9.9", "total_fees": "0.1", "fee_tier": TIER}

    def _permissions(self, _: dict[str, Any]) -> Any:
        told = {"can_view": True, "can_trade": True, "can_transfer": self.ledger.may_withdraw}
        return told | {"portfolio_uuid": "11111111-1111-1111-1111-111111111111"}

    def _book(self, _: dict[str, Any]) -> Any:
        level = {"price": f"{PRICE}", "size": "4.5"}
        book = {"bids": [level | {"price": f"{PRICE - 1}"}], "asks": [level], "time": _time(self.ledger.now_ms)}
        return {"pricebook": {"product_id": "BTC-USD", **book}}

    def _held(self, _: dict[str, Any]) -> Any:
        return {"accounts": _accounts(), "has_next": False, "cursor": "", "size": 2}

    def _cancels(self, sent: dict[str, Any]) -> Any:
        return {"results": [self._cancel(order_id) for order_id in sent["order_ids"]]}

    def _create(self, sent: dict[str, Any]) -> Any:
        ((kind, terms),) = sent["order_configuration"].items()
        known = self.ledger.find(client_id=sent["client_order_id"])
        try:
            order = known or self.ledger.place(
                sent["client_order_id"], sent["side"], kind=kind, qty=terms["base_size"],
                price=terms.get("limit_price"), **terms,
            )  # fmt: skip
        except RefusedError:
            refused = {"error": "INSUFFICIENT_FUND", "message": "Insufficient balance in source account"}
            refused |= {"error_details": "", "preview_failure_reason": "PREVIEW_INSUFFICIENT_FUND"}
            return {"success": False, "failure_reason": "UNKNOWN_FAILURE_REASON", "error_response": refused}
        told = {
            "order_id": str(order.number), "product_id": "BTC-USD", "side": sent["side"],
            "client_order_id": sent["client_order_id"],
        }  # fmt: skip
        return {"success": True, "order_id": str(order.number), "success_response": told, "order_configuration": None}

    def _cancel(self, order_id: str) -> Any:
        order = self.ledger.find(number=order_id)
        if order is None or not order.is_open:
            return {"success": False, "failure_reason": "UNKNOWN_CANCEL_ORDER", "order_id": order_id}
        if self.cancels_later:
            order.terms["pending_cancel"] = True
        else:
            self.ledger.cancel(order)
        return {"success": True, "failure_reason": "UNKNOWN_CANCEL_FAILURE_REASON", "order_id": order_id}

    def _orders(self, query: dict[str, str]) -> Any:
        listed = [each for each in reversed(self.ledger.orders) if each.is_open or query.get("order_status") != "OPEN"]
        page, cursor = _page(listed, query)
        return {"orders": [self._order(each) for each in page], "has_next": bool(cursor), "cursor": cursor}

    def _fills(self, query: dict[str, str]) -> Any:
        since_ms = datetime.fromisoformat(query["start_sequence_timestamp"]).timestamp() * 1_000
        listed = [each for each in reversed(self.ledger.trades) if each.at_ms >= since_ms]
        page, cursor = _page(listed, query)
        return {"fills": [self._fill(each) for each in page], "cursor": cursor}

    def _order(self, order: VenueOrder) -> Any:
        status = "OPEN" if order.is_open else "FILLED" if order.is_filled else "CANCELLED"
        limit = {} if order.price is None else {"limit_price": f"{order.price}"}
        return {
            "order_id": str(order.number), "product_id": "BTC-USD", "user_id": "1111111-1111",
            "order_configuration": {order.kind: {"base_size": f"{order.qty}", **limit}},
            "side": order.side.upper(), "client_order_id": order.client_id, "status": status,
            "time_in_force": "GOOD_UNTIL_CANCELLED", "created_time": _time(order.at_ms), "completion_percentage": "0",
            "filled_size": f"{order.filled}", "average_filled_price": f"{PRICE if order.filled else 0}", "fee": "",
            "number_of_fills": "0", "filled_value": f"{order.filled * PRICE}",
            "pending_cancel": order.terms.get("pending_cancel", False), "size_in_quote": False, "total_fees": "0",
            "size_inclusive_of_fees": False, "total_value_after_fees": "0", "trigger_status": "INVALID_ORDER_TYPE",
            "order_type": "LIMIT" if order.price else "MARKET", "reject_reason": "REJECT_REASON_UNSPECIFIED",
            "settled": False, "product_type": "SPOT", "reject_message": "", "cancel_message": "",
        }  # fmt: skip

    def _fill(self, trade: VenueTrade) -> Any:
        return {
            "entry_id": f"b88b{trade.number}", "trade_id": f"cdc3-{trade.number}", "order_id": str(trade.order.number),
            "trade_time": _time(trade.at_ms), "trade_type": "FILL", "price": f"{trade.price}", "size": f"{trade.qty}",
            "commission": f"{trade.price * trade.qty * 8 / 1_000}", "product_id": "BTC-USD",
            "sequence_timestamp": _time(trade.at_ms), "size_in_quote": False, "user_id": "1111111-1111",
            "liquidity_indicator": "MAKER" if trade.is_maker else "TAKER", "side": trade.order.side.upper(),
        }  # fmt: skip


def _page(listed: list[Any], query: dict[str, str]) -> tuple[list[Any], str]:
    start = int(query.get("cursor") or 0)
    rest = start + PAGE < len(listed)
    return listed[start : start + PAGE], str(start + PAGE) if rest else ""


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def _accounts() -> list[Any]:
    return [
        {
            "uuid": "11111111-1111-1111-1111-111111111111", "name": f"{asset} Wallet", "currency": asset,
            "available_balance": {"value": free, "currency": asset}, "default": True, "active": True,
            "created_at": "2023-01-04T06:20:06.456Z", "type": kind, "ready": False,
            "hold": {"value": held, "currency": asset},
        }
        for asset, free, held, kind in [
            ("USD", "900.10", "99.90", "ACCOUNT_TYPE_FIAT"),
            ("BTC", "1.2500000000000000", "0.2500000000000000", "ACCOUNT_TYPE_CRYPTO"),
        ]
    ]  # fmt: skip
