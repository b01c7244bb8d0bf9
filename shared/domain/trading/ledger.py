"""The ledger: what fills make of a position. The same fills give the same position, in whatever order they came.

Average cost. A fee paid in the base asset is a sale of that much at the price of the fill, whose proceeds are the fee.
So at any mark price realised + unrealised - fees = received - paid + what is held, to the last digit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

from shared.domain.errors import InvalidMessageError
from shared.domain.trading.money import EXACT, ZERO, grain, total
from shared.domain.trading.orders import Fill
from shared.domain.trading.positions import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """What an instrument's fills move: its base and quote asset, or neither for a future (`base_moves` is False)."""

    base: str
    quote: str
    base_moves: bool

    @classmethod
    def of(cls, symbol: str) -> "Assets":
        """Read a unified symbol: `BTC/USDT` is spot, `BTC/USDT:USDT` a future settled in the quote asset.

        Raise `InvalidMessageError` for a future settled in another asset: its profit is not linear in the price.
        """
        pair, _, settle = symbol.partition(":")
        base, slash, quote = pair.partition("/")
        if not (base and slash and quote) or settle not in ("", quote):
            raise InvalidMessageError("symbol", f"expected BTC/USDT or BTC/USDT:USDT, got {symbol[:40]!r}")
        return cls(base=base, quote=quote, base_moves=not settle)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A position after some fills, and what each of them realised before fees (quote units), by trade id."""

    position: Position
    realised: Mapping[str, Decimal]


def fold(start: Position, fills: Iterable[Fill]) -> Folded:
    """Apply fills to a position in the order of the venue's clock; one that is given twice counts once."""
    assets = Assets.of(start.symbol)
    distinct = {fill.trade_id: fill for fill in fills}
    position, realised = start, dict[str, Decimal]()
    with localcontext(EXACT):
        for fill in sorted(distinct.values(), key=fill_order):
            before = position.realised
            position = _applied(position, fill, assets)
            realised[fill.trade_id] = position.realised - before
    return Folded(position=position, realised=realised)


def refold(stored: Position, fills: Iterable[Fill]) -> Folded:
    """Make a stored position anew from all its fills, as one must when a fill arrives that is older than the last."""
    empty = Position(
        book_id=stored.book_id,
        venue=stored.venue,
        symbol=stored.symbol,
        funding=stored.funding,
        version=stored.version,
    )
    return fold(empty, fills)


def comes_late(fills: Sequence[Fill], last_fill_ms: int | None) -> bool:
    """Tell whether one of the fills may belong before one that is already in the position."""
    return last_fill_ms is not None and any(fill.event_time <= last_fill_ms for fill in fills)


def fill_order(fill: Fill) -> tuple[int, int, str]:
    """Return the key fills are sorted by: the venue's clock, then its trade ids, by number where they are numbers."""
    return fill.event_time, int(fill.trade_id) if fill.trade_id.isdecimal() else 0, fill.trade_id


def movements(fill: Fill, assets: Assets) -> dict[str, Decimal]:
    """Return how much of each asset a fill moves into the account, fees included."""
    moved = {fill.fee_asset: -fill.fee_qty}
    if assets.base_moves:
        moved[assets.base] = moved.get(assets.base, ZERO) + fill.side.sign * fill.qty
        moved[assets.quote] = moved.get(assets.quote, ZERO) - fill.side.sign * fill.notional
    return {asset: qty for asset, qty in moved.items() if qty}


def check_fill(fill: Fill) -> Fill:
    """Return a fill whose numbers can be true; raise `InvalidMessageError` that names the field."""
    for name in ("qty", "price", "fee_qty", "fee_notional"):
        if not getattr(fill, name).is_finite():
            raise InvalidMessageError(name, f"expected a finite number in fill {fill.trade_id}")
    if fill.qty <= 0 or fill.price <= 0:
        raise InvalidMessageError("qty", f"expected positive quantity and price in fill {fill.trade_id}")
    return fill


def fee_of(fill: Fill, assets: Assets) -> Decimal:
    """Return the fee of a fill in quote units: exact where it was paid in base or quote, else as it was valued."""
    if fill.fee_asset == assets.quote:
        return fill.fee_qty
    if fill.fee_asset == assets.base and assets.base_moves:
        return fill.fee_qty * fill.price
    return fill.fee_notional


def _applied(position: Position, fill: Fill, assets: Assets) -> Position:
    check_fill(fill)
    after = _traded(position, fill.side.sign * fill.qty, fill.price)
    if fill.fee_asset == assets.base and assets.base_moves:
        after = _traded(after, -fill.fee_qty, fill.price)
    opened = position.opened_at_ms if position.qty and after.qty * position.qty > 0 else fill.event_time
    return replace(after, fees=position.fees + fee_of(fill, assets), opened_at_ms=opened if after.qty else None)


def _traded(position: Position, qty: Decimal, price: Decimal) -> Position:
    """Add a signed quantity at a price: what opposes the position closes it first, what is left over opens anew."""
    held = position.qty
    if not held or held * qty >= 0:
        return replace(position, qty=held + qty, cost=position.cost + qty * price)
    closing = qty if abs(qty) <= abs(held) else -held
    # The last part takes all the cost that is left, so that nothing is lost to rounding.
    released = position.cost if closing == -held else grain(position.cost * -closing / held)
    opening = qty - closing
    return replace(
        position,
        qty=held + qty,
        cost=position.cost - released + opening * price,
        realised=position.realised - closing * price - released,
    )


def net_qty(fills: Iterable[Fill], assets: Assets) -> Decimal:
    """Return the signed base quantity a set of fills leaves in a position."""
    with localcontext(EXACT):
        return total(
            fill.side.sign * fill.qty - (fill.fee_qty if fill.fee_asset == assets.base and assets.base_moves else ZERO)
            for fill in fills
        )
