"""Futures on paper, from an intent to a position that is protected, turned, left and accounted for."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.adapters.paper_exchange import PaperExchange
from shared.domain.trading.accounts import LIVE_ACCOUNT
from shared.domain.trading.equity import equity_of
from shared.domain.trading.instruments import PositionSide, Side
from shared.domain.trading.intents import Guard, Purpose, Sizing, SizingMethod
from shared.domain.trading.orders import OrderKind, OrderRequest, TimeInForce, client_order_id
from shared.domain.trading.records import Role
from shared.domain.trading.states import IntentState, OrderState, TradingState
from shared.usecases.halting import set_desk_state
from shared.usecases.reconciling import reconcile
from shared.venue_ports import Exchange
from tests.usecases.trading_in_memory import FUTURE, TradingInMemory

D = Decimal
SHORT = PositionSide.SHORT


@pytest.fixture
def desk() -> TradingInMemory:
    return TradingInMemory(instrument=FUTURE)


def equity(desk: TradingInMemory) -> Decimal:
    position = desk.ledger.position(desk.book.book_id, desk.venue, desk.symbol).position
    worth = equity_of(desk.book.capital, [position], {(desk.venue, desk.symbol): desk.market.price}).equity
    assert worth is not None
    return worth


def venue_equity(desk: TradingInMemory) -> Decimal:
    account = desk.account(desk.book.book_id)
    (balance,) = account.balances()
    return balance.total + sum(
        (each.qty * (desk.market.price - (each.entry_price or D(0))) for each in account.positions()), start=D(0)
    )


def test_a_short_is_approved_filled_protected_and_stopped_out(desk: TradingInMemory) -> None:
    intent = desk.wish(direction=SHORT, guard=Guard(stop_price=D(41_000)))
    desk.run()
    view = desk.view(intent)
    assert (view.intent.state, view.intent.qty) == (IntentState.EXECUTED, -desk.qty())
    assert -10_000 <= desk.qty() * desk.market.price < -9_990
    (stop,) = desk.orders.standing(desk.book.book_id, desk.venue, desk.symbol)
    assert (stop.role, stop.side, stop.qty, stop.reduce_only) == (Role.STOP, Side.BUY, -desk.qty(), True)
    assert stop.state is OrderState.OPEN
    assert desk.adds_up()

    desk.market.move(D(39_000))
    before, qty = equity(desk), desk.qty()
    assert before > 100_000, "a short earns when the price falls"
    assert before == pytest.approx(venue_equity(desk), abs=D("1e-6"))
    desk.market.move(D(41_200))
    desk.sweep(2)
    assert desk.qty() == 0
    assert desk.orders.standing(desk.book.book_id, desk.venue, desk.symbol) == []
    assert desk.adds_up()
    assert equity(desk) == venue_equity(desk) == pytest.approx(100_000 + qty * D(1_000), abs=D(60))


def test_a_short_with_a_target_is_left_by_the_desk_where_the_venue_has_no_pairs(desk: TradingInMemory) -> None:
    desk.wish(direction=SHORT, guard=Guard(stop_price=D(41_000), take_profit_price=D(39_000)))
    desk.run()
    standing = desk.orders.standing(desk.book.book_id, desk.venue, desk.symbol)
    assert [order.role for order in standing] == [Role.STOP]
    desk.market.move(D(38_900))
    desk.sweep(2)
    assert desk.qty() == 0
    assert equity(desk) > 100_000
    assert desk.adds_up()


def test_positions_turn_and_the_books_agree_to_the_last_digit(desk: TradingInMemory) -> None:
    sizes = (("long", "12345.67"), ("short", "7000"), ("short", "19000"), ("long", "2222"), ("long", "15000"))
    for number, (side, notional) in enumerate(sizes):
        desk.market.move(D(40_000) + (-1) ** number * 333 * number)
        sizing = Sizing(method=SizingMethod.NOTIONAL, value=D(notional))
        intent = desk.wish(direction=PositionSide(side), sizing=sizing, guard=Guard())
        desk.run()
        assert desk.view(intent).intent.state is IntentState.EXECUTED
        assert desk.adds_up()
    assert desk.qty() > 0
    assert reconcile(desk.venue, desk.book.book_id, floor=desk.floor).differences == ()
    assert equity(desk) == pytest.approx(venue_equity(desk), abs=D("1e-6"))


def test_a_position_that_turns_takes_its_old_stop_with_it(desk: TradingInMemory) -> None:
    desk.wish(guard=Guard(stop_price=D(38_000)))
    desk.run()
    sizing = Sizing(method=SizingMethod.NOTIONAL, value=D(25_000))
    desk.wish(direction=SHORT, sizing=sizing, guard=Guard(stop_price=D(42_000)))
    desk.run()
    desk.sweep(2)
    assert desk.qty() < 0
    (stop,) = desk.orders.standing(desk.book.book_id, desk.venue, desk.symbol)
    assert (stop.side, stop.qty, stop.trigger_price) == (Side.BUY, -desk.qty(), D(42_000))
    assert desk.adds_up()


def test_a_part_of_a_short_is_left_and_its_stop_shrinks(desk: TradingInMemory) -> None:
    desk.wish(direction=SHORT, guard=Guard(stop_price=D(41_000)))
    desk.run()
    held = desk.qty()
    part = Sizing(method=SizingMethod.QTY, value=FUTURE.fit_qty(-held / 3))
    left = desk.wish(purpose=Purpose.EXIT, direction=SHORT, sizing=part)
    desk.run()
    assert [order.reduce_only for order in desk.view(left).orders] == [True]
    assert desk.qty() == held + part.value
    (stop,) = desk.orders.standing(desk.book.book_id, desk.venue, desk.symbol)
    assert stop.qty == -desk.qty()
    assert desk.adds_up()


def test_the_kill_switch_buys_shorts_back(desk: TradingInMemory) -> None:
    desk.wish(direction=SHORT, guard=Guard(stop_price=D(41_000)))
    desk.run()
    set_desk_state(
        TradingState.REDUCING, actor="ada", reason="drill", flatten=True, switch=desk.switch, floor=desk.floor
    )
    desk.run()
    assert desk.qty() == 0
    assert desk.adds_up()


def test_while_reducing_a_short_may_be_left_and_none_opened(desk: TradingInMemory) -> None:
    desk.wish(direction=SHORT)
    desk.run()
    held = desk.qty()
    desk.states.set("desk", "", TradingState.REDUCING, actor="ada", reason="drill")
    refused = desk.wish(direction=SHORT)
    desk.run()
    assert (desk.view(refused).intent.state, desk.qty()) == (IntentState.DENIED, held)
    desk.leave(-held, direction=SHORT)
    desk.run()
    assert desk.qty() == 0


def test_spot_cannot_be_sold_short() -> None:
    desk = TradingInMemory()
    intent = desk.wish(direction=SHORT)
    desk.run()
    assert desk.view(intent).intent.state is IntentState.DENIED
    decision = desk.database.trading.intents[intent.intent_id].decision
    assert decision is not None
    assert "BTC/USDT is spot, which cannot be sold short" in str(decision["reasons"])


def test_leverage_is_the_books_and_far_below_the_venues(desk: TradingInMemory) -> None:
    sizing = Sizing(method=SizingMethod.NOTIONAL, value=D(900_000))
    intent = desk.wish(direction=SHORT, sizing=sizing)
    desk.run()
    assert desk.view(intent).intent.state is IntentState.EXECUTED
    assert 40_000 < abs(desk.qty()) * desk.market.price <= 50_000, "half of the equity in one coin"
    assert desk.adds_up()


def test_a_position_nobody_here_opened_is_a_difference_with_its_numbers(desk: TradingInMemory) -> None:
    desk.wish(direction=SHORT)
    desk.run()
    held = desk.qty()
    foreign = OrderRequest(
        client_order_id=client_order_id("somebody", 1, 1), symbol=desk.symbol, side=Side.SELL, kind=OrderKind.MARKET,
        qty=D("0.1"), time_in_force=TimeInForce.GTC,
    )  # fmt: skip
    desk.account(desk.book.book_id).place(foreign)
    found = {
        each.finding.value: each for each in reconcile(desk.venue, desk.book.book_id, floor=desk.floor).differences
    }
    assert {"position", "balance", "foreign_fill"} <= found.keys()
    assert (found["position"].expected, found["position"].actual) == (held, held - D("0.1"))
    assert desk.qty() == held - D("0.1"), "the account is the book's alone, and the venue is right"
    assert reconcile(desk.venue, desk.book.book_id, floor=desk.floor).differences == ()
    assert desk.adds_up()


def test_an_account_that_holds_futures_is_looked_at_every_minute(desk: TradingInMemory) -> None:
    desk.wish(direction=SHORT, sizing=Sizing(method=SizingMethod.NOTIONAL, value=D(50_000)))
    desk.run()
    desk.sweep(20)  # its orders are long over
    desk.market.move(D(150_000))
    desk.sweep()
    assert desk.qty() == 0
    told = {key.split(":")[3] for key in desk.database.trading.alerts}
    assert told == {"position", "balance", "foreign_fill"}


def test_a_liquidation_is_found_told_and_booked(desk: TradingInMemory) -> None:
    desk.wish(direction=SHORT, sizing=Sizing(method=SizingMethod.NOTIONAL, value=D(50_000)))
    desk.run()
    desk.market.move(D(150_000))
    after = reconcile(desk.venue, desk.book.book_id, floor=desk.floor)
    assert {each.finding.value for each in after.differences} == {"foreign_fill", "position", "balance"}
    assert desk.qty() == 0
    assert equity(desk) == venue_equity(desk) < 0
    assert reconcile(desk.venue, desk.book.book_id, floor=desk.floor).differences == ()
    desk.market.move(D(40_000))
    assert desk.account(desk.book.book_id).positions() == []


def test_what_paper_books_hold_is_not_expected_of_the_live_account(desk: TradingInMemory) -> None:
    desk.wish(direction=SHORT)
    desk.run()
    live = PaperExchange(
        desk.venue, LIVE_ACCOUNT, opening={"USDT": D(5_000)}, store=desk.paper, instruments=lambda: [FUTURE],
        market_of=desk.market, clock=desk.clock, kind=FUTURE.kind, pause=lambda _: None,
    )  # fmt: skip
    desk.ledger.open_account(desk.venue, LIVE_ACCOUNT, {"USDT": D(5_000)})

    class Both:
        def of(self, venue: str, account: str) -> Exchange:
            return live if account == LIVE_ACCOUNT else desk.account(account)

    floor = replace(desk.floor, exchanges=Both())
    assert reconcile(desk.venue, LIVE_ACCOUNT, floor=floor).differences == ()
    live.place(OrderRequest(client_order_id="x", symbol=desk.symbol, side=Side.BUY, kind=OrderKind.MARKET, qty=D(1)))
    differences = reconcile(desk.venue, LIVE_ACCOUNT, floor=floor).differences
    (position,) = [each for each in differences if each.finding.value == "position"]
    assert (position.expected, position.actual) == (D(0), D(1))
