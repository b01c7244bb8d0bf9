"""Bybit's unified account, spot and perpetual futures. Source: https://bybit-exchange.github.io/docs/v5.

ccxt asks for orders by Bybit's ids alone: given the desk's id it would return whatever order is newest.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from shared.adapters.ccxt_dialect import WEEK_MS, Client, Dialect, Row

_ORDERS: Final = 50
_TRADES: Final = 100
_POSITIONS: Final = 200
_SETTLED_IN: Final = ("USDT", "USDC")


def _may_withdraw(client: Client) -> bool:
    return "Withdraw" in client.privateGetV5UserQueryApi()["result"]["permissions"]["Wallet"]


def _category(market: Row) -> str:
    return "spot" if market["spot"] else "linear"


def _find(client: Client, market: Row, client_id: str) -> Row | None:
    """Return an order from those that are open or have just ended, else from the history."""
    request = {"category": _category(market), "symbol": market["id"], "orderLinkId": client_id}
    for ask in (client.privateGetV5OrderRealtime, client.privateGetV5OrderHistory):
        for row in ask(request)["result"]["list"]:
            if row["orderLinkId"] == client_id:
                found: Row = client.parse_order(row, market)
                return found
    return None


def _cancel(client: Client, market: Row, client_id: str) -> Row | None:
    cancelled: Row = client.cancel_order(None, market["symbol"], {"orderLinkId": client_id})
    return cancelled


def _pages(ask: Callable[[Mapping[str, Any]], Any], request: Mapping[str, Any]) -> list[Row]:
    """Return the rows of all pages."""
    found: list[Row] = []
    cursor = ""
    while True:
        result = ask({**request, "cursor": cursor} if cursor else request)["result"]
        found += result["list"]
        cursor = result.get("nextPageCursor") or ""
        if not cursor or len(result["list"]) < request["limit"]:
            return found


def _open_orders(is_swap: bool) -> Callable[[Client, Row | None], Sequence[Row]]:
    """Return what lists open orders: those of futures by the coin they are settled in."""
    category, kind = ("linear", "swap") if is_swap else ("spot", "spot")

    def open_orders(client: Client, market: Row | None) -> Sequence[Row]:
        request: dict[str, Any] = {"category": category, "limit": _ORDERS}
        if market is not None:
            requests = [request | {"symbol": market["id"]}]
        else:
            requests = [request | {"settleCoin": coin} for coin in _SETTLED_IN] if is_swap else [request]
        rows = [row for each in requests for row in _pages(client.privateGetV5OrderRealtime, each)]
        return [client.parse_order(row, client.safe_market(row["symbol"], None, None, kind)) for row in rows]

    return open_orders


def _trades(client: Client, market: Row, since_ms: int) -> Sequence[Row]:
    """Return trades, which are told for a week at a time."""
    request = {"category": _category(market), "symbol": market["id"], "execType": "Trade"}
    found: Sequence[Row] = client.parse_trades(_executions(client, request, since_ms), market)
    return found


def _executions(client: Client, request: Mapping[str, Any], since_ms: int) -> Sequence[Row]:
    starts = range(since_ms, max(client.milliseconds(), since_ms) + 1, WEEK_MS)
    weeks = [{"startTime": start_ms, "endTime": start_ms + WEEK_MS, "limit": _TRADES} for start_ms in starts]
    return [row for week in weeks for row in _pages(client.privateGetV5ExecutionList, {**request, **week})]


def _funding(client: Client, since_ms: int) -> Sequence[Row]:
    """Return funding payments of all symbols.

    Bybit tells them as executions whose fee is what was paid, so it is negative where it was received; ccxt leaves it
    so, and takes all for USDT.
    """
    rows = _executions(client, {"category": "linear", "execType": "Funding"}, since_ms)
    markets = [client.safe_market(row["symbol"], None, None, "swap") for row in rows]
    return [
        {
            "id": row["execId"],
            "symbol": market["symbol"],
            "code": market["settle"],
            "amount": -Decimal(row["execFee"]),
            "timestamp": int(row["execTime"]),
        }
        for row, market in zip(rows, markets, strict=True)
    ]


def _positions(client: Client) -> Sequence[Row]:
    asked = [client.fetch_positions(None, {"settleCoin": coin, "limit": _POSITIONS}) for coin in _SETTLED_IN]
    return [row for rows in asked for row in rows]


DIALECTS: Final[Mapping[str, Dialect]] = {
    "bybit": Dialect(
        ccxt_id="bybit",
        options={"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}},
        names_id="orderLinkId",
        may_withdraw=_may_withdraw,
        find=_find,
        cancel=_cancel,
        open_orders=_open_orders(is_swap=False),
        trades=_trades,
    ),
    "bybit_linear": Dialect(
        ccxt_id="bybit",
        is_swap=True,
        options={
            "defaultType": "swap",
            "defaultSubType": "linear",
            "fetchMarkets": {"types": ["linear"]},
        },
        names_id="orderLinkId",
        may_withdraw=_may_withdraw,
        find=_find,
        cancel=_cancel,
        open_orders=_open_orders(is_swap=True),
        trades=_trades,
        funding=_funding,
        positions=_positions,
    ),
}
