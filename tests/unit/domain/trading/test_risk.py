"""An intent is decided once, on everything, and no answer but a limit kept is a yes."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.traders import PositionSide
from shared.domain.trading.decisions import Approved, Denied, Reason, state_of, summary, to_json
from shared.domain.trading.instruments import InstrumentKind, Side
from shared.domain.trading.intents import Algorithm, Guard, Intent, Sizing, SizingMethod
from shared.domain.trading.market import MarketView
from shared.domain.trading.records import BookView, Recent
from shared.domain.trading.states import IntentState, Mode, TradingState
from tests.unit.domain.trading.desk import (
    BTC,
    ETH,
    NOW_MS,
    VENUE,
    WIDE,
    closes,
    decide,
    held,
    instrument,
    intent,
    mark,
    market,
    reasons,
    view,
)


def test_what_keeps_every_limit_is_approved_with_its_quantity_and_figures() -> None:
    decision = decide()
    assert isinstance(decision, Approved)
    assert decision.qty == 10
    assert decision.why == "1000 USDT at 100 USDT: 10 BTC"
    assert decision.figures["leverage_after"] == Decimal("0.1")
    assert decision.figures["equity"] == 10_000
    assert decision.notes == ("no edge is stated, so it was not held against costs of 0.003",)


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


@pytest.mark.parametrize(("most", "is_allowed"), [(3, True), (2, False)])
def test_an_intent_for_any_venue_may_open_a_position_at_each(most: int, is_allowed: bool) -> None:
    seen = view(replace(WIDE, max_open_positions=most), positions=[held(BTC, "1", "100")])
    decision = decide(intent(venue=None, symbol=ETH), seen, market(instrument=instrument(ETH)))
    assert (Reason.OPEN_POSITIONS not in reasons(decision)) is is_allowed


@pytest.mark.parametrize(("most", "is_allowed"), [(2, True), (1, False)])
def test_more_of_what_is_held_may_be_routed_to_another_venue(most: int, is_allowed: bool) -> None:
    seen = view(replace(WIDE, max_open_positions=most), positions=[held(BTC, "1", "100")])
    decision = decide(intent(venue=None), seen)
    assert (Reason.OPEN_POSITIONS not in reasons(decision)) is is_allowed
