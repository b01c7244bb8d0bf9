"""The ledger in memory; passes the same contract suite as the Supabase adapter."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext

from shared.domain.errors import ConflictError, InvalidMessageError, NotFoundError
from shared.domain.trading.flows import Flow, FlowKind
from shared.domain.trading.intents import Guard
from shared.domain.trading.ledger import Assets, fee_of, movements, net_qty
from shared.domain.trading.money import EXACT, total
from shared.domain.trading.orders import Fill
from shared.domain.trading.positions import Position
from shared.domain.trading.records import FillKey, HeldPosition
from shared.domain.trading.told import EquityPoint
from tests.fakes.stores import MemoryDatabase
from tests.fakes.trading_tables import FillRow, OrderRow, PositionRow, check_version

MINUTE_MS, HOUR_MS = 60_000, 3_600_000


@dataclass(slots=True)
class MemoryLedger:
    """Fills and positions of a database."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)

    def position(self, book_id: str, venue: str, symbol: str) -> HeldPosition:
        """Return a position, a flat one when there is none."""
        return self._row(book_id, venue, symbol).held

    def fills(self, book_id: str, venue: str, symbol: str) -> Sequence[Fill]:
        """Return all fills of a position, oldest first."""
        rows = self.database.trading.fills.items()
        found = [row.fill for key, row in rows if (row.book_id, key.venue, key.symbol) == (book_id, venue, symbol)]
        return sorted(found, key=lambda fill: fill.event_time)

    def known(self, venue: str, account: str, trades: Sequence[tuple[str, str]]) -> frozenset[tuple[str, str]]:
        """Return those of an account's trades, each a symbol and a trade id, that are posted."""
        fills = self.database.trading.fills
        return frozenset(trade for trade in trades if FillKey(venue, account, *trade) in fills)

    def post(
        self, account: str, position: Position, fills: Sequence[Fill], realised: Mapping[str, Decimal]
    ) -> Position:
        """Store fills that are all new and the position they lead to."""
        if not fills or not {fill.trade_id for fill in fills} <= realised.keys():
            raise InvalidMessageError("realised", "expected fills, and what each realised")
        tables = self.database.trading
        row = self._row(position.book_id, position.venue, position.symbol)
        before = row.held.position
        ids = [fill.trade_id for fill in fills]
        known = self.known(position.venue, account, [(position.symbol, trade_id) for trade_id in ids])
        position = replace(position, funding=before.funding)
        if before == replace(position, version=position.version + 1) and len(known) == len({*ids}):
            return before
        check_version("the position", before.version, position.version)
        if account != tables.account_of(position.book_id):
            raise InvalidMessageError("account", f"{account} is not the account of the book")
        if known or len({*ids}) < len(ids):
            raise ConflictError("one of the fills is posted")
        _check_posting(before, position, fills)
        for fill in fills:
            key = FillKey(position.venue, account, position.symbol, fill.trade_id)
            order = self._order_of(position, fill)
            if order is not None:
                order.order = replace(order.order, posted_qty=order.posted_qty + fill.qty)
            ours = fill if order is None else replace(fill, client_order_id=order.order.client_order_id)
            order_id = None if order is None else order.order.order_id
            tables.fills[key] = FillRow(position.book_id, ours, order_id)
        for trade_id, earned in realised.items():
            key = FillKey(position.venue, account, position.symbol, trade_id)
            if key in tables.fills:
                tables.fills[key] = replace(tables.fills[key], realised=earned)
        return self._stored(row, position, max(fill.event_time for fill in fills))

    def guard(self, position: Position, guard: Guard, *, best_price: Decimal | None) -> None:
        """Set what protects a position and the best price it has seen."""
        row = self.database.trading.positions.get((position.book_id, position.venue, position.symbol))
        if row is None:
            raise NotFoundError(f"no position in {position.symbol}")
        check_version("the position", row.held.position.version, position.version)
        row.held = replace(row.held, guard=guard, best_price=best_price)

    def open_positions(self, *, venue: str | None = None) -> Sequence[HeldPosition]:
        """Return every position that is not flat."""
        rows = sorted(self.database.trading.positions.items())
        return [row.held for (_, at, _), row in rows if row.held.position.qty and venue in {None, at}]

    def open_account(self, venue: str, account: str, balances: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
        """Record what an account held before the desk used it, and return it; the first record stays."""
        if not all(qty.is_finite() for qty in balances.values()):
            raise InvalidMessageError("opening", "expected a quantity of each asset")
        return dict(self.database.trading.opening.setdefault((venue, account), dict(balances)))

    def holdings(self, venue: str, account: str) -> Mapping[str, Decimal]:
        """Return what an account should hold of every asset: its opening balances, its fills and its flows."""
        tables = self.database.trading
        if (venue, account) not in tables.opening:
            raise NotFoundError(f"account {account!r} at {venue} was never opened")
        held = defaultdict(Decimal, tables.opening[venue, account])
        with localcontext(EXACT):
            for key, known in tables.fills.items():
                if (key.venue, key.account) == (venue, account):
                    for asset, qty in movements(known.fill, Assets.of(key.symbol)).items():
                        held[asset] += qty
            for (book_id, at, symbol), row in tables.positions.items():
                if ":" in symbol and (at, tables.account_of(book_id)) == (venue, account):
                    held[symbol.partition(":")[2]] += row.held.position.realised
            for flow in tables.flows.get((venue, account), []):
                held[flow.asset] += flow.qty
        return dict(held)

    def post_flows(
        self, venue: str, account: str, flows: Sequence[Flow], *, expected: Mapping[str, Decimal] | None = None
    ) -> int:
        """Store the flows that are not known, and return how many rows are new."""
        tables = self.database.trading
        known = {flow.flow_id for flow in tables.flows.get((venue, account), [])}
        new = [flow for flow in flows if flow.flow_id not in known]
        if not new:
            return 0
        held = self.holdings(venue, account)
        if any(held.get(asset, Decimal(0)) != qty for asset, qty in (expected or {}).items()):
            raise ConflictError(f"account {account} at {venue}: it holds something else by now")
        parts = [((flow.book_id, venue, flow.symbol or ""), flow.qty) for flow in new if flow.book_id is not None]
        if any(place not in tables.positions or tables.account_of(place[0]) != account for place, _ in parts):
            raise InvalidMessageError("book_id", f"a book has never held this on account {account}")
        tables.flows.setdefault((venue, account), []).extend(new)
        for place, qty in parts:
            held_there = tables.positions[place].held
            paid = replace(held_there.position, funding=held_there.position.funding + qty)
            tables.positions[place].held = replace(held_there, position=paid)
        return len(new)

    def flows(self, venue: str, account: str, *, limit: int) -> Sequence[Flow]:
        """Return the newest flows of an account, newest first."""
        found = self.database.trading.flows.get((venue, account), [])
        parts = sorted(found, key=lambda flow: flow.book_id or "")
        return sorted(parts, key=lambda flow: (flow.event_time, flow.flow_id), reverse=True)[:limit]

    def funding_since(self, venue: str, account: str, *, filled_since_ms: int) -> Mapping[str, int]:
        """Return from when on funding may be missing, by the asset it is paid in."""
        tables = self.database.trading
        flows = tables.flows.get((venue, account), [])
        futures = [known.fill for key, known in tables.fills.items() if key[:2] == (venue, account) and ":" in key[2]]
        since = {}
        for (book_id, at, symbol), row in tables.positions.items():
            is_recent = row.held.position.qty or (row.held.last_fill_ms or 0) >= filled_since_ms
            if ":" in symbol and is_recent and (at, tables.account_of(book_id)) == (venue, account):
                asset = symbol.partition(":")[2]
                own = [flow for flow in flows if flow.asset == asset]
                adopted = [flow.event_time + 1 for flow in own if flow.kind is FlowKind.ADJUSTMENT]
                paid = [flow.event_time - HOUR_MS for flow in own if flow.kind is FlowKind.FUNDING]
                since[asset] = max(min(fill.event_time for fill in futures), *adopted, *paid, 0)
        return since

    def held_at(
        self, venue: str, account: str, moments: Sequence[tuple[str, int]]
    ) -> Mapping[tuple[str, int], Mapping[str, Decimal]]:
        """Return what each book of an account held at moments, each a symbol and a time."""
        found: dict[tuple[str, int], Mapping[str, Decimal]] = {}
        for symbol, at_ms in moments:
            held = defaultdict[str, Decimal](Decimal)
            for key, row in self.database.trading.fills.items():
                if key[:3] == (venue, account, symbol) and row.fill.event_time <= at_ms:
                    held[row.book_id] += row.fill.side.sign * row.fill.qty
            found[symbol, at_ms] = {book_id: qty for book_id, qty in held.items() if qty}
        return found

    def mark_equities(self, points: Mapping[str, EquityPoint]) -> None:
        """Record a point of the equity curve of each book, one a minute; a book that is gone has none."""
        for book_id, point in points.items():
            minute = point.at_ms - point.at_ms % MINUTE_MS
            if book_id in self.database.trading.books:
                self.database.trading.equity[book_id, minute] = replace(point, at_ms=minute)

    def _order_of(self, position: Position, fill: Fill) -> OrderRow | None:
        for row in self.database.trading.orders.values():
            order = row.order
            if order.book_id != position.book_id or (order.venue, order.symbol) != (position.venue, fill.symbol):
                continue
            if fill.client_order_id == order.client_order_id:
                return row
            if not fill.client_order_id and fill.venue_order_id == order.venue_order_id:
                return row
        return None

    def _row(self, book_id: str, venue: str, symbol: str) -> PositionRow:
        flat = Position(book_id=book_id, venue=venue, symbol=symbol)
        empty = PositionRow(HeldPosition(position=flat, guard=Guard(), best_price=None, last_fill_ms=None))
        return self.database.trading.positions.get((book_id, venue, symbol), empty)

    def _stored(self, row: PositionRow, after: Position, last_fill_ms: int) -> Position:
        tables, before = self.database.trading, row.held.position
        is_over = not after.qty or before.qty * after.qty < 0
        earned = after.realised - after.fees
        if is_over and (profit := earned - row.opened_profit):
            tables.losses[after.book_id] = tables.losses.get(after.book_id, 0) + 1 if profit < 0 else 0
        row.opened_profit = earned if is_over else row.opened_profit
        row.held = HeldPosition(
            position=replace(after, version=before.version + 1),
            guard=Guard() if is_over else row.held.guard,
            best_price=None if is_over else row.held.best_price,
            last_fill_ms=max(last_fill_ms, row.held.last_fill_ms or 0),
        )
        tables.positions[after.book_id, after.venue, after.symbol] = row
        return row.held.position


def _check_posting(before: Position, after: Position, fills: Sequence[Fill]) -> None:
    assets = Assets.of(after.symbol)
    with localcontext(EXACT):
        if after.qty - before.qty != net_qty(fills, assets):
            raise InvalidMessageError("qty", "the fills move it by something else")
        if after.fees - before.fees != total(fee_of(fill, assets) for fill in fills):
            raise InvalidMessageError("fees", "the fills cost something else")
    if any(fill.symbol != after.symbol for fill in fills):
        raise InvalidMessageError("symbol", f"one of the fills is not of {after.symbol}")
