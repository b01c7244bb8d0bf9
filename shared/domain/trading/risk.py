"""Decide a trade intent: approved, approved smaller, or denied for every reason there is; one pure call.

Entries are held to every limit of the book at the quantity they ask for, and made smaller when a smaller one fits.
Exits are held to what is held: no exposure limit, no old price and no drawdown keeps anybody from leaving.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.errors import InvalidMessageError
from shared.domain.trading.books import Limits, VarPolicy
from shared.domain.trading.decisions import (
    Approved,
    Decision,
    Denied,
    Figure,
    Modified,
    Objection,
    Reason,
    plain,
)
from shared.domain.trading.exits import decide_exit
from shared.domain.trading.exposure import Gauge
from shared.domain.trading.instruments import Instrument
from shared.domain.trading.intents import Intent, Purpose
from shared.domain.trading.limits import Caps, capped, scaled, tightened
from shared.domain.trading.market import Mark, MarketView, Place
from shared.domain.trading.money import ONE, ZERO, require, require_positive
from shared.domain.trading.portfolio import Portfolio, portfolio_of
from shared.domain.trading.records import BookView
from shared.domain.trading.screening import (
    against_count,
    against_data,
    against_day,
    against_edge,
    against_guard,
    against_instrument,
    against_intent,
    against_recent,
    against_states,
    against_time,
    cost_rate_of,
)
from shared.domain.trading.sizing import Sized, SizingInput, size
from shared.domain.trading.states import Mode
from shared.domain.trading.value_at_risk import History, InsufficientData, history_of

NO_CAPS: Final = Caps()


def check(
    intent: Intent,
    view: BookView,
    market: MarketView,
    *,
    desk_mode: Mode,
    tier: int,
    caps: Caps = NO_CAPS,
    seed: int = 0,
) -> Decision:
    """Hold an intent to the states, limits and history of its book, the limits scaled by the desk's risk tier and none
    of them looser than its caps.

    The same arguments give the same decision: `seed` fixes the simulated days. Raise `InvalidMessageError` when the
    book or the market holds a number that is none, or is not the intent's.
    """
    _check_inputs(intent, view, market)
    limits = scaled(view.book.limits, tier)
    tighter = tightened(limits, caps)
    standing = [
        *against_states(intent, view, desk_mode=desk_mode),
        *against_time(intent, now_ms=market.now_ms),
        *(invalid := list(against_intent(intent))),
    ]
    instrument = market.instrument
    if instrument is None:
        where = intent.venue or "any of the book's venues"
        standing.append(Objection(reason=Reason.INSTRUMENT, sentence=f"{intent.symbol} is not listed at {where}"))
    if invalid or instrument is None:
        return Denied(reasons=tuple(standing))
    if intent.purpose is Purpose.EXIT:
        return decide_exit(intent, view, market, instrument, standing)
    portfolio = portfolio_of(view, market)
    return _Entry(intent, view, market, instrument, capped(limits, caps), tighter, portfolio, seed).decide(standing)


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry with all that is known of it."""

    intent: Intent
    view: BookView
    market: MarketView
    instrument: Instrument
    limits: Limits
    tighter: Mapping[str, Decimal]
    portfolio: Portfolio
    seed: int

    @property
    def place(self) -> Place:
        return self.intent.venue, self.intent.symbol

    def decide(self, standing: list[Objection]) -> Decision:
        mark = self.market.mark((self.instrument.venue, self.intent.symbol))
        standing += self._against_all(mark)
        figures = self._figures()
        if mark is None:
            return Denied(reasons=tuple(standing), figures=figures)
        price = self.intent.algorithm.limit_price or mark.against(self.intent.side)
        cost_rate = cost_rate_of(self.instrument, mark, self.limits)
        standing += against_guard(self.intent, mark, price)
        standing += against_edge(self.intent, cost_rate, self.limits)
        figures |= {"price": price, "cost_rate": cost_rate, "edge_rate": self.intent.edge_rate}
        history = self._history()
        notes = self._notes(history, cost_rate)
        if isinstance(history, InsufficientData) and self.limits.var_policy is VarPolicy.DENY:
            standing.append(Objection(reason=Reason.INSUFFICIENT_DATA, sentence=f"value at risk: {history.sentence}"))
        sized = self._size(price)
        if isinstance(sized, Objection):
            known = any(each.reason is sized.reason for each in standing)
            reasons = standing if known else [*standing, sized]
            return Denied(reasons=tuple(reasons), notes=notes, figures=figures)
        known_so_far = Denied(reasons=tuple(standing), notes=notes, figures=figures)
        return _fit(self._gauge(max(price, mark.price), history), self.instrument, sized, price, known_so_far)

    def _against_all(self, mark: Mark | None) -> list[Objection]:
        held = sorted((p.position.venue, p.position.symbol) for p in self.view.positions if p.position.qty)
        marks: dict[Place, Mark | None] = {place: self.market.mark(place) for place in held}
        marks[self.instrument.venue, self.intent.symbol] = mark
        return [
            *against_instrument(self.intent, self.view, self.instrument),
            *against_data(marks, self.market, self.limits),
            *against_day(self.portfolio, self.limits),
            *against_count(self.portfolio, self.place, self.limits, self.view.book.venues),
            *against_recent(self.intent, self.view, self.limits),
        ]

    def _figures(self) -> dict[str, Figure]:
        return {
            "equity": self.portfolio.equity,
            "day_start_equity": self.portfolio.day_start_equity,
            "drawdown_rate": self.portfolio.drawdown_rate,
            "open_positions": len(self.portfolio.open_places),
            **{f"desk_cap.{name}": cap for name, cap in self.tighter.items()},
        }

    def _history(self) -> History | InsufficientData:
        symbols = [line.symbol for line in self.portfolio.lines if line.gross > 0]
        return history_of(self.market.closes, [*symbols, self.intent.symbol], now_ms=self.market.now_ms, seed=self.seed)

    def _notes(self, history: History | InsufficientData, cost_rate: Decimal | None) -> tuple[str, ...]:
        notes = [f"the desk caps {name} at {plain(cap)}" for name, cap in self.tighter.items()]
        if self.intent.edge_rate is None:
            cost = "costs" if cost_rate is None else f"costs of {plain(cost_rate.quantize(Decimal('1e-6')))}"
            notes.append(f"no edge is stated, so it was not held against {cost}")
        if isinstance(history, InsufficientData) and self.limits.var_policy is VarPolicy.IGNORE:
            notes.append(f"value at risk and correlation were not checked: {history.sentence}")
        return tuple(notes)

    def _size(self, price: Decimal) -> Sized | Objection:
        equity = self.portfolio.equity
        known = SizingInput(
            instrument=self.instrument,
            side=self.intent.side,
            price=price,
            stop_price=self.intent.guard.stop_price,
            equity=equity if equity is not None and equity > 0 else None,
            atr=self.market.atr,
            slippage_rate=self.limits.slippage_rate,
        )
        return size(self.intent.sizing, known)

    def _gauge(self, price: Decimal, history: History | InsufficientData) -> Gauge:
        known = history if isinstance(history, History) else None
        least = float(self.limits.correlation)
        return Gauge(
            portfolio=self.portfolio,
            limits=self.limits,
            place=self.place,
            side=self.intent.side,
            price=price,
            together={} if known is None else known.moving_with(self.intent.symbol, least),
            history=known,
        )


def _fit(gauge: Gauge, instrument: Instrument, sized: Sized, price: Decimal, known: Denied) -> Decision:
    """Approve what is asked, or a smaller quantity that breaks nothing, or deny for all that is `known` and broken."""
    broken = tuple(measure.objection() for measure in gauge.broken(sized.qty))
    figures = {**known.figures, **gauge.figures(sized.qty), "asked_qty": sized.qty}
    if known.reasons:
        return Denied(reasons=(*known.reasons, *broken), why=sized.why, notes=known.notes, figures=figures)
    if not broken:
        return Approved(qty=sized.qty, why=sized.why, notes=known.notes, figures=figures)
    qty = gauge.largest(instrument, sized.qty, price)
    if qty is None:
        return Denied(reasons=broken, why=sized.why, notes=known.notes, figures=figures)
    return Modified(
        qty=qty,
        asked_qty=sized.qty,
        why=f"{sized.why}; {plain(qty)} {instrument.base} is what fits",
        reasons=broken,
        notes=known.notes,
        figures={**figures, **gauge.figures(qty)},
    )


def _check_inputs(intent: Intent, view: BookView, market: MarketView) -> None:
    """Refuse a book or a market that is not the intent's, or whose numbers cannot be computed with."""
    if intent.book_id != view.book.book_id:
        raise InvalidMessageError("book_id", f"expected the intent's book {intent.book_id}, got {view.book.book_id}")
    instrument = market.instrument
    if instrument is not None:
        if instrument.symbol != intent.symbol or intent.venue not in {None, instrument.venue}:
            raise InvalidMessageError("instrument", f"expected {intent.symbol} at {intent.venue}, got {instrument}")
        for name in ("tick_size", "step_size"):
            require_positive(f"instrument.{name}", getattr(instrument, name))
        for name in ("min_qty", "min_notional", "maker_fee_rate", "taker_fee_rate"):
            require(f"instrument.{name}", getattr(instrument, name), least=-ONE if "rate" in name else ZERO)
    if market.atr is not None:
        require_positive("atr", market.atr)
    require_positive("book.capital", view.book.capital)
    require("day_start_equity", view.day_start_equity)
    for held in view.positions:
        for name in ("qty", "cost", "realised", "fees"):
            require(f"position.{name}", getattr(held.position, name))
    for each in view.reservations:
        require("reservation.qty", each.qty, least=ZERO)
        require_positive("reservation.price", each.price)
