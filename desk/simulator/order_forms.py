"""Orders as Binance's parameters describe them: which of them each type needs, and what is refused."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final
from uuid import uuid4

from desk.simulator import wire
from desk.simulator.accounts import VenueAccount, VenueOrder
from desk.simulator.gate import RefusedError, mandatory, number
from desk.simulator.instruments import Instrument
from shared.domain.trading.money import ZERO

_CLIENT_ID: Final = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_PRICED: Final = frozenset({"LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})
_TIMED: Final = frozenset({"LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})
_STOPPED: Final = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})
_TAKE_PROFITS: Final = frozenset({"LIMIT_MAKER", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})


def new_order(listed: Instrument, values: Mapping[str, str]) -> VenueOrder:
    """Return the order of a `POST /api/v3/order`, without an id yet."""
    kind, side = mandatory(values, "type"), mandatory(values, "side")
    if kind not in wire.ORDER_TYPES:
        raise RefusedError(-1116, "Invalid orderType.")
    if side not in ("BUY", "SELL"):
        raise RefusedError(-1117, "Invalid side.")
    for name, takers in (("price", _PRICED), ("timeInForce", _TIMED), ("stopPrice", _STOPPED)):
        if name in values and kind not in takers:
            raise RefusedError(-1106, f"Parameter '{name}' sent when not required.")
    time_in_force = mandatory(values, "timeInForce") if kind in _TIMED else "GTC"
    if time_in_force not in ("GTC", "IOC", "FOK"):
        raise RefusedError(-1115, "Invalid timeInForce.")
    return VenueOrder(
        order_id=0,
        client_id=_client_id(values.get("newClientOrderId")),
        listed=listed,
        side=side,
        type=kind,
        time_in_force=time_in_force,
        qty=_decimal(values, "quantity"),
        price=_decimal(values, "price") if kind in _PRICED else ZERO,
        stop_price=_decimal(values, "stopPrice") if kind in _STOPPED else ZERO,
        is_triggered=kind not in _STOPPED,
        created_ms=0,
        updated_ms=0,
    )


def list_orders(listed: Instrument, values: Mapping[str, str]) -> list[VenueOrder]:
    """Return the two orders of a `POST /api/v3/orderList/oco`, the one below the price first."""
    side = mandatory(values, "side")
    legs = [new_order(listed, _leg(values, where, side)) for where in ("below", "above")]
    if sum(leg.type in _TAKE_PROFITS for leg in legs) != 1:
        raise RefusedError(-1158, "The combination of orders in the order list is not supported.")
    return legs


def order_of(account: VenueAccount, values: Mapping[str, str]) -> VenueOrder | None:
    """Return the order a request names by either id."""
    order_id, client_id = number(values, "orderId"), values.get("origClientOrderId")
    if order_id is None and client_id is None:
        raise RefusedError(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    return account.find(mandatory(values, "symbol"), order_id=order_id, client_id=client_id)


def _leg(values: Mapping[str, str], where: str, side: str) -> dict[str, str]:
    names = {
        "type": f"{where}Type",
        "newClientOrderId": f"{where}ClientOrderId",
        "price": f"{where}Price",
        "stopPrice": f"{where}StopPrice",
        "timeInForce": f"{where}TimeInForce",
    }
    sent = {name: values[source] for name, source in names.items() if source in values}
    return {"side": side, "quantity": mandatory(values, "quantity"), **sent}


def _client_id(text: str | None) -> str:
    if text is None:
        return uuid4().hex[:22]
    if not _CLIENT_ID.fullmatch(text):
        raise RefusedError(
            -1100, "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[a-zA-Z0-9-_]{1,36}$'."
        )
    return text


def _decimal(values: Mapping[str, str], name: str) -> Decimal:
    text = mandatory(values, name)
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise RefusedError(-1100, f"Illegal characters found in parameter '{name}'.")
    return value
