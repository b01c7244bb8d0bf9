"""A tier scales what a book may hold; what it may lose is never more than its owner wrote."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidMessageError
from shared.domain.trading.books import Limits
from shared.domain.trading.limits import TIERS, scaled

WRITTEN = Limits(max_trade_notional=Decimal(1_000), max_book_notional=Decimal(5_000))


def test_tier_two_is_the_book_as_written() -> None:
    assert scaled(WRITTEN, 2) == WRITTEN


def test_tier_one_halves_what_may_be_held_and_lost() -> None:
    assert scaled(WRITTEN, 1) == replace(
        WRITTEN,
        max_leverage=Decimal("1.5"),
        max_concentration_rate=Decimal("0.125"),
        max_correlated_rate=Decimal("0.25"),
        max_daily_drawdown_rate=Decimal("0.025"),
        var_limit_rate=Decimal("0.01"),
        max_stress_loss_rate=Decimal("0.125"),
        max_trade_notional=Decimal(500),
        max_book_notional=Decimal(2_500),
    )


def test_tier_three_holds_more_and_loses_no_more() -> None:
    assert scaled(WRITTEN, 3) == replace(
        WRITTEN,
        max_leverage=Decimal("4.5"),
        max_concentration_rate=Decimal("0.375"),
        max_correlated_rate=Decimal("0.75"),
    )


@given(st.sampled_from(sorted(TIERS)))
def test_no_limit_stays_no_limit(tier: int) -> None:
    assert scaled(Limits(), tier).max_trade_notional is None


@pytest.mark.parametrize("tier", [0, 4, -1])
def test_a_tier_there_is_none_of_is_refused(tier: int) -> None:
    with pytest.raises(InvalidMessageError, match="risk_tier"):
        scaled(WRITTEN, tier)


@pytest.mark.parametrize(
    "limits",
    [
        replace(WRITTEN, max_leverage=Decimal("NaN")),
        replace(WRITTEN, var_limit_rate=Decimal("-0.01")),
        replace(WRITTEN, max_trade_notional=Decimal("Infinity")),
        replace(WRITTEN, max_open_positions=-1),
        replace(WRITTEN, cooldown_ms=-1),
        replace(WRITTEN, correlation=Decimal(0)),
        replace(WRITTEN, correlation=Decimal("1.1")),
        replace(WRITTEN, slippage_rate=Decimal("0.6")),
    ],
)
def test_a_limit_that_can_mean_nothing_is_refused_by_name(limits: Limits) -> None:
    with pytest.raises(InvalidMessageError, match=r"limits\."):
        scaled(limits, 2)
