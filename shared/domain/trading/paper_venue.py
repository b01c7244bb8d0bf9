"""What happens to paper accounts: orders are taken, matched, cancelled, and their fills move what is held.

A fill of spot moves both assets; one of a future moves its position, and the balance by its fee and what it realised.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, localcontext
from functools import partial

from shared.domain.trading.instruments import Instrument, Side, is_future
from shared.domain.trading.ledger import Assets
from shared.domain.trading.money import EXACT, ZERO
from shared.domain.trading.orders import Fill, OrderKind, OrderRequest
from shared.domain.trading.paper import Matched, PaperMarket, PaperOrder, advance, arrive, cancelled, check, new_order
from shared.domain.trading.paper_accounts import (
    InstrumentOf,
    PaperAccount,
    PaperChange,
    require_assets,
    require_margin,
)
from shared.domain.trading.paper_margin import after_fills, equity_of, maintenance_of, reducible_qty
from shared.domain.trading.states import OrderState


def place(
    account: PaperAccount,
    orders: Sequence[PaperOrder],
    markets: Mapping[str, PaperMarket],
    instrument_of: InstrumentOf,
) -> PaperChange:
    """Take an order, or a pair of which one cancels the other, and match it.

    `markets` has that of the order's symbol and those of all positions. Raise `RejectedError` with nothing changed for
    what a venue would refuse, and for what the account cannot pay.
    """
    symbol = orders[0].request.symbol
    market = markets[symbol]
    for order in orders:
        check(order.request, market)
    if is_future(symbol):
        require_margin(account, orders[0], markets, instrument_of)
    else:
        require_assets(account, orders, market, instrument_of)
    change = PaperChange(replace(account, orders=(*account.orders, *orders)))
    for order in orders:
        matched = _met(change.account, order, lambda one: arrive(one, market))
        change = change.then(_settled(change.account, order, matched, market.instrument))
    return change


def look(account: PaperAccount, markets: Mapping[str, PaperMarket], now_ms: int) -> PaperChange:
    """Match working orders with the markets there are of their symbols, then close what the account cannot hold."""
    change = PaperChange(account)
    for order in account.orders:
        market = markets.get(order.request.symbol)
        # An order earlier in the list may have cancelled this one.
        current = change.account.find(order.request.symbol, order.request.client_order_id)
        if market is None or current is None:
            continue
        matched = _met(change.account, current, partial(_advanced, market=market, now_ms=now_ms))
        # Where nothing has happened nothing is stored: looking at the same bars again finds the same.
        if matched[1] or matched[0].state is not current.state:
            change = change.then(_settled(change.account, current, matched, market.instrument))
    return _liquidated(change, markets, now_ms)


def cancel(account: PaperAccount, order: PaperOrder, now_ms: int) -> PaperChange:
    """Cancel a working order, and the other one of a pair."""
    ended = [cancelled(one, now_ms) for one in account.orders if _is_same(one, order) or _is_linked(one, order)]
    return PaperChange(_without(account, ended), tuple(ended))


def _liquidated(change: PaperChange, markets: Mapping[str, PaperMarket], now_ms: int) -> PaperChange:
    """Close all futures at the market once the equity is no more than they need to stay open, as a venue does.

    It is told at the marks of the moment somebody looks; while a position has none it waits.
    """
    account = change.account
    marks = {symbol: market.depth.mid for symbol, market in markets.items()}
    held = list(account.positions.values())
    if not held or any(marks.get(each.symbol) is None for each in held):
        return change
    asset = Assets.of(held[0].symbol).quote
    if equity_of(account.balances.get(asset, ZERO), held, marks) > maintenance_of(held, marks):
        return change
    ended = [cancelled(one, now_ms) for one in account.orders if is_future(one.request.symbol)]
    change = change.then(PaperChange(_without(account, ended), tuple(ended)))
    for position in held:
        request = OrderRequest(
            client_order_id=f"liquidation-{account.version}-{position.symbol}"[:64],
            symbol=position.symbol,
            side=Side.SELL if position.qty > 0 else Side.BUY,
            kind=OrderKind.MARKET,
            qty=abs(position.qty),
            reduce_only=True,
        )
        market, order = markets[position.symbol], new_order(request, now_ms)
        opened = replace(change.account, orders=(*change.account.orders, order))
        change = change.then(_settled(opened, order, arrive(order, market), market.instrument))
    return change


def _advanced(order: PaperOrder, *, market: PaperMarket, now_ms: int) -> Matched:
    return advance(order, market, now_ms)


def _met(account: PaperAccount, order: PaperOrder, meet: Callable[[PaperOrder], Matched]) -> Matched:
    """Match an order. One of a future that only reduces trades no more than there is to reduce, and ends with it."""
    request = order.request
    if not request.reduce_only or not is_future(request.symbol):
        return meet(order)
    left = reducible_qty(request.side, account.positions.get(request.symbol))
    if left >= order.left_qty:
        return meet(order)
    met, fills = meet(replace(order, request=replace(request, qty=order.filled_qty + left)))
    after = replace(met, request=request)
    return (cancelled(after, met.updated_at_ms) if met.state is OrderState.FILLED else after), fills


def _settled(account: PaperAccount, before: PaperOrder, matched: Matched, instrument: Instrument) -> PaperChange:
    """Return an account after an order's fills: money and positions move, orders end that have lost their purpose."""
    order, fills = matched[0], _numbered(account, matched[1])
    move = _with_position if is_future(order.request.symbol) else _with_assets
    after = move(account, fills, instrument) if fills else account
    if after is None:
        # A stop that the market has jumped over costs more than was held back: what cannot be paid does not trade.
        order, fills, after = cancelled(before, order.updated_at_ms), (), account
    ended = [
        cancelled(one, order.updated_at_ms)
        for one in account.orders
        if fills and not _is_same(one, order) and (_is_linked(one, order) or _is_pointless(one, after, order))
    ]
    kept = tuple(order if _is_same(one, order) else one for one in account.orders)
    after = replace(after, orders=kept)
    return PaperChange(_without(after, [*ended, *([] if order.is_working else [order])]), (order, *ended), fills)


def _numbered(account: PaperAccount, fills: Sequence[Fill]) -> tuple[Fill, ...]:
    """Return fills with the venue's own trade ids and its clock."""
    return tuple(
        replace(fill, trade_id=str(account.trades + number), event_time=max(fill.event_time, account.last_fill_ms))
        for number, fill in enumerate(fills, start=1)
    )


def _counted(account: PaperAccount, fills: Sequence[Fill]) -> PaperAccount:
    return replace(account, trades=account.trades + len(fills), last_fill_ms=fills[-1].event_time)


def _with_assets(account: PaperAccount, fills: Sequence[Fill], instrument: Instrument) -> PaperAccount | None:
    """Return an account after fills of spot, None when it cannot pay them."""
    moved = dict(account.balances)
    for fill in fills:
        _move(moved, instrument.base, fill.side.sign * fill.qty)
        _move(moved, instrument.quote, -fill.side.sign * fill.notional)
        _move(moved, fill.fee_asset, -fill.fee_qty)
    if any(moved[asset] < 0 for asset in (instrument.base, instrument.quote) if asset in moved):
        return None
    return replace(_counted(account, fills), balances=moved)


def _with_position(account: PaperAccount, fills: Sequence[Fill], instrument: Instrument) -> PaperAccount:
    """Return an account after fills of a future; a loss beyond the balance leaves a debt."""
    position, realised = after_fills(account.position(instrument.symbol), fills)
    moved = dict(account.balances)
    _move(moved, instrument.quote, realised)
    for fill in fills:
        _move(moved, fill.fee_asset, -fill.fee_qty)
    others = {symbol: each for symbol, each in account.positions.items() if symbol != instrument.symbol}
    held = others | ({instrument.symbol: position} if position.qty else {})
    return replace(_counted(account, fills), balances=moved, positions=held)


def _is_pointless(one: PaperOrder, account: PaperAccount, filled: PaperOrder) -> bool:
    """Tell whether an order only reduces a position that the fills of another have closed or turned."""
    symbol = one.request.symbol
    return (
        one.request.reduce_only
        and symbol == filled.request.symbol
        and is_future(symbol)
        and not reducible_qty(one.request.side, account.positions.get(symbol))
    )


def _without(account: PaperAccount, ended: Sequence[PaperOrder]) -> PaperAccount:
    return replace(account, orders=tuple(one for one in account.orders if not any(_is_same(one, e) for e in ended)))


def _is_same(one: PaperOrder, other: PaperOrder) -> bool:
    return (one.request.symbol, one.request.client_order_id) == (other.request.symbol, other.request.client_order_id)


def _is_linked(one: PaperOrder, other: PaperOrder) -> bool:
    return one.linked_id is not None and one.linked_id == other.request.client_order_id


def _move(balances: dict[str, Decimal], asset: str, qty: Decimal) -> None:
    with localcontext(EXACT):
        balances[asset] = balances.get(asset, ZERO) + qty
