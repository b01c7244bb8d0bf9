"""ccxt's unified structures as the desk's: instruments, orders, trades, balances. Numbers arrive as exact text."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from shared.domain.errors import TransientError
from shared.domain.trading.accounts import Balance, VenuePosition
from shared.domain.trading.depth import Depth, Level
from shared.domain.trading.flows import FundingPayment
from shared.domain.trading.instruments import Instrument, InstrumentKind, Side
from shared.domain.trading.money import ONE, ZERO, grain
from shared.domain.trading.orders import Fill, OrderReport
from shared.domain.trading.states import OrderState

Row = Mapping[str, Any]
PriceOf = Callable[[str, str], Decimal]
"""The price of an asset in a quote currency; raises `TransientError` when it is not known."""

_ENDED: Final = {
    "canceled": OrderState.CANCELLED,
    "expired": OrderState.CANCELLED,
    "rejected": OrderState.REJECTED,
    "canceling": OrderState.CANCEL_PENDING,
}


def instrument(venue: str, market: Row) -> Instrument | None:
    """Return what ccxt calls a market; None for what the desk does not trade: no grid, inverse, dated, an option."""
    precision, limits = market["precision"], market["limits"]
    is_swap = bool(market["swap"]) and bool(market["linear"])
    grids = (precision["price"], precision["amount"])
    if not (market["spot"] or is_swap) or not market["active"] or None in grids:
        return None
    size = size_of(market)
    return Instrument(
        venue=venue,
        symbol=market["symbol"],
        kind=InstrumentKind.SWAP if is_swap else InstrumentKind.SPOT,
        base=market["base"],
        quote=market["quote"],
        tick_size=_number(precision["price"]),
        step_size=_number(precision["amount"]) * size,
        min_qty=max(_number(limits["amount"]["min"]), _number(precision["amount"])) * size,
        min_notional=_number(limits["cost"]["min"]),
        contract_size=size,
        maker_fee_rate=_number(market["maker"]),
        taker_fee_rate=_number(market["taker"]),
    )


def report(order: Row, market: Row, *, client_order_id: str | None = None) -> OrderReport:
    """Return an order as the desk knows it; contracts become base units."""
    size = size_of(market)
    qty, filled = _number(order["amount"]) * size, _number(order["filled"]) * size
    state = _ENDED.get(order["status"] or "")
    if state is None and filled:
        state = OrderState.FILLED if filled >= qty else OrderState.PARTIALLY_FILLED
    if order["status"] == "closed" and state is not OrderState.FILLED:
        state = OrderState.CANCELLED  # some venues call closed what was cancelled
    return OrderReport(
        client_order_id=client_order_id or order["clientOrderId"] or "",
        venue_order_id=str(order["id"]),
        symbol=order["symbol"],
        side=Side(order["side"]),
        state=state or OrderState.OPEN,
        qty=qty,
        filled_qty=filled,
        average_price=_average(order, market) if filled else None,
        updated_at_ms=int(order["lastUpdateTimestamp"] or order["lastTradeTimestamp"] or order["timestamp"] or 0),
    )


def fill(trade: Row, market: Row, *, client_order_id: str, price_of: PriceOf) -> Fill:
    """Return an execution with its fee in the asset it was paid in, and what that was worth in quote units."""
    price, qty = _number(trade["price"]), _number(trade["amount"]) * size_of(market)
    fee = trade["fee"] or {}
    if fee.get("cost") is None or not fee.get("currency"):
        raise TransientError(f"the venue does not tell the fee of trade {trade['id']} of {trade['symbol']}")
    asset, fee_qty = fee["currency"], _number(fee["cost"])
    return Fill(
        trade_id=str(trade["id"]),
        client_order_id=client_order_id,
        venue_order_id=str(trade["order"]),
        symbol=trade["symbol"],
        side=Side(trade["side"]),
        qty=qty,
        price=price,
        fee_qty=fee_qty,
        fee_asset=asset,
        fee_notional=_fee_notional(fee_qty, asset, price, market, price_of),
        is_maker=trade["takerOrMaker"] == "maker",
        event_time=int(trade["timestamp"]),
    )


def balances(answer: Row) -> Sequence[Balance]:
    """Return what is not zero of a balance structure."""
    totals = {asset: _number(total) for asset, total in answer["total"].items()}
    return [
        Balance(asset=asset, total=total, locked=_number(answer["used"].get(asset)))
        for asset, total in sorted(totals.items())
        if total
    ]


def position(row: Row, market: Row) -> VenuePosition | None:
    """Return a futures position, None for one that is flat."""
    qty = _number(row["contracts"]) * size_of(market) * (-1 if row["side"] == "short" else 1)
    entry = _number(row["entryPrice"])
    return VenuePosition(symbol=row["symbol"], qty=qty, entry_price=entry or None) if qty else None


def funding(row: Row) -> FundingPayment:
    """Return a funding payment; what the account pays is negative."""
    return FundingPayment(
        payment_id=str(row["id"]),
        symbol=row["symbol"],
        asset=row["code"],
        qty=_number(row["amount"]),
        event_time=int(row["timestamp"]),
    )


def depth(answer: Row, market: Row, *, now_ms: int) -> Depth:
    """Return an order book; contracts become base units."""
    size = size_of(market)

    def side(name: str, *, best_first: bool) -> tuple[Level, ...]:
        levels = [Level(_number(row[0]), _number(row[1]) * size) for row in answer[name]]
        return tuple(sorted((level for level in levels if level.qty), reverse=best_first))

    return Depth(
        time_ms=int(answer["timestamp"] or now_ms),
        bids=side("bids", best_first=True),
        asks=side("asks", best_first=False),
    )


def _average(order: Row, market: Row) -> Decimal | None:
    """Return the average price; of spot, exactly what was paid over what was bought."""
    if market["spot"] and order["cost"]:
        return grain(_number(order["cost"]) / _number(order["filled"]))
    return _number(order["average"]) or None


def _fee_notional(fee_qty: Decimal, asset: str, price: Decimal, market: Row, price_of: PriceOf) -> Decimal:
    if not fee_qty or asset == market["quote"]:
        return fee_qty
    if asset == market["base"]:
        return grain(fee_qty * price)
    return grain(fee_qty * price_of(asset, market["quote"]))


def unpriced(asset: str, quote: str) -> Decimal:
    """Know no price of any third asset."""
    raise TransientError(f"a fee was paid in {asset}, whose price in {quote} is not known")


def size_of(market: Row) -> Decimal:
    """Return how many base units a contract is, one where there are none."""
    return _number(market["contractSize"]) if market["contract"] else ONE


def _number(value: Any) -> Decimal:
    """Return a number of ccxt's: text, or a float it has in its own tables."""
    return ZERO if value is None else Decimal(str(value))
