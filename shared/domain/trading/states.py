"""The states of the desk, of intents and of orders, and which may follow which; sql/ enforces the same tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from shared.domain.errors import ConflictError


class TradingState(StrEnum):
    """What may be traded: everything, exits only, nothing. Unreadable or missing reads as `halted`."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class Scope(StrEnum):
    """What has a trading state of its own."""

    DESK = "desk"
    BOOK = "book"
    VENUE = "venue"
    SYMBOL = "symbol"
    TRADER = "trader"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateEntry:
    """A trading state, since when it has been so (epoch ms of the database), and who said so last and why; these are
    None where nobody ever has. The key of the desk is `desk`, that of a symbol `venue:symbol`."""

    scope: Scope
    key: str
    state: TradingState
    since_ms: int | None = None
    actor: str | None = None
    reason: str | None = None


class Mode(StrEnum):
    """Whether money is at stake."""

    PAPER = "paper"
    LIVE = "live"


class IntentState(StrEnum):
    """How far an intent has come."""

    PENDING = "pending"
    APPROVED = "approved"
    MODIFIED = "modified"
    DENIED = "denied"
    EXECUTING = "executing"
    EXECUTED = "executed"
    FAILED = "failed"
    EXPIRED = "expired"


class OrderState(StrEnum):
    """How far an order has come; `unknown` is an order the venue may or may not have."""

    NEW = "new"
    SUBMITTING = "submitting"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    CANCEL_PENDING = "cancel_pending"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


State = TypeVar("State", IntentState, OrderState)


def _steps(kind: type[State], table: str) -> Mapping[State, frozenset[State]]:
    """Read lines of `before: after after`; a state without a line is followed by nothing."""
    lines = (line.partition(":") for line in table.split("\n") if line.strip())
    read = {kind(before.strip()): frozenset(kind(word) for word in after.split()) for before, _, after in lines}
    return {state: read.get(state, frozenset()) for state in kind}


INTENT_STEPS: Final = _steps(
    IntentState,
    """
    pending: approved modified denied expired
    approved: executing expired
    modified: executing expired
    executing: executed failed
    """,
)
ORDER_STEPS: Final = _steps(
    OrderState,
    """
    new: submitting cancelled
    submitting: open partially_filled filled cancelled rejected unknown
    open: partially_filled filled cancel_pending cancelled rejected unknown
    partially_filled: filled cancel_pending cancelled unknown
    cancel_pending: open partially_filled filled cancelled unknown
    unknown: open partially_filled filled cancelled rejected
    """,
)
"""A venue may fill or end an order at once; a refused cancel leaves it as it was, and a fill may win against one."""

WORKING: Final = frozenset({OrderState.OPEN, OrderState.PARTIALLY_FILLED, OrderState.CANCEL_PENDING})
"""Orders the venue is known to have."""
AT_RISK: Final = WORKING | {OrderState.SUBMITTING, OrderState.UNKNOWN}
"""Orders that may fill."""


def check_step(steps: Mapping[State, frozenset[State]], before: State, after: State) -> None:
    """Raise `ConflictError` unless one state may follow the other."""
    if after not in steps[before]:
        raise ConflictError(f"{before} cannot become {after}")


def is_final(state: IntentState | OrderState) -> bool:
    """Tell whether nothing follows a state."""
    return not (INTENT_STEPS[state] if isinstance(state, IntentState) else ORDER_STEPS[state])


_SEVERITY: Final = (TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED)


def is_stricter(one: TradingState, other: TradingState) -> bool:
    """Tell whether a state lets less through than another."""
    return _SEVERITY.index(one) > _SEVERITY.index(other)


def strictest(states: Mapping[str, TradingState | None]) -> tuple[TradingState, tuple[str, ...]]:
    """Return the strictest of the states by scope (desk, book, venue, …), and the scopes that ask for it.

    A state that is missing is `halted`, and so is a desk that has none at all.
    """
    known = {scope: state or TradingState.HALTED for scope, state in states.items()} or {"desk": TradingState.HALTED}
    worst = max(known.values(), key=_SEVERITY.index)
    return worst, tuple(scope for scope, state in known.items() if state is worst)
