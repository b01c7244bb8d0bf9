"""Binance, spot and perpetual futures in USDT and USDC. Source: https://developers.binance.com/docs."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Final

from shared.adapters.ccxt_dialect import WEEK_MS, Client, Dialect, Row, find_unified
from shared.domain.trading.accounts import Timer
from shared.domain.trading.orders import OrderKind, OrderRequest

_WINDOW_MS: Final = 5_000
_PAGE: Final = 1_000
_OPTIONS: Final = {
    "recvWindow": _WINDOW_MS,
    "fetchMargins": False,
    "fetchMarkets": {"types": ["spot"]},
    "fetchOpenOrders": {"warnWithoutSymbol": False},
}


def _may_withdraw(client: Client) -> bool:
    return bool(client.sapiGetAccountApiRestrictions()["enableWithdrawals"])


def _trades(client: Client, market: Row, since_ms: int) -> Sequence[Row]:
    """Return trades by the page, from a trade's id on: a time may have more trades than a page.

    The futures tell no more than a week at a time of those asked for by time.
    """
    symbol, start_ms, now_ms = market["symbol"], since_ms, client.milliseconds()
    page = client.fetch_my_trades(symbol, start_ms, _PAGE)
    while market["swap"] and not page and now_ms - start_ms >= WEEK_MS:
        start_ms += WEEK_MS
        page = client.fetch_my_trades(symbol, start_ms, _PAGE)
    found = list(page)
    ends_early = market["swap"] and now_ms - start_ms >= WEEK_MS
    while len(page) == _PAGE or (page and ends_early):
        ends_early = False
        page = client.fetch_my_trades(symbol, None, _PAGE, {"fromId": max(int(trade["id"]) for trade in page) + 1})
        found += page
    return found


def _funding(client: Client, since_ms: int) -> Sequence[Row]:
    """Return funding payments of all symbols, by the page."""
    found: list[Row] = []
    for number in count(1):
        page = client.fetch_funding_history(None, since_ms, _PAGE, {"page": number})
        found += page
        if len(page) < _PAGE:
            break
    return found


def _wallets(client: Client) -> Row:
    """Return what futures wallets hold without what positions have not realised yet."""
    rows = client.fapiPrivateV3GetBalance()
    return {"total": {client.safe_currency_code(row["asset"]): row["balance"] for row in rows}, "used": {}}


def _count_down(client: Client, market: Row | None, timeout_ms: int) -> None:
    if market is not None:
        client.fapiPrivatePostCountdownCancelAll({"symbol": market["id"], "countdownTime": timeout_ms})


def _place_oco(client: Client, market: Row, stop: OrderRequest, profit: OrderRequest) -> Sequence[Row]:
    """Send an order list: a stop at the market, and a limit order that only makes, one of which cancels the other."""
    above, below = (stop, profit) if stop.side.sign > 0 else (profit, stop)
    sent = {"symbol": market["id"], "side": stop.side.value.upper(), "quantity": f"{stop.qty:f}"}
    answer = client.privatePostOrderListOco(sent | _leg("above", above) | _leg("below", below))
    placed: Sequence[Row] = client.parse_orders(answer["orderReports"], market)
    return placed


def _leg(where: str, leg: OrderRequest) -> dict[str, str]:
    names = {f"{where}ClientOrderId": leg.client_order_id}
    if leg.kind is OrderKind.STOP_MARKET:
        return names | {f"{where}Type": "STOP_LOSS", f"{where}StopPrice": f"{leg.trigger_price:f}"}
    return names | {f"{where}Type": "LIMIT_MAKER", f"{where}Price": f"{leg.limit_price:f}"}


DIALECTS: Final[Mapping[str, Dialect]] = {
    "binance": Dialect(
        ccxt_id="binance",
        options=_OPTIONS,
        window_ms=_WINDOW_MS,
        stop_orders=True,
        place_oco=_place_oco,
        may_withdraw=_may_withdraw,
        find=find_unified,
        trades=_trades,
    ),
    "binance_usdm": Dialect(
        ccxt_id="binanceusdm",
        is_swap=True,
        options={**_OPTIONS, "fetchMarkets": {"types": ["linear"]}},
        window_ms=_WINDOW_MS,
        timer=Timer(longest_ms=3_600_000, per_symbol=True),
        may_withdraw=_may_withdraw,
        find=find_unified,
        trades=_trades,
        funding=_funding,
        balances=_wallets,
        arm=_count_down,
    ),
}
