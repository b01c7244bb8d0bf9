"""An intent is decided once, on everything, and no answer but a limit kept is a yes."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import InvalidMessageError
from shared.domain.traders import PositionSide
from shared.domain.trading.books import Limits, VarPolicy
from shared.domain.trading.decisions import Approved, Decision, Denied, Modified, Reason, state_of, summary, to_json
from shared.domain.trading.instruments import InstrumentKind, Side
from shared.domain.trading.intents import Algorithm, Guard, Intent, Purpose, Sizing, SizingMethod
from shared.domain.trading.market import MarketView
from shared.domain.trading.records import BookView, HeldPosition, Recent
from shared.domain.trading.risk import check
from shared.domain.trading.states import IntentState, Mode, TradingState
from tests.unit.domain.trading.desk import (
    BTC,
    ETH,
    NOW_MS,
    VENUE,
    WIDE,
    closes,
    held,
    instrument,
    intent,
    mark,
    market,
    reserved,
    view,
)


def decide(
    wish: Intent | None = None,
    seen: BookView | None = None,
    told: MarketView | None = None,
    *,
    desk_mode: Mode = Mode.PAPER,
    tier: int = 2,
) -> Decision:
    return check(wish or intent(), seen or view(), told or market(), desk_mode=desk_mode, tier=tier)


def reasons(decision: Decision) -> set[Reason]:
    return set() if isinstance(decision, Approved) else {objection.reason for objection in decision.reasons}


def qty_of(qty: str) -> Sizing:
    return Sizing(method=SizingMethod.QTY, value=Decimal(qty))


def leave(sizing: Sizing, **changes: object) -> Intent:
    return intent(sizing, purpose=Purpose.EXIT, **changes)


def test_what_keeps_every_limit_is_approved_with_its_quantity_and_figures() -> None:
    decision = decide()
    assert isinstance(decision, Approved)
    assert decision.qty == 10
    assert decision.why == "1000 USDT at 100 USDT: 10 BTC"
    assert decision.figures["leverage_after"] == Decimal("0.1")
    assert decision.figures["equity"] == 10_000
    assert decision.notes == ("no edge is stated, so it was not held against costs of 0.003",)


# Standing reasons: each alone denies, whatever the quantity.

HALTED, REDUCING = TradingState.HALTED, TradingState.REDUCING
DESK = {"desk": TradingState.ACTIVE, "book": TradingState.ACTIVE}
LOST = replace(held(BTC, "1", "100").position, qty=Decimal(0), cost=Decimal(0), realised=Decimal(-600))


def book(**changes: Any) -> BookView:
    return replace(view(), book=replace(view().book, **changes))


CASES: dict[str, tuple[Reason, Intent, BookView, MarketView]] = {
    "desk halted": (Reason.TRADING_STATE, intent(), view(states=DESK | {"desk": HALTED}), market()),
    "desk missing": (Reason.TRADING_STATE, intent(), view(states={}), market()),
    "desk unreadable": (Reason.TRADING_STATE, intent(), view(states=DESK | {"desk": None}), market()),
    "desk reducing": (Reason.TRADING_STATE, intent(), view(states=DESK | {"desk": REDUCING}), market()),
    "venue halted": (Reason.TRADING_STATE, intent(), view(states=DESK | {"venue": HALTED}), market()),
    "trader unreadable": (Reason.TRADING_STATE, intent(), view(states=DESK | {"trader": None}), market()),
    "book reducing": (Reason.BOOK_STATE, intent(), book(state=REDUCING), market()),
    "book unreadable": (Reason.BOOK_STATE, intent(), view(states=DESK | {"book": None}), market()),
    "live intent, paper book": (Reason.MODE, intent(mode=Mode.LIVE), view(), market()),
    "paper intent, live book": (Reason.MODE, intent(), book(mode=Mode.LIVE), market()),
    "live, paper desk": (Reason.MODE, intent(mode=Mode.LIVE), book(mode=Mode.LIVE), market()),
    "venue not the book's": (Reason.VENUE, intent(), book(venues=()), market()),
    "other quote": (Reason.QUOTE, intent(), book(quote="EUR"), market()),
    "not listed": (Reason.INSTRUMENT, intent(), view(), market(instrument=None)),
    "expired": (Reason.EXPIRED, intent(expires_at_ms=NOW_MS), view(), market()),
    "expires before raised": (Reason.INTENT, intent(expires_at_ms=1), view(), market()),
    "spot short": (
        Reason.SPOT_SHORT,
        intent(direction=PositionSide.SHORT),
        view(),
        market(instrument=instrument(kind=InstrumentKind.SPOT)),
    ),
    "no price": (Reason.MARKET_DATA, intent(), view(), market(marks={})),
    "old price": (Reason.MARKET_DATA, intent(), view(), market(marks={(VENUE, BTC): mark("100", age_ms=30_001)})),
    "price from the future": (
        Reason.MARKET_DATA,
        intent(),
        view(),
        market(marks={(VENUE, BTC): mark("100", age_ms=-30_001)}),
    ),
    "no price of what is held": (Reason.MARKET_DATA, intent(), view(positions=[held("X/USDT", "1", "1")]), market()),
    "nothing left": (Reason.EQUITY, intent(), view(positions=[held(BTC, "-200", "50")]), market()),
    "lost today": (
        Reason.DRAWDOWN,
        intent(),
        view(
            replace(WIDE, max_daily_drawdown_rate=Decimal("0.05")),
            positions=[replace(held(BTC, "1", "1"), position=LOST)],
        ),
        market(),
    ),
    "too many": (
        Reason.OPEN_POSITIONS,
        intent(),
        view(replace(WIDE, max_open_positions=1), positions=[held(ETH, "1", "10")]),
        market(),
    ),
    "edge below costs": (Reason.EDGE, intent(edge_rate=Decimal("0.0029")), view(), market()),
    "edge without bid and ask": (
        Reason.EDGE,
        intent(edge_rate=Decimal(1)),
        view(),
        market(marks={(VENUE, BTC): replace(mark("100"), bid=None)}),
    ),
    "same again": (
        Reason.DUPLICATE,
        intent(),
        view(
            replace(WIDE, duplicate_window_ms=60_000),
            recent=(Recent(intent_id="before", side=Side.BUY, trader_id=None, raised_at_ms=NOW_MS - 30_000),),
        ),
        market(),
    ),
    "cooling down": (
        Reason.COOLDOWN,
        intent(),
        view(
            replace(WIDE, cooldown_ms=60_000),
            recent=(Recent(intent_id="before", side=Side.SELL, trader_id=None, raised_at_ms=NOW_MS - 30_000),),
        ),
        market(),
    ),
    "stop above the entry": (Reason.STOP_SIDE, intent(guard=Guard(stop_price=Decimal(101))), view(), market()),
    "stop at the entry": (Reason.STOP_SIDE, intent(guard=Guard(stop_price=Decimal(100))), view(), market()),
    "stop of a short below": (
        Reason.STOP_SIDE,
        intent(guard=Guard(stop_price=Decimal(99)), direction=PositionSide.SHORT),
        view(),
        market(),
    ),
    "stop above the market": (
        Reason.STOP_SIDE,
        intent(guard=Guard(stop_price=Decimal(105)), algorithm=Algorithm(limit_price=Decimal(110))),
        view(),
        market(),
    ),
    "take-profit below the entry": (
        Reason.STOP_SIDE,
        intent(guard=Guard(take_profit_price=Decimal(99))),
        view(),
        market(),
    ),
    "risk without a stop": (
        Reason.SIZING,
        intent(Sizing(method=SizingMethod.RISK, value=Decimal("0.01"))),
        view(),
        market(),
    ),
    "volatility without candles": (
        Reason.SIZING,
        intent(Sizing(method=SizingMethod.VOLATILITY, value=Decimal("0.01"))),
        view(),
        market(),
    ),
    "below the minimum": (Reason.MINIMUM, intent("4.99"), view(), market()),
    "no history": (Reason.INSUFFICIENT_DATA, intent(), view(), market(closes=None)),
    "short history": (Reason.INSUFFICIENT_DATA, intent(), view(), market(closes=closes([BTC], bars=100))),
    "late history": (Reason.INSUFFICIENT_DATA, intent(), view(), market(now_ms=NOW_MS + 5 * 3_600_000)),
}


@pytest.mark.parametrize("name", CASES)
def test_one_thing_wrong_is_a_denial_for_that_reason(name: str) -> None:
    reason, wish, seen, told = CASES[name]
    decision = decide(wish, seen, told)
    assert isinstance(decision, Denied)
    assert reason in reasons(decision)
    assert all(objection.sentence for objection in decision.reasons)


def test_live_needs_the_desk_the_book_and_the_intent_to_be_live() -> None:
    live = replace(view().book, mode=Mode.LIVE)
    seen = replace(view(), book=live)
    assert isinstance(decide(intent(mode=Mode.LIVE), seen, desk_mode=Mode.LIVE), Approved)
    assert isinstance(decide(intent(), desk_mode=Mode.LIVE), Approved)  # a paper book on a live desk


def test_next_to_no_equity_is_measured_like_any_other() -> None:
    almost_gone = replace(held(BTC, "0", "1").position, realised=Decimal("-9999.999999999999"))
    seen = view(
        replace(WIDE, max_daily_drawdown_rate=Decimal(2)),
        positions=[replace(held(BTC, "0", "1"), position=almost_gone)],
    )
    decision = decide(intent("100000000000"), seen)
    assert not isinstance(decision, Approved)
    assert Reason.LEVERAGE in reasons(decision)
    assert to_json(decision)["figures"]


def test_an_edge_above_costs_passes_and_its_cost_is_in_the_figures() -> None:
    told = market(marks={(VENUE, BTC): mark("100", spread="0.1")})
    decision = decide(intent(edge_rate=Decimal("0.004")), told=told)
    assert isinstance(decision, Approved)
    assert decision.notes == ()
    assert decision.figures["cost_rate"] == Decimal("0.004")


def test_all_reasons_come_at_once() -> None:
    limits = replace(
        WIDE,
        max_leverage=Decimal(1),
        max_trade_notional=Decimal(500),
        max_book_notional=Decimal(600),
        max_concentration_rate=Decimal("0.25"),
        max_correlated_rate=Decimal("0.5"),
        var_limit_rate=Decimal("0.02"),
        max_stress_loss_rate=Decimal("0.25"),
        max_open_positions=0,
        max_daily_drawdown_rate=Decimal("0.05"),
        cooldown_ms=60_000,
        duplicate_window_ms=60_000,
    )
    seen = view(
        limits,
        states={"desk": HALTED, "book": REDUCING},
        recent=(Recent(intent_id="before", side=Side.BUY, trader_id=None, raised_at_ms=NOW_MS),),
        day_start_equity=Decimal(1_000_000),
    )
    wish = intent(
        "20000",
        mode=Mode.LIVE,
        expires_at_ms=NOW_MS - 1,
        guard=Guard(stop_price=Decimal(101)),
        edge_rate=Decimal("0.001"),
        raised_at_ms=NOW_MS - 2,
    )
    assert reasons(decide(wish, replace(seen, book=replace(seen.book, venues=(), quote="EUR")))) == {
        Reason.TRADING_STATE,
        Reason.BOOK_STATE,
        Reason.MODE,
        Reason.EXPIRED,
        Reason.VENUE,
        Reason.QUOTE,
        Reason.STOP_SIDE,
        Reason.DRAWDOWN,
        Reason.OPEN_POSITIONS,
        Reason.EDGE,
        Reason.DUPLICATE,
        Reason.COOLDOWN,
        Reason.LEVERAGE,
        Reason.CONCENTRATION,
        Reason.TRADE_NOTIONAL,
        Reason.BOOK_NOTIONAL,
        Reason.CORRELATED,
        Reason.VALUE_AT_RISK,
        Reason.STRESS,
    }


# Limits on the quantity: what is too much is made smaller.

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


# Exits

STRICT = Limits(
    max_leverage=Decimal(0),
    max_concentration_rate=Decimal(0),
    max_stress_loss_rate=Decimal(0),
    max_daily_drawdown_rate=Decimal(0),
    var_limit_rate=Decimal(0),
    max_trade_notional=Decimal(0),
    max_book_notional=Decimal(0),
    max_open_positions=0,
    cooldown_ms=10**9,
)


def test_no_limit_no_old_price_and_no_reducing_state_keeps_anybody_from_leaving() -> None:
    seen = view(STRICT, positions=[held(BTC, "2", "100")], states=DESK | {"desk": REDUCING})
    seen = replace(seen, book=replace(seen.book, venues=()), day_start_equity=Decimal(10**6))
    for told in (market(marks={}, closes=None), market(marks={(VENUE, BTC): mark("100", age_ms=10**9)})):
        decision = decide(leave(qty_of("2")), seen, told)
        assert isinstance(decision, Approved)
        assert decision.qty == 2
    halted = replace(seen, states=DESK | {"desk": HALTED})
    assert reasons(decide(leave(qty_of("2")), halted)) == {Reason.TRADING_STATE}


@pytest.mark.parametrize(
    ("qty", "direction", "asked", "leaving", "expected"),
    [
        ("2", "long", "1", "0", "1"),
        ("2", "long", "3", "0", "2"),
        ("2", "long", "2", "0.5", "1.5"),
        ("-2", "short", "3", "0", "2"),
        ("2", "long", "1", "2", None),
        ("2", "short", "1", "0", None),
        ("2", "long", "0.000001", "0", None),
    ],
)
def test_an_exit_is_never_more_than_is_held_and_not_leaving(
    qty: str, direction: str, asked: str, leaving: str, expected: str | None
) -> None:
    wish = leave(qty_of(asked), direction=PositionSide(direction))
    waiting = (reserved(BTC, wish.side, leaving, "100", is_exit=True),) if leaving != "0" else ()
    decision = decide(wish, view(positions=[held(BTC, qty, "100")], reservations=waiting))
    assert (None if isinstance(decision, Denied) else decision.qty) == (None if expected is None else Decimal(expected))


def test_an_exit_by_notional_or_by_a_share_is_understood() -> None:
    seen = view(positions=[held(BTC, "2", "100")])
    half = decide(leave(Sizing(method=SizingMethod.NOTIONAL, value=Decimal(100))), seen)
    whole = decide(leave(Sizing(method=SizingMethod.RISK, value=Decimal("0.01"))), seen)
    assert isinstance(half, Approved)
    assert isinstance(whole, Approved)
    assert [half.qty, whole.qty] == [1, 2]


# Bad numbers

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
        (book(capital=bad), market()),
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


# Properties

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


def test_a_decision_is_data() -> None:
    kept = decide(seen=view(replace(WIDE, max_trade_notional=Decimal(500))))
    stored = json.loads(json.dumps(to_json(kept)))
    assert stored["state"] == "modified"
    assert (stored["qty"], stored["asked_qty"]) == ("5", "10")
    assert stored["reasons"][0] == {
        "reason": "trade_notional",
        "sentence": "the trade would be 1000 of at most 500",
        "value": "1000",
        "limit": "500",
    }
    assert stored["figures"]["equity"] == "10000"
    assert "the trade would be 1000" in summary(kept)
    assert state_of(kept) is IntentState.MODIFIED
    denied = to_json(decide(intent("1")))
    assert (denied["state"], denied["qty"]) == ("denied", None)
    assert state_of(decide()) is IntentState.APPROVED
