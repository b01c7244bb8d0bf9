"""Coinbase Advanced Trade, spot. Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api.

ccxt makes up a client order id of its own unless it is given under the venue's name, and buys at the market for an
amount of money unless the order is spelled out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from shared.adapters.ccxt_dialect import Client, Dialect, Row, Sent, place_unified

_PAGE: Final = 250


def _prepare(client: Client) -> None:
    """Read a key in PEM that was made one line to fit into a variable."""
    client.secret = client.secret.replace("\\n", "\n")


def _may_withdraw(client: Client) -> bool:
    return bool(client.v3PrivateGetBrokerageKeyPermissions()["can_transfer"])


def _place(client: Client, order: Sent) -> Row:
    more: dict[str, Any] = {"client_order_id": order.parameters["clientOrderId"]}
    if order.type == "market":
        more["order_configuration"] = {"market_market_ioc": {"base_size": order.contracts}}
    return place_unified(client, replace(order, parameters={**order.parameters, **more}))


def _pages(ask: Callable[[Mapping[str, Any]], Any], request: Mapping[str, Any], rows: str) -> Any:
    """Yield the rows of all pages, asking for a page only once it is looked at."""
    cursor = ""
    while True:
        answer = ask({**request, "limit": _PAGE, **({"cursor": cursor} if cursor else {})})
        yield from answer[rows]
        cursor = answer.get("cursor") or ""
        if not cursor or not answer[rows]:
            return


def _order(client: Client, row: Row, market: Row | None) -> Row:
    """Return an order with what ccxt does not read: the size of every kind of order, and a cancel on its way."""
    order: dict[str, Any] = client.parse_order(row, market)
    for configuration in row["order_configuration"].values():
        order["amount"] = configuration.get("base_size") or order["amount"]
    if row.get("pending_cancel") and order["status"] == "open":
        order["status"] = "canceling"
    return order


def _find(client: Client, market: Row, client_id: str) -> Row | None:
    """Return an order by the desk's id, which no list can be asked for: all orders of the market are looked through."""
    listed = _pages(client.v3PrivateGetBrokerageOrdersHistoricalBatch, {"product_ids": market["id"]}, "orders")
    row = next((each for each in listed if each["client_order_id"] == client_id), None)
    return None if row is None else _order(client, row, market)


def _cancel(client: Client, market: Row, client_id: str) -> Row | None:
    """Cancel an order by Coinbase's id for it, which is looked up; None when there is none."""
    found = _find(client, market, client_id)
    cancelled: Row | None = None if found is None else client.cancel_order(found["id"], market["symbol"])
    return cancelled


def _open_orders(client: Client, market: Row | None) -> Sequence[Row]:
    request = {"order_status": "OPEN"} | ({} if market is None else {"product_ids": market["id"]})
    listed = _pages(client.v3PrivateGetBrokerageOrdersHistoricalBatch, request, "orders")
    return [_order(client, row, None) for row in listed]


def _trades(client: Client, market: Row, since_ms: int) -> Sequence[Row]:
    request = {"product_ids": market["id"], "start_sequence_timestamp": client.iso8601(since_ms)}
    listed = _pages(client.v3PrivateGetBrokerageOrdersHistoricalFills, request, "fills")
    found: Sequence[Row] = client.parse_trades(list(listed), market)
    return found


DIALECTS: Final[Mapping[str, Dialect]] = {
    "coinbase": Dialect(
        ccxt_id="coinbase",
        options={
            "createMarketBuyOrderRequiresPrice": False,
            "fetchBalance": "v3PrivateGetBrokerageAccounts",
        },
        window_ms=120_000,  # how long a token is good for
        signs_time=False,
        prepare=_prepare,
        may_withdraw=_may_withdraw,
        place=_place,
        find=_find,
        cancel=_cancel,
        open_orders=_open_orders,
        trades=_trades,
    )
}
