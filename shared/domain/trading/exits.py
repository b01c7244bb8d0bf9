"""Exits: the intent to leave a position, and how much of what is asked may leave."""

from collections.abc import Sequence
from decimal import Decimal

from shared.domain.traders import PositionSide
from shared.domain.trading.decisions import Approved, Decision, Denied, Modified, Objection, Reason, plain
from shared.domain.trading.instruments import Instrument
from shared.domain.trading.intents import AlgorithmName, Intent, Purpose, Sizing, SizingMethod, Source
from shared.domain.trading.market import MarketView
from shared.domain.trading.money import ZERO, total
from shared.domain.trading.positions import Position
from shared.domain.trading.records import BookView
from shared.domain.trading.states import Mode


def exit_of(position: Position, *, mode: Mode, intent_id: str, source: Source, at_ms: int, horizon_ms: int) -> Intent:
    """Return the intent to leave all of a position at the market; it is of use for `horizon_ms`."""
    return Intent(
        intent_id=intent_id,
        book_id=position.book_id,
        mode=mode,
        source=source,
        venue=position.venue,
        symbol=position.symbol,
        purpose=Purpose.EXIT,
        direction=PositionSide.LONG if position.qty > 0 else PositionSide.SHORT,
        sizing=Sizing(method=SizingMethod.QTY, value=abs(position.qty)),
        raised_at_ms=at_ms,
        expires_at_ms=at_ms + horizon_ms,
        correlation_id=intent_id.replace("-", ""),
    )


def leaves_at_once(intent: Intent) -> bool:
    """Tell whether an exit takes whatever price there is now; another may wait while the price runs away."""
    return intent.algorithm.name is AlgorithmName.MARKET and intent.algorithm.limit_price is None


def decide_exit(
    intent: Intent, view: BookView, market: MarketView, instrument: Instrument, standing: Sequence[Objection]
) -> Decision:
    """Approve what is asked of a position, or what is left of it; `standing` is what speaks against any quantity.

    Sized by notional or quantity an exit leaves so much, by any other method all there is. No price is needed but for
    a notional: an old one serves, and the entry price where there is none.
    """
    sign = 1 if intent.direction is PositionSide.LONG else -1
    held = [each.position for each in view.positions if _is_left(each.position, intent, sign)]
    held_qty = total(abs(position.qty) for position in held)
    leaving_qty = total(
        each.qty
        for each in view.reservations
        if each.is_exit
        and each.intent_id != intent.intent_id
        and each.symbol == intent.symbol
        and each.side is intent.side
        and (intent.venue is None or each.venue in {None, intent.venue})
    )
    figures = {"held_qty": held_qty, "leaving_qty": leaving_qty}
    free_qty = instrument.fit_qty(held_qty - leaving_qty)
    state = f"{plain(held_qty)} {instrument.base} {intent.direction} held, {plain(leaving_qty)} already leaving"
    if free_qty <= 0:
        nothing = Objection(reason=Reason.NOT_HELD, sentence=f"nothing to leave: {state}", value=ZERO, limit=held_qty)
        return Denied(reasons=(*standing, nothing), figures=figures)
    price = _price(market, instrument, held)
    asked_qty = instrument.fit_qty(_asked(intent, price, free_qty))
    qty = min(asked_qty, free_qty)
    reasons = list(standing)
    if problem := instrument.shortfall(qty, price):
        reasons.append(Objection(reason=Reason.MINIMUM, sentence=f"{problem} ({state})", value=qty))
    why = f"{plain(qty)} {instrument.base} to leave: {state}"
    if reasons:
        return Denied(reasons=tuple(reasons), why=why, figures=figures)
    if asked_qty > free_qty:
        more = Objection(
            reason=Reason.NOT_HELD,
            sentence=f"{plain(asked_qty)} {instrument.base} asked: {state}",
            value=asked_qty,
            limit=free_qty,
        )
        return Modified(qty=qty, asked_qty=asked_qty, why=why, reasons=(more,), figures=figures)
    return Approved(qty=qty, why=why, figures=figures)


def _is_left(position: Position, intent: Intent, sign: int) -> bool:
    return position.symbol == intent.symbol and intent.venue in {None, position.venue} and sign * position.qty > 0


def _price(market: MarketView, instrument: Instrument, held: Sequence[Position]) -> Decimal:
    mark = market.mark((instrument.venue, instrument.symbol)) or market.mark((None, instrument.symbol))
    if mark is not None:
        return mark.price
    return total(abs(position.cost) for position in held) / total(abs(position.qty) for position in held)


def _asked(intent: Intent, price: Decimal, all_qty: Decimal) -> Decimal:
    if intent.sizing.method is SizingMethod.QTY:
        return intent.sizing.value
    if intent.sizing.method is SizingMethod.NOTIONAL and price > 0:
        return intent.sizing.value / price
    return all_qty
