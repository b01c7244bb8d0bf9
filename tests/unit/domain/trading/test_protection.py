"""When a position is left, and which orders stand at the venue for it."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidMessageError
from shared.domain.traders import PositionSide
from shared.domain.trading.accounts import Capabilities
from shared.domain.trading.instruments import Instrument, InstrumentKind, Side
from shared.domain.trading.intents import Guard
from shared.domain.trading.orders import OrderKind
from shared.domain.trading.positions import Position
from shared.domain.trading.protection import (
    LONGEST_RETRY_MS,
    RETRY_MS,
    Adjustment,
    Seen,
    StandingOrder,
    Trigger,
    adjust,
    check_guard,
    look,
    refusals,
    retry_at_ms,
    standing_orders,
)
from shared.domain.trading.records import HeldPosition, Order, Role
from shared.domain.trading.states import Mode, OrderState

D = Decimal
INSTRUMENT = Instrument(
    venue="binance", symbol="BTC/USDT", kind=InstrumentKind.SPOT, base="BTC", quote="USDT", tick_size=D("0.1"),
    step_size=D("0.01"), min_qty=D("0.01"), min_notional=D(10), maker_fee_rate=D("0.001"), taker_fee_rate=D("0.001"),
)  # fmt: skip
ALL = Capabilities(shorts=False, stop_orders=True, oco=True, reduce_only=False, timer=None, accepts_for_ms=5_000)


def held(guard: Guard, *, qty: str = "1", best: str | None = None, opened: int = 1_000) -> HeldPosition:
    position = Position(
        book_id="b", venue="binance", symbol="BTC/USDT", qty=D(qty), cost=D(qty) * 100, opened_at_ms=opened
    )
    return HeldPosition(position=position, guard=guard, best_price=D(best) if best else None, last_fill_ms=opened)


def seen(low: str, high: str | None = None) -> Seen:
    return Seen(low=D(low), high=D(high or low), last=D(low))


# entry 100; prices seen; what triggers
LONG = [
    (Guard(stop_price=D(95)), seen("95.1"), None),
    (Guard(stop_price=D(95)), seen("95"), Trigger.STOP),
    (Guard(take_profit_price=D(110)), seen("100", "109.9"), None),
    (Guard(take_profit_price=D(110)), seen("100", "110"), Trigger.TAKE_PROFIT),
    (Guard(stop_price=D(95), take_profit_price=D(110)), seen("94", "111"), Trigger.STOP),  # the worst of one candle
    (Guard(trailing_rate=D("0.1")), seen("90.1"), None),
    (Guard(trailing_rate=D("0.1")), seen("90"), Trigger.TRAILING),
    (Guard(trailing_rate=D("0.1")), seen("100", "200"), None),  # the candle may have fallen before it rose
    (Guard(hold_ms=500), seen("100"), Trigger.TIME),
    (Guard(hold_ms=501), seen("100"), None),
    (Guard(), seen("1", "1000"), None),
]


@pytest.mark.parametrize(("guard", "prices", "trigger"), LONG)
def test_a_long_is_left(guard: Guard, prices: Seen, trigger: Trigger | None) -> None:
    assert look(held(guard), prices, now_ms=1_500).trigger is trigger


@pytest.mark.parametrize(("guard", "prices", "trigger"), LONG)
def test_a_short_is_the_mirror_of_a_long(guard: Guard, prices: Seen, trigger: Trigger | None) -> None:
    def mirrored(price: Decimal) -> Decimal:
        return 200 - price

    guard = replace(
        guard,
        stop_price=guard.stop_price and mirrored(guard.stop_price),
        take_profit_price=guard.take_profit_price and mirrored(guard.take_profit_price),
    )
    prices = Seen(low=mirrored(prices.high), high=mirrored(prices.low), last=mirrored(prices.last))
    assert look(held(guard, qty="-1"), prices, now_ms=1_500).trigger is trigger


def test_a_trailing_stop_follows_the_best_price_and_never_goes_back() -> None:
    guard = Guard(trailing_rate=D("0.1"))
    up = look(held(guard), seen("100", "120"), now_ms=1_500)
    assert (up.trigger, up.best_price) == (None, D(120))
    down = look(held(guard, best="120"), seen("108.1", "109"), now_ms=1_500)
    assert (down.trigger, down.best_price) == (None, D(120))
    out = look(held(guard, best="120"), seen("108", "109"), now_ms=1_500)
    assert out.trigger is Trigger.TRAILING
    assert "108" in out.sentence


@given(st.lists(st.decimals(min_value=50, max_value=150, places=2), min_size=1, max_size=30))
def test_a_trailing_stop_triggers_where_the_running_best_says(path: list[Decimal]) -> None:
    guard, best, running = Guard(trailing_rate=D("0.05")), None, D(100)
    for price in path:
        verdict = look(held(guard, best=str(best) if best else None), Seen(low=price, high=price, last=price), now_ms=1)
        assert (verdict.trigger is Trigger.TRAILING) == (price <= running * D("0.95"))
        running = max(running, price)
        assert verdict.best_price == running
        best = verdict.best_price


@pytest.mark.parametrize(
    ("guard", "direction", "field"),
    [
        (Guard(stop_price=D(101)), PositionSide.LONG, "stop_loss"),
        (Guard(stop_price=D(100)), PositionSide.LONG, "stop_loss"),
        (Guard(stop_price=D(99)), PositionSide.SHORT, "stop_loss"),
        (Guard(take_profit_price=D(99)), PositionSide.LONG, "take_profit"),
        (Guard(take_profit_price=D(101)), PositionSide.SHORT, "take_profit"),
        (Guard(stop_price=D("NaN")), PositionSide.LONG, "stop_loss"),
        (Guard(stop_price=D(-5)), PositionSide.LONG, "stop_loss"),
        (Guard(trailing_rate=D(1)), PositionSide.LONG, "trailing_rate"),
        (Guard(trailing_rate=D(0)), PositionSide.LONG, "trailing_rate"),
        (Guard(hold_ms=0), PositionSide.LONG, "hold_ms"),
    ],
)
def test_a_level_on_the_wrong_side_is_refused(guard: Guard, direction: PositionSide, field: str) -> None:
    with pytest.raises(InvalidMessageError) as refused:
        check_guard(guard, direction, D(100))
    assert refused.value.field == field


def test_levels_on_the_right_side_pass() -> None:
    check_guard(Guard(stop_price=D(95), take_profit_price=D(110), hold_ms=1), PositionSide.LONG, D(100))
    check_guard(Guard(stop_price=D(110), take_profit_price=D(95)), PositionSide.SHORT, D(100))


BOTH = Guard(stop_price=D("95.07"), take_profit_price=D("110.03"))
STOP = StandingOrder(role=Role.STOP, side=Side.SELL, qty=D("1.23"), price=D("95.1"))
TARGET = StandingOrder(role=Role.TAKE_PROFIT, side=Side.SELL, qty=D("1.23"), price=D("110.1"))


def test_what_stands_is_as_large_as_the_position_on_the_venues_steps() -> None:
    assert standing_orders(held(BOTH, qty="1.239"), INSTRUMENT, ALL) == (STOP, TARGET)


def test_without_oco_only_the_stop_stands() -> None:
    assert standing_orders(held(BOTH, qty="1.239"), INSTRUMENT, replace(ALL, oco=False)) == (STOP,)


@pytest.mark.parametrize(
    ("position", "offers"),
    [
        (held(BOTH), replace(ALL, stop_orders=False)),
        (held(Guard(take_profit_price=D(110))), ALL),
        (held(Guard(trailing_rate=D("0.1"), hold_ms=5)), ALL),
        (held(BOTH, qty="0.009"), ALL),
        (held(BOTH, qty="0.1"), ALL),  # 9.5 USDT is below the minimum notional
        (held(BOTH, qty="0"), ALL),
    ],
)
def test_what_the_venue_cannot_hold_is_the_desks_to_watch(position: HeldPosition, offers: Capabilities) -> None:
    assert standing_orders(position, INSTRUMENT, offers) == ()


def an_order(wanted: StandingOrder, state: OrderState = OrderState.OPEN, **changes: object) -> Order:
    is_stop = wanted.role is Role.STOP
    values: dict[str, object] = {
        "order_id": wanted.role.value, "intent_id": "i", "book_id": "b", "mode": Mode.PAPER, "account": "b",
        "venue": "binance", "symbol": "BTC/USDT", "role": wanted.role, "slice_no": 1, "client_order_id": "nd",
        "side": wanted.side, "kind": OrderKind.STOP_MARKET if is_stop else OrderKind.LIMIT, "qty": wanted.qty,
        "trigger_price": wanted.price if is_stop else None, "limit_price": None if is_stop else wanted.price,
        "due_at_ms": 0, "state": state, "correlation_id": "c",
    }  # fmt: skip
    return Order(**(values | changes))  # type: ignore[arg-type]


def test_what_stands_as_wanted_is_left_alone() -> None:
    assert adjust((STOP, TARGET), (an_order(STOP), an_order(TARGET))) == Adjustment(cancel=(), place=())


def test_what_is_missing_is_placed() -> None:
    assert adjust((STOP,), ()).place == (STOP,)
    assert adjust((STOP,), (an_order(STOP, OrderState.FILLED),)).place == (STOP,)


def test_a_size_that_no_longer_fits_is_cancelled_before_anything_is_placed() -> None:
    larger = replace(STOP, qty=D(2))
    old = an_order(STOP)
    assert adjust((larger,), (old,)) == Adjustment(cancel=(old,), place=())
    assert adjust((larger,), (replace(old, state=OrderState.CANCELLED),)) == Adjustment(cancel=(), place=(larger,))


def test_nothing_is_placed_beside_an_order_in_doubt() -> None:
    for state in (OrderState.SUBMITTING, OrderState.UNKNOWN, OrderState.CANCEL_PENDING):
        assert adjust((replace(STOP, qty=D(2)),), (an_order(STOP, state),)) == Adjustment(cancel=(), place=())


def test_a_flat_position_has_nothing_standing() -> None:
    old = an_order(STOP)
    assert adjust((), (old,)).cancel == (old,)


def test_a_stop_that_has_filled_in_part_fits_what_is_left() -> None:
    rest = replace(STOP, qty=D(1))
    partly = an_order(STOP, OrderState.PARTIALLY_FILLED, filled_qty=D("0.23"))
    assert adjust((rest,), (partly,)) == Adjustment(cancel=(), place=())


def test_refusals_are_counted_since_a_stop_was_taken_and_of_the_same_terms_alone() -> None:
    refused = [replace(an_order(STOP), attempt=number, state=OrderState.REJECTED) for number in range(1, 5)]
    assert refusals((STOP,), refused) == tuple(refused)
    taken = [*refused[:2], replace(refused[2], state=OrderState.CANCELLED), refused[3]]
    assert refusals((STOP,), taken) == (refused[3],)
    assert refusals((replace(STOP, qty=D("0.5")),), refused) == ()
    assert refusals((replace(STOP, price=D(91)),), refused) == ()
    assert refusals((STOP,), [*refused[:3], replace(refused[3], qty=D("0.5"))]) == ()


@given(st.integers(1, 1_000))
def test_the_pause_before_another_attempt_grows_up_to_an_hour(count: int) -> None:
    refused = [replace(an_order(STOP), submitted_at_ms=1_000)]
    pause_ms, longer_ms = retry_at_ms(refused * count) - 1_000, retry_at_ms(refused * (count + 1)) - 1_000
    assert RETRY_MS <= pause_ms <= longer_ms <= min(2 * pause_ms, LONGEST_RETRY_MS)
    assert retry_at_ms([]) == 0
