"""OKX, spot and perpetual futures. Source: https://www.okx.com/docs-v5."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from shared.adapters.ccxt_dialect import Client, Dialect, Row, count_down_account, find_unified
from shared.domain.trading.accounts import Timer

_PAGE: Final = 100
_TIMER: Final = Timer(longest_ms=120_000, per_symbol=False)


def _may_withdraw(client: Client) -> bool:
    return "withdraw" in client.privateGetAccountConfig()["data"][0]["perm"]


def _backwards(ask: Callable[[Mapping[str, str]], Sequence[Row]], by: str) -> Sequence[Row]:
    """Return the rows of all pages, each of which ends before the oldest id (`by`) of the one before it."""
    page = ask({})
    found = list(page)
    while len(page) == _PAGE:
        page = ask({"after": str(min(int(row["info"][by]) for row in page))})
        found += page
    return found


def _open_orders(kind: str) -> Callable[[Client, Row | None], Sequence[Row]]:
    """Return what lists open orders of one kind of instrument."""

    def open_orders(client: Client, market: Row | None) -> Sequence[Row]:
        symbol = None if market is None else market["symbol"]
        return _backwards(
            lambda older: client.fetch_open_orders(symbol, None, _PAGE, {"instType": kind, **older}), "ordId"
        )

    return open_orders


def _trades(client: Client, market: Row, since_ms: int) -> Sequence[Row]:
    """Return trades from the newest back to the time: OKX does not tell them forwards."""
    return _backwards(lambda older: client.fetch_my_trades(market["symbol"], since_ms, None, dict(older)), "billId")


def _funding(client: Client, since_ms: int) -> Sequence[Row]:
    """Return funding payments of all symbols, from the newest back to the time; what they did to the cash counts."""
    rows = _backwards(
        lambda older: client.fetch_funding_history(None, since_ms, None, {"begin": f"{since_ms}", **older}), "billId"
    )
    return [{**row, "amount": row["info"]["balChg"]} for row in rows]


def _balances(client: Client) -> Row:
    """Return what is held in cash: what OKX calls equity has in it what positions have not realised yet."""
    rows = client.privateGetAccountBalance()["data"][0]["details"]
    codes = {row["ccy"]: client.safe_currency_code(row["ccy"]) for row in rows}
    return {
        "total": {codes[row["ccy"]]: row["cashBal"] for row in rows},
        "used": {codes[row["ccy"]]: row["frozenBal"] for row in rows},
    }


DIALECTS: Final[Mapping[str, Dialect]] = {
    "okx": Dialect(
        ccxt_id="okx",
        options={"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}},
        names_id="clOrdId",
        timer=_TIMER,
        may_withdraw=_may_withdraw,
        find=find_unified,
        open_orders=_open_orders("SPOT"),
        trades=_trades,
        balances=_balances,
        arm=count_down_account,
    ),
    "okx_swap": Dialect(
        ccxt_id="okx",
        is_swap=True,
        options={"defaultType": "swap", "fetchMarkets": {"types": ["swap"]}},
        names_id="clOrdId",
        timer=_TIMER,
        may_withdraw=_may_withdraw,
        find=find_unified,
        open_orders=_open_orders("SWAP"),
        trades=_trades,
        funding=_funding,
        balances=_balances,
        arm=count_down_account,
    ),
}
