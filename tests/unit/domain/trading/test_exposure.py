"""What is too much is made smaller, and what may fill counts as filled."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.domain.errors import InvalidMessageError
from shared.domain.traders import PositionSide
from shared.domain.trading.books import VarPolicy
from shared.domain.trading.decisions import Approved, Denied, Modified, Reason
from shared.domain.trading.instruments import Side
from shared.domain.trading.intents import Algorithm
from tests.unit.domain.trading.desk import (
    BTC,
    ETH,
    VENUE,
    WIDE,
    closes,
    decide,
    held,
    intent,
    mark,
    market,
    qty_of,
    reasons,
    reserved,
    view,
)

LIMITED: dict[Reason, dict[str, Decimal]] = {
    Reason.LEVERAGE: {"max_leverage": Decimal("0.05")},
    Reason.CONCENTRATION: {"max_concentration_rate": Decimal("0.05")},
    Reason.CORRELATED: {"max_correlated_rate": Decimal("0.05")},
    Reason.TRADE_NOTIONAL: {"max_trade_notional": Decimal(500)},
    Reason.BOOK_NOTIONAL: {"max_book_notional": Decimal(500)},
}


@pytest.mark.parametrize("reason", LIMITED)
def test_a_limit_on_notional_leaves_what_fits(reason: Reason) -> None:
    decision = decide(seen=view(replace(WIDE, **LIMITED[reason])))  # type: ignore[arg-type]
    assert isinstance(decision, Modified)
    assert reasons(decision) == {reason}
    assert [decision.qty, decision.asked_qty] == [5, 10]
    assert decision.reasons[0].limit is not None
    assert decision.why.endswith("5 BTC is what fits")


def test_stress_and_value_at_risk_leave_what_fits() -> None:
    stressed = decide(intent("10000"), view(replace(WIDE, max_stress_loss_rate=Decimal("0.25"))))
    assert isinstance(stressed, Modified)
    assert stressed.qty == 50  # a fall by half costs a quarter of the equity at half of it
    assert stressed.reasons[0].sentence == "a day like 2020-03-12 would cost 0.5 of the equity, at most 0.25"
    risked = decide(intent("10000"), view(replace(WIDE, var_limit_rate=Decimal("0.02"))))
    assert isinstance(risked, Modified)
    assert reasons(risked) == {Reason.VALUE_AT_RISK}
    worst = max(Decimal(str(risked.figures[f"var_{way}"])) for way in ("historical", "parametric", "monte_carlo"))
    assert Decimal("199.9") < worst <= 200


def test_what_fits_below_the_minimum_is_a_denial() -> None:
    decision = decide(seen=view(replace(WIDE, max_trade_notional=Decimal("4.99"))))
    assert isinstance(decision, Denied)
    assert reasons(decision) == {Reason.TRADE_NOTIONAL}


def test_insufficient_data_is_let_pass_by_a_book_that_says_so_and_is_noted() -> None:
    decision = decide(seen=view(replace(WIDE, var_policy=VarPolicy.IGNORE)), told=market(closes=None))
    assert isinstance(decision, Approved)
    assert any("value at risk and correlation were not checked" in note for note in decision.notes)
    assert "var_historical" not in decision.figures


def test_what_is_approved_and_unfilled_counts_as_if_filled() -> None:
    limits = replace(WIDE, max_concentration_rate=Decimal("0.1"))
    waiting = reserved(BTC, Side.BUY, "6", "100")
    decision = decide(seen=view(limits, reservations=(waiting,)))
    assert isinstance(decision, Modified)
    assert decision.qty == 4
    leaving = reserved(BTC, Side.SELL, "6", "100", is_exit=True)
    assert isinstance(decide(seen=view(limits, reservations=(leaving,))), Approved)


def test_other_instruments_of_the_same_coin_count_towards_its_concentration() -> None:
    limits = replace(WIDE, max_concentration_rate=Decimal("0.1"))
    seen = view(limits, positions=[held("BTC/USDT:USDT", "-6", "100", venue="kraken")])
    told = market(marks={(VENUE, BTC): mark("100"), ("kraken", "BTC/USDT:USDT"): mark("100")})
    told = replace(told, closes=closes([BTC, "BTC/USDT:USDT"]))
    decision = decide(seen=seen, told=told)
    assert isinstance(decision, Modified)
    assert decision.qty == 4


def test_what_moves_the_same_way_is_limited_together_and_a_hedge_is_not() -> None:
    limits = replace(WIDE, max_correlated_rate=Decimal("0.1"), correlation=Decimal("0.3"))
    for direction, side_qty, fits in (("long", "60", 4), ("long", "-60", 10)):
        seen = view(limits, positions=[held(ETH, side_qty, "10")])
        decision = decide(intent(direction=PositionSide(direction)), seen)
        assert not isinstance(decision, Denied)
        assert decision.qty == fits


@pytest.mark.parametrize(("direction", "limit_price", "fits"), [("long", "200", "7.5"), ("short", "50", "15")])
def test_an_order_counts_at_the_worst_of_its_limit_and_the_mark(direction: str, limit_price: str, fits: str) -> None:
    wish = intent(
        qty_of("20"), direction=PositionSide(direction), algorithm=Algorithm(limit_price=Decimal(limit_price))
    )
    decision = decide(wish, view(replace(WIDE, max_trade_notional=Decimal(1_500))))
    assert isinstance(decision, Modified)
    assert decision.qty == Decimal(fits)


def test_the_router_may_choose_the_venue() -> None:
    assert isinstance(decide(intent(venue=None)), Approved)


def test_a_tier_scales_the_limits_and_an_unknown_one_is_refused() -> None:
    limits = replace(WIDE, max_concentration_rate=Decimal("0.1"))
    quantities = {}
    for tier in (1, 2, 3):
        decision = decide(intent("5000"), view(limits), tier=tier)
        assert isinstance(decision, Modified)
        quantities[tier] = decision.qty
    assert quantities == {1: 5, 2: 10, 3: 15}
    with pytest.raises(InvalidMessageError, match="risk_tier"):
        decide(tier=4)
