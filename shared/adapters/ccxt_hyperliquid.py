"""Hyperliquid's perpetual futures. Source: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api.

The key is the address of the account, the secret the private key of an API wallet, which may trade and not withdraw.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from shared.adapters.ccxt_dialect import Client, Dialect, Row, find_unified
from shared.domain.trading.money import ZERO
from shared.domain.trading.orders import TimeInForce

_WINDOW_MS: Final = 30_000
_FILLS: Final = 2_000
_PAYMENTS: Final = 500


def _prepare(client: Client) -> None:
    """Keep ccxt from what it signs beside an order: a fee for its makers, and their referral."""
    client.initialize_client = lambda: True
    create = client.create_orders_request

    def until(orders: Sequence[Row], parameters: Mapping[str, object] | None = None) -> Row:
        """Have an order that is late refused: without a time it would be good for days."""
        request: dict[str, object] = create(orders, parameters or {})
        nonce = int(str(request["nonce"]))
        expires_ms = nonce - int(client.options["timeDifference"]) + _WINDOW_MS
        signature = client.sign_l1_action(request["action"], nonce, None, expires_ms)
        return {**request, "signature": signature, "expiresAfter": expires_ms}

    client.create_orders_request = until


def _may_withdraw(client: Client) -> bool:
    """Tell whether the key is that of the account itself, which may do everything."""
    own: str = client.eth_get_address_from_private_key(client.privateKey)
    return own.lower() == str(client.walletAddress).lower()


def _trades(client: Client, market: Row, since_ms: int) -> Sequence[Row]:
    """Return trades of a market."""
    rows = _span(client, "userFillsByTime", since_ms, client.milliseconds() + _WINDOW_MS, most=_FILLS)
    found: Sequence[Row] = client.parse_trades(rows, market)
    return found


def _funding(client: Client, since_ms: int) -> Sequence[Row]:
    """Return funding payments of all coins, which have no ids: their hash is zero, so time and coin tell them apart.

    What was paid long ago is told in sums (`nSamples`), which would count again what is known one by one: it is left
    out.
    """
    rows = _span(client, "userFunding", since_ms, client.milliseconds() + _WINDOW_MS, most=_PAYMENTS)
    single = [row for row in rows if row["delta"].get("nSamples") is None]
    parsed: Sequence[Row] = client.parse_incomes(single)
    return [{**row, "id": f"{row['timestamp']}-{row['info']['delta']['coin']}"} for row in parsed]


def _span(client: Client, kind: str, start_ms: int, end_ms: int, *, most: int) -> list[Row]:
    """Return what happened within a span of time; one of which as many come as are told at once is asked in halves."""
    request = {"type": kind, "user": client.walletAddress, "startTime": start_ms, "endTime": end_ms}
    rows: list[Row] = client.publicPostInfo(request)
    if len(rows) < most or start_ms >= end_ms:
        return rows
    middle_ms = (start_ms + end_ms) // 2
    before = _span(client, kind, start_ms, middle_ms, most=most)
    return before + _span(client, kind, middle_ms + 1, end_ms, most=most)


def _balances(client: Client) -> Row:
    """Return the account's dollars without what positions have not realised yet."""
    state = client.publicPostInfo({"type": "clearinghouseState", "user": client.walletAddress})
    unrealised = sum((Decimal(each["position"]["unrealizedPnl"]) for each in state["assetPositions"]), ZERO)
    summary = state["marginSummary"]
    total = Decimal(summary["accountValue"]) - unrealised
    return {"total": {"USDC": f"{total:f}"}, "used": {"USDC": summary["totalMarginUsed"]}}


DIALECTS: Final[Mapping[str, Dialect]] = {
    "hyperliquid": Dialect(
        ccxt_id="hyperliquid",
        is_swap=True,
        options={"fetchMarkets": {"types": ["swap"]}},
        window_ms=_WINDOW_MS,
        times_in_force=frozenset(TimeInForce) - {TimeInForce.FOK},
        names_id="cloid",
        id_prefix="0x",
        prices_market_orders=True,
        key_names=("walletAddress", "privateKey"),
        static=("keccak", "ethabi", "msgpack"),
        prepare=_prepare,
        may_withdraw=_may_withdraw,
        find=find_unified,
        trades=_trades,
        funding=_funding,
        balances=_balances,
    )
}
