"""Instruments, depths and intents in the few shapes the tests of routing and execution need."""

from collections.abc import Sequence
from decimal import Decimal

from shared.domain.traders import PositionSide
from shared.domain.trading.depth import Depth, Level
from shared.domain.trading.instruments import Instrument, InstrumentKind, Side
from shared.domain.trading.intents import Algorithm, Intent, Purpose, Sizing, SizingMethod, Source
from shared.domain.trading.routing import VenueOffer
from shared.domain.trading.states import IntentState, Mode

D = Decimal
START_MS = 1_760_000_000_000


def an_instrument(
    venue: str = "one",
    *,
    step: str = "0.001",
    min_qty: str = "0.001",
    min_notional: str = "5",
    taker: str = "0.001",
    maker: str = "0.0005",
    kind: InstrumentKind = InstrumentKind.SPOT,
) -> Instrument:
    return Instrument(
        venue=venue,
        symbol="BTC/USDT",
        kind=kind,
        base="BTC",
        quote="USDT",
        tick_size=D("0.01"),
        step_size=D(step),
        min_qty=D(min_qty),
        min_notional=D(min_notional),
        maker_fee_rate=D(maker),
        taker_fee_rate=D(taker),
    )


def a_depth(asks: Sequence[tuple[object, object]] = (), bids: Sequence[tuple[object, object]] = ()) -> Depth:
    def levels(rows: Sequence[tuple[object, object]]) -> tuple[Level, ...]:
        return tuple(Level(D(str(price)), D(str(qty))) for price, qty in rows)

    return Depth(time_ms=START_MS, bids=levels(bids), asks=levels(asks))


DEEP = a_depth(asks=[(100, 500), (101, 500)], bids=[("99.9", 500), (99, 500)])


def an_offer(
    venue: str = "one",
    depth: Depth = DEEP,
    *,
    instrument: Instrument | None = None,
    latency_ms: int = 0,
    reject_rate: str = "0",
) -> VenueOffer:
    return VenueOffer(
        instrument=instrument or an_instrument(venue), depth=depth, latency_ms=latency_ms, reject_rate=D(reject_rate)
    )


def an_intent(
    algorithm: Algorithm,
    *,
    qty: str = "10",
    side: Side = Side.BUY,
    purpose: Purpose = Purpose.ENTER,
    intent_id: str = "intent-1",
    venue: str | None = None,
    state: IntentState = IntentState.EXECUTING,
) -> Intent:
    enters_long = (side is Side.BUY) == (purpose is Purpose.ENTER)
    return Intent(
        intent_id=intent_id,
        book_id="book-1",
        mode=Mode.PAPER,
        source=Source.PERSON,
        venue=venue,
        symbol="BTC/USDT",
        purpose=purpose,
        direction=PositionSide.LONG if enters_long else PositionSide.SHORT,
        sizing=Sizing(method=SizingMethod.QTY, value=D(qty)),
        algorithm=algorithm,
        raised_at_ms=START_MS,
        expires_at_ms=START_MS + 60_000,
        state=state,
        qty=D(qty),
        correlation_id="c-1",
    )
