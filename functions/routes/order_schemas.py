"""What the API answers about orders, fills and positions."""

from typing import TYPE_CHECKING

from pydantic import Field

from functions.routes.book_schemas import Number
from functions.routes.intent_schemas import GuardOut, picked, shown
from functions.routes.schemas import EXAMPLE_ID, EXAMPLE_TIME, Schema
from shared.domain.trading.instruments import Side
from shared.domain.trading.orders import OrderKind, TimeInForce
from shared.domain.trading.records import Order, Role
from shared.domain.trading.states import Mode, OrderState

if TYPE_CHECKING:
    from shared.domain.trading.status import Valued
    from shared.domain.trading.told import PostedFill


class OrderOut(Schema):
    """One order at one venue."""

    order_id: str = Field(description="Its id.", examples=[EXAMPLE_ID])
    intent_id: str = Field(description="The intent it works.", examples=[EXAMPLE_ID])
    book_id: str = Field(description="The book it trades in.", examples=[EXAMPLE_ID])
    mode: Mode = Field(description="`paper` or `live`.", examples=["paper"])
    venue: str = Field(description="Where.", examples=["binance"])
    symbol: str = Field(description="Unified symbol.", examples=["BTC/USDT"])
    role: Role = Field(description="A slice of the quantity, or protection.", examples=["slice"])
    slice_no: int = Field(description="Which slice of the execution plan.", examples=[1])
    attempt: int = Field(description="Which attempt at it.", examples=[1])
    client_order_id: str = Field(
        description="The desk's id at the venue.", examples=["5f0c6d1b9a3e5c428a7bd2e49c3107f6"]
    )
    venue_order_id: str | None = Field(description="The venue's id.", examples=["123456"])
    side: Side = Field(description="What it does.", examples=["buy"])
    kind: OrderKind = Field(description="What makes it trade.", examples=["market"])
    time_in_force: TimeInForce = Field(description="How long it waits.", examples=["gtc"])
    qty: Number = Field(description="Base units asked for.", examples=["0.02156"])
    limit_price: Number | None = Field(description="The worst price, quote units.", examples=["46400"])
    trigger_price: Number | None = Field(description="The price that makes it trade.", examples=["44000"])
    reduce_only: bool = Field(description="Whether it may only make a position smaller.", examples=[False])
    due_at_ms: int = Field(description="When its time comes (epoch ms).", examples=[EXAMPLE_TIME])
    submitted_at_ms: int | None = Field(description="When it was sent (epoch ms).", examples=[EXAMPLE_TIME + 40])
    state: OrderState = Field(description="How far it has come.", examples=["filled"])
    filled_qty: Number = Field(description="Base units that have filled.", examples=["0.02156"])
    average_price: Number | None = Field(description="At what average price.", examples=["46377.1"])
    reason: str | None = Field(description="Why it ended as it did.", examples=["insufficient_balance"])
    correlation_id: str = Field(description="Follows it through everything.", examples=["9f2c4e6a8b0d"])

    @classmethod
    def of(cls, order: Order) -> "OrderOut":
        """Describe an order."""
        return picked(cls, order)


class OrderPage(Schema):
    """Orders, the last due first."""

    items: list[OrderOut] = Field(description="The orders.")
    next: str | None = Field(description="Pass as `cursor` for the next page; null on the last.", examples=["MTY0MDk5"])


class FillOut(Schema):
    """One execution."""

    trade_id: str = Field(description="The venue's id.", examples=["28457"])
    book_id: str = Field(description="The book it is posted in.", examples=[EXAMPLE_ID])
    order_id: str | None = Field(description="The order it fills.", examples=[EXAMPLE_ID])
    venue: str = Field(description="Where.", examples=["binance"])
    symbol: str = Field(description="Unified symbol.", examples=["BTC/USDT"])
    side: Side = Field(description="What was done.", examples=["buy"])
    qty: Number = Field(description="Base units.", examples=["0.02156"])
    price: Number = Field(description="Quote units.", examples=["46377.1"])
    notional: Number = Field(description="Price times quantity.", examples=["999.89"])
    fee_qty: Number = Field(description="The fee; negative for a rebate.", examples=["0.99989"])
    fee_asset: str = Field(description="What the fee is paid in.", examples=["USDT"])
    fee_notional: Number = Field(description="The fee in quote units.", examples=["0.99989"])
    is_maker: bool = Field(description="Whether it waited in the book.", examples=[False])
    realised: Number = Field(description="What it earned before fees, quote units.", examples=["0"])
    event_time: int = Field(description="When, by the venue's clock (epoch ms).", examples=[EXAMPLE_TIME + 60])

    @classmethod
    def of(cls, posted: "PostedFill") -> "FillOut":
        """Describe a fill."""
        own = shown(cls, posted.fill) | shown(cls, posted)
        return cls.model_construct(**own, notional=posted.fill.notional)


class FillPage(Schema):
    """Fills, newest first."""

    items: list[FillOut] = Field(description="The fills.")
    next: str | None = Field(description="Pass as `cursor` for the next page; null on the last.", examples=["MTY0MDk5"])


class PositionOut(Schema):
    """What a book holds at a venue, and what it is worth now; null where no current price is known."""

    book_id: str = Field(description="The book.", examples=[EXAMPLE_ID])
    venue: str = Field(description="Where.", examples=["binance"])
    symbol: str = Field(description="Unified symbol.", examples=["BTC/USDT"])
    qty: Number = Field(description="Base units, short is negative.", examples=["0.02156"])
    entry_price: Number | None = Field(description="Average price of what is held.", examples=["46377.1"])
    mark_price: Number | None = Field(description="What it trades at now.", examples=["46500"])
    mark_time_ms: int | None = Field(description="As of when (epoch ms).", examples=[EXAMPLE_TIME])
    notional: Number | None = Field(description="Quantity at the mark price.", examples=["1002.54"])
    unrealised: Number | None = Field(description="What closing would earn before fees.", examples=["2.65"])
    realised: Number = Field(description="Earned by what was closed, before fees.", examples=["0"])
    fees: Number = Field(description="Paid so far, quote units.", examples=["0.99989"])
    funding: Number = Field(description="A future's, received less paid, quote units.", examples=["-0.12"])
    opened_at_ms: int | None = Field(description="When it last left zero (epoch ms).", examples=[EXAMPLE_TIME])
    guard: GuardOut = Field(description="What protects it.")

    @classmethod
    def of(cls, valued: "Valued") -> "PositionOut":
        """Describe a position."""
        position, mark = valued.held.position, valued.mark
        return cls.model_construct(
            **shown(cls, position),
            entry_price=position.entry_price,
            mark_price=None if mark is None else mark.price,
            mark_time_ms=None if mark is None else mark.time_ms,
            notional=None if mark is None else position.qty * mark.price,
            unrealised=valued.unrealised,
            guard=picked(GuardOut, valued.held.guard),
        )


class PositionPage(Schema):
    """Positions by book, venue and symbol."""

    items: list[PositionOut] = Field(description="The positions.")
