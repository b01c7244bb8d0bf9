"""Kraken spot. Source: https://docs.kraken.com/api-reference.

A request carries a number that grows instead of a time: one that is not larger than the last is refused, so whoever
trades from several processes gives the key a nonce window.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from shared.adapters.ccxt_dialect import Client, Dialect, Row, Sent, count_down_account, place_unified
from shared.domain.trading.accounts import Timer
from shared.domain.trading.orders import TimeInForce

_WINDOW_MS: Final = 30_000  # from 2 to 60 seconds


def _may_withdraw(client: Client) -> bool:
    return "withdraw-funds" in client.privatePostGetApiKeyInfo()["result"]["permissions"]


def _place(client: Client, order: Sent) -> Row:
    """Send an order that is refused when it is late, and whose fees are in the quote currency: so trades tell them."""
    more = {"deadline": client.iso8601(client.milliseconds() + _WINDOW_MS), "oflags": "fciq"}
    return place_unified(client, replace(order, parameters={**order.parameters, **more}))


def _find(client: Client, market: Row, client_id: str) -> Row | None:
    """Return an order by the desk's id, which only lists of orders take.

    The open ones first: an order that ends in between is in the second list.
    """
    for ask, name in ((client.privatePostOpenOrders, "open"), (client.privatePostClosedOrders, "closed")):
        for order_id, row in ask({"cl_ord_id": client_id})["result"][name].items():
            if (row.get("cl_ord_id") or "").replace("-", "") == client_id:
                found: Row = client.parse_order({**row, "id": order_id}, market)
                return found
    return None


def _trades(client: Client, market: Row, since_ms: int) -> Sequence[Row]:
    """Return trades, fifty at a time from the newest back; those that happen meanwhile only shift the pages."""
    rows: list[Row] = []
    while True:
        request = {"start": since_ms // 1_000 - 1, "ofs": len(rows)}
        result = client.privatePostTradesHistory(request)["result"]
        page = [{**row, "id": trade_id} for trade_id, row in result["trades"].items()]
        rows += page
        if not page or len(rows) >= int(result["count"]):
            found: Sequence[Row] = client.parse_trades(rows, market)
            return found


DIALECTS: Final[Mapping[str, Dialect]] = {
    "kraken": Dialect(
        ccxt_id="kraken",
        window_ms=_WINDOW_MS,
        stop_orders=True,
        times_in_force=frozenset(TimeInForce) - {TimeInForce.FOK},
        timer=Timer(longest_ms=86_399_000, per_symbol=False),
        signs_time=False,
        may_withdraw=_may_withdraw,
        place=_place,
        find=_find,
        trades=_trades,
        arm=count_down_account,
    )
}
