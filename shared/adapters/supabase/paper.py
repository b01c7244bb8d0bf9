"""The paper exchange's accounts, orders and fills in Supabase: each method is one SQL function, safe to repeat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final
from uuid import uuid4

from postgrest import SyncPostgrestClient

from shared.adapters.supabase.client import PAGE, Row, call
from shared.domain.errors import ConflictError
from shared.domain.trading.instruments import Side
from shared.domain.trading.orders import Fill, OrderKind, OrderRequest, TimeInForce
from shared.domain.trading.paper import PaperOrder
from shared.domain.trading.paper_accounts import PaperAccount, PaperChange
from shared.domain.trading.positions import Position
from shared.domain.trading.states import OrderState

_REQUEST: Final = (
    "client_order_id",
    "symbol",
    "side",
    "kind",
    "qty",
    "limit_price",
    "trigger_price",
    "time_in_force",
    "reduce_only",
)
_OWN: Final = (
    "placed_at_ms",
    "updated_at_ms",
    "bars_until_ms",
    "book_until_ms",
    "state",
    "filled_qty",
    "filled_notional",
    "fills",
    "is_triggered",
    "linked_id",
)
_FILL: Final = (
    "trade_id",
    "client_order_id",
    "venue_order_id",
    "symbol",
    "side",
    "qty",
    "price",
    "fee_qty",
    "fee_asset",
    "fee_notional",
    "is_maker",
    "event_time",
)


@dataclass(frozen=True, slots=True)
class SupabasePaperStore:
    """Paper accounts as rows of `paper_accounts`, `paper_orders` and `paper_trades`, with the desk's key."""

    client: SyncPostgrestClient

    def open(self, venue: str, account: str, opening: Mapping[str, Decimal]) -> PaperAccount:
        """Return an account with its working orders, oldest first; one that is new holds the opening balances."""
        asked = {"p_venue": venue, "p_account": account, "p_opening": _texts(opening)}
        row: Row = call(self.client, "paper_open", asked)
        return PaperAccount(
            venue=venue,
            account=account,
            version=int(row["version"]),
            balances={asset: Decimal(text) for asset, text in row["balances"].items()},
            orders=tuple(_order(order) for order in row["orders"]),
            positions={symbol: _position(venue, account, symbol, held) for symbol, held in row["positions"].items()},
            trades=int(row["trades"]),
            last_fill_ms=int(row["last_fill_ms"]),
        )

    def save(self, change: PaperChange) -> PaperAccount:
        """Store a change in one transaction; raise `ConflictError` when the account has moved."""
        account = change.account
        values = {
            "p_venue": account.venue,
            "p_account": account.account,
            "p_version": account.version,
            "p_save_id": str(uuid4()),
            "p_balances": _texts(account.balances),
            "p_positions": {symbol: _columns(held, ("qty", "cost")) for symbol, held in account.positions.items()},
            "p_trades": account.trades,
            "p_last_fill_ms": account.last_fill_ms,
            "p_orders": [_columns(order.request, _REQUEST) | _columns(order, _OWN) for order in change.orders],
            "p_fills": [_columns(fill, _FILL) for fill in change.fills],
        }
        if not call(self.client, "paper_save", values):
            raise ConflictError(f"the paper account {account.account} at {account.venue} has moved")
        return replace(account, version=account.version + 1)

    def order(self, venue: str, account: str, symbol: str, client_order_id: str) -> PaperOrder | None:
        """Return an order, ended or not; None when there never was one."""
        asked = {
            "p_venue": venue,
            "p_account": account,
            "p_symbol": symbol,
            "p_client_order_id": client_order_id,
        }
        row: Row | None = call(self.client, "paper_order", asked)
        return None if row is None else _order(row)

    def fills(self, venue: str, account: str, symbol: str, *, since_ms: int) -> Sequence[Fill]:
        """Return fills from a time on (epoch ms), oldest first, page by page."""
        asked = {"p_venue": venue, "p_account": account, "p_symbol": symbol, "p_since_ms": since_ms, "p_limit": PAGE}
        found: list[Fill] = []
        after = {"p_after_time": since_ms - 1, "p_after_seq": 0}
        while True:
            page = call(self.client, "paper_fills", asked | after)
            found += [_fill(row) for row in page]
            if len(page) < PAGE:  # one value, which no server cuts
                return found
            after = {"p_after_time": page[-1]["event_time"], "p_after_seq": page[-1]["seq"]}


def _texts(balances: Mapping[str, Decimal]) -> dict[str, str]:
    return {asset: f"{qty:f}" for asset, qty in balances.items()}


def _columns(source: object, names: Sequence[str]) -> dict[str, Any]:
    values = {name: getattr(source, name) for name in names}
    return {name: f"{value:f}" if isinstance(value, Decimal) else value for name, value in values.items()}


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _order(row: Row) -> PaperOrder:
    request = OrderRequest(
        client_order_id=row["client_order_id"],
        symbol=row["symbol"],
        side=Side(row["side"]),
        kind=OrderKind(row["kind"]),
        qty=Decimal(row["qty"]),
        limit_price=_decimal(row["limit_price"]),
        trigger_price=_decimal(row["trigger_price"]),
        time_in_force=TimeInForce(row["time_in_force"]),
        reduce_only=row["reduce_only"],
    )
    return PaperOrder(
        request=request,
        placed_at_ms=int(row["placed_at_ms"]),
        updated_at_ms=int(row["updated_at_ms"]),
        bars_until_ms=int(row["bars_until_ms"]),
        book_until_ms=int(row["book_until_ms"]),
        state=OrderState(row["state"]),
        filled_qty=Decimal(row["filled_qty"]),
        filled_notional=Decimal(row["filled_notional"]),
        fills=int(row["fills"]),
        is_triggered=row["is_triggered"],
        linked_id=row["linked_id"],
    )


def _position(venue: str, account: str, symbol: str, row: Row) -> Position:
    return Position(book_id=account, venue=venue, symbol=symbol, qty=Decimal(row["qty"]), cost=Decimal(row["cost"]))


def _fill(row: Row) -> Fill:
    return Fill(
        trade_id=row["trade_id"],
        client_order_id=row["client_order_id"],
        venue_order_id=row["venue_order_id"],
        symbol=row["symbol"],
        side=Side(row["side"]),
        qty=Decimal(row["qty"]),
        price=Decimal(row["price"]),
        fee_qty=Decimal(row["fee_qty"]),
        fee_asset=row["fee_asset"],
        fee_notional=Decimal(row["fee_notional"]),
        is_maker=row["is_maker"],
        event_time=int(row["event_time"]),
    )
