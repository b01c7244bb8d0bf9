"""/api/v1/desk/state and /api/risk: the kill switch, how books stand, how much to trade."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from fastapi import APIRouter

from functions.routes.book_schemas import AccountHaltOut
from functions.routes.callers import FORBIDDEN, CallerOf, OperatorOf, Viewer, ViewerOf
from functions.routes.common import NOT_FOUND, PROBLEMS, DepsOf
from functions.routes.risk_schemas import (
    BookStatusOut,
    DeskHaltOut,
    DeskStateBody,
    DeskStateOut,
    PositionSizeBody,
    PositionSizeOut,
    RiskStatusOut,
    StateEntryOut,
    TrippedOut,
)
from shared.domain.trading.limits import Caps
from shared.domain.trading.states import Scope
from shared.runtime.routers import READS
from shared.usecases.halting import keys_of, read_desk_state, set_desk_state, set_part_state
from shared.usecases.markets_of_books import Market
from shared.usecases.risk_desk import book_status, calculate_position

router = APIRouter(tags=["risk"], responses=PROBLEMS)
PUBLIC_SCOPES: Final = frozenset({Scope.VENUE, Scope.SYMBOL})
"""What everybody may know the state of; books and traders are their owners'."""


@router.get("/api/v1/desk/state")
def read_state(caller: CallerOf, deps: DepsOf) -> DeskStateOut:
    """Return the desk's trading state, since when, who set it and why, and what else is not `active`.

    `halted` when it cannot be read.
    """
    desk = StateEntryOut.of(read_desk_state(deps.desk_states))
    told = [each for each in deps.desk_states.restrained() if caller.operates or each.scope in PUBLIC_SCOPES]
    return DeskStateOut(**desk.model_dump(), restrained=[StateEntryOut.of(each) for each in told])


@router.put("/api/v1/desk/state", responses=FORBIDDEN | NOT_FOUND)
def write_state(body: DeskStateBody, operator: OperatorOf, deps: DepsOf) -> DeskHaltOut:
    """Halt the desk, have it leave positions only, or let it trade again; for operators.

    With `scope` and `key` the same of one book, venue, symbol or trader. The answer has the state as it was read back,
    what was cancelled at each account, and how long it took.
    """
    act: dict[str, Any] = {"actor": operator.actor, "reason": body.reason, "switch": deps.switch, "floor": deps.floor}
    keys: Sequence[str] = ()
    if (part := body.part()) is None:
        halt = set_desk_state(body.state, flatten=body.flatten, **act)
    else:
        keys = keys_of(body.scope, part, instruments=deps.instruments)
        halt = set_part_state(body.scope, keys, body.state, **act)
    return DeskHaltOut(
        scope=body.scope,
        keys=[*keys],
        state=halt.state,
        accounts=[AccountHaltOut.of(each) for each in halt.accounts],
        exits=[*halt.exits],
        handed_over=halt.handed_over,
        took_ms=halt.took_ms,
    )


@router.get("/api/risk/status")
def risk_status(viewer: ViewerOf, deps: DepsOf) -> RiskStatusOut:
    """Return how your books and the desk's stand, beside the limits they are held to."""
    market, tier, caps = deps.market, deps.settings.risk_tier, deps.caps()
    return RiskStatusOut(
        desk_state=deps.desk_states.read(),
        risk_tier=tier,
        books=[told_status(book.book_id, viewer, market, tier, caps) for book in viewer.books.list()],
    )


@router.post("/api/risk/calculate-position", openapi_extra=READS)
def size_position(body: PositionSizeBody, viewer: ViewerOf, deps: DepsOf) -> PositionSizeOut:  # noqa: ARG001 - signed in
    """Return how much to trade so that the stop costs a percentage of an account, fees and slippage in it."""
    found = calculate_position(
        symbol=body.symbol,
        entry_price=body.entry_price,
        stop_price=body.stop_loss,
        account_size=body.account_size,
        risk_percent=body.risk_percent,
        venue=body.venue,
        instruments=deps.instruments,
        venues=deps.venues,
    )
    return PositionSizeOut.of(found, body.account_size * body.risk_percent / Decimal(100))


def told_status(book_id: str, viewer: Viewer, market: Market, tier: int, caps: Caps) -> BookStatusOut:
    """Describe how a book stands; raise `NotFoundError` for one that is not to be seen."""
    status = book_status(book_id, reads=viewer.reads, market=market, tier=tier, caps=caps)
    return BookStatusOut.of(status, [TrippedOut.of(event) for event in viewer.reads.trips(book_id)])
