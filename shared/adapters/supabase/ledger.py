"""The ledger in Supabase: fills and positions posted together; each method is one SQL function, safe to repeat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from postgrest import SyncPostgrestClient

from shared.adapters.supabase.client import call
from shared.adapters.supabase.trading_rows import (
    EQUITY_POINT,
    FILLS,
    FLOWS,
    GUARD,
    HELD,
    HELD_MANY,
    POSITION,
    read,
    write,
)
from shared.domain.errors import NotFoundError
from shared.domain.trading.flows import Flow
from shared.domain.trading.intents import Guard
from shared.domain.trading.orders import Fill
from shared.domain.trading.positions import Position
from shared.domain.trading.records import HeldPosition
from shared.domain.trading.told import EquityPoint


@dataclass(frozen=True, slots=True)
class SupabaseLedger:
    """Fills and positions as rows of `fills` and `positions`."""

    client: SyncPostgrestClient

    def position(self, book_id: str, venue: str, symbol: str) -> HeldPosition:
        """Return a position, a flat one when there is none."""
        data = call(self.client, "position_of", _key(book_id, venue, symbol))
        if data is None:
            flat = Position(book_id=book_id, venue=venue, symbol=symbol)
            return HeldPosition(position=flat, guard=Guard(), best_price=None, last_fill_ms=None)
        return read(HELD, data, "no position")

    def fills(self, book_id: str, venue: str, symbol: str) -> Sequence[Fill]:
        """Return all fills of a position, oldest first."""
        return read(FILLS, call(self.client, "fills_of", _key(book_id, venue, symbol)), "no fills")

    def known(self, venue: str, account: str, trades: Sequence[tuple[str, str]]) -> frozenset[tuple[str, str]]:
        """Return those of an account's trades, each a symbol and a trade id, that are posted."""
        if not trades:
            return frozenset()
        asked = {"p_venue": venue, "p_account": account, "p_trades": [*trades]}
        return frozenset((symbol, trade_id) for symbol, trade_id in call(self.client, "known_trades", asked))

    def post(
        self, account: str, position: Position, fills: Sequence[Fill], realised: Mapping[str, Decimal]
    ) -> Position:
        """Store fills that are all new, what each realised, and the position they lead to, in one transaction."""
        posting = {
            "p_account": account,
            "p_position": write(POSITION, position),
            "p_fills": write(FILLS, [*fills]),
            "p_realised": {trade_id: str(earned) for trade_id, earned in realised.items()},
        }
        return read(POSITION, call(self.client, "post_fills", posting), "no position")

    def guard(self, position: Position, guard: Guard, *, best_price: Decimal | None) -> None:
        """Set what protects a position and the best price it has seen."""
        values = {
            "p_version": position.version,
            "p_guard": write(GUARD, guard),
            "p_best_price": None if best_price is None else str(best_price),
        }
        where = _key(position.book_id, position.venue, position.symbol)
        if not call(self.client, "guard_position", where | values):
            raise NotFoundError(f"no position in {position.symbol} at {position.venue}")

    def open_positions(self, *, venue: str | None = None) -> Sequence[HeldPosition]:
        """Return every position that is not flat."""
        return read(HELD_MANY, call(self.client, "open_positions", {"p_venue": venue}), "no positions")

    def open_account(self, venue: str, account: str, balances: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
        """Record what an account held before the desk used it, and return it; the first record stays."""
        opening = {asset: str(qty) for asset, qty in balances.items()}
        values = {"p_venue": venue, "p_account": account, "p_opening": opening}
        return _quantities(call(self.client, "open_account", values))

    def holdings(self, venue: str, account: str) -> Mapping[str, Decimal]:
        """Return what an account should hold of every asset: its opening balances, its fills and its flows."""
        found = call(self.client, "holdings", {"p_venue": venue, "p_account": account})
        if found is None:
            raise NotFoundError(f"account {account!r} at {venue} was never opened")
        return _quantities(found)

    def post_flows(
        self, venue: str, account: str, flows: Sequence[Flow], *, expected: Mapping[str, Decimal] | None = None
    ) -> int:
        """Store the flows that are not known, and return how many rows are new."""
        if not flows:
            return 0
        texts = {asset: str(qty) for asset, qty in (expected or {}).items()}
        values = {"p_venue": venue, "p_account": account, "p_flows": write(FLOWS, [*flows]), "p_expected": texts}
        return int(call(self.client, "post_flows", values))

    def flows(self, venue: str, account: str, *, limit: int) -> Sequence[Flow]:
        """Return the newest flows of an account, newest first."""
        asked = {"p_venue": venue, "p_account": account, "p_limit": limit}
        return read(FLOWS, call(self.client, "flows_of", asked), "no flows")

    def funding_since(self, venue: str, account: str, *, filled_since_ms: int) -> Mapping[str, int]:
        """Return from when on funding may be missing, by the asset it is paid in."""
        asked = {"p_venue": venue, "p_account": account, "p_filled_since_ms": filled_since_ms}
        since: Mapping[str, int] = call(self.client, "funding_since", asked)
        return since

    def held_at(
        self, venue: str, account: str, moments: Sequence[tuple[str, int]]
    ) -> Mapping[tuple[str, int], Mapping[str, Decimal]]:
        """Return what each book of an account held at moments, each a symbol and a time."""
        if not moments:
            return {}
        asked = {"p_venue": venue, "p_account": account, "p_moments": [*moments]}
        found = call(self.client, "held_at", asked)
        return {(symbol, at_ms): _quantities(books) for symbol, at_ms, books in found}

    def mark_equities(self, points: Mapping[str, EquityPoint]) -> None:
        """Record a point of the equity curve of each book, one a minute."""
        if points:
            rows = [{"book_id": book_id} | write(EQUITY_POINT, point) for book_id, point in points.items()]
            call(self.client, "mark_equities", {"p_points": rows})


def _key(book_id: str, venue: str, symbol: str) -> dict[str, Any]:
    return {"p_book_id": book_id, "p_venue": venue, "p_symbol": symbol}


def _quantities(data: Mapping[str, str]) -> dict[str, Decimal]:
    return {asset: Decimal(qty) for asset, qty in data.items()}
