"""A small desk for tests of risk: instruments, books, intents and markets with one thing changed at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

import numpy as np

from shared.domain.candles import COLUMNS, CandleFrame
from shared.domain.timeframe import Timeframe
from shared.domain.traders import PositionSide
from shared.domain.trading.books import Book, Limits
from shared.domain.trading.closes import Closes, closes_of
from shared.domain.trading.decisions import Approved, Decision, Reason
from shared.domain.trading.instruments import Instrument, InstrumentKind, Side
from shared.domain.trading.intents import Guard, Intent, Purpose, Sizing, SizingMethod
from shared.domain.trading.market import Mark, MarketView, Place
from shared.domain.trading.positions import Position
from shared.domain.trading.records import BookView, HeldPosition, Reservation
from shared.domain.trading.risk import check
from shared.domain.trading.states import Mode, TradingState

NOW_MS: Final = 1_700_000_000_000
VENUE: Final = "binance"
BTC: Final = "BTC/USDT"
ETH: Final = "ETH/USDT"
WIDE: Final = Limits(
    max_leverage=Decimal(1000),
    max_concentration_rate=Decimal(1000),
    max_correlated_rate=Decimal(1000),
    var_limit_rate=Decimal(1000),
    max_stress_loss_rate=Decimal(1000),
    max_daily_drawdown_rate=Decimal(1),
    duplicate_window_ms=0,
)
"""Limits that nothing in these tests reaches, to be replaced one at a time."""


def instrument(symbol: str = BTC, kind: InstrumentKind = InstrumentKind.SWAP, *, venue: str = VENUE) -> Instrument:
    """Return an instrument with Binance's grids of BTC."""
    base, _, quote = symbol.partition("/")
    return Instrument(
        venue=venue,
        symbol=symbol,
        kind=kind,
        base=base,
        quote=quote.partition(":")[0],
        tick_size=Decimal("0.01"),
        step_size=Decimal("0.00001"),
        min_qty=Decimal("0.00001"),
        min_notional=Decimal(5),
        maker_fee_rate=Decimal("0.001"),
        taker_fee_rate=Decimal("0.001"),
    )


def intent(sizing: Sizing | str = "1000", **changes: object) -> Intent:
    """Return a wish to go long of BTC, for so much notional unless a sizing is given."""
    sized = Sizing(method=SizingMethod.NOTIONAL, value=Decimal(sizing)) if isinstance(sizing, str) else sizing
    wish = Intent(
        intent_id="wish",
        book_id="book",
        mode=Mode.PAPER,
        source="person",  # type: ignore[arg-type]
        venue=VENUE,
        symbol=BTC,
        direction=PositionSide.LONG,
        sizing=sized,
        guard=Guard(),
        raised_at_ms=NOW_MS - 1_000,
        expires_at_ms=NOW_MS + 60_000,
        correlation_id="test",
    )
    return replace(wish, **changes)  # type: ignore[arg-type]


def held(symbol: str, qty: str, price: str, *, venue: str = VENUE) -> HeldPosition:
    """Return a position entered at a price."""
    position = Position(
        book_id="book", venue=venue, symbol=symbol, qty=Decimal(qty), cost=Decimal(qty) * Decimal(price), version=1
    )
    return HeldPosition(position=position, guard=Guard(), best_price=None, last_fill_ms=None)


def reserved(
    symbol: str, side: Side, qty: str, price: str, *, is_exit: bool = False, venue: str | None = VENUE
) -> Reservation:
    """Return what an approved intent may still add."""
    return Reservation(
        intent_id=f"other-{symbol}-{side}",
        venue=venue,
        symbol=symbol,
        side=side,
        qty=Decimal(qty),
        price=Decimal(price),
        is_exit=is_exit,
    )


def view(limits: Limits = WIDE, *, positions: Sequence[HeldPosition] = (), **changes: object) -> BookView:
    """Return a book of 10,000 USDT that trades everywhere, with nothing in it."""
    book = Book(
        book_id="book",
        owner_id=None,
        name="test",
        mode=Mode.PAPER,
        quote="USDT",
        capital=Decimal(10_000),
        state=TradingState.ACTIVE,
        venues=(VENUE, "kraken"),
        limits=limits,
    )
    seen = BookView(
        book=book,
        states={"desk": TradingState.ACTIVE, "book": TradingState.ACTIVE},
        positions=tuple(positions),
        reservations=(),
        recent=(),
        day_start_equity=Decimal(10_000),
        losses_in_a_row=0,
    )
    return replace(seen, **changes)  # type: ignore[arg-type]


def frame(
    symbols: Sequence[str], *, bars: int = 300, seed: int = 1, deviation: float = 0.004, common: float = 0.5
) -> CandleFrame:
    """Return hourly candles that end now, each symbol a random walk that shares a part of its steps with the others."""
    generator = np.random.default_rng(seed)
    steps = generator.normal(0, deviation, (len(symbols), bars)) * (1 - common) ** 0.5
    steps += generator.normal(0, deviation, bars) * common**0.5
    closes = 100 * np.exp(np.cumsum(steps, axis=1))
    values = np.ones((len(COLUMNS), len(symbols), bars))
    values[0:4] = closes
    values[1] *= 1.002
    values[2] *= 0.998
    end = Timeframe.H1.open_time(NOW_MS)
    times = np.arange(end - bars * Timeframe.H1.ms, end, Timeframe.H1.ms, dtype=np.int64)
    return CandleFrame(
        timeframe=Timeframe.H1,
        symbols=tuple(symbols),
        open_times=times,
        values=values,
        filled=np.zeros((len(symbols), bars), dtype=np.bool_),
    )


def closes(symbols: Sequence[str], *, bars: int = 300) -> Closes:
    """Return the closing prices of such candles."""
    return closes_of({VENUE: frame(symbols, bars=bars)}, [(VENUE, name) for name in symbols], timeframe=Timeframe.H1)


def mark(price: str, *, age_ms: int = 0, spread: str = "0") -> Mark:
    """Return a mark with a spread around it, in quote units."""
    middle, half = Decimal(price), Decimal(spread) / 2
    return Mark(price=middle, time_ms=NOW_MS - age_ms, bid=middle - half, ask=middle + half)


def market(prices: Mapping[str, str] | None = None, **changes: object) -> MarketView:
    """Return a market in which BTC is worth 100 and ETH 10, with history of both."""
    worth = {BTC: "100", ETH: "10"} if prices is None else prices
    marks: dict[Place, Mark] = {(VENUE, symbol): mark(price) for symbol, price in worth.items()}
    seen = MarketView(now_ms=NOW_MS, instrument=instrument(), marks=marks, closes=closes(sorted({BTC, ETH, *worth})))
    return replace(seen, **changes)  # type: ignore[arg-type]


def decide(
    wish: Intent | None = None,
    seen: BookView | None = None,
    told: MarketView | None = None,
    *,
    desk_mode: Mode = Mode.PAPER,
    tier: int = 2,
) -> Decision:
    """Decide an intent in a book and a market, the plain ones unless others are given."""
    return check(wish or intent(), seen or view(), told or market(), desk_mode=desk_mode, tier=tier)


def reasons(decision: Decision) -> set[Reason]:
    """Return the reasons a decision names."""
    return set() if isinstance(decision, Approved) else {objection.reason for objection in decision.reasons}


def qty_of(qty: str) -> Sizing:
    """Return the sizing of so many base units."""
    return Sizing(method=SizingMethod.QTY, value=Decimal(qty))


def leave(sizing: Sizing, **changes: object) -> Intent:
    """Return a wish to leave a long of BTC."""
    return intent(sizing, purpose=Purpose.EXIT, **changes)
