"""A tier scales what a book may hold; what it may lose is never more than its owner wrote."""

from dataclasses import fields, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidMessageError
from shared.domain.trading.books import Limits
from shared.domain.trading.limits import TIERS, Caps, capped, scaled, tightened

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


CAPS = Caps(max_leverage=Decimal(2), max_concentration=Decimal("0.1"), max_drawdown_daily=Decimal(1))


def test_caps_tighten_and_never_loosen() -> None:
    assert capped(WRITTEN, Caps()) == WRITTEN
    held_to = capped(WRITTEN, CAPS)
    changed = {each.name for each in fields(WRITTEN) if getattr(held_to, each.name) != getattr(WRITTEN, each.name)}
    assert changed == set(tightened(WRITTEN, CAPS))
    assert held_to.max_leverage == min(WRITTEN.max_leverage, Decimal(2))
    assert held_to.max_daily_drawdown_rate == WRITTEN.max_daily_drawdown_rate
    assert capped(held_to, CAPS) == held_to


@given(*[st.decimals(0, 10, places=4) for _ in range(4)], st.sampled_from([1, 2, 3]))
def test_no_tier_takes_a_book_over_a_cap(
    leverage: Decimal, drawdown: Decimal, concentration: Decimal, var: Decimal, tier: int
) -> None:
    caps = Caps(max_leverage=leverage, max_drawdown_daily=drawdown, max_concentration=concentration, var_limit=var)
    free, held_to = scaled(WRITTEN, tier), capped(scaled(WRITTEN, tier), caps)
    for name, cap in (
        ("max_leverage", leverage),
        ("max_daily_drawdown_rate", drawdown),
        ("max_concentration_rate", concentration),
        ("var_limit_rate", var),
    ):
        assert getattr(held_to, name) == min(getattr(free, name), cap)


@pytest.mark.parametrize("cap", ["-1", "NaN", "Infinity"])
def test_a_cap_is_a_number(cap: str) -> None:
    with pytest.raises(InvalidMessageError, match="var_limit"):
        Caps(var_limit=Decimal(cap))
