"""What execution does while it is paused: end what a halt ends, since nobody else has the keys, and nothing more."""

from shared.book_ports import DeskStates
from shared.domain.trading.states import TradingState
from shared.messages import AdoptBalances, CronTick, ExecutionResult, IntentDecided, SliceDue, TickersWritten
from shared.usecases.cancelling import Part, cancel_resting
from shared.usecases.halting import read_desk_state
from shared.usecases.working import Floor


def cancel_what_is_halted(
    event: IntentDecided | SliceDue | TickersWritten | AdoptBalances | CronTick,
    why: str,
    *,
    states: DeskStates,
    floor: Floor,
) -> ExecutionResult:
    """Cancel what the desk's state, or that of a part, forbids; say `why` nothing else was done.

    A halt reaches execution as messages about intents, and as the sweep; other events are passed over unread.
    """
    if isinstance(event, TickersWritten | AdoptBalances):
        return ExecutionResult(skipped=why)
    cancelled, errors = 0, {}
    for entry in (read_desk_state(states), *states.restrained()):
        if entry.state is TradingState.ACTIVE:
            continue
        part = Part(exits_too=entry.state is TradingState.HALTED, scope=entry.scope, keys=[entry.key])
        for account in cancel_resting(part, floor=floor):
            cancelled += account.cancelled
            if account.errors:
                errors[f"{account.venue} {account.account}"] = "; ".join(account.errors)
    return ExecutionResult(skipped=why, settled=cancelled, errors=errors)
