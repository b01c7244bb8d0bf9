"""What a book has at stake: its lines at mark prices, as if everything approved had filled, and what it is worth."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

from shared.domain.trading.equity import drawdown_rate, equity_of
from shared.domain.trading.instruments import Side, is_future
from shared.domain.trading.intents import Intent
from shared.domain.trading.market import Mark, MarketView, Place
from shared.domain.trading.money import ZERO, total
from shared.domain.trading.records import BookView, Reservation


@dataclass(frozen=True, kw_only=True)
class Line:
    """What is held of a place, and what approved entries may still buy and sell there, all in base units.

    What is approved may fill or not, so a side counts at its worst: everything on it filled, nothing against it. Nor is
    what is held a hedge: a stop may have left it before an entry of the other side fills. Each number is found once:
    most lines are the same at every quantity that is tried.
    """

    place: Place
    price: Decimal
    qty: Decimal = ZERO
    buys: Decimal = ZERO
    sells: Decimal = ZERO

    @property
    def symbol(self) -> str:
        """Return the symbol."""
        return self.place[1]

    @cached_property
    def base(self) -> str:
        """Return the base asset."""
        return base_of(self.symbol)

    @cached_property
    def long(self) -> Decimal:
        """Return the largest notional this may be long, in quote units."""
        return (max(self.qty, ZERO) + self.buys) * self.price

    @cached_property
    def short(self) -> Decimal:
        """Return the largest notional this may be short, in quote units, as a positive number."""
        return (max(-self.qty, ZERO) + self.sells) * self.price

    @cached_property
    def gross(self) -> Decimal:
        """Return the largest notional this may come to."""
        return max(self.long, self.short)

    @cached_property
    def signed(self) -> Decimal:
        """Return the larger side's notional, short negative."""
        return self.long if self.long >= self.short else -self.short

    def side(self, sign: int) -> Decimal:
        """Return the notional of a side: +1 long, −1 short."""
        return self.long if sign > 0 else self.short


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """A book's lines, and its equity at their marks in quote units.

    `equity` is None while something held has no mark: unknown is not zero; `unpriced` names it.
    """

    lines: tuple[Line, ...]
    equity: Decimal | None
    day_start_equity: Decimal
    unpriced: tuple[tuple[str, str], ...] = ()

    @property
    def gross(self) -> Decimal:
        """Return the sum of all notionals, whatever their side."""
        return total(line.gross for line in self.lines)

    @property
    def net(self) -> Decimal:
        """Return the sum of all notionals, shorts taken off."""
        return total(line.signed for line in self.lines)

    @property
    def open_places(self) -> frozenset[Place]:
        """Return where something is held or may come to be."""
        return frozenset(line.place for line in self.lines if line.gross > 0)

    @property
    def drawdown_rate(self) -> Decimal | None:
        """Return which fraction of the equity at midnight UTC is lost, 0 when none is, None when it is not known."""
        return None if self.equity is None else drawdown_rate(self.day_start_equity, self.equity)

    def rate(self, notional: Decimal) -> Decimal | None:
        """Return a notional as a fraction of the equity, None where there is no equity to measure by."""
        return notional / self.equity if self.equity is not None and self.equity > 0 else None

    def concentration(self, base: str) -> Decimal:
        """Return the notional in one base asset, all its instruments and venues together, in quote units."""
        return total(line.gross for line in self.lines if line.base == base)

    def adding(self, place: Place, side: Side, qty: Decimal, price: Decimal) -> "Portfolio":
        """Return the portfolio with a further order that may fill, valued at no less than its own price."""
        known = next((line for line in self.lines if line.place == place), Line(place=place, price=price))
        grown = _reserved(replace(known, price=max(known.price, price)), side, qty)
        return replace(self, lines=(*(line for line in self.lines if line.place != place), grown))


def base_of(symbol: str) -> str:
    """Return the base asset of a ccxt symbol: `BTC` of `BTC/USDT` and of `BTC/USDT:USDT`."""
    return symbol.partition("/")[0]


def places_of(view: BookView, intent: Intent | None) -> frozenset[Place]:
    """Return the places whose marks and closes a decision needs: what is held, what is approved, what is asked."""
    held = {(each.position.venue, each.position.symbol) for each in view.positions if each.position.qty}
    approved = {(each.venue, each.symbol) for each in view.reservations}
    asked = set() if intent is None else {(intent.venue, intent.symbol)}
    return frozenset(held | approved | asked)


def portfolio_of(view: BookView, market: MarketView) -> Portfolio:
    """Value a book at the marks: positions, and approved entries that have not filled.

    Exits add nothing, but for what they may take of a future beyond what is held.
    """
    held = {(each.position.venue, each.position.symbol): each.position for each in view.positions}
    prices = {place: mark.price for place in held if (mark := market.mark(place)) is not None}
    worth = equity_of(view.book.capital, list(held.values()), prices)
    lines: dict[Place, Line] = {
        place: Line(place=place, price=prices[place], qty=position.qty)
        for place, position in held.items()
        if position.qty and place in prices
    }
    entries = [each for each in view.reservations if not each.is_exit and each.intent_id != _asked(view)]
    return Portfolio(
        lines=_with_entries(lines, [*entries, *_late_exits(view)], market),
        equity=worth.equity,
        day_start_equity=view.day_start_equity,
        unpriced=worth.unpriced,
    )


def _late_exits(view: BookView) -> list[Reservation]:
    """Return what exits of futures may have taken of positions that entries of their own side have turned since.

    What an exit leaves is held when it is sent; where less is, it may have filled before and nobody knows yet.
    """
    late = []
    exits = [each for each in view.reservations if each.is_exit and is_future(each.symbol)]
    for venue, symbol, side in dict.fromkeys((each.venue, each.symbol, each.side) for each in exits):
        same = [each for each in exits if (each.venue, each.symbol, each.side) == (venue, symbol, side)]
        held = [each.position for each in view.positions if each.position.symbol == symbol]
        left = total(max(ZERO, -side.sign * one.qty) for one in held if venue in {None, one.venue})
        beyond = total(each.qty for each in same) - left
        if beyond > 0:
            late.append(replace(same[0], qty=beyond, price=max(each.price for each in same)))
    return late


def _asked(view: BookView) -> str | None:
    return view.intent.intent_id if view.intent is not None else None


def _with_entries(lines: dict[Place, Line], entries: Iterable[Reservation], market: MarketView) -> tuple[Line, ...]:
    """Add what is approved, at the higher of its mark and of the price it is reserved at."""
    for entry in entries:
        place = entry.venue, entry.symbol
        mark: Mark | None = market.mark(place)
        price = max(mark.price, entry.price) if mark is not None else entry.price
        line = lines.get(place) or Line(place=place, price=price)
        lines[place] = _reserved(replace(line, price=max(line.price, price)), entry.side, entry.qty)
    return tuple(lines.values())


def _reserved(line: Line, side: Side, qty: Decimal) -> Line:
    if side is Side.BUY:
        return replace(line, buys=line.buys + qty)
    return replace(line, sells=line.sells + qty)
