"""Paper accounts: balances that move by fills and nothing else, and what open orders hold back of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import NamedTuple

from shared.domain.errors import RejectedError
from shared.domain.trading.accounts import Balance
from shared.domain.trading.depth import walk
from shared.domain.trading.instruments import Instrument, Side
from shared.domain.trading.money import EXACT, ONE, ZERO
from shared.domain.trading.orders import Fill, OrderKind
from shared.domain.trading.paper import Matched, PaperMarket, PaperOrder, advance, arrive, cancelled, check


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperAccount:
    """What a paper account holds, with its working orders by age; `version` counts its changes."""

    venue: str
    account: str
    version: int
    balances: Mapping[str, Decimal]
    orders: tuple[PaperOrder, ...] = ()

    def find(self, symbol: str, client_order_id: str) -> PaperOrder | None:
        """Return a working order."""
        for order in self.orders:
            if (order.request.symbol, order.request.client_order_id) == (symbol, client_order_id):
                return order
        return None


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


def place(
    account: PaperAccount, orders: Sequence[PaperOrder], market: PaperMarket, instrument_of: InstrumentOf
) -> PaperChange:
    """Take an order, or a pair of which one cancels the other, and match it.

    Raise `RejectedError` with nothing changed for what a venue would refuse, and for what the account cannot pay.
    """
    for order in orders:
        check(order.request, market)
    instrument = market.instrument
    needed = max(_needed(order, market) for order in orders)
    asset = instrument.quote if orders[0].request.side is Side.BUY else instrument.base
    free = account.balances.get(asset, ZERO) - locked(account, instrument_of).get(asset, ZERO)
    if needed > free:
        raise RejectedError("insufficient_funds", f"{needed} {asset} are needed, {free} are free")
    change = PaperChange(replace(account, orders=(*account.orders, *orders)))
    for order in orders:
        change = change.then(_settled(change.account, order, arrive(order, market), instrument))
    return change


def look(account: PaperAccount, markets: Mapping[str, PaperMarket], now_ms: int) -> PaperChange:
    """Match working orders with the markets there are of their symbols."""
    change = PaperChange(account)
    for order in account.orders:
        market = markets.get(order.request.symbol)
        # An order earlier in the list may have cancelled this one.
        current = change.account.find(order.request.symbol, order.request.client_order_id)
        if market is None or current is None:
            continue
        matched = advance(current, market, now_ms)
        # Where nothing has happened nothing is stored: looking at the same bars again finds the same.
        if matched[1] or matched[0].state is not current.state:
            change = change.then(_settled(change.account, current, matched, market.instrument))
    return change


def cancel(account: PaperAccount, order: PaperOrder, now_ms: int) -> PaperChange:
    """Cancel a working order, and the other one of a pair."""
    ended = [cancelled(one, now_ms) for one in account.orders if _is_same(one, order) or _is_linked(one, order)]
    return PaperChange(_without(account, ended), tuple(ended))


def locked(account: PaperAccount, instrument_of: InstrumentOf) -> Mapping[str, Decimal]:
    """Return what open orders hold back of each asset, of a pair the larger."""
    held: dict[tuple[str, frozenset[str]], Decimal] = {}
    for order in account.orders:
        asset, qty = _held(order, instrument_of(order.request.symbol))
        pair = frozenset({order.request.client_order_id, order.linked_id or order.request.client_order_id})
        held[asset, pair] = max(held.get((asset, pair), ZERO), qty)
    totals: dict[str, Decimal] = {}
    for (asset, _), qty in held.items():
        totals[asset] = totals.get(asset, ZERO) + qty
    return totals


def balances(account: PaperAccount, instrument_of: InstrumentOf) -> Sequence[Balance]:
    """Return what an account holds, zeros left out."""
    held = locked(account, instrument_of)
    return [
        Balance(asset=asset, total=total, locked=held.get(asset, ZERO))
        for asset, total in sorted(account.balances.items())
        if total
    ]


def _settled(account: PaperAccount, before: PaperOrder, matched: Matched, instrument: Instrument) -> PaperChange:
    """Return an account after an order's fills: money moves, a pair's other order ends."""
    order, fills = matched
    moved = dict(account.balances)
    for fill in fills:
        _move(moved, instrument.base, fill.side.sign * fill.qty)
        _move(moved, instrument.quote, -fill.side.sign * fill.notional)
        _move(moved, fill.fee_asset, -fill.fee_qty)
    if any(moved[asset] < 0 for asset in (instrument.base, instrument.quote) if asset in moved):
        # A stop that the market has jumped over costs more than was held back: what cannot be paid does not trade.
        order, fills, moved = cancelled(before, order.updated_at_ms), (), dict(account.balances)
    ended = [cancelled(one, order.updated_at_ms) for one in account.orders if fills and _is_linked(one, order)]
    kept = tuple(order if _is_same(one, order) else one for one in account.orders)
    account = replace(account, balances=moved, orders=kept)
    return PaperChange(_without(account, [*ended, *([] if order.is_working else [order])]), (order, *ended), fills)


def _without(account: PaperAccount, ended: Sequence[PaperOrder]) -> PaperAccount:
    return replace(account, orders=tuple(one for one in account.orders if not any(_is_same(one, e) for e in ended)))


def _is_same(one: PaperOrder, other: PaperOrder) -> bool:
    return (one.request.symbol, one.request.client_order_id) == (other.request.symbol, other.request.client_order_id)


def _is_linked(one: PaperOrder, other: PaperOrder) -> bool:
    return one.linked_id is not None and one.linked_id == other.request.client_order_id


def _move(balances: dict[str, Decimal], asset: str, qty: Decimal) -> None:
    with localcontext(EXACT):
        balances[asset] = balances.get(asset, ZERO) + qty


def _held(order: PaperOrder, instrument: Instrument | None) -> tuple[str, Decimal]:
    """Return what an order may still spend, the dearer fee included; of what is not listed no more fees are due."""
    base, _, quote = order.request.symbol.partition("/")
    if order.request.side is Side.SELL:
        return base, order.left_qty
    price = order.request.limit_price or order.request.trigger_price or ZERO
    rate = max(instrument.taker_fee_rate, instrument.maker_fee_rate) if instrument else ZERO
    return quote, order.left_qty * price * (ONE + rate)


def _needed(order: PaperOrder, market: PaperMarket) -> Decimal:
    """Return what an order may spend at most; at the market, what the book asks for it now."""
    request = order.request
    if request.side is Side.BUY and request.kind is OrderKind.MARKET:
        return walk(market.depth, Side.BUY, request.qty).notional * (ONE + market.instrument.taker_fee_rate)
    return _held(order, market.instrument)[1]
