"""Paper accounts: what they hold, what orders and positions hold back of it, and what they cannot pay."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from shared.domain.errors import RejectedError
from shared.domain.trading.accounts import Balance, VenuePosition
from shared.domain.trading.depth import walk
from shared.domain.trading.instruments import Instrument, Side, is_future
from shared.domain.trading.ledger import Assets
from shared.domain.trading.money import ONE, ZERO
from shared.domain.trading.orders import Fill, OrderKind
from shared.domain.trading.paper import PaperMarket, PaperOrder
from shared.domain.trading.paper_margin import (
    Claim,
    check_reduces,
    equity_of,
    margin_of,
)
from shared.domain.trading.positions import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperAccount:
    """What a paper account holds, with its working orders by age; `version` counts its changes.

    `positions` are futures by symbol, flat ones left out. `trades` counts its fills, whose numbers are their trade ids,
    and `last_fill_ms` is the time of the newest: the venue's clock never goes back, so that who sorts
    fills by time and number has them in the order in which they happened.
    """

    venue: str
    account: str
    version: int
    balances: Mapping[str, Decimal]
    orders: tuple[PaperOrder, ...] = ()
    positions: Mapping[str, Position] = field(default_factory=dict)
    trades: int = 0
    last_fill_ms: int = 0

    def find(self, symbol: str, client_order_id: str) -> PaperOrder | None:
        """Return a working order."""
        for order in self.orders:
            if (order.request.symbol, order.request.client_order_id) == (symbol, client_order_id):
                return order
        return None

    def position(self, symbol: str) -> Position:
        """Return a future's position, a flat one where there is none."""
        empty = Position(book_id=self.account, venue=self.venue, symbol=symbol)
        return self.positions.get(symbol, empty)


class PaperChange(NamedTuple):
    """An account after something happened, the orders that changed (ended ones included), and the new fills."""

    account: PaperAccount
    orders: tuple[PaperOrder, ...] = ()
    fills: tuple[Fill, ...] = ()

    def then(self, change: "PaperChange") -> "PaperChange":
        """Return two changes as one; of an order that changed twice, the later."""
        orders = {order.request.client_order_id: order for order in (*self.orders, *change.orders)}
        return PaperChange(change.account, tuple(orders.values()), (*self.fills, *change.fills))


InstrumentOf = Callable[[str], Instrument | None]
"""The instrument of a symbol, None for one that is no longer listed."""


def locked(account: PaperAccount, instrument_of: InstrumentOf) -> Mapping[str, Decimal]:
    """Return what open orders hold back of each asset, of a pair the larger, and the margin of futures."""
    held: dict[tuple[str, frozenset[str]], Decimal] = {}
    for order in account.orders:
        if is_future(order.request.symbol):
            continue
        asset, qty = _held(order, instrument_of(order.request.symbol))
        pair = frozenset({order.request.client_order_id, order.linked_id or order.request.client_order_id})
        held[asset, pair] = max(held.get((asset, pair), ZERO), qty)
    totals: dict[str, Decimal] = {}
    for (asset, _), qty in held.items():
        totals[asset] = totals.get(asset, ZERO) + qty
    for symbol in sorted(_futures(account)):
        margin = margin_of(account.positions.get(symbol), _claims(account, symbol), _fee_rate(instrument_of(symbol)))
        asset = Assets.of(symbol).quote
        totals[asset] = totals.get(asset, ZERO) + margin
    return totals


def balances(account: PaperAccount, instrument_of: InstrumentOf) -> Sequence[Balance]:
    """Return what an account holds, zeros left out."""
    held = locked(account, instrument_of)
    return [
        Balance(asset=asset, total=total, locked=held.get(asset, ZERO))
        for asset, total in sorted(account.balances.items())
        if total
    ]


def positions(account: PaperAccount) -> Sequence[VenuePosition]:
    """Return the futures an account holds."""
    return [
        VenuePosition(symbol=symbol, qty=position.qty, entry_price=position.entry_price)
        for symbol, position in sorted(account.positions.items())
    ]


def require_assets(
    account: PaperAccount, orders: Sequence[PaperOrder], market: PaperMarket, instrument_of: InstrumentOf
) -> None:
    """Raise `RejectedError` for orders of spot, of a pair the dearer, that cost more than is free."""
    instrument = market.instrument
    needed = max(_needed(order, market) for order in orders)
    asset = instrument.quote if orders[0].request.side is Side.BUY else instrument.base
    free = account.balances.get(asset, ZERO) - locked(account, instrument_of).get(asset, ZERO)
    if needed > free:
        raise RejectedError("insufficient_funds", f"{needed} {asset} are needed, {free} are free")


def require_margin(
    account: PaperAccount, order: PaperOrder, markets: Mapping[str, PaperMarket], instrument_of: InstrumentOf
) -> None:
    """Raise `RejectedError` for an order of a future that would hold back more margin than is free.

    What makes the exposure no larger is never refused for it. Raise `TransientError` while a position has no price.
    """
    request = order.request
    market, held = markets[request.symbol], account.positions.get(request.symbol)
    if request.reduce_only:
        check_reduces(request, held)
        return
    asset, claims, fee_rate = market.instrument.quote, _claims(account, request.symbol), _fee_rate(market.instrument)
    before = margin_of(held, claims, fee_rate)
    needed = margin_of(held, [*claims, _new_claim(order, market)], fee_rate) - before
    owned = [each for symbol, each in account.positions.items() if Assets.of(symbol).quote == asset]
    marks = {symbol: each.depth.mid for symbol, each in markets.items()}
    equity = equity_of(account.balances.get(asset, ZERO), owned, marks)
    free = equity - locked(account, instrument_of).get(asset, ZERO)
    if needed > max(free, ZERO):
        raise RejectedError("insufficient_funds", f"{needed} {asset} of margin are needed, {free} are free")


def _futures(account: PaperAccount) -> set[str]:
    return {*account.positions} | {one.request.symbol for one in account.orders if is_future(one.request.symbol)}


def _claims(account: PaperAccount, symbol: str) -> Sequence[Claim]:
    """Return what the orders of a future may open: those that only reduce hold nothing back."""
    return [
        Claim(side=one.request.side, qty=one.left_qty, notional=one.left_qty * _price(one))
        for one in account.orders
        if one.request.symbol == symbol and not one.request.reduce_only
    ]


def _new_claim(order: PaperOrder, market: PaperMarket) -> Claim:
    """Return what an order may open that has not met the market: what it takes, it takes at the market's prices."""
    request = order.request
    bids = market.depth.bids
    if request.kind is OrderKind.MARKET:
        notional = walk(market.depth, request.side, request.qty).notional
    elif request.side is Side.SELL and bids:
        notional = request.qty * max(_price(order), bids[0].price)
    else:
        notional = request.qty * _price(order)
    return Claim(side=request.side, qty=request.qty, notional=notional)


def _price(order: PaperOrder) -> Decimal:
    return order.request.limit_price or order.request.trigger_price or ZERO


def _fee_rate(instrument: Instrument | None) -> Decimal:
    """Return the dearer fee; of what is no longer listed none is due."""
    return max(instrument.taker_fee_rate, instrument.maker_fee_rate) if instrument else ZERO


def _held(order: PaperOrder, instrument: Instrument | None) -> tuple[str, Decimal]:
    """Return what an order of spot may still spend, the dearer fee included."""
    base, _, quote = order.request.symbol.partition("/")
    if order.request.side is Side.SELL:
        return base, order.left_qty
    return quote, order.left_qty * _price(order) * (ONE + _fee_rate(instrument))


def _needed(order: PaperOrder, market: PaperMarket) -> Decimal:
    """Return what an order may spend at most; at the market, what the book asks for it now."""
    request = order.request
    if request.side is Side.BUY and request.kind is OrderKind.MARKET:
        return walk(market.depth, Side.BUY, request.qty).notional * (ONE + market.instrument.taker_fee_rate)
    return _held(order, market.instrument)[1]
