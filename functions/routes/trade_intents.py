"""Trade intents: raise one, and see what became of all of them, their orders, fills and positions."""

from typing import Annotated, Final

from fastapi import APIRouter, Header, Path, Query

from functions.routes.callers import FORBIDDEN, CallerOf, ViewerOf, person_of
from functions.routes.common import CONFLICT, NOT_FOUND, PROBLEMS, DepsOf, read_cursor, write_cursor
from functions.routes.intent_schemas import (
    IdempotencyKey,
    IntentOut,
    IntentPage,
    QueuedOut,
    TradeIntentBody,
    WithdrawalBody,
)
from functions.routes.order_schemas import FillOut, FillPage, OrderOut, OrderPage, PositionOut, PositionPage
from functions.routes.schemas import EXAMPLE_ID, Symbol, TraderId
from functions.routes.story_schemas import IntentStoryOut, StepOut, TraceOut
from functions.routes.trade_schemas import BookId
from shared.domain.trading.states import IntentState, OrderState
from shared.usecases.trade_intents import AskingDesk, raise_trade_intent
from shared.usecases.withdrawing import withdraw_intent

router = APIRouter(prefix="/api/v1", tags=["trading"], responses=PROBLEMS)
_ROW: Final = "[A-Za-z0-9_-]{1,64}"
_FILL: Final = ".{1,400}"

Limit = Annotated[int, Query(ge=1, le=500, description="At most this many.")]
Cursor = Annotated[str | None, Query(max_length=800, description="The `next` of the page before.")]
TraceId = Annotated[
    str,
    Path(pattern=r"^[A-Za-z0-9_-]{1,128}$", description="A correlation id, or an intent's.", examples=[EXAMPLE_ID]),
]
IntentId = Annotated[BookId, Path(description="The intent's id.", examples=[EXAMPLE_ID])]
OfBook = Annotated[BookId | None, Query(description="Only of this book.")]


@router.post("/engine/trade-intent", status_code=202, responses=NOT_FOUND | FORBIDDEN | CONFLICT)
def raise_intent(
    body: TradeIntentBody,
    viewer: ViewerOf,
    deps: DepsOf,
    idempotency_key: Annotated[IdempotencyKey | None, Header(description="The same again is the same intent.")] = None,
) -> QueuedOut:
    """Raise an intent into one of your books: stored, and decided within moments; or refused for all that is wrong."""
    desk = AskingDesk(
        seen=viewer.books,
        reads=viewer.reads,
        books=deps.books,
        intents=deps.intents,
        instruments=deps.instruments,
        tickers=deps.ticker_board,
        venues=deps.traded_venues,
        intents_queue=deps.intents_queue,
        clock=deps.clock,
        algorithms=deps.algorithms(),
    )
    key = body.idempotency_key or idempotency_key
    intent = raise_trade_intent(body.ask(), person=person_of(viewer), book_id=body.book_id, key=key, desk=desk)
    return QueuedOut(status="queued", intent_id=intent.intent_id)


@router.get("/intents")
def list_intents(
    viewer: ViewerOf,
    *,
    state: Annotated[IntentState | None, Query(description="Only in this state.")] = None,
    book_id: OfBook = None,
    trader_id: Annotated[TraderId | None, Query(description="Only of this trader's signals.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> IntentPage:
    """List the intents of your books and the desk's, newest first, with what was decided."""
    found = viewer.reads.intents(
        limit=limit + 1,
        before=read_cursor(cursor, _ROW) if cursor else None,
        state=state,
        book_id=book_id,
        trader_id=trader_id,
    )
    last = found[limit - 1].intent if len(found) > limit else None
    return IntentPage(
        items=[IntentOut.of(told) for told in found[:limit]],
        next=write_cursor(last.raised_at_ms, last.intent_id) if last else None,
    )


@router.get("/intents/{intent_id}", responses=NOT_FOUND)
def read_intent(intent_id: IntentId, viewer: ViewerOf) -> IntentStoryOut:
    """Return an intent with its decision, reasons and figures, its execution plan, its orders and their fills."""
    return IntentStoryOut.of(viewer.reads.intent(intent_id))


@router.post("/intents/{intent_id}/withdraw", responses=NOT_FOUND | FORBIDDEN)
def withdraw(intent_id: IntentId, body: WithdrawalBody, viewer: ViewerOf, deps: DepsOf, caller: CallerOf) -> IntentOut:
    """Take back an intent of one of your books: it expires, or its orders are cancelled and it ends with what has
    filled.

    One that has ended is answered as it ended. Operators take back anybody's.
    """
    told = withdraw_intent(
        intent_id,
        reason=body.reason,
        caller=caller,
        seen=deps.reads if caller.operates else viewer.reads,
        books=deps.books,
        intents=deps.intents,
        orders=deps.orders,
        orders_queue=deps.orders_queue,
    )
    return IntentOut.of(told)


@router.get("/orders")
def list_orders(
    viewer: ViewerOf,
    *,
    state: Annotated[OrderState | None, Query(description="Only in this state.")] = None,
    book_id: OfBook = None,
    intent_id: Annotated[BookId | None, Query(description="Only of this intent.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> OrderPage:
    """List the orders of your books and the desk's, the last due first."""
    found = viewer.reads.orders(
        limit=limit + 1,
        before=read_cursor(cursor, _ROW) if cursor else None,
        state=state,
        book_id=book_id,
        intent_id=intent_id,
    )
    last = found[limit - 1] if len(found) > limit else None
    return OrderPage(
        items=[OrderOut.of(order) for order in found[:limit]],
        next=write_cursor(last.due_at_ms, last.order_id) if last else None,
    )


@router.get("/fills")
def list_fills(
    viewer: ViewerOf,
    *,
    book_id: OfBook = None,
    symbol: Annotated[Symbol | None, Query(description="Only of this symbol.", examples=["BTC/USDT"])] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> FillPage:
    """List the fills of your books and the desk's, newest first."""
    found = viewer.reads.fills(
        limit=limit + 1, before=read_cursor(cursor, _FILL) if cursor else None, book_id=book_id, symbol=symbol
    )
    last = found[limit - 1] if len(found) > limit else None
    return FillPage(
        items=[FillOut.of(posted) for posted in found[:limit]],
        next=write_cursor(last.fill.event_time, last.fill_id) if last else None,
    )


@router.get("/positions")
def list_positions(
    viewer: ViewerOf,
    deps: DepsOf,
    *,
    book_id: OfBook = None,
    flat: Annotated[bool, Query(description="Also what is not held any more, for what it earned.")] = False,
) -> PositionPage:
    """List what your books and the desk's hold, with the mark price and what closing there would earn."""
    from shared.usecases.risk_desk import value_positions  # noqa: PLC0415 - brings what risk is measured with

    held = viewer.reads.positions(book_id=book_id, flat_too=flat)
    return PositionPage(items=[PositionOut.of(each) for each in value_positions(held, tickers=deps.ticker_board)])


@router.get("/trace/{wanted_id}", responses=NOT_FOUND)
def read_trace(
    wanted_id: TraceId,
    viewer: ViewerOf,
    deps: DepsOf,
) -> TraceOut:
    """Tell everything with one correlation id: signal, intent, reasons, plan, slices, fills, position."""
    from shared.usecases.tracing import trace  # noqa: PLC0415 - brings what risk is measured with

    found = trace(wanted_id, reads=viewer.reads, tickers=deps.ticker_board)
    return TraceOut(
        correlation_id=found.correlation_id,
        steps=[StepOut.of(step) for step in found.steps],
        stories=[IntentStoryOut.of(story) for story in found.stories],
        positions=[PositionOut.of(each) for each in found.positions],
    )
