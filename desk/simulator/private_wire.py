"""Orders, trades and accounts in Binance's words.

Source: https://developers.binance.com/docs/binance-spot-api-docs/rest-api (trading and account endpoints).
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from desk.simulator.accounts import VenueAccount, VenueOrder, VenueTrade
from shared.domain.trading.depth import Depth, Level
from shared.domain.trading.money import ZERO


def text(value: Decimal) -> str:
    """Write an exact number with at least eight decimals."""
    exponent = value.as_tuple().exponent
    return f"{value:.{max(8, -exponent if isinstance(exponent, int) else 8)}f}"


def depth(book: Depth) -> dict[str, Any]:
    """Return a `/api/v3/depth` answer."""
    return {"lastUpdateId": book.time_ms, "bids": _levels(book.bids), "asks": _levels(book.asks)}


def order(one: VenueOrder) -> dict[str, Any]:
    """Return an order as `/api/v3/order` and `openOrders` tell of it."""
    return {
        **_common(one),
        "stopPrice": text(one.stop_price),
        "icebergQty": text(ZERO),
        "time": one.created_ms,
        "updateTime": one.updated_ms,
        "isWorking": one.is_triggered,
        "workingTime": one.created_ms if one.is_triggered else -1,
    }


def placed(one: VenueOrder, trades: Sequence[VenueTrade], *, kind: str) -> dict[str, Any]:
    """Return the answer to a new order: ACK, RESULT or FULL."""
    ids = {
        "symbol": one.listed.wire,
        "orderId": one.order_id,
        "orderListId": one.list_id,
        "clientOrderId": one.client_id,
        "transactTime": one.created_ms,
    }
    if kind == "ACK":
        return ids
    working = {"workingTime": one.created_ms if one.is_triggered else -1}
    stop = {"stopPrice": text(one.stop_price)} if one.stop_price else {}
    result = ids | _common(one) | stop | working
    if kind == "RESULT":
        return result
    fills = [
        {
            "price": text(trade.price),
            "qty": text(trade.qty),
            "commission": text(trade.commission),
            "commissionAsset": trade.commission_asset,
            "tradeId": trade.trade_id,
        }
        for trade in trades
        if trade.order is one
    ]
    return result | {"fills": fills}


def placed_list(list_id: int, legs: Sequence[VenueOrder]) -> dict[str, Any]:
    """Return the answer to a new order list."""
    status = {"listStatusType": "EXEC_STARTED", "listOrderStatus": "EXECUTING"}
    return _order_list(list_id, legs) | status | {"orderReports": [placed(leg, (), kind="RESULT") for leg in legs]}


def cancelled_list(list_id: int, legs: Sequence[VenueOrder]) -> dict[str, Any]:
    """Return the answer to the cancel of an order of a list, which ends the list."""
    status = {"listStatusType": "ALL_DONE", "listOrderStatus": "ALL_DONE"}
    return _order_list(list_id, legs) | status | {"orderReports": [cancelled(leg, None) for leg in legs]}


def cancelled(one: VenueOrder, new_client_id: str | None) -> dict[str, Any]:
    """Return the answer to a cancel; the id it is known by is `origClientOrderId` there."""
    return {
        **_common(one),
        "origClientOrderId": one.client_id,
        "clientOrderId": new_client_id or f"cancel{one.order_id}",
        "transactTime": one.updated_ms,
    }


def trade(one: VenueTrade) -> dict[str, Any]:
    """Return a trade as `/api/v3/myTrades` lists it."""
    return {
        "symbol": one.order.listed.wire,
        "id": one.trade_id,
        "orderId": one.order.order_id,
        "orderListId": one.order.list_id,
        "price": text(one.price),
        "qty": text(one.qty),
        "quoteQty": text(one.price * one.qty),
        "commission": text(one.commission),
        "commissionAsset": one.commission_asset,
        "time": one.time_ms,
        "isBuyer": one.order.side == "BUY",
        "isMaker": one.is_maker,
        "isBestMatch": True,
    }


def account(one: VenueAccount, *, now_ms: int, omit_zero: bool) -> dict[str, Any]:
    """Return the `/api/v3/account` answer."""
    locked = one.locked()
    balances = [
        {"asset": asset, "free": text(total - locked.get(asset, ZERO)), "locked": text(locked.get(asset, ZERO))}
        for asset, total in sorted(one.balances.items())
        if total or not omit_zero
    ]
    return {
        "makerCommission": int(one.maker_rate * 10_000),
        "takerCommission": int(one.taker_rate * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": text(one.maker_rate),
            "taker": text(one.taker_rate),
            "buyer": text(ZERO),
            "seller": text(ZERO),
        },
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": now_ms,
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
        "uid": 1,
    }


def restrictions(one: VenueAccount) -> dict[str, Any]:
    """Return the `/sapi/v1/account/apiRestrictions` answer: what the key may do."""
    return {
        "ipRestrict": one.can_withdraw,
        "createTime": 1_700_000_000_000,
        "enableReading": True,
        "enableSpotAndMarginTrading": True,
        "enableWithdrawals": one.can_withdraw,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": False,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enablePortfolioMarginTrading": False,
    }


def everything(one: VenueAccount) -> dict[str, Any]:
    """Return all there is of an account, for whoever holds the desk against it."""
    return {
        "balances": {asset: text(total) for asset, total in sorted(one.balances.items())},
        "orders": [order(each) for each in one.orders],
        "trades": [trade(each) for each in one.trades],
    }


def _order_list(list_id: int, legs: Sequence[VenueOrder]) -> dict[str, Any]:
    return {
        "orderListId": list_id,
        "contingencyType": "OCO",
        "listClientOrderId": f"list{list_id}",
        "transactionTime": legs[0].updated_ms,
        "symbol": legs[0].listed.wire,
        "orders": [
            {"symbol": leg.listed.wire, "orderId": leg.order_id, "clientOrderId": leg.client_id} for leg in legs
        ],
    }


def _common(one: VenueOrder) -> dict[str, Any]:
    return {
        "symbol": one.listed.wire,
        "orderId": one.order_id,
        "orderListId": one.list_id,
        "clientOrderId": one.client_id,
        "price": text(one.price),
        "origQty": text(one.qty),
        "executedQty": text(one.executed),
        "origQuoteOrderQty": text(ZERO),
        "cummulativeQuoteQty": text(one.quote),
        "status": one.status,
        "timeInForce": one.time_in_force,
        "type": one.type,
        "side": one.side,
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def _levels(levels: Sequence[Level]) -> list[list[str]]:
    return [[text(level.price), text(level.qty)] for level in levels]
