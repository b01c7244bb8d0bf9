"""How a book stands: what it is worth, what it has at stake, and how far it is from each of its limits."""

from dataclasses import dataclass
from decimal import Decimal

from shared.domain.trading.books import Limits
from shared.domain.trading.limits import Caps, capped, scaled
from shared.domain.trading.market import Mark, MarketView
from shared.domain.trading.portfolio import Portfolio, portfolio_of
from shared.domain.trading.records import BookView, HeldPosition
from shared.domain.trading.states import TradingState, strictest
from shared.domain.trading.stress import Stressed, stress
from shared.domain.trading.value_at_risk import History, InsufficientData, Tails, history_of, tails_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Valued:
    """A held position with its mark; what it would earn is None where no price is known: unknown is not zero."""

    held: HeldPosition
    mark: Mark | None

    @property
    def unrealised(self) -> Decimal | None:
        """Return what closing at the mark would earn before fees, in quote units."""
        return None if self.mark is None else self.held.position.unrealised(self.mark.price)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookStatus:
    """A book as risk sees it; rates are fractions of its equity, None where the equity is not known.

    `limits` are those it is held to, scaled by the risk tier and capped by the desk; `state` is the strictest of the
    desk's and its own.
    """

    view: BookView
    state: TradingState
    forbidding: tuple[str, ...]
    portfolio: Portfolio
    valued: tuple[Valued, ...]
    limits: Limits
    leverage: Decimal | None
    concentration: tuple[str, Decimal | None] | None
    worst: Stressed
    tails: Tails | InsufficientData


def status_of(view: BookView, market: MarketView, *, tier: int, caps: Caps, seed: int = 0) -> BookStatus:
    """Measure a book at the marks, with everything approved as if it had filled."""
    portfolio = portfolio_of(view, market)
    state, scopes = strictest(view.states)
    bases = sorted({line.base for line in portfolio.lines if line.gross > 0}, key=portfolio.concentration)
    top = bases[-1] if bases else None
    return BookStatus(
        view=view,
        state=state,
        forbidding=() if state is TradingState.ACTIVE else scopes,
        portfolio=portfolio,
        valued=tuple(valued(held, market) for held in view.positions if held.position.qty),
        limits=capped(scaled(view.book.limits, tier), caps),
        leverage=portfolio.rate(portfolio.gross),
        concentration=None if top is None else (top, portfolio.rate(portfolio.concentration(top))),
        worst=stress(portfolio.lines)[0],
        tails=_tails(portfolio, market, seed),
    )


def valued(held: HeldPosition, market: MarketView) -> Valued:
    """Return a position with its mark, as far as the market tells one."""
    return Valued(held=held, mark=market.mark((held.position.venue, held.position.symbol)))


def _tails(portfolio: Portfolio, market: MarketView, seed: int) -> Tails | InsufficientData:
    if portfolio.unpriced:
        names = ", ".join(f"{symbol} at {venue}" for venue, symbol in portfolio.unpriced)
        return InsufficientData(f"no current price of {names}")
    symbols = [line.symbol for line in portfolio.lines if line.gross > 0]
    history = history_of(market.closes, symbols, now_ms=market.now_ms, seed=seed)
    if not isinstance(history, History):
        return history
    notionals: dict[str, float] = {}
    for line in portfolio.lines:
        notionals[line.symbol] = notionals.get(line.symbol, 0.0) + float(line.signed)
    return tails_of(history, notionals)
