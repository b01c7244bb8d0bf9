"""What must hold after every event of a storm, told from the tables and the venues' own books alone."""

from collections import Counter, defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from shared.domain.trading.intents import Intent, Purpose
from shared.domain.trading.money import ZERO, total
from shared.domain.trading.orders import Fill
from shared.domain.trading.paper_accounts import PaperAccount
from shared.domain.trading.records import Order, Role
from shared.domain.trading.states import AT_RISK, IntentState, OrderState, TradingState, is_final
from tests.fakes.trading_tables import UNFINISHED

if TYPE_CHECKING:
    from tests.storm.desk import StormDesk

Place = tuple[str, str, str]
_SLACK = Decimal("1.000000001")


class Checks:
    """The invariants of a desk; each raises `AssertionError` that says what is wrong."""

    def __init__(self, desk: "StormDesk") -> None:
        self._desk = desk
        self._tables = desk.database.trading
        self._viewed: dict[str, Decimal] = {}
        self._worst: dict[tuple[str, str], Decimal] = {}
        self.most_leverage = ZERO

    def viewed(self, intent_id: str, book_id: str) -> None:
        """Remember what a book was worth when a decision on it began."""
        self._viewed[intent_id] = self._equity(book_id)

    def approved(self, intent: Intent, state: TradingState) -> None:
        """Hold an approval to the states, and the book with everything that may fill to its limits, at the marks."""
        assert state is not TradingState.HALTED, f"{intent.intent_id} approved while halted"
        assert intent.qty is not None
        assert intent.qty > 0
        if intent.purpose is Purpose.EXIT:
            return
        assert state is TradingState.ACTIVE, f"{intent.intent_id} approved while {state}"
        book = self._tables.books[intent.book_id]
        # A fill that is posted while one decides costs its fee: what was decided on was worth that much more.
        limits, equity = book.limits, max(self._equity(book.book_id), self._viewed[intent.intent_id])
        lines = self._lines(book.book_id)
        gross = total(qty * self._mark(place) for place, qty in lines.items())
        base = intent.symbol.partition("/")[0]
        coin = total(qty * self._mark(place) for place, qty in lines.items() if place[1].partition("/")[0] == base)
        own = intent.qty * self._mark((intent.venue, intent.symbol))
        assert equity > 0
        assert gross <= limits.max_leverage * equity * _SLACK, f"leverage {gross / equity}"
        assert coin <= limits.max_concentration_rate * equity * _SLACK, f"concentration {coin / equity}"
        assert limits.max_trade_notional is None or own <= limits.max_trade_notional * _SLACK, f"trade of {own}"
        assert limits.max_book_notional is None or gross <= limits.max_book_notional * _SLACK, f"book of {gross}"
        places = {
            (venue, symbol)
            for (known, symbol), qty in lines.items()
            for venue in ([known] if known else book.venues)
            if qty
        }
        assert len(places) <= limits.max_open_positions, f"positions {places}"
        self.most_leverage = max(self.most_leverage, gross / equity)
        self._worst[intent.book_id, intent.symbol] = self._most(intent.book_id, intent.symbol)

    def submitted(self, order: Order, state: TradingState) -> None:
        """Hold an order to the states, and its intent's orders to what was approved."""
        assert state is not TradingState.HALTED, f"{order.client_order_id} submitted while halted"
        if state is TradingState.REDUCING:
            held = self._tables.positions[order.book_id, order.venue, order.symbol].held.position.qty
            assert held * order.side.sign < 0, f"{order.client_order_id} does not reduce {held}"
        withdrawn = self._tables.intents[order.intent_id].intent.withdrawn
        assert order.role is not Role.SLICE or withdrawn is None, f"{order.client_order_id} is of a withdrawn intent"
        rows = [row.order for row in self._tables.orders.values() if row.order.intent_id == order.intent_id]
        taken = total(one.qty if one.state in AT_RISK else one.filled_qty for one in rows if one.role is Role.SLICE)
        approved = self._tables.intents[order.intent_id].intent.qty or ZERO
        assert taken <= approved, f"{taken} of {approved} are at risk"

    def after_event(self) -> None:
        """Hold the ledger to the venues, what is at stake to what was approved, and orders to be sent once."""
        for one, count in self._desk.sent.items():
            assert count == 1, f"{one} was sent {count} times"
        trades = self._trades()
        self._ledger(trades)
        self._quantities(trades)
        opened = Counter(book_id for (book_id, _, _), row in self._tables.positions.items() if row.held.position.qty)
        for book_id, count in opened.items():
            assert count <= self._tables.books[book_id].limits.max_open_positions, f"{count} positions of {book_id}"
        for book_id, symbol in self._worst:
            now = self._most(book_id, symbol)
            assert now <= self._worst[book_id, symbol], f"{book_id} may hold {now} of {symbol}, more than was approved"
            self._worst[book_id, symbol] = now

    def at_the_end(self) -> None:
        """Hold everything to be settled: each fill posted, each intent ended by what of it exists, no slice open."""
        trades = self._trades()
        posted = {(key.venue, key.account, key.trade_id) for key in self._tables.fills}
        assert {(venue, account, fill.trade_id) for venue, account, fill in trades} == posted
        for row in self._tables.intents.values():
            assert is_final(row.intent.state), f"{row.intent.intent_id} is {row.intent.state}"
            mine = {one.order.client_order_id for one in self._tables.slices_of(row.intent.intent_id)}
            filled = total(fill.qty for _, _, fill in trades if fill.client_order_id in mine)
            if row.intent.state is IntentState.EXECUTED:
                assert filled > 0
            if row.intent.state in (IntentState.DENIED, IntentState.EXPIRED):
                assert not filled
        for order in (row.order for row in self._tables.orders.values()):
            assert order.role is not Role.SLICE or is_final(order.state), f"{order.client_order_id} is {order.state}"

    def _ledger(self, trades: list[tuple[str, str, Fill]]) -> None:
        """Posted fills are the venue's trades; with those that are not posted yet, holdings are its balances."""
        there = {(venue, account, fill.symbol, fill.trade_id): fill for venue, account, fill in trades}
        moved: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        behind = {key[:3] for key in there if key not in self._tables.fills}
        for key, fill in there.items():
            if key in self._tables.fills:
                assert self._tables.fills[key].fill == fill, f"{key} is posted as another fill"
                continue
            base, _, quote = fill.symbol.partition(":")[0].partition("/")
            if ":" not in fill.symbol:
                moved[key[:2]][base] += fill.side.sign * fill.qty
            moved[key[:2]][quote] -= fill.side.sign * fill.notional
            moved[key[:2]][fill.fee_asset] -= fill.fee_qty
        assert {tuple(key) for key in self._tables.fills} <= there.keys(), "a fill is posted that never was"
        for place, account in self._desk.paper.accounts.items():
            self._futures(place, account, trades, behind)
            moved[place]["USDT"] += self._open_cost(place, account)
            held = self._desk.ledger.holdings(*place)
            for asset in {*held, *account.balances}:
                booked = held.get(asset, ZERO) + moved[place][asset]
                actual = account.balances.get(asset, ZERO)
                assert booked == actual, f"{asset} of {place}: booked {booked}, the venue has {actual}"
                assert actual >= 0, f"{asset} of {place} is {actual}"
        for (book_id, venue, symbol), row in self._tables.positions.items():
            mine = [
                fill.fill.side.sign * fill.fill.qty
                for key, fill in self._tables.fills.items()
                if (fill.book_id, key.venue, key.symbol) == (book_id, venue, symbol)
            ]
            assert row.held.position.qty == total(mine), f"{symbol} of {book_id}: {row.held.position.qty}"

    def _futures(
        self, place: tuple[str, str], account: PaperAccount, trades: list[tuple[str, str, Fill]], behind: set[Place]
    ) -> None:
        """A venue's positions are its trades, and the ledger's once all of them are posted."""
        traded: dict[str, Decimal] = defaultdict(Decimal)
        for venue, name, fill in trades:
            if (venue, name) == place and ":" in fill.symbol:
                traded[fill.symbol] += fill.side.sign * fill.qty
        for symbol, qty in traded.items():
            there = account.position(symbol)
            assert there.qty == qty, f"{symbol} of {place}: {there.qty} held, {qty} traded"
            row = self._tables.positions.get((place[1], place[0], symbol))
            if (*place, symbol) not in behind and row is not None:
                here = row.held.position
                assert (here.qty, here.cost) == (qty, there.cost), f"{symbol} of {place}: {here}, the venue has {there}"

    def _open_cost(self, place: tuple[str, str], account: PaperAccount) -> Decimal:
        """Return by how much more the venue's open futures cost than the ledger's: what they realised is the less."""
        there = total(position.cost for position in account.positions.values())
        return there - total(
            row.held.position.cost
            for (book_id, venue, symbol), row in self._tables.positions.items()
            if (venue, book_id) == place and ":" in symbol
        )

    def _quantities(self, trades: list[tuple[str, str, Fill]]) -> None:
        """What of an intent has traded or rests at a venue is at most what was approved."""
        of = {row.order.client_order_id: row.order for row in self._tables.orders.values()}
        at_stake: dict[str, Decimal] = defaultdict(Decimal)
        for _, _, fill in trades:
            order = of[fill.client_order_id]
            at_stake[order.intent_id] += fill.qty if order.role is Role.SLICE else ZERO
        for account in self._desk.paper.accounts.values():
            for resting in account.orders:
                order = of[resting.request.client_order_id]
                left = resting.request.qty - resting.report().filled_qty
                at_stake[order.intent_id] += left if order.role is Role.SLICE else ZERO
        for intent_id, qty in at_stake.items():
            approved = self._tables.intents[intent_id].intent.qty or ZERO
            assert qty <= approved, f"{qty} of intent {intent_id} exist, {approved} were approved"

    def protected(self) -> None:
        """Hold every stop at a venue to be exactly as large as the position it is for, unless that is being left."""
        leaving = {
            (row.intent.book_id, row.intent.symbol)
            for row in self._tables.intents.values()
            if row.intent.purpose is Purpose.EXIT and not is_final(row.intent.state)
        }
        for (book_id, venue, symbol), row in self._tables.positions.items():
            standing = [
                one.order
                for one in self._tables.orders.values()
                if one.order.role is Role.STOP
                and (one.order.book_id, one.order.venue, one.order.symbol) == (book_id, venue, symbol)
                and one.order.state in AT_RISK | {OrderState.NEW}
            ]
            qty = total(order.qty - order.filled_qty for order in standing if order.state in AT_RISK)
            held, guard = row.held.position.qty, row.held.guard
            sign = 1 if held > 0 else -1
            reached = guard.stop_price is not None and sign * (self._mark((venue, symbol)) - guard.stop_price) <= 0
            if (book_id, symbol) in leaving or reached:
                continue
            instrument = self._desk.instrument(venue, symbol)
            price = guard.stop_price
            wanted = instrument.fit_qty(abs(held)) if price is not None else ZERO
            if price is not None and instrument.shortfall(wanted, price) is not None:
                wanted = ZERO
            assert qty == wanted, f"stops of {qty} protect {held} of {symbol} of {book_id} at {venue}, {wanted} wanted"

    def _trades(self) -> list[tuple[str, str, Fill]]:
        return [(key[0], key[1], fill) for key, fill in self._desk.paper.trades.items()]

    def _lines(self, book_id: str) -> dict[tuple[str | None, str], Decimal]:
        """Return the most a book may come to hold of each place, long or short, whatever of what is approved fills and
        whatever is left meanwhile."""
        sides: dict[int, dict[tuple[str | None, str], Decimal]] = {1: defaultdict(Decimal), -1: defaultdict(Decimal)}
        for (of, venue, symbol), row in self._tables.positions.items():
            if of == book_id:
                qty = row.held.position.qty
                sides[1 if qty > 0 else -1][venue, symbol] += abs(qty)
        for known in self._tables.intents.values():
            intent = known.intent
            if intent.book_id == book_id and intent.state in UNFINISHED and intent.purpose is Purpose.ENTER:
                posted = total(row.posted_qty for row in self._tables.slices_of(intent.intent_id))
                sides[intent.side.sign][intent.venue, intent.symbol] += (intent.qty or ZERO) - posted
        for (at, symbol, sign), leaving in self._leaving(book_id).items():
            left = total(
                max(ZERO, -sign * row.held.position.qty)
                for (of, venue, name), row in self._tables.positions.items()
                if (of, name) == (book_id, symbol) and at in {None, venue}
            )
            sides[sign][at, symbol] += max(ZERO, leaving - left)
        return {place: max(sides[1][place], sides[-1][place]) for place in {*sides[1], *sides[-1]}}

    def _leaving(self, book_id: str) -> dict[tuple[str | None, str, int], Decimal]:
        """Return what exits of futures may have taken and nobody knows yet: an entry may have turned what they left."""
        found: dict[tuple[str | None, str, int], Decimal] = defaultdict(Decimal)
        for intent in (known.intent for known in self._tables.intents.values()):
            if intent.book_id == book_id and intent.state in UNFINISHED and intent.purpose is Purpose.EXIT:
                posted = total(row.posted_qty for row in self._tables.slices_of(intent.intent_id))
                if ":" in intent.symbol:
                    found[intent.venue, intent.symbol, intent.side.sign] += (intent.qty or ZERO) - posted
        return found

    def _most(self, book_id: str, symbol: str) -> Decimal:
        return total(qty for place, qty in self._lines(book_id).items() if place[1] == symbol)

    def _mark(self, place: tuple[str | None, str]) -> Decimal:
        """Return the middle price; of a place whose venue is open, the lower of both: what is certain."""
        venue, symbol = place
        if venue is not None:
            return self._desk.market.prices[venue, symbol]
        return min(price for (_, of), price in self._desk.market.prices.items() if of == symbol)

    def _equity(self, book_id: str) -> Decimal:
        held = [row.held.position for key, row in self._tables.positions.items() if key[0] == book_id]
        profits = (each.profit(self._mark((each.venue, each.symbol))) for each in held)
        return self._tables.books[book_id].capital + total(profits)
