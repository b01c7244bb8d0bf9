"""Keep the dead-man timers of venues running while slices rest there, and stopped while anything protects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from shared.domain.errors import NightdeskError
from shared.domain.trading.timers import SILENCE_MS, timer_ms

if TYPE_CHECKING:
    from shared.domain.trading.accounts import Timer
    from shared.domain.trading.records import Order
    from shared.usecases.working import Floor
    from shared.venue_ports import Exchange

SINCE_MS: Final = SILENCE_MS + 60_000
"""An account to which nothing was sent for so long, and where nothing rests, has no timer that still runs."""


def arm_timers(*, floor: Floor) -> dict[str, str]:
    """Set or stop the timer of every account with one where something rests or was sent; return what went wrong.

    Nothing is kept of what was set: to set it again is to prolong it, to stop it twice changes nothing. One venue that
    does not answer does not keep the others waiting; its timer runs on.
    """
    errors = {}
    for venue, account in floor.orders.stirring(since_ms=_since_ms(floor)):
        try:
            exchange = floor.exchanges.of(venue, account)
            if (timer := exchange.capabilities().timer) is not None:
                _keep(exchange, account, timer, floor)
        except NightdeskError as error:
            errors[f"timer {venue}:{account}"] = f"{type(error).__name__}: {error}"
    return errors


def _keep(exchange: Exchange, account: str, timer: Timer, floor: Floor) -> None:
    """Set an account's timer to what rests there; one that was set is stopped if something protects by then.

    A protective order is `submitting` before the timer is stopped for it, and is sent after that; so either it is seen
    here, or the timer is stopped there after it was set here.
    """
    for symbol, orders in _scopes(exchange, account, timer, floor).items():
        wanted_ms = timer_ms(timer, orders)
        exchange.cancel_all_after(wanted_ms, symbol=symbol)
        if wanted_ms and not timer_ms(timer, _scopes(exchange, account, timer, floor).get(symbol, ())):
            exchange.cancel_all_after(0, symbol=symbol)


def _scopes(exchange: Exchange, account: str, timer: Timer, floor: Floor) -> dict[str | None, Sequence[Order]]:
    """Return the orders each timer of an account is about: a symbol's, or, under None, all."""
    orders = floor.orders.recent(venue=exchange.venue, account=account, since_ms=_since_ms(floor))
    if not timer.per_symbol:
        return {None: orders}
    symbols = sorted({order.symbol for order in orders})
    return {symbol: [order for order in orders if order.symbol == symbol] for symbol in symbols}


def _since_ms(floor: Floor) -> int:
    return floor.clock.now_ms() - SINCE_MS
