"""Tell how books stand, and how much to trade for what one is willing to lose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from shared.domain.errors import InvalidMessageError, RefusedError
from shared.domain.trading.asking import Problem, instruments_named
from shared.domain.trading.books import Limits
from shared.domain.trading.instruments import Instrument, Side
from shared.domain.trading.intents import Sizing, SizingMethod
from shared.domain.trading.market import marks_of
from shared.domain.trading.money import require_positive
from shared.domain.trading.sizing import Sized, SizingInput, loss_at_stop, size
from shared.domain.trading.status import BookStatus, Valued, status_of
from shared.usecases.markets_of_books import Market, read_market

if TYPE_CHECKING:
    from shared.domain.trading.decisions import Objection
    from shared.domain.trading.limits import Caps
    from shared.domain.trading.records import HeldPosition
    from shared.ports import TickerBoard, VenueStore
    from shared.trading_reads import TradingReads
    from shared.venue_ports import InstrumentStore

HUNDRED: Final = Decimal(100)


def book_status(book_id: str, *, reads: TradingReads, market: Market, tier: int, caps: Caps) -> BookStatus:
    """Return how a book stands now; raise `NotFoundError`."""
    view = reads.book(book_id, now_ms=market.clock.now_ms())
    return status_of(view, read_market(view, None, market=market), tier=tier, caps=caps)


def value_positions(held: Sequence[HeldPosition], *, tickers: TickerBoard) -> list[Valued]:
    """Return positions with the marks of their own venues, as far as the board tells them."""
    symbols = {each.position.symbol for each in held}
    marks = marks_of(tickers.now(sorted({each.position.venue for each in held})), symbols) if held else {}
    return [Valued(held=each, mark=marks.get((each.position.venue, each.position.symbol))) for each in held]


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionSize:
    """How much to trade, on an instrument's own steps; `objection` says why it is nothing."""

    instrument: Instrument
    side: Side
    qty: Decimal
    notional: Decimal
    loss: Decimal
    why: str
    objection: Objection | None = None


def calculate_position(
    *,
    symbol: str,
    entry_price: Decimal,
    stop_price: Decimal,
    account_size: Decimal,
    risk_percent: Decimal,
    venue: str | None,
    instruments: InstrumentStore,
    venues: VenueStore,
) -> PositionSize:
    """Return the quantity that loses a percentage of an account at the stop, fees and slippage of both sides in it.

    Raise `RefusedError` with every field that is wrong. Below the venue's minima it is nothing.
    """
    named, problems = _named(symbol, venue, instruments, venues)
    problems += _wrong_numbers(entry_price, stop_price, account_size, risk_percent)
    if problems:
        raise RefusedError(problems)
    instrument = named[0]
    known = SizingInput(
        instrument=instrument,
        side=Side.BUY if stop_price < entry_price else Side.SELL,
        price=entry_price,
        stop_price=stop_price,
        equity=account_size,
        slippage_rate=Limits().slippage_rate,
    )
    found = size(Sizing(method=SizingMethod.RISK, value=risk_percent / HUNDRED), known)
    qty = found.qty if isinstance(found, Sized) else Decimal(0)
    return PositionSize(
        instrument=instrument,
        side=known.side,
        qty=qty,
        notional=qty * entry_price,
        loss=qty * loss_at_stop(known, stop_price),
        why=found.why if isinstance(found, Sized) else found.sentence,
        objection=None if isinstance(found, Sized) else found,
    )


def _named(
    symbol: str, venue: str | None, instruments: InstrumentStore, venues: VenueStore
) -> tuple[list[Instrument], list[Problem]]:
    known = sorted(each.venue for each in venues.enabled())
    if venue is not None and venue not in known:
        return [], [("venue", f"expected one of {', '.join(known)}, got {venue!r}")]
    at = known if venue is None else [venue]
    named = [each for place in at for each in instruments_named(symbol, instruments.list(venue=place))]
    return named, [] if named else [("symbol", f"{symbol} is not traded at {', '.join(at)}")]


def _wrong_numbers(
    entry_price: Decimal, stop_price: Decimal, account_size: Decimal, risk_percent: Decimal
) -> list[Problem]:
    wrong: list[Problem] = []
    for field, value, most in (
        ("entry_price", entry_price, None),
        ("stop_loss", stop_price, None),
        ("account_size", account_size, None),
        ("risk_percent", risk_percent, HUNDRED),
    ):
        try:
            require_positive(field, value) if most is None else require_positive(field, value, most=most)
        except InvalidMessageError as error:
            wrong += error.errors
    if entry_price == stop_price and not wrong:
        wrong.append(("stop_loss", "expected a price below the entry for a long position, above it for a short one"))
    return wrong
