"""Kraken's REST as ccxt's samples and docs.kraken.com tell it."""

from typing import Any
from urllib.parse import parse_qsl

from tests.fakes.live_venues.ledger import PRICE, RefusedError, VenueLedger, VenueOrder, VenueTrade

PAIR = {
    "altname": "XBTUSD", "wsname": "XBT/USD", "aclass_base": "currency", "base": "XXBT", "aclass_quote": "currency",
    "quote": "ZUSD", "lot": "unit", "pair_decimals": 1, "lot_decimals": 8, "lot_multiplier": 1, "leverage_buy": [],
    "leverage_sell": [], "fees": [[0, 0.26]], "fees_maker": [[0, 0.16]], "fee_volume_currency": "ZUSD",
    "margin_call": 80, "margin_stop": 40, "ordermin": "0.0001", "costmin": "0.5", "tick_size": "0.1",
    "status": "online",
}  # fmt: skip
ERRORS = {
    "funds": "EOrder:Insufficient funds",
    "unknown": "EOrder:Unknown order",
    "duplicate": "EGeneral:Invalid arguments:cl_ord_id",
}


class Kraken:
    """Speaks for one account; `deadlines` are those of the orders it was sent."""

    def __init__(self) -> None:
        self.ledger = VenueLedger()
        self.deadlines: list[str] = []
        self.stale_nonces = 0

    def answer(self, method: str, path: str, query: dict[str, str], body: str) -> tuple[int, Any]:
        sent = dict(parse_qsl(body, keep_blank_values=True))
        if path.startswith("/0/private/"):
            assert method == "POST"
            assert int(sent["nonce"]) > 0
            if self.stale_nonces:
                self.stale_nonces -= 1
                return 200, {"error": ["EAPI:Invalid nonce"]}
        try:
            return 200, {"error": [], "result": getattr(self, path.rsplit("/", 1)[1])(query | sent)}
        except RefusedError as refusal:
            return 200, {"error": [ERRORS[refusal.word]]}
        except AttributeError:
            raise KeyError(path) from None

    def AssetPairs(self, _: dict[str, str]) -> Any:  # noqa: N802 - Kraken's name, as all that follow
        return {"XXBTZUSD": PAIR}

    def GetApiKeyInfo(self, _: dict[str, str]) -> Any:  # noqa: N802
        permissions = ["query-funds", "query-open-trades", "modify-trades"]
        return {
            "apiKeyName": "desk", "apiKey": "k", "nonce": "1772627060997", "nonceWindow": 10_000,
            "permissions": permissions + ["withdraw-funds"] * self.ledger.may_withdraw, "ipAllowlist": [],
        }  # fmt: skip

    def Depth(self, _: dict[str, str]) -> Any:  # noqa: N802
        return {"XXBTZUSD": {"asks": [[f"{PRICE}", "5.0", 1]], "bids": [[f"{PRICE - 1}", "5.0", 1]]}}

    def AddOrder(self, sent: dict[str, str]) -> Any:  # noqa: N802
        assert sent["pair"] == "XXBTZUSD"
        assert "fciq" in sent["oflags"].split(",")
        self.deadlines.append(sent["deadline"])
        is_stop = sent["ordertype"] == "stop-loss"
        price = None if is_stop else sent.get("price")
        order = self.ledger.place(
            sent["cl_ord_id"], sent["type"], kind=sent["ordertype"], qty=sent["volume"], price=price,
            trigger=sent["price"] if is_stop else None, oflags=sent["oflags"], timeinforce=sent.get("timeinforce"),
        )  # fmt: skip
        return {"descr": {"order": self._sentence(order)}, "txid": [self._id(order)]}

    def CancelOrder(self, sent: dict[str, str]) -> Any:  # noqa: N802
        self.ledger.cancel(self.ledger.find(client_id=sent["cl_ord_id"]))
        return {"count": 1}

    def OpenOrders(self, sent: dict[str, str]) -> Any:  # noqa: N802
        return {"open": self._listed(sent, is_open=True)}

    def ClosedOrders(self, sent: dict[str, str]) -> Any:  # noqa: N802
        closed = self._listed(sent, is_open=False)
        return {"closed": closed, "count": len(closed)}

    def QueryOrders(self, sent: dict[str, str]) -> Any:  # noqa: N802
        order = self.ledger.find(number=sent["txid"].removeprefix("O"))
        return {} if order is None else {self._id(order): self._order(order)}

    def TradesHistory(self, sent: dict[str, str]) -> Any:  # noqa: N802
        since_s, skipped = int(sent["start"]), int(sent["ofs"])
        newest_first = [each for each in reversed(self.ledger.trades) if each.at_ms / 1_000 > since_s]
        page = newest_first[skipped : skipped + 50]
        return {"trades": {f"T{each.number}": self._trade(each) for each in page}, "count": len(newest_first)}

    def BalanceEx(self, _: dict[str, str]) -> Any:  # noqa: N802
        return {
            "ZUSD": {"balance": "25435.21", "hold_trade": "8249.76"},
            "XXBT": {"balance": "1.2435000000", "hold_trade": "0.8423000000"},
            "XETH": {"balance": "0.0000000000", "hold_trade": "0.0000000000"},
        }

    def CancelAllOrdersAfter(self, sent: dict[str, str]) -> Any:  # noqa: N802
        self.ledger.timers["account"] = int(sent["timeout"]) * 1_000
        return {"currentTime": "2023-03-24T17:41:56Z", "triggerTime": "2023-03-24T17:42:56Z"}

    def _id(self, order: VenueOrder) -> str:
        return f"O{order.number}"

    def _sentence(self, order: VenueOrder) -> str:
        kind = {"stop-loss": f"stop loss {order.trigger}", "limit": f"limit {order.price}"}.get(order.kind, order.kind)
        return f"{order.side} {order.qty:.8f} XBTUSD @ {kind}"

    def _listed(self, sent: dict[str, str], *, is_open: bool) -> Any:
        client_id = sent.get("cl_ord_id")
        return {
            self._id(order): self._order(order)
            for order in reversed(self.ledger.orders)
            if order.is_open is is_open and client_id in (None, order.client_id)
        }

    def _order(self, order: VenueOrder) -> Any:
        status = "open" if order.is_open else "closed" if order.is_filled else "canceled"
        return {
            "refid": None, "userref": None, "cl_ord_id": order.client_id or None, "status": status,
            "opentm": order.at_ms / 1_000, "starttm": 0, "expiretm": 0,
            "descr": {
                "pair": "XBTUSD", "type": order.side, "ordertype": order.kind,
                "price": f"{order.trigger or order.price or 0}", "price2": "0", "leverage": "none",
                "order": self._sentence(order), "close": "",
            },
            "vol": f"{order.qty:.8f}", "vol_exec": f"{order.filled:.8f}", "cost": f"{order.filled * PRICE:.5f}",
            "fee": "0.00000", "price": f"{PRICE if order.filled else 0:.5f}", "stopprice": "0.00000",
            "limitprice": "0.00000", "misc": "", "oflags": order.terms["oflags"],
            **({} if order.is_open else {"closetm": order.at_ms / 1_000, "reason": None}),
        }  # fmt: skip

    def _trade(self, trade: VenueTrade) -> Any:
        return {
            "ordertxid": self._id(trade.order), "postxid": "TKH2SE-M7IF5-CFI7LT", "pair": "XXBTZUSD",
            "time": trade.at_ms / 1_000, "type": trade.order.side, "ordertype": trade.order.kind,
            "price": f"{trade.price:.5f}", "cost": f"{trade.price * trade.qty:.5f}",
            "fee": f"{trade.price * trade.qty * 26 / 10_000:.5f}", "vol": f"{trade.qty:.8f}", "margin": "0.00000",
            "misc": "", "trade_id": trade.number, "maker": trade.is_maker,
        }  # fmt: skip
