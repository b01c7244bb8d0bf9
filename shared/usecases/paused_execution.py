"""What execution does while it is paused: end what a halt ends, since nobody else has the keys, and nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.trading.states import TradingState
from shared.messages import CronTick
from shared.trading_messages import AdoptBalances, ExecutionResult, IntentDecided, SliceDue, TickersWritten
from shared.usecases.cancelling import Part, cancel_resting
from shared.usecases.execution_agent import ExecutionDesk, work_each
from shared.usecases.halting import read_desk_state
from shared.usecases.turns import in_turn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.book_ports import DeskStates


def end_what_is_halted(
    event: IntentDecided | SliceDue | TickersWritten | AdoptBalances | CronTick,
    why: str,
    *,
    states: DeskStates,
    desk: ExecutionDesk,
) -> ExecutionResult:
    """Cancel and end what the desk's state, or that of a part, forbids; say `why` nothing else was done.

    A halt reaches execution as messages about intents, and as the sweep; other events are passed over unread.
    """
    if isinstance(event, TickersWritten | AdoptBalances):
        return ExecutionResult(skipped=why)
    told = [each for each in (read_desk_state(states), *states.restrained()) if each.state is not TradingState.ACTIVE]
    if not told:
        return ExecutionResult(skipped=why)
    began_s = desk.floor.stopwatch()
    cancelled, errors = 0, dict[str, str]()
    for entry in told:
        part = Part(exits_too=entry.state is TradingState.HALTED, scope=entry.scope, keys=[entry.key])
        for account in cancel_resting(part, floor=desk.floor):
            cancelled += account.cancelled
            if account.errors:
                errors[f"{account.venue} {account.account}"] = "; ".join(account.errors)
    worked, failed = work_each(_about(event, desk, began_s), desk=desk, only_halted=True)
    return ExecutionResult(skipped=why, worked=worked, settled=cancelled, errors=errors | failed)


def _about(event: IntentDecided | SliceDue | CronTick, desk: ExecutionDesk, began_s: float) -> Iterable[str]:
    """Return the intents an event is about: of the sweep, those that are under way."""
    if isinstance(event, CronTick):
        return in_turn(desk.intents, stopwatch=desk.floor.stopwatch, began_s=began_s)
    return [event.intent_id]
