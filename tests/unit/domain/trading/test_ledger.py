"""The ledger adds up: by hand for the cases people get wrong, and by property for all others."""

from dataclasses import replace
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidMessageError
from shared.domain.trading.instruments import Side
from shared.domain.trading.ledger import Assets, comes_late, fold, movements, net_qty, refold
from shared.domain.trading.money import EXACT, ZERO, total
from shared.domain.trading.orders import Fill
from shared.domain.trading.positions import Position

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
FLAT = Position(book_id="b", venue="binance", symbol="BTC/USDT:USDT")
SPOT = replace(FLAT, symbol="BTC/USDT")


def a_fill(
    number: int, side: Side, qty: str | Decimal, price: str | Decimal, *, fee: str | Decimal = "0", asset: str = "USDT",
    value: str | Decimal | None = None, at: int | None = None,
) -> Fill:  # fmt: skip
    return Fill(
        trade_id=str(number),
        client_order_id="nd",
        venue_order_id="1",
        symbol="BTC/USDT",
        side=side,
        qty=Decimal(qty),
        price=Decimal(price),
        fee_qty=Decimal(fee),
        fee_asset=asset,
        fee_notional=Decimal(fee if value is None else value),
        is_maker=False,
        event_time=number if at is None else at,
    )


def after(*fills: Fill, start: Position = FLAT) -> Position:
    return fold(start, fills).position


def test_a_long_is_bought_in_parts_and_sold_in_parts() -> None:
    held = after(a_fill(1, BUY, "1", "100", fee="0.1"), a_fill(2, BUY, "3", "120", fee="0.36"))
    assert (held.qty, held.entry_price, held.realised, held.fees) == (D(4), D(115), D(0), D("0.46"))
    assert held.unrealised(Decimal(125)) == 40

    part = after(a_fill(3, SELL, "1", "125", fee="0.125"), start=held)
    assert (part.qty, part.entry_price, part.realised) == (D(3), D(115), D(10))
    assert part.opened_at_ms == 1
    flat = after(a_fill(4, SELL, "3", "105"), start=part)
    assert (flat.qty, flat.cost, flat.realised, flat.entry_price, flat.opened_at_ms) == (D(0), D(0), D(-20), None, None)


def test_a_short_earns_when_the_price_falls() -> None:
    held = after(a_fill(1, SELL, "2", "100"))
    assert (held.qty, held.entry_price, held.unrealised(Decimal(90))) == (D(-2), D(100), D(20))
    assert after(a_fill(2, BUY, "2", "90"), start=held).realised == 20
    assert after(a_fill(2, BUY, "2", "110"), start=held).realised == -20


def test_a_flip_closes_what_was_held_and_opens_the_surplus() -> None:
    flipped = after(a_fill(1, BUY, "1", "100"), a_fill(2, SELL, "3", "110"))
    assert (flipped.qty, flipped.entry_price, flipped.realised, flipped.opened_at_ms) == (D(-2), D(110), D(10), 2)


def test_a_fee_in_the_base_asset_leaves_less_of_it_and_the_same_entry() -> None:
    held = after(a_fill(1, BUY, "1", "100", fee="0.001", asset="BTC"), start=SPOT)
    assert (held.qty, held.entry_price, held.fees) == (D("0.999"), D(100), D("0.1"))


def test_a_fee_in_a_third_asset_costs_what_it_was_valued_at() -> None:
    fill = a_fill(1, BUY, "1", "100", fee="0.0003", asset="BNB", value="0.09")
    held = after(fill, start=SPOT)
    assert (held.qty, held.fees) == (D(1), D("0.09"))
    assert movements(fill, Assets.of("BTC/USDT")) == {"BTC": 1, "USDT": -100, "BNB": Decimal("-0.0003")}


def test_a_rebate_is_a_negative_fee() -> None:
    assert after(a_fill(1, BUY, "1", "100", fee="-0.02")).fees == Decimal("-0.02")


def test_a_future_moves_no_asset_but_the_fee() -> None:
    assert movements(a_fill(1, BUY, "1", "100", fee="0.04"), Assets.of("BTC/USDT:USDT")) == {"USDT": Decimal("-0.04")}


def test_each_fill_says_what_it_realised() -> None:
    fills = [a_fill(1, BUY, "2", "100"), a_fill(2, SELL, "1", "130"), a_fill(3, SELL, "1", "90")]
    assert fold(FLAT, fills).realised == {"1": 0, "2": 30, "3": -10}


def test_trade_ids_that_are_numbers_are_ordered_as_numbers() -> None:
    fills = [a_fill(10, SELL, "1", "120", at=5), a_fill(9, BUY, "1", "100", at=5)]
    assert fold(FLAT, fills).position.realised == 20  # bought first, although "10" < "9"


def test_only_a_fill_no_younger_than_the_last_comes_late() -> None:
    assert comes_late([a_fill(1, BUY, "1", "1", at=5)], 5)
    assert not comes_late([a_fill(1, BUY, "1", "1", at=6)], 5)
    assert not comes_late([a_fill(1, BUY, "1", "1", at=6)], None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"qty": Decimal(0)}, "qty"),
        ({"qty": Decimal(-1)}, "qty"),
        ({"price": Decimal("NaN")}, "price"),
        ({"fee_qty": Decimal("Infinity")}, "fee_qty"),
    ],
)
def test_a_fill_that_cannot_be_true_is_refused(change: dict[str, Decimal], field: str) -> None:
    with pytest.raises(InvalidMessageError) as refused:
        fold(FLAT, [replace(a_fill(1, BUY, "1", "1"), **change)])  # type: ignore[arg-type]
    assert refused.value.field == field


@pytest.mark.parametrize("symbol", ["BTCUSDT", "/USDT", "BTC/USD:BTC"])
def test_a_symbol_the_ledger_cannot_account_for_is_refused(symbol: str) -> None:
    with pytest.raises(InvalidMessageError, match="symbol"):
        fold(replace(FLAT, symbol=symbol), [])


def decimals(most: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(min_value=Decimal("0.00000001"), max_value=Decimal(most), places=8)


@st.composite
def fills(draw: st.DrawFn) -> list[Fill]:
    count = draw(st.integers(1, 12))
    made = []
    for number in range(count):
        asset = draw(st.sampled_from(["USDT", "BTC", "BNB"]))
        qty, price = draw(decimals("50")), draw(decimals("90000"))
        fee = draw(st.decimals(min_value=0, max_value=Decimal("0.001"), places=8)) * (qty if asset == "BTC" else 1)
        with localcontext(EXACT):
            value = fee * price if asset == "BTC" else fee
        at = draw(st.integers(1, 6))  # several in one millisecond
        made.append(a_fill(number, draw(st.sampled_from(Side)), qty, price, fee=fee, asset=asset, value=value, at=at))
    return made


@given(fills(), decimals("90000"))
def test_what_is_earned_is_what_was_received_less_what_was_paid(made: list[Fill], mark: Decimal) -> None:
    held = fold(SPOT, made).position
    with localcontext(EXACT):
        cash = total(-fill.side.sign * fill.notional for fill in made)
        fees = total(fill.fee_notional for fill in made)
        bought = total(fill.side.sign * fill.qty for fill in made)
        assert held.profit(mark) == cash + bought * mark - fees + _drift(made, mark)
        assert held.qty == net_qty(made, Assets.of("BTC/USDT"))


def _drift(made: list[Fill], mark: Decimal) -> Decimal:
    """Base units paid as fees are no longer there to gain or lose: they went at the price of their fill."""
    return total(fill.fee_qty * (fill.price - mark) for fill in made if fill.fee_asset == "BTC")


@given(fills(), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(made: list[Fill], random: object) -> None:
    shuffled = made + made[: len(made) // 2]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert fold(SPOT, shuffled) == fold(SPOT, made)


@given(fills(), st.integers(0, 12))
def test_a_fill_that_comes_late_is_folded_in_where_it_belongs(made: list[Fill], cut: int) -> None:
    early = fold(SPOT, made[:cut]).position
    assert refold(early, made).position == fold(SPOT, made).position


@given(fills())
def test_assets_move_by_the_sum_of_the_fills(made: list[Fill]) -> None:
    assets = Assets.of("BTC/USDT")
    moved: dict[str, Decimal] = {}
    with localcontext(EXACT):
        for fill in made:
            for asset, qty in movements(fill, assets).items():
                moved[asset] = moved.get(asset, ZERO) + qty
    assert moved.get("BTC", ZERO) == fold(SPOT, made).position.qty
    assert moved.get("BNB", ZERO) == -total(fill.fee_qty for fill in made if fill.fee_asset == "BNB")


@given(fills())
def test_a_flat_position_has_no_cost_left(made: list[Fill]) -> None:
    held = fold(SPOT, made).position
    if held.qty:
        side = SELL if held.qty > 0 else BUY
        held = fold(held, [a_fill(99, side, abs(held.qty), "123.45", at=99)]).position
    assert (held.qty, held.cost, held.opened_at_ms) == (D(0), D(0), None)
