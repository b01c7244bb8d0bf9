"""Hyperliquid's REST as ccxt's samples and its own pages tell it; it asks for everything by one POST each."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.fakes.live_venues.ledger import NOW_MS, PRICE, RefusedError, VenueLedger, VenueOrder, VenueTrade

UNIVERSE = {"maxLeverage": 50, "name": "BTC", "onlyIsolated": False, "szDecimals": 5}
CONTEXT = {
    "dayNtlVlm": "9450588.2273", "funding": "0.0000198", "impactPxs": ["59999.0", "60001.0"], "markPx": "60000.0",
    "midPx": "60000.5", "openInterest": "10764.48", "oraclePx": "60000.0", "premium": "0.00055561",
    "prevDayPx": "59000.0",
}  # fmt: skip
ERRORS = {
    "funds": "Insufficient margin to place order. asset=0",
    "unknown": "Order was never placed, already canceled, or filled. asset=0",
    "duplicate": "Invalid cloid",
}
FILLS, PAYMENTS = 2_000, 500


class Hyperliquid:
    """Speaks for one account; `actions` are those it was sent, each with when it expires."""

    def __init__(self) -> None:
        self.ledger = VenueLedger()
        self.actions: list[tuple[dict[str, Any], int | None]] = []

    def answer(self, method: str, path: str, query: dict[str, str], body: str) -> tuple[int, Any]:
        assert method == "POST"
        sent = json.loads(body)
        if path == "/info":
            return 200, self._told(sent)
        assert path == "/exchange"
        assert set(sent["signature"]) == {"r", "s", "v"}
        action = sent["action"]
        self.actions.append((action, sent.get("expiresAfter")))
        try:
            statuses = [self._order_action(each) for each in action.get("orders", ())]
            statuses += [self._cancel_action(each) for each in action.get("cancels", ())]
        except RefusedError as refusal:
            statuses = [{"error": ERRORS[refusal.word]}]
        return 200, {"status": "ok", "response": {"type": action["type"], "data": {"statuses": statuses}}}

    def _order_action(self, order: dict[str, Any]) -> Any:
        tif = order["t"]["limit"]["tif"]
        at_market = tif == "Ioc"
        assert order["c"].startswith("0x")
        assert len(order["c"]) == 34
        side = "buy" if order["b"] else "sell"
        placed = self.ledger.place(
            order["c"], side, kind="limit", qty=order["s"], price=order["p"], tif=tif, reduces=order["r"]
        )
        if placed.is_filled:
            return {"filled": {"totalSz": f"{placed.filled}", "avgPx": f"{PRICE}", "oid": placed.number}}
        if at_market:
            placed.ended = "cancelled"
        return {"resting": {"oid": placed.number}}

    def _cancel_action(self, cancel: dict[str, Any]) -> Any:
        self.ledger.cancel(self.ledger.find(client_id=cancel["cloid"]))
        return "success"

    def _told(self, sent: dict[str, Any]) -> Any:
        level = {"px": "59999.0", "sz": "4.0", "n": 2}
        told: dict[str, Callable[[dict[str, Any]], Any]] = {
            "exchangeStatus": lambda _: {"specialStatuses": None, "time": self.ledger.now_ms},
            "metaAndAssetCtxs": lambda _: [{"universe": [UNIVERSE]}, [CONTEXT]],
            "l2Book": lambda _: {"coin": "BTC", "levels": [[level], [level | {"px": "60000.0"}]], "time": 1},
            "orderStatus": self._order_status,
            "frontendOpenOrders": lambda _: [self._order(order) for order in self.ledger.orders if order.is_open],
            "userFillsByTime": self._fills,
            "userFunding": self._funding,
            "clearinghouseState": lambda _: self._state(),
        }
        return told[sent["type"]](sent)

    def _order_status(self, sent: dict[str, Any]) -> Any:
        oid = sent["oid"]
        order = self.ledger.find(client_id=oid) if isinstance(oid, str) else self.ledger.find(number=oid)
        return {"status": "unknownOid"} if order is None else {"status": "order", "order": self._status(order)}

    def _fills(self, sent: dict[str, Any]) -> Any:
        span = range(sent["startTime"], sent["endTime"] + 1)
        return [self._fill(each) for each in reversed(self.ledger.trades) if each.at_ms in span][:FILLS]

    def _funding(self, sent: dict[str, Any]) -> Any:
        span = range(sent["startTime"], sent["endTime"] + 1)
        long_ago = {"time": NOW_MS, "hash": "0x" + "0" * 64, "delta": self._paid("-99") | {"nSamples": 24}}
        told = [
            {"time": each.at_ms, "hash": "0x" + "0" * 64, "delta": self._paid(f"{each.qty}")}
            for each in self.ledger.payments
            if each.at_ms in span
        ]
        return ([long_ago] * (NOW_MS in span) + told)[:PAYMENTS]

    def _paid(self, usdc: str) -> Any:
        return {
            "type": "funding", "coin": "BTC", "usdc": usdc, "szi": "0.2", "fundingRate": "0.0000125", "nSamples": None,
        }  # fmt: skip

    def _status(self, order: VenueOrder) -> Any:
        status = "open" if order.is_open else "filled" if order.is_filled else "canceled"
        return {"order": self._order(order), "status": status, "statusTimestamp": order.at_ms}

    def _order(self, order: VenueOrder) -> Any:
        return {
            "children": [], "cloid": order.client_id or None, "coin": "BTC", "isPositionTpsl": False,
            "isTrigger": False, "limitPx": f"{order.price}", "oid": order.number, "orderType": "Limit",
            "origSz": f"{order.qty}", "reduceOnly": order.terms.get("reduces", False),
            "side": "B" if order.side == "buy" else "A", "sz": f"{order.qty - order.filled}",
            "tif": order.terms.get("tif", "Gtc"), "timestamp": order.at_ms, "triggerCondition": "N/A",
            "triggerPx": "0.0",
        }  # fmt: skip

    def _fill(self, trade: VenueTrade) -> Any:
        cloid = {"cloid": trade.order.client_id} if trade.order.client_id else {}
        return {
            "closedPnl": "0.0", "coin": "BTC", "crossed": not trade.is_maker, "dir": "Open Long",
            "fee": f"{trade.price * trade.qty * 45 / 100_000}", "feeToken": "USDC", "hash": "0x09d77c96791e98b5775a",
            "liquidationMarkPx": None, "oid": trade.order.number, "px": f"{trade.price}",
            "side": "B" if trade.order.side == "buy" else "A", "startPosition": "0.0", "sz": f"{trade.qty}",
            "tid": trade.number, "time": trade.at_ms, **cloid,
        }  # fmt: skip

    def _state(self) -> Any:
        held, unrealised = self.ledger.position, Decimal("12.5")
        position = {
            "coin": "BTC", "entryPx": "60000.0", "leverage": {"type": "cross", "value": 20}, "liquidationPx": None,
            "marginUsed": "24.9", "maxLeverage": 50, "positionValue": f"{abs(held) * PRICE}",
            "returnOnEquity": "0.0", "szi": f"{held}", "unrealizedPnl": f"{unrealised}",
            "cumFunding": {"allTime": "0.0", "sinceChange": "0.0", "sinceOpen": "0.0"},
        }  # fmt: skip
        summary = {
            "accountValue": "1012.5" if held else "1000.0", "totalMarginUsed": "24.9", "totalNtlPos": "0.0",
            "totalRawUsd": "1000.0",
        }  # fmt: skip
        return {
            "assetPositions": [{"position": position, "type": "oneWay"}] if held else [],
            "crossMaintenanceMarginUsed": "0.0", "crossMarginSummary": summary, "marginSummary": summary,
            "time": self.ledger.now_ms, "withdrawable": "100.0",
        }  # fmt: skip
