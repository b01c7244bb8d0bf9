"""Dead-man timers: how long a venue waits for the desk before it cancels what rests there."""

from collections.abc import Sequence
from typing import Final

from shared.domain.trading.accounts import Timer
from shared.domain.trading.records import Order, Role
from shared.domain.trading.states import AT_RISK

SILENCE_MS: Final = 180_000
"""How long the desk may say nothing: three of its sweeps."""


def timer_ms(timer: Timer, orders: Sequence[Order]) -> int:
    """Return what a timer is to be set to for the orders it would cancel, 0 to stop it.

    It runs while slices rest, and never while an order stands there that protects what is held: whoever is gone can
    leave orders behind that protect, and no others.
    """
    resting = [order for order in orders if order.state in AT_RISK]
    if not resting or any(order.role is not Role.SLICE for order in resting):
        return 0
    return min(SILENCE_MS, timer.longest_ms)
