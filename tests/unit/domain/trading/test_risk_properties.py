"""Whatever the numbers: no limit is broken, none goes unnamed, and what is no number is never a yes."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import InvalidMessageError
from shared.domain.traders import PositionSide
from shared.domain.trading.books import Limits
from shared.domain.trading.decisions import Approved, Denied, Reason
from shared.domain.trading.instruments import Side
from shared.domain.trading.intents import Algorithm, Guard, Intent, Purpose, Sizing, SizingMethod
from shared.domain.trading.market import MarketView
from shared.domain.trading.records import BookView, HeldPosition
from shared.domain.trading.risk import check
from shared.domain.trading.states import Mode, TradingState
from tests.unit.domain.trading.desk import (
    BTC,
    ETH,
    WIDE,
    decide,
    held,
    instrument,
    intent,
    mark,
    market,
    qty_of,
    reasons,
    reserved,
    view,
)

HALTED = TradingState.HALTED


NOT_NUMBERS = [
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("Infinity"),
    Decimal(-1),
    Decimal("1e30"),
    Decimal("-Infinity"),
]


@pytest.mark.parametrize("bad", NOT_NUMBERS)
@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize(
    "place",
    [
        "sizing",
        "kelly",
        "stop",
        "take_profit",
        "trailing",
        "limit",
        "participation",
        "shown",
        "reference",
        "confidence",
    ],
)
def test_a_number_that_is_none_is_denied_wherever_it_stands(place: str, purpose: Purpose, bad: Decimal) -> None:
    kelly = Sizing(method=SizingMethod.KELLY, value=Decimal("0.5"), win_rate=Decimal("0.6"), payoff=bad)
    changed: dict[str, dict[str, Any]] = {
        "sizing": {"sizing": Sizing(method=SizingMethod.NOTIONAL, value=bad)},
        "kelly": {"sizing": kelly},
        "stop": {"guard": Guard(stop_price=bad)},
        "take_profit": {"guard": Guard(take_profit_price=bad)},
        "trailing": {"guard": Guard(trailing_rate=bad)},
        "limit": {"algorithm": Algorithm(limit_price=bad)},
        "participation": {"algorithm": Algorithm(participation_rate=bad)},
        "shown": {"algorithm": Algorithm(shown_rate=bad)},
        "reference": {"reference_price": bad},
        "confidence": {"confidence": bad},
    }
    wish = replace(intent(purpose=purpose), **changed[place])
    decision = decide(wish, view(positions=[held(BTC, "2", "100")]))
    assert reasons(decision) == {Reason.INTENT}


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity", "1e30"])
def test_an_edge_that_is_no_number_is_denied(bad: str) -> None:
    assert reasons(decide(intent(edge_rate=Decimal(bad)))) == {Reason.INTENT}


@pytest.mark.parametrize("bad", [Decimal("NaN"), Decimal("Infinity"), Decimal("1e30")])
def test_a_book_or_market_that_cannot_be_computed_with_is_refused(bad: Decimal) -> None:
    position = held(BTC, "1", "100")
    broken: list[tuple[BookView, MarketView]] = [
        (view(day_start_equity=bad), market()),
        (replace(view(), book=replace(view().book, capital=bad)), market()),
        (view(positions=[replace(position, position=replace(position.position, fees=bad))]), market()),
        (view(reservations=(replace(reserved(BTC, Side.BUY, "1", "1"), qty=bad),)), market()),
        (view(replace(WIDE, max_leverage=bad)), market()),
        (view(), market(atr=bad)),
        (view(), market(instrument=replace(instrument(), step_size=bad))),
        (view(), market(instrument=replace(instrument(), taker_fee_rate=bad))),
    ]
    for seen, told in broken:
        with pytest.raises(InvalidMessageError):
            decide(seen=seen, told=told)
    with pytest.raises(InvalidMessageError):
        mark(str(bad))


def test_another_books_view_or_another_instrument_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="book_id"):
        decide(intent(book_id="other"))
    with pytest.raises(InvalidMessageError, match="instrument"):
        decide(told=market(instrument=instrument(ETH)))


money = st.decimals(min_value="0.01", max_value="100000", places=2)
rates = st.decimals(min_value="0.001", max_value="3", places=3)
quantities = st.decimals(min_value="-50", max_value="50", places=3).filter(bool)
any_limits = st.builds(
    Limits,
    max_leverage=rates,
    max_concentration_rate=rates,
    max_correlated_rate=rates,
    correlation=st.just(Decimal("0.3")),
    var_limit_rate=st.decimals(min_value="0.001", max_value="0.2", places=3),
    max_stress_loss_rate=rates,
    max_trade_notional=st.none() | money,
    max_book_notional=st.none() | money,
    max_daily_drawdown_rate=st.just(Decimal(1)),
    duplicate_window_ms=st.just(0),
)
holdings = st.lists(
    st.builds(
        lambda symbol, qty: held(symbol, str(qty), "100" if symbol == BTC else "10"),
        st.sampled_from([BTC, ETH]),
        quantities,
    ),
    max_size=2,
    unique_by=lambda each: each.position.symbol,
)
wishes = st.builds(
    lambda notional, side, symbol: intent(str(notional), direction=side, symbol=symbol),
    money,
    st.sampled_from(PositionSide),
    st.just(BTC),
)
MARKET = market()
EXPOSURE = {Reason.LEVERAGE, Reason.CONCENTRATION, Reason.TRADE_NOTIONAL, Reason.BOOK_NOTIONAL, Reason.CORRELATED}


@given(any_limits, holdings, wishes)
@settings(max_examples=150)
def test_what_is_approved_breaks_no_limit_when_it_is_checked_again(
    limits: Limits, positions: list[HeldPosition], wish: Intent
) -> None:
    seen = view(limits, positions=positions)
    decision = check(wish, seen, MARKET, desk_mode=Mode.PAPER, tier=2)
    if isinstance(decision, Denied):
        return
    again = check(replace(wish, sizing=qty_of(str(decision.qty))), seen, MARKET, desk_mode=Mode.PAPER, tier=2)
    assert isinstance(again, Approved)
    assert again.qty == decision.qty
    one_more = check(
        replace(wish, sizing=qty_of(str(decision.qty + Decimal("0.00001")))), seen, MARKET, desk_mode=Mode.PAPER, tier=2
    )
    assert isinstance(decision, Approved) or not isinstance(one_more, Approved)  # no more would have fitted


@given(
    any_limits, holdings, wishes, st.sampled_from([BTC, ETH]), st.decimals(min_value="0.001", max_value=50, places=3)
)
@settings(max_examples=150)
def test_more_in_the_same_direction_never_lifts_an_objection_to_exposure(
    limits: Limits, positions: list[HeldPosition], wish: Intent, symbol: str, more: Decimal
) -> None:
    before = view(limits, positions=positions)
    sign = wish.side.sign
    price = "100" if symbol == BTC else "10"
    known = {each.position.symbol: each for each in positions}
    qty = known[symbol].position.qty if symbol in known else Decimal(0)
    if qty * sign < 0:  # more against what is held is less
        return
    known[symbol] = held(symbol, str(qty + sign * more), price)
    after = view(limits, positions=list(known.values()))
    asked = reasons(check(wish, before, MARKET, desk_mode=Mode.PAPER, tier=2)) & EXPOSURE
    assert asked <= reasons(check(wish, after, MARKET, desk_mode=Mode.PAPER, tier=2))


@given(any_limits, wishes)
@settings(max_examples=100)
def test_a_denial_names_every_limit_that_is_broken(limits: Limits, wish: Intent) -> None:
    notional = wish.sizing.value // Decimal("0.001") * Decimal("0.001")  # on the steps of 0.00001 at a price of 100
    expected = {
        Reason.LEVERAGE: notional > limits.max_leverage * 10_000,
        Reason.CONCENTRATION: notional > limits.max_concentration_rate * 10_000,
        Reason.CORRELATED: notional > limits.max_correlated_rate * 10_000,
        Reason.TRADE_NOTIONAL: limits.max_trade_notional is not None and notional > limits.max_trade_notional,
        Reason.BOOK_NOTIONAL: limits.max_book_notional is not None and notional > limits.max_book_notional,
    }
    if notional < 5:
        return
    halted = view(limits, states={"desk": HALTED, "book": TradingState.ACTIVE})
    said = reasons(check(wish, halted, MARKET, desk_mode=Mode.PAPER, tier=2))
    assert said & EXPOSURE == {reason for reason, broken in expected.items() if broken}
    assert Reason.TRADING_STATE in said


@given(st.decimals(), st.decimals(), st.sampled_from(SizingMethod), st.sampled_from(Purpose))
def test_any_number_at_all_is_decided_or_refused_and_never_more_than_its_limits(
    value: Decimal, stop: Decimal, method: SizingMethod, purpose: Purpose
) -> None:
    sizing = Sizing(method=method, value=value, win_rate=Decimal("0.6"), payoff=value)
    wish = intent(sizing, guard=Guard(stop_price=stop), purpose=purpose)
    seen = view(replace(WIDE, max_leverage=Decimal(1)), positions=[held(BTC, "2", "100")])
    decision = check(wish, seen, MARKET, desk_mode=Mode.PAPER, tier=2)
    if not isinstance(decision, Denied):
        assert value.is_finite()
        assert value > 0
        assert 0 < decision.qty <= (2 if purpose is Purpose.EXIT else 98)
