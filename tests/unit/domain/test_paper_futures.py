"""Paper futures: whatever happens, the venue's positions and balance are what the ledger makes of its fills."""

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal, localcontext
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidMessageError, RejectedError, TransientError
from shared.domain.trading import paper_accounts as accounts
from shared.domain.trading import paper_venue
from shared.domain.trading.instruments import Instrument, InstrumentKind, Side
from shared.domain.trading.ledger import Assets, comes_late, fold, movements, refold
from shared.domain.trading.money import EXACT, ZERO, total
from shared.domain.trading.orders import Fill, OrderKind, OrderRequest, TimeInForce
from shared.domain.trading.paper import PaperBar, PaperMarket, book_around, new_order
from shared.domain.trading.paper_accounts import PaperAccount, PaperChange
from shared.domain.trading.paper_margin import LEVERAGE, Claim, margin_of
from shared.domain.trading.positions import Position
from shared.domain.trading.states import OrderState

D = Decimal
NOW = 1_700_000_000_000
MINUTE = 60_000
OPENING = D(1_000)
LISTED = {
    f"{base}/USDT:USDT": Instrument(
        venue="v",
        symbol=f"{base}/USDT:USDT",
        kind=InstrumentKind.SWAP,
        base=base,
        quote="USDT",
        tick_size=D("0.1"),
        step_size=D("0.003"),  # contracts of 0.003: prices of what is left of a position do not come out even
        min_qty=D("0.003"),
        min_notional=D(0),
        contract_size=D("0.003"),
        maker_fee_rate=D("-0.00005"),
        taker_fee_rate=D("0.0005"),
    )
    for base in ("ETH", "SOL")
}
ETH = "ETH/USDT:USDT"


def market(symbol: str, price: Decimal, minute: int, bars: tuple[PaperBar, ...] = ()) -> PaperMarket:
    instrument, tick = LISTED[symbol], LISTED[symbol].tick_size
    depth = book_around(instrument, price - tick, price + tick, volume=D(60), time_ms=NOW + minute * MINUTE)
    return PaperMarket(instrument=instrument, depth=depth, bars=bars)


@st.composite
def events(draw: st.DrawFn) -> list[tuple[str, OrderRequest, Decimal, bool]]:
    """Return orders with the price the market has come to before each, and whether the clock has moved since."""
    found = []
    for number in range(draw(st.integers(1, 14))):
        kind = draw(st.sampled_from([OrderKind.MARKET, OrderKind.MARKET, *OrderKind]))
        symbol, price = draw(st.sampled_from(sorted(LISTED))), D(draw(st.integers(900, 1_100))) / 10
        near = D(draw(st.integers(900, 1_100))) / 10
        request = OrderRequest(
            client_order_id=f"nd{number:028d}",
            symbol=symbol,
            side=draw(st.sampled_from(list(Side))),
            kind=kind,
            qty=draw(st.integers(1, 9_000)) * D("0.003"),
            limit_price=near if kind is OrderKind.LIMIT else None,
            trigger_price=near if kind is OrderKind.STOP_MARKET else None,
            time_in_force=draw(st.sampled_from(list(TimeInForce))) if kind is OrderKind.LIMIT else TimeInForce.GTC,
            reduce_only=draw(st.booleans()),
        )
        found.append((symbol, request, price, draw(st.booleans())))
    return found


def play(happens: list[tuple[str, OrderRequest, Decimal, bool]]) -> tuple[PaperAccount, list[Fill]]:
    """Let orders meet the market, and hold the account to what must be after each."""
    account = PaperAccount(venue="v", account="book", version=0, balances={"USDT": OPENING})
    prices, fills, minute = dict.fromkeys(LISTED, D(100)), list[Fill](), 0
    for symbol, request, price, moves in happens:
        minute += moves
        low, high = sorted((prices[symbol], price))
        opened = NOW + minute * MINUTE
        bar = PaperBar(
            open_time=opened, close_time=opened + MINUTE, open=prices[symbol], high=high, low=low, volume=D(300)
        )
        prices[symbol] = price
        markets = {one: market(one, at, minute, (bar,) if one == symbol else ()) for one, at in prices.items()}
        looked = paper_venue.look(account, markets, NOW + minute * MINUTE)
        account, fills = settled(looked, account, fills)
        try:
            order = new_order(request, NOW + minute * MINUTE)
            placed = paper_venue.place(account, [order], markets, LISTED.get)
        except RejectedError:
            continue
        account, fills = settled(placed, account, fills)
    return account, fills


def settled(change: PaperChange, before: PaperAccount, fills: list[Fill]) -> tuple[PaperAccount, list[Fill]]:
    after, orders = change.account, {order.request.client_order_id: order for order in change.orders}
    held = {symbol: before.position(symbol).qty for symbol in LISTED}
    for fill in change.fills:
        if orders[fill.client_order_id].request.reduce_only:
            left = -fill.side.sign * held[fill.symbol]
            assert fill.qty <= left, "what only reduces takes no more than there is"
        held[fill.symbol] += fill.side.sign * fill.qty
    for order in after.orders:
        if order.request.reduce_only:
            assert after.position(order.request.symbol).qty * order.request.side.sign < 0
    return after, [*fills, *change.fills]


@given(events(), st.integers(0, 10**6), st.integers(1, 6))
def test_the_ledger_of_the_fills_is_the_venue_to_the_last_digit(
    happens: list[tuple[str, OrderRequest, Decimal, bool]], seed: int, pieces: int
) -> None:
    """However the fills reach the ledger: in pieces, in any order."""
    account, fills = play(happens)
    assert len({fill.trade_id for fill in fills}) == len(fills) == account.trades
    draw, came = Random(seed), list(fills)
    draw.shuffle(came)
    booked = {"USDT": OPENING}
    for symbol in LISTED:
        position, last_ms, posted = Position(book_id="book", venue="v", symbol=symbol), None, list[Fill]()
        own = [fill for fill in came if fill.symbol == symbol]
        for number in range(pieces):
            new = own[number::pieces]
            posted += new
            late = comes_late(new, last_ms)
            position = (refold(position, posted) if late else fold(position, new)).position
            last_ms = max([last_ms or 0, *(fill.event_time for fill in new)])
        held = account.position(symbol)
        assert (position.qty, position.cost) == (held.qty, held.cost)
        assert (symbol in account.positions) == bool(position.qty)
        with localcontext(EXACT):
            booked["USDT"] += position.realised
            for fill in own:
                for asset, qty in movements(fill, Assets.of(symbol)).items():
                    booked[asset] += qty
    assert account.balances == booked


@given(events())
def test_money_is_neither_made_nor_lost(happens: list[tuple[str, OrderRequest, Decimal, bool]]) -> None:
    """Told without the ledger: the balance is what was received less what was paid, and what is open at its cost."""
    account, fills = play(happens)
    with localcontext(EXACT):
        cash = total(-fill.side.sign * fill.notional - fill.fee_qty for fill in fills)
        cost = total(position.cost for position in account.positions.values())
        assert account.balances["USDT"] == OPENING + cash + cost
    held: dict[str, Decimal] = defaultdict(Decimal)
    for fill in fills:
        held[fill.symbol] += fill.side.sign * fill.qty
    assert {symbol: qty for symbol, qty in held.items() if qty} == {
        symbol: position.qty for symbol, position in account.positions.items()
    }
    assert [int(fill.trade_id) for fill in fills] == list(range(1, len(fills) + 1))
    assert [fill.event_time for fill in fills] == sorted(fill.event_time for fill in fills)


def test_the_venues_clock_never_goes_back() -> None:
    account = PaperAccount(venue="v", account="book", version=0, balances={"USDT": OPENING})
    found: list[Fill] = []
    for number, minute in enumerate((5, 3)):
        request = OrderRequest(
            client_order_id=f"nd{number}", symbol=ETH, side=Side.BUY, kind=OrderKind.MARKET, qty=D("0.3")
        )
        order = new_order(request, NOW + minute * MINUTE)
        change = paper_venue.place(account, [order], {ETH: market(ETH, D(100), minute)}, LISTED.get)
        account, found = change.account, [*found, *change.fills]
    assert {fill.event_time for fill in found} == {NOW + 5 * MINUTE}


def test_a_position_without_a_price_lets_nothing_be_opened() -> None:
    held = Position(book_id="book", venue="v", symbol="SOL/USDT:USDT", qty=D(3), cost=D(300))
    account = PaperAccount(
        venue="v", account="book", version=0, balances={"USDT": OPENING}, positions={held.symbol: held}
    )
    request = OrderRequest(client_order_id="nd", symbol=ETH, side=Side.BUY, kind=OrderKind.MARKET, qty=D("0.3"))
    with pytest.raises(TransientError, match="SOL"):
        paper_venue.place(account, [new_order(request, NOW)], {ETH: market(ETH, D(100), 0)}, LISTED.get)


def test_an_unrealised_loss_is_no_margin() -> None:
    held = Position(book_id="book", venue="v", symbol=ETH, qty=D(-900), cost=D(-90_000))
    account = PaperAccount(venue="v", account="book", version=0, balances={"USDT": D(9_000)}, positions={ETH: held})
    request = OrderRequest(
        client_order_id="nd", symbol=ETH, side=Side.SELL, kind=OrderKind.LIMIT, qty=D("30"), limit_price=D(120)
    )
    for price, is_taken in ((D(100), True), (D(105), False)):
        order = new_order(request, NOW)
        if is_taken:
            assert paper_venue.place(account, [order], {ETH: market(ETH, price, 0)}, LISTED.get).orders
        else:
            with pytest.raises(RejectedError, match=r"insufficient_funds.*margin"):
                paper_venue.place(account, [order], {ETH: market(ETH, price, 0)}, LISTED.get)
    assert accounts.locked(account, LISTED.get) == {"USDT": 90_000 / LEVERAGE}


@given(st.integers(-50, 50), st.lists(st.tuples(st.sampled_from(list(Side)), st.integers(1, 60)), max_size=6))
def test_margin_is_that_of_the_larger_side_that_can_come_to_be(held: int, orders: list[tuple[Side, int]]) -> None:
    """At one price margin is told by quantities alone."""
    position = Position(book_id="b", venue="v", symbol=ETH, qty=D(held), cost=D(held) * 100)
    claims = [Claim(side=side, qty=D(qty), notional=D(qty) * 100) for side, qty in orders]
    longest = held + sum(qty for side, qty in orders if side is Side.BUY)
    shortest = held - sum(qty for side, qty in orders if side is Side.SELL)
    largest = max(longest, -shortest, 0)
    assert margin_of(position, claims, ZERO) == pytest.approx(D(largest) * 100 / LEVERAGE, abs=D("1e-11"))


def test_a_future_settled_in_another_asset_is_none_of_ours() -> None:
    order = new_order(
        replace(OrderRequest(client_order_id="nd", symbol=ETH, side=Side.BUY, kind=OrderKind.MARKET, qty=D(3)),
                symbol="ETH/USD:ETH"), NOW,
    )  # fmt: skip
    account = PaperAccount(venue="v", account="book", version=0, balances={"USDT": OPENING}, orders=(order,))
    with pytest.raises(InvalidMessageError, match="symbol"):
        accounts.locked(account, LISTED.get)


def losing(price: Decimal) -> PaperChange:
    """Return what a look makes of an account that is short 90 ETH from 100 on, with 1,000 USDT, at a price."""
    held = Position(book_id="book", venue="v", symbol=ETH, qty=D(-90), cost=D(-9_000))
    stop = OrderRequest(
        client_order_id="nd", symbol=ETH, side=Side.BUY, kind=OrderKind.STOP_MARKET, qty=D(90), trigger_price=D(150),
        reduce_only=True,
    )  # fmt: skip
    account = PaperAccount(
        venue="v", account="book", version=7, balances={"USDT": OPENING}, positions={ETH: held}, trades=3,
        orders=(new_order(stop, NOW),),
    )  # fmt: skip
    return paper_venue.look(account, {ETH: market(ETH, price, 1)}, NOW + MINUTE)


def test_a_position_that_can_be_held_is_held() -> None:
    change = losing(D("109.9"))
    assert (change.orders, change.fills) == ((), ())
    assert ETH in change.account.positions


def test_what_the_account_cannot_hold_the_venue_closes() -> None:
    """At 110 the equity is 100, and 1 % of 9,900 must be left of it."""
    change = losing(D("110.1"))
    assert change.account.positions == {}
    assert change.account.orders == ()
    stop, liquidation = change.orders
    assert (stop.request.client_order_id, stop.state) == ("nd", OrderState.CANCELLED)
    assert (liquidation.request.client_order_id, liquidation.state) == (f"liquidation-7-{ETH}", OrderState.FILLED)
    assert [fill.trade_id for fill in change.fills] == [str(number) for number in range(4, 4 + len(change.fills))]
    paid = total(fill.notional + fill.fee_qty for fill in change.fills)
    assert change.account.balances == {"USDT": OPENING + 9_000 - paid}


def test_without_a_price_nothing_is_closed() -> None:
    held = Position(book_id="book", venue="v", symbol=ETH, qty=D(-90), cost=D(-900))
    account = PaperAccount(venue="v", account="book", version=0, balances={"USDT": D(1)}, positions={ETH: held})
    assert paper_venue.look(account, {}, NOW) == PaperChange(account)
