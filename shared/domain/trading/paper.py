"""Paper orders: what the market would have made of an order, never better than the market was.

An order that arrives takes from the book, level by level. One that rests is filled at its own price by later bars that
trade through it, each by a share of its volume, and by a later book that has come to it. What is uncertain is drawn
from the order's own id, so that the same order in the same market always meets the same fate.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import Final

from shared.domain.errors import RejectedError
from shared.domain.trading.depth import Depth, Level, walk
from shared.domain.trading.instruments import Instrument, Side
from shared.domain.trading.money import BPS, EXACT, ONE, ZERO, ceil_to, floor_to, grain, total
from shared.domain.trading.orders import Fill, OrderKind, OrderReport, OrderRequest, TimeInForce
from shared.domain.trading.states import WORKING, OrderState

LEVELS: Final = 20
_SPACING_BPS: Final = 2
_LEVEL_RATE: Final = Decimal("0.05")  # of a minute's volume at the best level
_BAR_RATE: Final = Decimal("0.2")  # of a bar's volume that one resting order may have
_HALF: Final = Decimal("0.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperBar:
    """A closed candle of an instrument: prices in quote units, volume in base units."""

    open_time: int
    close_time: int
    open: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperMarket:
    """What a paper order meets: the book as of `depth.time_ms`, and the closed bars before, oldest first."""

    instrument: Instrument
    depth: Depth
    bars: tuple[PaperBar, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperOrder:
    """An order at the paper exchange.

    Bars up to `bars_until_ms` and books up to `book_until_ms` have been looked at. `linked_id` is the client order id
    of the other order of a pair of which one cancels the other.
    """

    request: OrderRequest
    placed_at_ms: int
    updated_at_ms: int
    bars_until_ms: int
    book_until_ms: int = 0
    state: OrderState = OrderState.OPEN
    filled_qty: Decimal = ZERO
    filled_notional: Decimal = ZERO
    fills: int = 0
    is_triggered: bool = False
    linked_id: str | None = None

    @property
    def venue_order_id(self) -> str:
        """Return the paper exchange's id of it."""
        return f"paper-{self.request.client_order_id}"

    @property
    def left_qty(self) -> Decimal:
        """Return what has not filled."""
        return self.request.qty - self.filled_qty

    @property
    def is_working(self) -> bool:
        """Tell whether it may fill."""
        return self.state in WORKING

    def report(self) -> OrderReport:
        """Return what a venue would say of it."""
        return OrderReport(
            client_order_id=self.request.client_order_id,
            venue_order_id=self.venue_order_id,
            symbol=self.request.symbol,
            side=self.request.side,
            state=self.state,
            qty=self.request.qty,
            filled_qty=self.filled_qty,
            average_price=grain(self.filled_notional / self.filled_qty) if self.filled_qty else None,
            updated_at_ms=self.updated_at_ms,
        )


Matched = tuple[PaperOrder, tuple[Fill, ...]]


def new_order(request: OrderRequest, now_ms: int, *, linked_id: str | None = None) -> PaperOrder:
    """Return an order that has just arrived; only bars that open after that are its own."""
    return PaperOrder(
        request=request, placed_at_ms=now_ms, updated_at_ms=now_ms, bars_until_ms=now_ms, linked_id=linked_id
    )


def check(request: OrderRequest, market: PaperMarket) -> None:
    """Raise `RejectedError` for what a venue would refuse of an order, money aside."""
    instrument, best = market.instrument, market.depth.against(request.side)
    if request.qty <= 0 or instrument.fit_qty(request.qty) != request.qty:
        raise RejectedError("invalid_order", f"qty: {request.qty} is not on the grid of {instrument.step_size}")
    price = request.trigger_price if request.kind is OrderKind.STOP_MARKET else request.limit_price
    for name, value in (("limit_price", request.limit_price), ("trigger_price", request.trigger_price)):
        if value is not None and (value <= 0 or instrument.fit_price(value, request.side) != value):
            raise RejectedError("invalid_order", f"{name}: {value} is not on the grid of {instrument.tick_size}")
    if price is None and request.kind is not OrderKind.MARKET:
        raise RejectedError("invalid_order", f"a {request.kind} order needs a price")
    if price is None and not best:
        raise RejectedError("market_closed", f"nobody trades {request.symbol}")
    if shortfall := instrument.shortfall(request.qty, price or best[0].price):
        raise RejectedError("invalid_order", shortfall)
    if request.kind is OrderKind.LIMIT and request.time_in_force is TimeInForce.POST_ONLY and _reaches(request, best):
        raise RejectedError("order_immediately_fillable", "the order would take")
    if request.kind is OrderKind.STOP_MARKET and _is_triggered(request, market.depth):
        raise RejectedError("order_immediately_fillable", "the stop would trigger at once")


def arrive(order: PaperOrder, market: PaperMarket) -> Matched:
    """Match an order on its arrival: take what may be taken now, end what may not rest."""
    order = replace(order, book_until_ms=market.depth.time_ms)
    if order.request.kind is OrderKind.STOP_MARKET:
        return order, ()
    return _take(order, market, market.depth, order.placed_at_ms)


def advance(order: PaperOrder, market: PaperMarket, now_ms: int) -> Matched:
    """Match a resting order with the bars and the book it has not met yet.

    Its fills are of now, although a bar is of before: whoever asks for fills since the last time must find them.
    """
    fills: list[Fill] = []
    for bar in market.bars:
        if order.is_working and bar.open_time >= order.bars_until_ms:
            order, new = _meet_bar(order, market, bar, now_ms)
            order = replace(order, bars_until_ms=bar.close_time)
            fills += new
    if order.is_working and market.depth.time_ms > order.book_until_ms:
        order, new = _meet_book(order, market, now_ms)
        order = replace(order, book_until_ms=market.depth.time_ms)
        fills += new
    return order, tuple(fills)


def cancelled(order: PaperOrder, now_ms: int) -> PaperOrder:
    """Return a working order as it is once it is cancelled."""
    return replace(order, state=OrderState.CANCELLED, updated_at_ms=now_ms)


def book_around(instrument: Instrument, bid: Decimal, ask: Decimal, *, volume: Decimal, time_ms: int) -> Depth:
    """Return a book of a market that is only known by its best prices and its volume a minute.

    The best level has about a twentieth of a minute's volume, those behind it ever more at ever worse prices; bids are
    put on the grid downwards and asks upwards.
    """
    bid, ask = floor_to(bid, instrument.tick_size), ceil_to(ask, instrument.tick_size)
    ask = max(ask, bid + instrument.tick_size)
    spacing = max(floor_to(bid * _SPACING_BPS * BPS, instrument.tick_size), instrument.tick_size)

    def levels(best: Decimal, step: Decimal, name: str) -> tuple[Level, ...]:
        found = []
        for number in range(LEVELS):
            luck = _HALF + _draw(f"{instrument.symbol}:{name}:{time_ms}:{number}")
            qty = instrument.fit_qty(volume * _LEVEL_RATE * (ONE + number * _HALF) * luck)
            if qty > 0 and best + number * step > 0:
                found.append(Level(best + number * step, qty))
        return tuple(found)

    return Depth(time_ms=time_ms, bids=levels(bid, -spacing, "bid"), asks=levels(ask, spacing, "ask"))


def _meet_bar(order: PaperOrder, market: PaperMarket, bar: PaperBar, now_ms: int) -> Matched:
    request = order.request
    if request.kind is OrderKind.STOP_MARKET:
        if not _crosses(request, bar.low, bar.high, request.trigger_price, at_least=True):
            return order, ()
        # A bar that opens beyond the trigger has jumped over it: the first price there was is the best one can have.
        worst = min if request.side is Side.SELL else max
        price = worst(request.trigger_price or bar.open, bar.open)
        tick = market.instrument.tick_size
        bid, ask = (price, price + tick) if request.side is Side.SELL else (max(price - tick, tick), price)
        depth = book_around(market.instrument, bid, ask, volume=bar.volume, time_ms=bar.open_time)
        return _take(replace(order, is_triggered=True), market, depth, now_ms)
    if not _crosses(request, bar.low, bar.high, request.limit_price, at_least=False):
        return order, ()
    luck = _HALF + _draw(f"{request.client_order_id}:{bar.open_time}")
    qty = market.instrument.fit_qty(bar.volume * _BAR_RATE * luck)
    return _make(order, market, min(qty, order.left_qty), now_ms)


def _meet_book(order: PaperOrder, market: PaperMarket, now_ms: int) -> Matched:
    request = order.request
    if request.kind is OrderKind.STOP_MARKET:
        if not _is_triggered(request, market.depth):
            return order, ()
        return _take(replace(order, is_triggered=True), market, market.depth, now_ms)
    found = walk(market.depth, request.side, order.left_qty, limit_price=request.limit_price)
    return _make(order, market, found.qty, now_ms)


def _take(order: PaperOrder, market: PaperMarket, depth: Depth, time_ms: int) -> Matched:
    request = order.request
    limit = request.limit_price if request.kind is OrderKind.LIMIT else None
    found = walk(depth, request.side, order.left_qty, limit_price=limit)
    rests = request.kind is OrderKind.LIMIT and request.time_in_force in (TimeInForce.GTC, TimeInForce.POST_ONLY)
    if request.time_in_force is TimeInForce.FOK and request.kind is OrderKind.LIMIT and found.missing_qty:
        return cancelled(order, time_ms), ()
    order, fills = _execute(order, market.instrument, found.taken, time_ms, is_maker=False)
    return (cancelled(order, time_ms) if order.is_working and not rests else order), fills


def _make(order: PaperOrder, market: PaperMarket, qty: Decimal, time_ms: int) -> Matched:
    """Fill a resting order at its own price, however far the market went."""
    if qty <= 0 or order.request.limit_price is None:
        return order, ()
    level = Level(order.request.limit_price, qty)
    return _execute(order, market.instrument, (level,), time_ms, is_maker=True)


def _execute(
    order: PaperOrder, instrument: Instrument, levels: Sequence[Level], time_ms: int, *, is_maker: bool
) -> Matched:
    """Return the fills of these levels, each with its fee in quote units, and the order after them."""
    request, rate = order.request, instrument.maker_fee_rate if is_maker else instrument.taker_fee_rate
    with localcontext(EXACT):
        fills = tuple(
            Fill(
                trade_id=f"{request.client_order_id}-{order.fills + number}",
                client_order_id=request.client_order_id,
                venue_order_id=order.venue_order_id,
                symbol=request.symbol,
                side=request.side,
                qty=level.qty,
                price=level.price,
                fee_qty=level.qty * level.price * rate,
                fee_asset=instrument.quote,
                fee_notional=level.qty * level.price * rate,
                is_maker=is_maker,
                event_time=time_ms,
            )
            for number, level in enumerate(levels, start=1)
        )
        filled_qty = order.filled_qty + total(fill.qty for fill in fills)
        notional = order.filled_notional + total(fill.notional for fill in fills)
    if not fills:
        return order, ()
    state = OrderState.FILLED if filled_qty == request.qty else OrderState.PARTIALLY_FILLED
    after = replace(
        order,
        filled_qty=filled_qty,
        filled_notional=notional,
        fills=order.fills + len(fills),
        state=state,
        updated_at_ms=time_ms,
    )
    return after, fills


def _reaches(request: OrderRequest, levels: Sequence[Level]) -> bool:
    limit = request.limit_price
    return bool(levels) and limit is not None and request.side.sign * (limit - levels[0].price) >= 0


def _is_triggered(request: OrderRequest, depth: Depth) -> bool:
    """Tell whether a stop is reached: by what one could sell at for a sell, by what one could buy at for a buy."""
    levels = depth.against(request.side)
    if not levels or request.trigger_price is None:
        return False
    return request.side.sign * (levels[0].price - request.trigger_price) >= 0


def _crosses(request: OrderRequest, low: Decimal, high: Decimal, price: Decimal | None, *, at_least: bool) -> bool:
    """Tell whether a bar has traded through an order's price; for a stop (`at_least`) touching it is enough.

    A limit order buys below and sells above the market, a stop the other way round.
    """
    if price is None:
        return False
    if at_least:
        return high >= price if request.side is Side.BUY else low <= price
    return low < price if request.side is Side.BUY else high > price


def _draw(seed: str) -> Decimal:
    """Return a number from 0 to below 1 that is the same for the same seed."""
    return Decimal(int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=2).digest())) / 65_536
