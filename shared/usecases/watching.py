"""Watch books: what they are worth, and whether what they have been through stops them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from shared.domain.errors import NightdeskError
from shared.domain.trading.breakers import Breaker, Observations, Tripped, trip
from shared.domain.trading.limits import Caps, capped
from shared.domain.trading.money import total
from shared.domain.trading.portfolio import Portfolio, portfolio_of
from shared.domain.trading.told import EquityPoint
from shared.domain.trading.value_at_risk import DAY_MS, InsufficientData, shock_of
from shared.usecases.markets_of_books import Market, read_market, read_once

if TYPE_CHECKING:
    from shared.book_ports import BookStore
    from shared.domain.trading.market import MarketView
    from shared.domain.trading.records import BookView, Observed, WatchedBook
    from shared.domain.trading.states import TradingState
    from shared.trading_ports import Ledger

PAGE: Final = 200
"""How many books one read tells of."""
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchDesk:
    """What watching takes; `caps` tells what the desk lets any book risk, as it is set now."""

    books: BookStore
    ledger: Ledger
    market: Market
    caps: Callable[[], Caps] = Caps


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What watching every book found: breakers that went off, as sentences by book, and books that could not be."""

    tripped: dict[str, list[str]]
    errors: dict[str, str]


def watch_books(*, desk: WatchDesk) -> Watched:
    """Record what every book is worth that may have changed, and stop those whose breakers go off.

    Books are read a page at a time and the market once for all of them; one book does not keep the others.
    """
    now_ms, market = desk.market.clock.now_ms(), read_once(desk.market)
    tripped: dict[str, list[str]] = {}
    errors: dict[str, str] = {}
    page, after = desk.books.watched(now_ms=now_ms, limit=PAGE), ""
    while page:
        points: dict[str, EquityPoint] = {}
        for seen in page:
            after = seen.view.book.book_id
            try:
                portfolio, sentences = _watch(seen, now_ms, market, desk)
            except NightdeskError as error:
                errors[after] = f"{type(error).__name__}: {error}"
                continue
            if portfolio.equity is not None:
                points[after] = _point(seen.view, now_ms, portfolio.equity)
            if sentences:
                tripped[after] = sentences
        desk.ledger.mark_equities(points)
        page = desk.books.watched(now_ms=now_ms, after=after, limit=PAGE) if len(page) == PAGE else ()
    return Watched(tripped=tripped, errors=errors)


def _watch(seen: WatchedBook, now_ms: int, market: Market, desk: WatchDesk) -> tuple[Portfolio, list[str]]:
    """Trip the breakers of a book; return what it is worth, and what went off.

    An occasion trips a breaker once: what a person has released stays released until the next one.
    """
    view, observed = seen.view, seen.observed
    told = read_market(view, None, market=market)
    portfolio = portfolio_of(view, told)

    gone_off = trip(
        view.book.breakers,
        _observations(view, observed, told, portfolio),
        max_daily_drawdown_rate=capped(view.book.limits, desk.caps()).max_daily_drawdown_rate,
        state=view.book.state,
    )

    sentences = []
    for tripped in gone_off:
        after = _trip(view.book.book_id, tripped, _occasion_ms(tripped.breaker, now_ms, observed), desk)
        sentences.append(tripped.sentence if after is not view.book.state else f"{tripped.sentence} (released before)")
    return portfolio, sentences


def _trip(book_id: str, tripped: Tripped, at_ms: int, desk: WatchDesk) -> TradingState:
    return desk.books.trip(
        book_id,
        breaker=tripped.breaker.value,
        state=tripped.to_state,
        at_ms=at_ms,
        details={"value": str(tripped.value), "threshold": str(tripped.threshold)},
        reason=tripped.sentence,
    )


def _occasion_ms(breaker: Breaker, now_ms: int, observed: Observed) -> int:
    """Return what makes two findings of a breaker the same occasion: the day, the last fill, else the hour."""
    match breaker:
        case Breaker.DAILY_LOSS:
            return now_ms - now_ms % DAY_MS
        case Breaker.LOSSES_IN_A_ROW if observed.last_fill_ms is not None:
            return observed.last_fill_ms
        case _:
            return now_ms - now_ms % _HOUR_MS


def _observations(view: BookView, observed: Observed, market: MarketView, portfolio: Portfolio) -> Observations:
    return Observations(
        drawdown_rate=portfolio.drawdown_rate,
        losses_in_a_row=view.losses_in_a_row,
        orders=observed.orders,
        rejected=observed.rejected,
        slippage_bps=observed.slippage_bps,
        mismatches=observed.mismatches,
        shock=max(_shocks(view, market), default=None),
    )


def _shocks(view: BookView, market: MarketView) -> Iterator[Decimal]:
    """Yield how far the newest candle of everything held moved, where that can be told."""
    for symbol in sorted({each.position.symbol for each in view.positions if each.position.qty}):
        shock = shock_of(market.closes, symbol) if market.closes is not None else None
        if shock is not None and not isinstance(shock, InsufficientData):
            yield Decimal(repr(round(shock, 6)))


def _point(view: BookView, now_ms: int, equity: Decimal) -> EquityPoint:
    positions = [each.position for each in view.positions]
    return EquityPoint(
        at_ms=now_ms,
        equity=equity,
        realised=total(position.realised for position in positions),
        fees=total(position.fees for position in positions),
    )
