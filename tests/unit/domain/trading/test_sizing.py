"""A quantity is rounded down, never raised, and what it may lose is never more than was said."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidMessageError
from shared.domain.trading.decisions import Objection, Reason
from shared.domain.trading.instruments import Side
from shared.domain.trading.intents import Sizing, SizingMethod
from shared.domain.trading.sizing import KELLY_CAP, Sized, SizingInput, loss_at_stop, size
from tests.unit.domain.trading.desk import instrument

KNOWN = SizingInput(instrument=instrument(), side=Side.BUY, price=Decimal(100), equity=Decimal(10_000))


def by(method: str, value: str, **more: str) -> Sizing:
    return Sizing(
        method=SizingMethod(method), value=Decimal(value), **{name: Decimal(number) for name, number in more.items()}
    )


def sized(sizing: Sizing, known: SizingInput = KNOWN) -> Sized:
    found = size(sizing, known)
    assert isinstance(found, Sized), found
    return found


def test_a_notional_is_quote_units_and_a_quantity_base_units() -> None:
    """A thousand dollars are ten coins of a hundred, not a thousand coins."""
    assert sized(by("notional", "1000")) == Sized(qty=Decimal(10), why="1000 USDT at 100 USDT: 10 BTC")
    assert sized(by("qty", "1.234567899")).qty == Decimal("1.23456")


def test_risk_counts_the_fees_and_the_slippage_of_both_sides() -> None:
    known = replace(KNOWN, stop_price=Decimal(90), slippage_rate=Decimal("0.01"))
    # In at 101, out at 89.1, a tenth of a percent of each: 11.9 + 0.1901.
    assert loss_at_stop(known, Decimal(90)) == Decimal("12.0901")
    found = sized(by("risk", "0.01"), known)
    assert found.qty == Decimal("8.27123")
    assert "100 USDT to lose (0.01 of 10000) at 12.0901 USDT a BTC down to the stop 90" in found.why


def test_volatility_lets_one_true_range_move_a_share_of_the_equity() -> None:
    assert sized(by("volatility", "0.01"), replace(KNOWN, atr=Decimal(4))).qty == 25


@pytest.mark.parametrize(
    ("value", "win_rate", "payoff", "rate"),
    [
        ("0.5", "0.6", "1", "0.1"),  # f* = 0.6 − 0.4 / 1 = 0.2, half of it
        ("1", "0.5", "2", "0.25"),  # f* = 0.5 − 0.5 / 2
        ("1", "0.9", "3", "0.25"),  # f* = 0.8667 is capped
    ],
)
def test_kelly_bets_a_fraction_of_the_best_bet_and_no_more_than_its_cap(
    value: str, win_rate: str, payoff: str, rate: str
) -> None:
    found = sized(by("kelly", value, win_rate=win_rate, payoff=payoff))
    assert found.qty == Decimal(rate) * 100
    assert (f"capped at {KELLY_CAP}" in found.why) == (rate == "0.25")


def test_a_losing_record_is_no_bet() -> None:
    found = size(by("kelly", "1", win_rate="0.4", payoff="1"), KNOWN)
    assert isinstance(found, Objection)
    assert found.reason is Reason.SIZING


@pytest.mark.parametrize(
    ("sizing", "reason"),
    [
        (by("risk", "0.01"), Reason.SIZING),
        (by("volatility", "0.01"), Reason.SIZING),
        (by("notional", "4.99"), Reason.MINIMUM),
        (by("qty", "0.000009"), Reason.MINIMUM),
    ],
)
def test_what_cannot_be_sized_is_said_and_never_raised_to_a_minimum(sizing: Sizing, reason: Reason) -> None:
    found = size(sizing, KNOWN)
    assert isinstance(found, Objection)
    assert found.reason is reason


@pytest.mark.parametrize("method", ["risk", "volatility", "kelly"])
def test_a_share_of_an_unknown_equity_is_no_quantity(method: str) -> None:
    known = replace(KNOWN, equity=None, stop_price=Decimal(90), atr=Decimal(1))
    found = size(by(method, "0.01", win_rate="0.6", payoff="1"), known)
    assert isinstance(found, Objection)
    assert "equity" in found.sentence


@pytest.mark.parametrize(
    ("side", "stop"), [(Side.BUY, "100"), (Side.BUY, "101"), (Side.SELL, "99"), (Side.SELL, "100")]
)
def test_a_stop_on_the_wrong_side_is_refused(side: Side, stop: str) -> None:
    found = size(by("risk", "0.01"), replace(KNOWN, side=side, stop_price=Decimal(stop)))
    assert isinstance(found, Objection)
    assert found.reason is Reason.STOP_SIDE


@pytest.mark.parametrize(
    "sizing",
    [
        by("risk", "1.01"),
        by("volatility", "2"),
        by("kelly", "0.5"),
        by("kelly", "0.5", win_rate="0.6"),
        by("kelly", "0.5", win_rate="1.1", payoff="1"),
        by("kelly", "0.5", win_rate="0.6", payoff="0"),
        by("notional", "0"),
        by("qty", "-1"),
        by("qty", "NaN"),
    ],
)
def test_a_sizing_that_can_mean_nothing_is_refused_by_name(sizing: Sizing) -> None:
    with pytest.raises(InvalidMessageError, match=r"sizing\."):
        size(sizing, KNOWN)


@pytest.mark.parametrize("name", ["price", "equity", "stop_price", "atr", "slippage_rate"])
@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-1"])
def test_a_market_that_is_no_number_is_refused_by_name(name: str, bad: str) -> None:
    with pytest.raises(InvalidMessageError, match=name):
        size(by("notional", "1000"), replace(KNOWN, **{name: Decimal(bad)}))  # type: ignore[arg-type]


prices = st.decimals(min_value="0.0001", max_value="100000", places=8)
rates = st.decimals(min_value="0", max_value="0.01", places=6)


markets = st.builds(
    SizingInput,
    instrument=st.builds(lambda fee_rate: replace(instrument(), taker_fee_rate=fee_rate), rates),
    side=st.sampled_from(Side),
    price=prices,
    stop_price=prices,
    equity=prices,
    slippage_rate=rates,
)


@given(markets, st.decimals(min_value="0.0001", max_value=1, places=4))
def test_the_loss_at_the_stop_with_fees_and_slippage_is_within_the_budget(known: SizingInput, share: Decimal) -> None:
    found = size(Sizing(method=SizingMethod.RISK, value=share), known)
    if isinstance(found, Objection):
        assert found.reason in {Reason.STOP_SIDE, Reason.MINIMUM}
        return
    assert known.stop_price is not None
    assert known.equity is not None
    sign, qty, slippage_rate = known.side.sign, Fraction(found.qty), Fraction(known.slippage_rate)
    entry = Fraction(known.price) * (1 + sign * slippage_rate)
    left = Fraction(known.stop_price) * (1 - sign * slippage_rate)
    loss = qty * (sign * (entry - left) + Fraction(known.instrument.taker_fee_rate) * (entry + left))
    budget = Fraction(share) * Fraction(known.equity)
    assert loss <= budget
    one_more = loss / qty * (qty + 2 * Fraction(known.instrument.step_size))
    assert one_more > budget  # and no more than a step is left on the table


@given(
    st.sampled_from(["notional", "qty", "risk", "volatility", "kelly"]),
    st.decimals(min_value="0.0001", max_value=1, places=4),
    prices,
)
def test_every_quantity_is_on_the_steps_and_meets_the_minima(method: str, value: Decimal, price: Decimal) -> None:
    known = replace(KNOWN, price=price, stop_price=price / 2, atr=price / 10)
    sizing = Sizing(method=SizingMethod(method), value=value, win_rate=Decimal("0.6"), payoff=Decimal(1))
    found = size(sizing, known)
    if isinstance(found, Sized):
        assert found.qty % known.instrument.step_size == 0
        assert known.instrument.shortfall(found.qty, price) is None
