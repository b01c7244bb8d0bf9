"""OKX's REST (v5) as ccxt's samples and OKX's pages tell it, spot or swap."""

import json
from collections.abc import Callable
from typing import Any

from tests.fakes.live_venues.ledger import PRICE, D, RefusedError, VenueLedger, VenueOrder, VenueTrade

INSTRUMENTS = {
    "SPOT": {
        "alias": "", "baseCcy": "BTC", "category": "1", "ctMult": "", "ctType": "", "ctVal": "", "ctValCcy": "",
        "expTime": "", "instId": "BTC-USDT", "instType": "SPOT", "lever": "10", "listTime": "1548133413000",
        "lotSz": "0.00000001", "minSz": "0.00001", "optType": "", "quoteCcy": "USDT", "settleCcy": "",
        "state": "live", "stk": "", "tickSz": "0.1", "uly": "",
    },
    "SWAP": {
        "alias": "", "baseCcy": "", "category": "1", "ctMult": "1", "ctType": "linear", "ctVal": "0.01",
        "ctValCcy": "BTC", "expTime": "", "instId": "BTC-USDT-SWAP", "instType": "SWAP", "lever": "125",
        "listTime": "1573557408000", "lotSz": "0.1", "minSz": "0.1", "optType": "", "quoteCcy": "",
        "settleCcy": "USDT", "state": "live", "stk": "", "tickSz": "0.1", "uly": "BTC-USDT",
    },
}  # fmt: skip
CODES = {"funds": "51008", "unknown": "51400", "missing": "51603", "duplicate": "51016"}
PAGE, NEWER = 100, 10**9


class Okx:
    """Speaks for one account."""

    def __init__(self, kind: str) -> None:
        self.ledger = VenueLedger(unit=D("0.01") if kind == "SWAP" else D(1))
        self.kind = kind
        self.listed = INSTRUMENTS[kind]

    def answer(self, method: str, path: str, query: dict[str, str], body: str) -> tuple[int, Any]:
        sent = json.loads(body) if body else query
        try:
            return 200, {"code": "0", "msg": "", "data": self._told(method, path.removeprefix("/api/v5/"), sent)}
        except RefusedError as refusal:
            row = {"clOrdId": "", "ordId": "", "sCode": CODES[refusal.word], "sMsg": "Operation failed.", "tag": ""}
            return 200, {"code": "1", "msg": "Operation failed.", "data": [row]}

    def _told(self, method: str, path: str, sent: Any) -> list[Any]:
        book = {"asks": [[f"{PRICE}", "4", "0", "1"]], "bids": [[f"{PRICE - 1}", "4", "0", "1"]], "ts": "1"}
        perm = "read_only,trade" + ",withdraw" * self.ledger.may_withdraw
        told: dict[tuple[str, str], Callable[[Any], list[Any]]] = {
            ("GET", "public/time"): lambda _: [{"ts": str(self.ledger.now_ms)}],
            ("GET", "public/instruments"): lambda sent: [INSTRUMENTS[sent["instType"]]],
            ("GET", "market/books"): lambda _: [book],
            ("GET", "account/config"): lambda _: [{"perm": perm, "acctLv": "2"}],
            ("GET", "account/balance"): lambda _: [{"uTime": "1", "details": _details()}],
            ("GET", "account/positions"): lambda _: self._positions(),
            ("POST", "trade/batch-orders"): lambda sent: [self._brief(self._create(order)) for order in sent],
            ("POST", "trade/cancel-order"): lambda sent: [self._brief(self._cancel(sent))],
            ("GET", "trade/order"): lambda sent: [self._order(self._asked(sent))],
            ("GET", "trade/orders-pending"): self._pending,
            ("GET", "trade/fills-history"): self._fills,
            ("GET", "account/bills-archive"): self._bills,
            ("POST", "trade/cancel-all-after"): self._count_down,
        }
        return told[method, path](sent)

    def _cancel(self, sent: dict[str, str]) -> VenueOrder:
        return self.ledger.cancel(self.ledger.find(client_id=sent["clOrdId"]))

    def _pending(self, sent: dict[str, str]) -> list[Any]:
        assert sent["instType"] == self.kind
        found = [each for each in reversed(self.ledger.orders) if each.is_open]
        return [self._order(each) for each in found if each.number < int(sent.get("after", NEWER))][:PAGE]

    def _fills(self, sent: dict[str, str]) -> list[Any]:
        found = [each for each in reversed(self.ledger.trades) if each.at_ms >= int(sent["begin"])]
        return [self._fill(each) for each in found if each.number < int(sent.get("after", NEWER))][:PAGE]

    def _bills(self, sent: dict[str, str]) -> list[Any]:
        assert (sent["type"], sent["instType"]) == ("8", self.kind)
        paid = [each for each in reversed(self.ledger.payments) if each.at_ms >= int(sent["begin"])]
        return [
            {
                "bal": "1000.5", "balChg": f"{each.qty}", "billId": str(each.number), "ccy": "USDT", "execType": "",
                "fee": "0", "from": "", "instId": self.listed["instId"], "instType": self.kind, "mgnMode": "cross",
                "notes": "", "ordId": "", "pnl": f"{each.qty}", "posBal": "0", "posBalChg": "0", "subType": "174",
                "sz": "9", "to": "", "ts": str(each.at_ms), "type": "8",
            }
            for each in paid if each.number < int(sent.get("after", NEWER))
        ][:PAGE]  # fmt: skip

    def _count_down(self, sent: dict[str, Any]) -> list[Any]:
        seconds = int(sent["timeOut"])
        assert seconds == 0 or 10 <= seconds <= 120
        self.ledger.timers["account"] = seconds * 1_000
        return [{"triggerTime": "1587971460", "ts": "1587971400"}]

    def _create(self, sent: dict[str, Any]) -> VenueOrder:
        assert sent["tdMode"] == ("cash" if self.kind == "SPOT" else "cross")
        assert sent["clOrdId"].isalnum()
        assert len(sent["clOrdId"]) <= 32
        return self.ledger.place(
            sent["clOrdId"], sent["side"], kind=sent["ordType"], qty=sent["sz"], price=sent.get("px"),
            reduces=sent.get("reduceOnly"),
        )  # fmt: skip

    def _asked(self, sent: dict[str, str]) -> VenueOrder:
        order = self.ledger.find(client_id=sent.get("clOrdId"), number=sent.get("ordId"))
        if order is None:
            raise RefusedError("missing")
        return order

    def _brief(self, order: VenueOrder) -> Any:
        return {"clOrdId": order.client_id, "ordId": str(order.number), "sCode": "0", "sMsg": "", "tag": ""}

    def _order(self, order: VenueOrder) -> Any:
        state = "live" if order.is_open else "filled" if order.is_filled else "canceled"
        return {
            "accFillSz": f"{order.filled}", "algoId": "", "avgPx": f"{PRICE}" if order.filled else "",
            "cTime": str(order.at_ms), "category": "normal", "ccy": "", "clOrdId": order.client_id, "fee": "0",
            "feeCcy": "USDT", "fillPx": "", "fillSz": "0", "fillTime": "", "instId": self.listed["instId"],
            "instType": self.kind, "lever": "", "ordId": str(order.number), "ordType": order.kind, "pnl": "0",
            "posSide": "net", "px": f"{order.price or ''}", "rebate": "0", "rebateCcy": "", "side": order.side,
            "slOrdPx": "", "slTriggerPx": "", "source": "", "state": state, "sz": f"{order.qty}", "tag": "",
            "tdMode": "cash", "tgtCcy": "base_ccy", "tpOrdPx": "", "tpTriggerPx": "", "tradeId": "",
            "uTime": str(order.at_ms), "reduceOnly": "false",
        }  # fmt: skip

    def _fill(self, trade: VenueTrade) -> Any:
        return {
            "side": trade.order.side, "fillSz": f"{trade.qty}", "fillPx": f"{trade.price}",
            "fee": f"-{trade.qty * self.ledger.unit * trade.price / 1_000}", "feeCcy": "USDT",
            "ordId": str(trade.order.number), "instType": self.kind, "instId": self.listed["instId"],
            "clOrdId": trade.order.client_id, "posSide": "net", "billId": str(trade.number), "tag": "0",
            "execType": "M" if trade.is_maker else "T", "tradeId": str(trade.number), "ts": str(trade.at_ms),
        }  # fmt: skip

    def _positions(self) -> list[Any]:
        held = self.ledger.position
        row = {
            "adl": "3", "avgPx": "60000", "cTime": "1627227626502", "ccy": "USDT", "instId": "BTC-USDT-SWAP",
            "instType": "SWAP", "last": "60000", "lever": "2", "markPx": "60000", "mgnMode": "cross", "pos": f"{held}",
            "posSide": "net", "uTime": "1627227626502", "upl": "0.01", "uplRatio": "0.00006", "notionalUsd": "341.5",
        }  # fmt: skip
        return [row] if held else []


def _details() -> list[Any]:
    return [
        {"ccy": ccy, "eq": equity, "cashBal": cash, "availBal": "1", "frozenBal": frozen, "upl": "7", "availEq": ""}
        for ccy, equity, cash, frozen in [("USDT", "1007.5", "1000.5", "20.5"), ("BTC", "1.5", "1.5", "0.5")]
    ]
