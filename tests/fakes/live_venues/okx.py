"""OKX's REST (v5) as ccxt's samples and OKX's pages tell it, spot or swap."""

import json
from typing import Any

from tests.fakes.live_venues.ledger import PRICE, D, Refusal, VenueLedger, VenueOrder, VenueTrade

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
CODES = {"funds": "51008", "unknown": "51400", "duplicate": "51016"}
PAGE = 100


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
        except Refusal as refusal:
            row = {"clOrdId": "", "ordId": "", "sCode": CODES[refusal.word], "sMsg": "Operation failed.", "tag": ""}
            return 200, {"code": "1", "msg": "Operation failed.", "data": [row]}

    def _told(self, method: str, path: str, sent: Any) -> list[Any]:
        match method, path:
            case "GET", "public/time":
                return [{"ts": str(self.ledger.now_ms)}]
            case "GET", "public/instruments":
                return [INSTRUMENTS[sent["instType"]]]
            case "GET", "market/books":
                book = {"asks": [[f"{PRICE}", "4", "0", "1"]], "bids": [[f"{PRICE - 1}", "4", "0", "1"]]}
                return [book | {"ts": str(self.ledger.now_ms)}]
            case "GET", "account/config":
                return [{"perm": "read_only,trade" + ",withdraw" * self.ledger.may_withdraw, "acctLv": "2"}]
            case "GET", "account/balance":
                return [{"uTime": "1", "details": _details()}]
            case "GET", "account/positions":
                return self._positions()
            case "POST", "trade/batch-orders":
                (order,) = sent
                return [self._brief(self._create(order))]
            case "POST", "trade/cancel-order":
                return [self._brief(self.ledger.cancel(self.ledger.find(client_id=sent["clOrdId"])))]
            case "GET", "trade/order":
                return [self._order(self._asked(sent))]
            case "GET", "trade/orders-pending":
                found = [each for each in reversed(self.ledger.orders) if each.is_open]
                assert sent["instType"] == self.kind
                return [self._order(each) for each in found if each.number < int(sent.get("after", 10**9))][:PAGE]
            case "GET", "trade/fills-history":
                found_trades = [each for each in reversed(self.ledger.trades) if each.at_ms >= int(sent["begin"])]
                older = [each for each in found_trades if each.number < int(sent.get("after", 10**9))]
                return [self._fill(each) for each in older[:PAGE]]
            case "POST", "trade/cancel-all-after":
                seconds = int(sent["timeOut"])
                assert seconds == 0 or 10 <= seconds <= 120
                self.ledger.timers["account"] = seconds * 1_000
                return [{"triggerTime": "1587971460", "ts": "1587971400"}]
        raise KeyError(path)

    def _create(self, sent: dict[str, Any]) -> VenueOrder:
        assert sent["tdMode"] == ("cash" if self.kind == "SPOT" else "cross")
        assert sent["clOrdId"].isalnum()
        assert len(sent["clOrdId"]) <= 32
        return self.ledger.place(
            sent["clOrdId"], sent["side"], sent["ordType"], sent["sz"], sent.get("px"), reduces=sent.get("reduceOnly")
        )

    def _asked(self, sent: dict[str, str]) -> VenueOrder:
        order = self.ledger.find(client_id=sent.get("clOrdId"), number=sent.get("ordId"))
        if order is None:
            raise _Unknown
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


class _Unknown(Refusal):
    def __init__(self) -> None:
        super().__init__("missing")


CODES["missing"] = "51603"


def _details() -> list[Any]:
    return [
        {"ccy": ccy, "eq": equity, "cashBal": cash, "availBal": "1", "frozenBal": frozen, "upl": "7", "availEq": ""}
        for ccy, equity, cash, frozen in [("USDT", "1007.5", "1000.5", "20.5"), ("BTC", "1.5", "1.5", "0.5")]
    ]
