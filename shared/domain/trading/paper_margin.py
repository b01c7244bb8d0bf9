"""Futures at the paper exchange: one balance stands for all positions, and what they and their orders hold back of it.

As Binance has it for a new account: one position a symbol, long or short (one-way mode), all of them backed by the same
balance (cross margin). The balance moves by fees and by what positions realise; what they have not realised only counts
for what may still be opened. The margin of a position is told by what it cost, that of an order by its price.
Sources: https://www.binance.com/en/support/faq/leverage-and-margin-of-usd%E2%93%A2-m-futures-360033162192 (margin),
…/faq/detail/360039707291 (why orders fail, reduce-only).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import Final

from shared.domain.errors import RejectedError, TransientError
from shared.domain.trading.instruments import Side
from shared.domain.trading.ledger import fold
from shared.domain.trading.money import EXACT, ZERO, grain, total
from shared.domain.trading.orders import Fill, OrderKind, OrderRequest
from shared.domain.trading.positions import Position

LEVERAGE: Final = Decimal(20)
"""How much notional a unit of margin opens: what Binance gives a new account. It is a venue's limit, not the desk's: a
book's own `max_leverage` is far below."""

MAINTENANCE_RATE: Final = Decimal("0.01")
"""What of the notional at the marks must be left of the equity. Binance asks 0.4 % for BTC, several for small coins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What an order may still trade: base units, and their notional in quote units."""

    side: Side
    qty: Decimal
    notional: Decimal


def after_fills(position: Position, fills: Iterable[Fill]) -> tuple[Position, Decimal]:
    """Return a position after fills, and what it realised, in quote units: what the ledger makes of them, in the same
    order and with the same rounding, so that both come to the same last digit."""
    after = fold(position, fills).position
    with localcontext(EXACT):
        realised = after.realised - position.realised
    return flat(position, qty=after.qty, cost=after.cost), realised


def flat(place: Position, *, qty: Decimal = ZERO, cost: Decimal = ZERO) -> Position:
    """Return what a venue knows of a position: its quantity and what that cost, nothing of the past."""
    return replace(place, qty=qty, cost=cost, realised=ZERO, fees=ZERO, opened_at_ms=None)


def margin_of(position: Position | None, claims: Sequence[Claim], fee_rate: Decimal) -> Decimal:
    """Return what a position and the orders of its symbol hold back in quote units, fees of the orders included.

    Only one side can come to be, so the larger counts; what closes the position first opens nothing.
    """
    with localcontext(EXACT):
        largest = max(_opened(position, [each for each in claims if each.side is side], side) for side in Side)
        return grain(largest / LEVERAGE + total(each.notional for each in claims) * fee_rate)


def _opened(position: Position | None, claims: Sequence[Claim], side: Side) -> Decimal:
    """Return the notional a position would have on a side if all orders of that side filled."""
    qty, notional = total(each.qty for each in claims), total(each.notional for each in claims)
    held = ZERO if position is None else side.sign * position.qty
    if position is None or held >= 0:
        return notional + (side.sign * position.cost if position is not None else ZERO)
    return notional * (qty + held) / qty if qty + held > 0 else ZERO


def equity_of(balance: Decimal, positions: Iterable[Position], marks: Mapping[str, Decimal | None]) -> Decimal:
    """Return a balance with what its positions have not realised, in quote units.

    Raise `TransientError` while one of them has no price: unknown is not zero.
    """
    with localcontext(EXACT):
        equity = balance
        for position in positions:
            if (mark := marks.get(position.symbol)) is None:
                raise TransientError(f"no price of {position.symbol} to value the paper account by")
            equity += position.unrealised(mark)
    return equity


def maintenance_of(positions: Iterable[Position], marks: Mapping[str, Decimal | None]) -> Decimal:
    """Return what must be left of the equity for positions to stay open, in quote units; all of them have a mark."""
    with localcontext(EXACT):
        return total(abs(each.qty) * (marks.get(each.symbol) or ZERO) for each in positions) * MAINTENANCE_RATE


def reducible_qty(side: Side, position: Position | None) -> Decimal:
    """Return how much an order of a side can take away from a position."""
    held = ZERO if position is None else position.qty
    return max(-side.sign * held, ZERO)


def check_reduces(request: OrderRequest, position: Position | None) -> None:
    """Raise `RejectedError` for a reduce-only order as Binance does: where there is nothing for it to reduce, and for a
    limit order larger than the position. Others trade no more than the position is, and end."""
    left = reducible_qty(request.side, position)
    if not left:
        raise RejectedError(
            "invalid_order", f"reduce_only: no position in {request.symbol} that a {request.side} reduces"
        )
    if request.kind is OrderKind.LIMIT and request.qty > left:
        raise RejectedError("invalid_order", f"reduce_only: {request.qty} is more than the position of {left}")
