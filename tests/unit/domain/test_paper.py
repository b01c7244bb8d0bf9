"""Paper matching: nothing is made or lost, no fill is better than the market, fees are exact."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import RejectedError
from shared.domain.trading import paper_accounts as accounts
from shared.domain.trading import paper_venue
from shared.domain.trading.depth import Depth, Level
from shared.domain.trading.instruments import Instrument, InstrumentKind, Side
from shared.domain.trading.money import ZERO, total
from shared.domain.trading.orders import Fill, OrderKind, OrderRequest, TimeInForce
from shared.domain.trading.paper import PaperBar, PaperMarket, PaperOrder, advance, arrive, book_around, new_order
from shared.domain.trading.paper_accounts import PaperAccount
from shared.domain.trading.states import OrderState

D = Decimal
NOW = 1_700_000_000_000
MINUTE = 60_000
INSTRUMENT = Instrument(
    venue="v",
    symbol="ETH/USDT",
    kind=InstrumentKind.SPOT,
    base="ETH",
    quote="USDT",
    tick_size=D("0.1"),
    step_size=D("0.001"),
    min_qty=D("0.001"),
    min_notional=D(5),
    maker_fee_rate=D("0.0002"),
    taker_fee_rate=D("0.001"),
)
DEPTH = Depth(
    time_ms=NOW,
    bids=(Level(D("99.9"), D(1)), Level(D("99.5"), D(2))),
    asks=(Level(D("100.1"), D(1)), Level(D("100.5"), D(2))),
)
MARKET = PaperMarket(instrument=INSTRUMENT, depth=DEPTH)
OPENING = {"USDT": D(10_000), "ETH": D(50)}

cents = st.integers(900, 1_100).map(lambda ticks: D(ticks) / 10)
quantities = st.integers(100, 9_000).map(lambda steps: D(steps) / 1_000)


def bar(minute: int, low: Decimal, high: Decimal, *, opened: Decimal | None = None, volume: str = "40") -> PaperBar:
    start = NOW + minute * MINUTE
    return PaperBar(
        open_time=start, close_time=start + MINUTE, open=opened or low, high=high, low=low, volume=D(volume)
    )


@st.composite
def bars(draw: st.DrawFn) -> tuple[PaperBar, ...]:
    found = []
    for minute in range(draw(st.integers(0, 5))):
        low, high = sorted((draw(cents), draw(cents)))
        opened = min(max(draw(cents), low), high)
        found.append(bar(minute, low, high, opened=opened, volume=str(draw(st.integers(0, 50)))))
    return tuple(found)


@st.composite
def requests(draw: st.DrawFn) -> OrderRequest:
    kind = draw(st.sampled_from(list(OrderKind)))
    return OrderRequest(
        client_order_id=f"nd{draw(st.integers(0, 10**9)):028d}",
        symbol="ETH/USDT",
        side=draw(st.sampled_from(list(Side))),
        kind=kind,
        qty=draw(quantities),
        limit_price=draw(cents) if kind is OrderKind.LIMIT else None,
        trigger_price=draw(cents) if kind is OrderKind.STOP_MARKET else None,
        time_in_force=draw(st.sampled_from(list(TimeInForce))) if kind is OrderKind.LIMIT else TimeInForce.GTC,
    )


def limit(side: Side, price: str, qty: str = "1", **changes: object) -> OrderRequest:
    values: dict[str, object] = {
        "client_order_id": "nd-limit",
        "symbol": "ETH/USDT",
        "side": side,
        "kind": OrderKind.LIMIT,
        "qty": D(qty),
        "limit_price": D(price),
    }
    return OrderRequest(**(values | changes))  # type: ignore[arg-type]


def an_account(**changes: object) -> PaperAccount:
    return replace(PaperAccount(venue="v", account="a", version=0, balances=OPENING), **changes)  # type: ignore[arg-type]


def listed(symbol: str) -> Instrument | None:
    return INSTRUMENT if symbol == INSTRUMENT.symbol else None


def later(*between: PaperBar, at: int = 10, depth: Depth = DEPTH) -> PaperMarket:
    return PaperMarket(instrument=INSTRUMENT, depth=replace(depth, time_ms=NOW + at * MINUTE), bars=between)


@given(st.lists(requests(), max_size=4, unique_by=lambda one: one.client_order_id), bars(), bars())
def test_balances_are_the_opening_and_the_fills_whatever_happens(
    wanted: list[OrderRequest], first: tuple[PaperBar, ...], second: tuple[PaperBar, ...]
) -> None:
    account, fills, orders = an_account(), list[Fill](), dict[str, PaperOrder]()
    for request in wanted:
        try:
            change = paper_venue.place(account, [new_order(request, NOW)], {"ETH/USDT": MARKET}, listed)
        except RejectedError:
            continue
        account, fills = change.account, [*fills, *change.fills]
        orders |= {order.request.client_order_id: order for order in change.orders}
    shifted = tuple(
        replace(b, open_time=b.open_time + 9 * MINUTE, close_time=b.close_time + 9 * MINUTE) for b in second
    )
    for market in (later(*first), later(*first, *shifted, at=20)):
        change = paper_venue.look(account, {"ETH/USDT": market}, market.depth.time_ms)
        account, fills = change.account, [*fills, *change.fills]
        orders |= {order.request.client_order_id: order for order in change.orders}

    held = dict(OPENING)
    for fill in fills:
        held["ETH"] += fill.side.sign * fill.qty
        held["USDT"] -= fill.side.sign * fill.qty * fill.price + fill.fee_qty
        rate = INSTRUMENT.maker_fee_rate if fill.is_maker else INSTRUMENT.taker_fee_rate
        assert fill.fee_qty == fill.fee_notional == fill.qty * fill.price * rate
    assert account.balances == held
    assert min(held.values()) >= 0
    locked = accounts.locked(account, listed)
    assert all(qty <= held[asset] for asset, qty in locked.items())
    assert len({fill.trade_id for fill in fills}) == len(fills)
    for client_id, order in orders.items():
        own = [fill for fill in fills if fill.client_order_id == client_id]
        assert order.filled_qty == total(fill.qty for fill in own) <= order.request.qty
        assert order.filled_notional == total(fill.notional for fill in own)
        assert (order.state is OrderState.FILLED) == (order.filled_qty == order.request.qty)
    assert {order.request.client_order_id for order in account.orders} == {
        client_id for client_id, order in orders.items() if order.is_working
    }


@given(requests(), bars())
def test_no_fill_is_better_than_the_market(request: OrderRequest, between: tuple[PaperBar, ...]) -> None:
    order, fills = arrive(new_order(request, NOW), MARKET)
    best = DEPTH.against(request.side)[0].price
    for fill in fills:
        assert request.side.sign * (fill.price - best) >= 0
    resting, more = advance(order, later(*between), NOW + 10 * MINUTE)
    traded = [price for one in between for price in (one.low, one.high)] + [best]
    for fill in more:
        if request.limit_price is not None:
            assert fill.price == request.limit_price
        if request.trigger_price is not None:
            reached = min(traded) if request.side is Side.BUY else max(traded)
            assert request.side.sign * (fill.price - reached) >= 0
    for fill in (*fills, *more):
        if request.limit_price is not None:
            assert request.side.sign * (fill.price - request.limit_price) <= 0
    assert resting.filled_qty == total(fill.qty for fill in (*fills, *more))


@given(requests(), bars())
def test_looking_again_finds_nothing_new(request: OrderRequest, between: tuple[PaperBar, ...]) -> None:
    order, _ = arrive(new_order(request, NOW), MARKET)
    market = later(*between)
    once = advance(order, market, NOW + 10 * MINUTE)
    assert advance(order, market, NOW + 10 * MINUTE) == once, "the same order in the same market has the same fate"
    assert advance(once[0], market, NOW + 11 * MINUTE) == (once[0], ())


@given(requests(), bars(), st.integers(0, 5))
def test_looking_more_often_fills_the_same_of_the_bars(
    request: OrderRequest, between: tuple[PaperBar, ...], cut: int
) -> None:
    quiet = Depth(time_ms=NOW, bids=(), asks=())
    order, _ = arrive(new_order(request, NOW), MARKET)
    whole, all_fills = advance(order, later(*between, depth=quiet), NOW + 10 * MINUTE)
    half, first = advance(order, later(*between[:cut], depth=quiet), NOW + 10 * MINUTE)
    both, second = advance(half, later(*between, depth=quiet), NOW + 10 * MINUTE)
    assert (both.filled_qty, both.state) == (whole.filled_qty, whole.state)
    assert (*first, *second) == all_fills


def test_only_bars_that_open_after_the_order_are_its_own() -> None:
    order, _ = arrive(new_order(limit(Side.BUY, "99"), NOW + 1), MARKET)
    order, fills = advance(order, later(bar(0, D(90), D(100))), NOW + 10 * MINUTE)
    assert (order.state, fills) == (OrderState.OPEN, ())
    order, fills = advance(order, later(bar(1, D(90), D(100))), NOW + 10 * MINUTE)
    assert order.state is OrderState.FILLED


def test_a_bar_that_only_touches_the_price_fills_nothing_and_a_thin_one_a_part() -> None:
    order, _ = arrive(new_order(limit(Side.SELL, "101"), NOW), MARKET)
    assert advance(order, later(bar(1, D(100), D(101))), NOW)[1] == ()
    order, (fill,) = advance(order, later(bar(1, D(100), D("101.1"), volume="1")), NOW)
    assert order.state is OrderState.PARTIALLY_FILLED
    assert D("0.1") <= fill.qty <= D("0.3")


def test_a_stop_that_the_market_jumps_over_pays_the_jump() -> None:
    stop = limit(Side.SELL, "99", kind=OrderKind.STOP_MARKET, limit_price=None, trigger_price=D(95))
    order, _ = arrive(new_order(stop, NOW), MARKET)
    order, fills = advance(order, later(bar(1, D(80), D(90), opened=D(85))), NOW)
    assert order.is_triggered
    assert fills[0].price == D(85)
    assert all(fill.price <= D(85) and not fill.is_maker for fill in fills)


def test_a_stop_that_costs_more_than_there_is_does_not_trade() -> None:
    stop = limit(Side.BUY, "1", "3", kind=OrderKind.STOP_MARKET, limit_price=None, trigger_price=D(110))
    poor = an_account(balances={"USDT": D(335)})
    change = paper_venue.place(poor, [new_order(stop, NOW)], {"ETH/USDT": MARKET}, listed)
    jumped = later(bar(1, D(150), D(160), opened=D(150)))
    change = paper_venue.look(change.account, {"ETH/USDT": jumped}, NOW + 10 * MINUTE)
    assert [order.state for order in change.orders] == [OrderState.CANCELLED]
    assert change.account.balances == {"USDT": D(335)}
    assert change.account.orders == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"qty": ZERO},
        {"qty": D("-1")},
        {"qty": D("0.0005")},
        {"qty": D("0.01")},
        {"limit_price": D("99.95")},
        {"limit_price": None},
        {"limit_price": D("-5")},
        {"kind": OrderKind.STOP_MARKET, "limit_price": None},
    ],
)
def test_what_no_venue_takes_is_refused(changes: dict[str, Any]) -> None:
    order = new_order(limit(Side.BUY, "99", **changes), NOW)
    with pytest.raises(RejectedError, match="invalid_order"):
        paper_venue.place(an_account(), [order], {"ETH/USDT": MARKET}, listed)


@given(cents, st.integers(0, 1_000), st.integers(0, 10**12))
def test_an_invented_book_is_never_better_than_its_best_prices(bid: Decimal, volume: int, time_ms: int) -> None:
    depth = book_around(INSTRUMENT, bid + D("0.03"), bid + D("0.17"), volume=D(volume), time_ms=time_ms)
    assert all(level.price <= bid and level.price % INSTRUMENT.tick_size == 0 for level in depth.bids)
    assert all(level.price >= bid + D("0.17") for level in depth.asks)
    assert all(level.qty % INSTRUMENT.step_size == 0 for level in depth.bids + depth.asks)
    assert bool(depth.bids) == (volume > 0)


def test_orders_of_other_symbols_hold_back_their_own_assets() -> None:
    other = limit(Side.SELL, "101", "3", client_order_id="nd-other", symbol="BTC/USDT")
    rich = an_account(balances=OPENING | {"BTC": D(3)}, orders=(new_order(other, NOW),))
    assert accounts.locked(rich, listed) == {"BTC": D(3)}
    change = paper_venue.place(rich, [new_order(limit(Side.SELL, "101", "50"), NOW)], {"ETH/USDT": MARKET}, listed)
    assert accounts.locked(change.account, listed) == {"BTC": D(3), "ETH": D(50)}
