"""What speaks against an intent whatever its quantity: states, mode, the intent itself, the market, the day so far."""

from collections.abc import Callable, Collection, Iterable, Iterator
from decimal import Decimal
from functools import partial

from shared.domain.errors import InvalidMessageError
from shared.domain.traders import PositionSide
from shared.domain.trading.algorithms import check_algorithm
from shared.domain.trading.books import Limits
from shared.domain.trading.decisions import Objection, Reason, plain, short
from shared.domain.trading.instruments import Instrument, InstrumentKind
from shared.domain.trading.intents import Intent, Purpose
from shared.domain.trading.market import Mark, MarketView, Place
from shared.domain.trading.money import LARGEST, ONE, ZERO, require, require_positive
from shared.domain.trading.portfolio import Portfolio
from shared.domain.trading.records import BookView
from shared.domain.trading.sizing import check_sizing
from shared.domain.trading.states import Mode, TradingState, strictest


def against_intent(intent: Intent) -> Iterator[Objection]:
    """Say what in an intent can mean nothing: each field that is not a number, negative, or beyond its bounds."""
    guard, algorithm = intent.guard, intent.algorithm
    hold_ms = None if guard.hold_ms is None else Decimal(guard.hold_ms)
    checks: tuple[Callable[[], object], ...] = (
        partial(check_sizing, intent.sizing),
        *_positive("guard.stop_price", guard.stop_price),
        *_positive("guard.take_profit_price", guard.take_profit_price),
        *_positive("guard.trailing_rate", guard.trailing_rate, most=ONE),
        *_positive("guard.hold_ms", hold_ms),
        *_positive("algorithm.limit_price", algorithm.limit_price),
        *_positive("algorithm.participation_rate", algorithm.participation_rate, most=ONE),
        *_positive("algorithm.shown_rate", algorithm.shown_rate, most=ONE),
        partial(check_algorithm, algorithm),
        *_positive("reference_price", intent.reference_price),
        partial(require, "confidence", ZERO if intent.confidence is None else intent.confidence, least=ZERO, most=ONE),
        partial(require, "edge_rate", ZERO if intent.edge_rate is None else intent.edge_rate),
    )
    for check in checks:
        try:
            check()
        except InvalidMessageError as error:
            yield Objection(reason=Reason.INTENT, sentence=str(error))
    if intent.expires_at_ms <= intent.raised_at_ms:
        yield Objection(reason=Reason.INTENT, sentence="expires_at_ms: expected a time after raised_at_ms")


def _positive(name: str, value: Decimal | None, *, most: Decimal = LARGEST) -> Iterator[Callable[[], object]]:
    """Yield the check of a number that may be left out."""
    if value is not None:
        yield partial(require_positive, name, value, most=most)


def against_states(intent: Intent, view: BookView, *, desk_mode: Mode) -> Iterator[Objection]:
    """Say which trading states and modes forbid an intent: halted everything, reducing all but exits.

    Live needs the desk and the book to be live, and the intent to be meant so; a desk without a state is halted.
    """
    book = view.book
    read = {"desk": view.states.get("desk"), **view.states}
    read["book"] = strictest({"row": book.state, "read": view.states.get("book", book.state)})[0]
    for scope, known in read.items():
        state = known or TradingState.HALTED
        if state is TradingState.HALTED or (state is TradingState.REDUCING and intent.purpose is Purpose.ENTER):
            reason = Reason.BOOK_STATE if scope == "book" else Reason.TRADING_STATE
            missing = "" if known else ", because its state could not be read"
            allowed = "nothing is traded" if state is TradingState.HALTED else "only exits are"
            yield Objection(reason=reason, sentence=f"the {scope} is {state}{missing}: {allowed}")
    if intent.mode is not book.mode:
        yield Objection(reason=Reason.MODE, sentence=f"a {intent.mode} intent in a {book.mode} book")
    if Mode.LIVE in {intent.mode, book.mode} and desk_mode is not Mode.LIVE:
        yield Objection(reason=Reason.MODE, sentence=f"live needs a live desk, this one is {desk_mode}")


def against_time(intent: Intent, *, now_ms: int) -> Iterator[Objection]:
    """Say that an intent is past its time."""
    if now_ms >= intent.expires_at_ms:
        late_s = (now_ms - intent.expires_at_ms) / 1000
        yield Objection(reason=Reason.EXPIRED, sentence=f"it expired {late_s:g} s ago")


def against_instrument(intent: Intent, view: BookView, instrument: Instrument) -> Iterator[Objection]:
    """Say why a book may not enter an instrument: its venue, what it is counted in, a short of what must be owned."""
    book = view.book
    if instrument.venue not in book.venues:
        named = ", ".join(book.venues) or "none"
        yield Objection(reason=Reason.VENUE, sentence=f"the book does not trade at {instrument.venue}, only at {named}")
    if instrument.quote != book.quote:
        sentence = f"{intent.symbol} is paid in {instrument.quote}, the book counts in {book.quote}"
        yield Objection(reason=Reason.QUOTE, sentence=sentence)
    if instrument.kind is InstrumentKind.SPOT and intent.direction is PositionSide.SHORT:
        yield Objection(reason=Reason.SPOT_SHORT, sentence=f"{intent.symbol} is spot, which cannot be sold short")


def against_data(marks: dict[Place, Mark | None], market: MarketView, limits: Limits) -> Iterator[Objection]:
    """Say which places have no mark, or one too old, or one from the future."""
    for (venue, symbol), mark in marks.items():
        where = f"{symbol} at {venue or 'any venue'}"
        if mark is None:
            yield Objection(reason=Reason.MARKET_DATA, sentence=f"no price of {where}")
        elif abs(age_ms := market.now_ms - mark.time_ms) > limits.max_market_data_age_ms:
            yield Objection(
                reason=Reason.MARKET_DATA,
                sentence=f"the price of {where} is {age_ms / 1000:g} s old, at most "
                f"{limits.max_market_data_age_ms / 1000:g} s either way",
                value=Decimal(age_ms),
                limit=Decimal(limits.max_market_data_age_ms),
            )


def against_guard(intent: Intent, mark: Mark, entry_price: Decimal) -> Iterator[Objection]:
    """Say which protective price is on the wrong side: it would close the position as it opens."""
    sign, guard = intent.side.sign, intent.guard
    below, above = ("below", "above") if sign > 0 else ("above", "below")
    for price, what in ((entry_price, "its entry"), (mark.against(intent.side.opposite), "the market")):
        if guard.stop_price is not None and sign * (price - guard.stop_price) <= 0:
            sentence = f"the stop {plain(guard.stop_price)} of a {intent.direction} must be {below} {what}"
            yield Objection(
                reason=Reason.STOP_SIDE, sentence=f"{sentence} {plain(price)}", value=guard.stop_price, limit=price
            )
    take_profit = guard.take_profit_price
    if take_profit is not None and sign * (take_profit - entry_price) <= 0:
        yield Objection(
            reason=Reason.STOP_SIDE,
            sentence=f"the take-profit {plain(take_profit)} of a {intent.direction} must be {above} its entry "
            f"{plain(entry_price)}",
            value=take_profit,
            limit=entry_price,
        )


def against_day(portfolio: Portfolio, limits: Limits) -> Iterator[Objection]:
    """Say that there is nothing left to risk, or that the day has already cost what it may."""
    if portfolio.equity is not None and portfolio.equity <= 0:
        sentence = f"the book's equity is {short(portfolio.equity)}"
        yield Objection(reason=Reason.EQUITY, sentence=sentence, value=portfolio.equity, limit=ZERO)
    drawdown = portfolio.drawdown_rate
    if drawdown is not None and drawdown >= limits.max_daily_drawdown_rate:
        yield Objection(
            reason=Reason.DRAWDOWN,
            sentence=f"{short(drawdown)} of the equity at midnight UTC is lost today, at most "
            f"{short(limits.max_daily_drawdown_rate)}",
            value=drawdown,
            limit=limits.max_daily_drawdown_rate,
        )


def against_count(portfolio: Portfolio, place: Place, limits: Limits, venues: Collection[str]) -> Iterator[Objection]:
    """Say that there would be a position too many; where the venue is open, there may be one at each of `venues`."""
    before = _may_be_open(portfolio.open_places, venues)
    after = before | _may_be_open([place], venues)
    if after != before and len(after) > limits.max_open_positions:
        new = len(after) - len(before)
        yield Objection(
            reason=Reason.OPEN_POSITIONS,
            sentence=f"{len(before)} positions may be open and {new} would be new, at most {limits.max_open_positions}",
            value=Decimal(len(after)),
            limit=Decimal(limits.max_open_positions),
        )


def _may_be_open(places: Iterable[Place], venues: Collection[str]) -> frozenset[Place]:
    """Return the places of which none leaves its venue open: a quantity may be split over all of them."""
    return frozenset((at, symbol) for venue, symbol in places for at in (venues if venue is None else [venue]))


def cost_rate_of(instrument: Instrument, mark: Mark, limits: Limits) -> Decimal | None:
    """Return what entering and leaving costs, as a fraction: both taker fees, both slippages, the spread once.

    None where the venue tells of no spread.
    """
    if mark.spread_rate is None:
        return None
    return 2 * (instrument.taker_fee_rate + limits.slippage_rate) + mark.spread_rate


def against_edge(intent: Intent, cost_rate: Decimal | None, limits: Limits) -> Iterator[Objection]:
    """Say that what an intent expects to earn does not pay for the way in and out."""
    if intent.edge_rate is None:
        return
    if cost_rate is None:
        yield Objection(reason=Reason.EDGE, sentence="an edge is expected, but bid and ask are not known to hold it to")
        return
    needed = cost_rate + limits.min_edge_over_cost_rate
    if intent.edge_rate < needed:
        yield Objection(
            reason=Reason.EDGE,
            sentence=f"the expected edge {short(intent.edge_rate)} is below {short(needed)}: fees, spread and slippage "
            f"of {short(cost_rate)} and {short(limits.min_edge_over_cost_rate)} over",
            value=intent.edge_rate,
            limit=needed,
        )


def against_recent(intent: Intent, view: BookView, limits: Limits) -> Iterator[Objection]:
    """Say that the same was wished for just now, or that its trader is cooling down."""
    for other in view.recent:
        if other.intent_id == intent.intent_id or other.trader_id != intent.trader_id:
            continue
        apart_ms = abs(intent.raised_at_ms - other.raised_at_ms)
        for reason, window_ms, said in (
            (Reason.DUPLICATE, limits.duplicate_window_ms if other.side is intent.side else 0, "the same was raised"),
            (Reason.COOLDOWN, limits.cooldown_ms, "the last one was raised"),
        ):
            if apart_ms < window_ms:
                apart = f"{apart_ms / 1000:g} s before ({other.intent_id}), at least {window_ms / 1000:g} s"
                yield Objection(
                    reason=reason,
                    sentence=f"{said} {apart}",
                    value=Decimal(apart_ms),
                    limit=Decimal(window_ms),
                )
