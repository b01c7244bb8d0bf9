"""A breaker makes a book stricter at its threshold, once, and never looser."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidMessageError
from shared.domain.trading.books import BreakerSettings
from shared.domain.trading.breakers import Breaker, Observations, Tripped, trip
from shared.domain.trading.states import TradingState, strictest

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED


def tripped(seen: Observations, *, state: TradingState = ACTIVE, **changes: object) -> list[Tripped]:
    settings = replace(BreakerSettings(), **changes)  # type: ignore[arg-type]
    return trip(settings, seen, max_daily_drawdown_rate=Decimal("0.05"), state=state)


CASES = [
    (Breaker.DAILY_LOSS, Observations(drawdown_rate=Decimal("0.0399")), None),
    (Breaker.DAILY_LOSS, Observations(drawdown_rate=Decimal("0.04")), REDUCING),
    (Breaker.DAILY_LOSS, Observations(drawdown_rate=Decimal("0.0499")), REDUCING),
    (Breaker.DAILY_LOSS, Observations(drawdown_rate=Decimal("0.05")), HALTED),
    (Breaker.LOSSES_IN_A_ROW, Observations(losses_in_a_row=4), None),
    (Breaker.LOSSES_IN_A_ROW, Observations(losses_in_a_row=5), REDUCING),
    (Breaker.REJECT_RATE, Observations(orders=9, rejected=9), None),
    (Breaker.REJECT_RATE, Observations(orders=10, rejected=4), None),
    (Breaker.REJECT_RATE, Observations(orders=10, rejected=5), REDUCING),
    (Breaker.SLIPPAGE, Observations(slippage_bps=Decimal("49.9")), None),
    (Breaker.SLIPPAGE, Observations(slippage_bps=Decimal(50)), REDUCING),
    (Breaker.SLIPPAGE, Observations(slippage_bps=Decimal(-500)), None),
    (Breaker.MISMATCHES, Observations(mismatches=2), None),
    (Breaker.MISMATCHES, Observations(mismatches=3), REDUCING),
    (Breaker.MISMATCHES, Observations(mismatches=4), REDUCING),
    (Breaker.MISMATCHES, Observations(mismatches=5), HALTED),
    (Breaker.VOLATILITY, Observations(shock=Decimal("4.9")), None),
    (Breaker.VOLATILITY, Observations(shock=Decimal(5)), REDUCING),
]


@pytest.mark.parametrize(("breaker", "seen", "to_state"), CASES)
def test_a_threshold_is_reached_or_it_is_not(
    breaker: Breaker, seen: Observations, to_state: TradingState | None
) -> None:
    expected = [] if to_state is None else [(breaker, to_state)]
    assert [(each.breaker, each.to_state) for each in tripped(seen)] == expected


def test_buying_is_not_losing_and_a_quiet_day_trips_nothing() -> None:
    assert tripped(Observations(orders=1_000)) == []
    assert tripped(Observations(drawdown_rate=Decimal(0)), reduce_at_share=Decimal(0)) == []


def test_the_sentence_has_the_number_and_the_threshold() -> None:
    (loss,) = tripped(Observations(drawdown_rate=Decimal("0.045")))
    assert loss.sentence == "0.045 of the equity at midnight UTC is lost, 0.04 is enough: reducing"
    assert (loss.value, loss.threshold) == (Decimal("0.045"), Decimal("0.04"))


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity"])
def test_an_observation_that_is_no_number_is_refused(bad: str) -> None:
    for seen in (
        Observations(drawdown_rate=Decimal(bad)),
        Observations(slippage_bps=Decimal(bad)),
        Observations(shock=Decimal(bad)),
    ):
        with pytest.raises(InvalidMessageError):
            tripped(seen)
    with pytest.raises(InvalidMessageError):
        tripped(Observations(), max_slippage_bps=Decimal(bad))


observations = st.builds(
    Observations,
    drawdown_rate=st.none() | st.decimals(min_value=0, max_value=1, places=3),
    losses_in_a_row=st.integers(0, 10),
    orders=st.integers(10, 30),
    rejected=st.integers(0, 10),
    slippage_bps=st.none() | st.decimals(min_value=-100, max_value=100, places=1),
    mismatches=st.integers(0, 8),
    shock=st.none() | st.decimals(min_value=0, max_value=10, places=1),
)


@given(observations, st.sampled_from(TradingState))
def test_a_breaker_never_loosens_a_state_and_asks_once(seen: Observations, state: TradingState) -> None:
    asked = tripped(seen, state=state)
    assert all(strictest({"now": state, "then": each.to_state})[1] == ("then",) for each in asked)
    assert len({each.breaker for each in asked}) == len(asked)


@given(observations)
def test_a_breaker_that_was_obeyed_asks_for_nothing_more(seen: Observations) -> None:
    state = strictest({"now": ACTIVE} | {each.breaker: each.to_state for each in tripped(seen)})[0]
    assert tripped(seen, state=state) == []
