"""Binance's USDⓈ-M futures REST as ccxt's samples and Binance's pages tell it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from tests.fakes.live_venues.ledger import PRICE, RefusedError, VenueLedger, VenueOrder, VenueTrade

SYMBOL = {
    "symbol": "BTCUSDT", "pair": "BTCUSDT", "contractType": "PERPETUAL", "deliveryDate": 4133404800000,
    "onboardDate": 1567965300000, "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
    "marginAsset": "USDT", "pricePrecision": 2, "quantityPrecision": 3, "baseAssetPrecision": 8, "quotePrecision": 8,
    "underlyingType": "COIN", "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.10", "maxPrice": "300000", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "stepSize": "0.001", "maxQty": "1000", "minQty": "0.001"},
        {"filterType": "MIN_NOTIONAL", "notional": "5"},
    ],
    "orderTypes": ["LIMIT", "MARKET"],
}  # fmt: skip
WALLET = {
    "accountAlias": "x", "asset": "USDT", "balance": "1000.5", "crossWalletBalance": "1000.5", "crossUnPnl": "7.0",
    "availableBalance": "900", "maxWithdrawAmount": "900",
}  # fmt: skip
ERRORS = {
    "funds": (-2019, "Margin is insufficient."),
    "unknown": (-2011, "Unknown order sent."),
    "missing": (-2013, "Order does not exist."),
    "duplicate": (-4116, "ClientOrderId is duplicated."),
}
WEEK_MS = 604_800_000


class Usdm:
    """Speaks for one account."""

    def __init__(self) -> None:
        self.ledger = VenueLedger()

    def answer(self, method: str, path: str, query: dict[str, str], body: str) -> tuple[int, Any]:
        sent = query | dict(parse_qsl(body))
        try:
            return 200, self._told(method, path, sent)
        except RefusedError as refusal:
            code, said = ERRORS[refusal.word]
            return 400, {"code": code, "msg": said}

    def _told(self, method: str, path: str, sent: dict[str, str]) -> Any:
        book = {"asks": [[f"{PRICE}", "4"]], "bids": [[f"{PRICE - 1}", "4"]], "lastUpdateId": 1, "T": 1}
        told: dict[tuple[str, str], Callable[[dict[str, str]], Any]] = {
            ("GET", "/fapi/v1/time"): lambda _: {"serverTime": self.ledger.now_ms},
            ("GET", "/fapi/v1/exchangeInfo"): lambda _: {"timezone": "UTC", "symbols": [SYMBOL]},
            ("GET", "/fapi/v1/depth"): lambda _: book,
            ("GET", "/sapi/v1/account/apiRestrictions"): lambda _: {"enableWithdrawals": self.ledger.may_withdraw},
            ("GET", "/fapi/v3/balance"): lambda _: [WALLET],
            ("GET", "/fapi/v1/leverageBracket"): lambda _: [],
            ("GET", "/fapi/v3/positionRisk"): lambda _: self._positions(),
            ("POST", "/fapi/v1/order"): self._place,
            ("DELETE", "/fapi/v1/order"): self._cancel,
            ("GET", "/fapi/v1/order"): self._find,
            ("GET", "/fapi/v1/openOrders"): lambda _: [self._order(one) for one in self.ledger.orders if one.is_open],
            ("GET", "/fapi/v1/userTrades"): self._trades,
            ("GET", "/fapi/v1/income"): self._income,
            ("POST", "/fapi/v1/countdownCancelAll"): self._count_down,
        }
        return told[method, path](sent)

    def _place(self, sent: dict[str, str]) -> Any:
        order = self.ledger.place(
            sent["newClientOrderId"], sent["side"], kind=sent["type"], qty=sent["quantity"], price=sent.get("price"),
            tif=sent.get("timeInForce"), reduces=sent.get("reduceOnly"),
        )  # fmt: skip
        return self._order(order)

    def _cancel(self, sent: dict[str, str]) -> Any:
        return self._order(self.ledger.cancel(self.ledger.find(client_id=sent["origClientOrderId"])))

    def _find(self, sent: dict[str, str]) -> Any:
        found = self.ledger.find(client_id=sent.get("origClientOrderId"), number=sent.get("orderId"))
        if found is None:
            raise RefusedError("missing")
        return self._order(found)

    def _trades(self, sent: dict[str, str]) -> Any:
        return [self._trade(each) for each in self._asked_for(sent)][: int(sent["limit"])]

    def _income(self, sent: dict[str, str]) -> Any:
        assert sent["incomeType"] == "FUNDING_FEE"
        found = [each for each in self.ledger.payments if each.at_ms >= int(sent["startTime"])]
        size, page = int(sent["limit"]), int(sent["page"])
        return [
            {
                "symbol": "BTCUSDT", "incomeType": "FUNDING_FEE", "income": f"{each.qty}", "asset": "USDT",
                "time": each.at_ms, "info": "FUNDING_FEE", "tranId": each.number, "tradeId": "",
            }
            for each in found[(page - 1) * size : page * size]
        ]  # fmt: skip

    def _count_down(self, sent: dict[str, str]) -> Any:
        self.ledger.timers[sent["symbol"]] = int(sent["countdownTime"])
        return {"symbol": sent["symbol"], "countdownTime": sent["countdownTime"]}

    def _asked_for(self, sent: dict[str, str]) -> list[VenueTrade]:
        if "fromId" in sent:
            assert "startTime" not in sent
            return [each for each in self.ledger.trades if each.number >= int(sent["fromId"])]
        start_ms = int(sent["startTime"])
        end_ms = min(int(sent.get("endTime", start_ms + WEEK_MS)), start_ms + WEEK_MS)
        return [each for each in self.ledger.trades if start_ms <= each.at_ms <= end_ms]

    def _order(self, order: VenueOrder) -> Any:
        states = {(True, False): "NEW", (True, True): "PARTIALLY_FILLED"}
        status = "FILLED" if order.is_filled else states.get((order.is_open, bool(order.filled)), "CANCELED")
        return {
            "avgPrice": f"{PRICE if order.filled else 0}", "clientOrderId": order.client_id,
            "cumQuote": f"{order.filled * PRICE}", "executedQty": f"{order.filled}", "orderId": order.number,
            "origQty": f"{order.qty}", "origType": order.kind.upper(), "price": f"{order.price or 0}",
            "reduceOnly": order.terms.get("reduces") == "true", "side": order.side.upper(), "positionSide": "BOTH",
            "status": status, "stopPrice": "0", "closePosition": False, "symbol": "BTCUSDT", "time": order.at_ms,
            "timeInForce": order.terms.get("tif") or "GTC", "type": order.kind.upper(), "updateTime": order.at_ms,
            "workingType": "CONTRACT_PRICE", "priceProtect": False,
        }  # fmt: skip

    def _trade(self, trade: VenueTrade) -> Any:
        return {
            "buyer": trade.order.side == "buy", "commission": f"{trade.qty * trade.price / 2_000}",
            "commissionAsset": "USDT", "id": trade.number, "maker": trade.is_maker, "orderId": trade.order.number,
            "price": f"{trade.price}", "qty": f"{trade.qty}", "quoteQty": f"{trade.qty * trade.price}",
            "realizedPnl": "0", "side": trade.order.side.upper(), "positionSide": "BOTH", "symbol": "BTCUSDT",
            "time": trade.at_ms,
        }  # fmt: skip

    def _positions(self) -> list[Any]:
        held = self.ledger.position
        row = {
            "symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": f"{held}", "entryPrice": "60000",
            "breakEvenPrice": "60001", "markPrice": "60000.00000000", "unRealizedProfit": "0.23650000",
            "liquidationPrice": "0", "isolatedMargin": "0", "notional": f"{held * PRICE}", "isolatedWallet": "0",
            "updateTime": "1722062678998", "initialMargin": "2.3", "maintMargin": "0.07", "marginAsset": "USDT",
        }  # fmt: skip
        return [row] if held else []
