"""/api/v1/accounts: what moved on a venue's live account without a fill, and adopting what it differs by."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from functions.routes.account_schemas import AdoptionBody, AdoptionOut, FlowOut, FlowPage
from functions.routes.callers import FORBIDDEN, OperatorOf
from functions.routes.common import NOT_FOUND, PROBLEMS, DepsOf
from functions.routes.schemas import VenueName
from shared.domain.trading.accounts import LIVE_ACCOUNT
from shared.usecases.adopting import ask_adoption

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"], responses=PROBLEMS)
OfVenue = Annotated[VenueName, Path(description="Where the account is.", examples=["binance_usdm"])]


@router.get("/{venue}/flows", responses=FORBIDDEN)
def list_flows(
    venue: OfVenue,
    operator: OperatorOf,  # noqa: ARG001 - an operator
    deps: DepsOf,
    *,
    limit: Annotated[int, Query(ge=1, le=1_000, description="The newest so many.")] = 100,
) -> FlowPage:
    """List the funding payments and adopted differences of a venue's live account, newest first; for operators."""
    return FlowPage(items=[FlowOut.of(flow) for flow in deps.ledger.flows(venue, LIVE_ACCOUNT, limit=limit)])


@router.post("/{venue}/adopt", status_code=202, responses=FORBIDDEN | NOT_FOUND)
def adopt(venue: OfVenue, body: AdoptionBody, operator: OperatorOf, deps: DepsOf) -> AdoptionOut:
    """Have execution take what the venue's live account holds more or less than the ledger for paid in or out; for
    operators.

    Fills and funding that were missed are posted before; what an order may be changing stays as it is. The flows tell
    what was adopted, under ids that begin with the answer's `event_id`.
    """
    wish = ask_adoption(
        venue, body.asset, actor=operator.actor, reason=body.reason, ledger=deps.ledger, orders_queue=deps.orders_queue
    )
    return AdoptionOut(status="queued", event_id=wish.event_id)
