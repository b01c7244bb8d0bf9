"""An exit is bound by what is held, and by nothing that limits what may be entered."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.domain.traders import PositionSide
from shared.domain.trading.books import Limits
from shared.domain.trading.decisions import Approved, Denied, Reason
from shared.domain.trading.intents import Sizing, SizingMethod
from shared.domain.trading.states import TradingState
from tests.unit.domain.trading.desk import (
    BTC,
    VENUE,
    decide,
    held,
    leave,
    mark,
    market,
    qty_of,
    reasons,
    reserved,
    view,
)

HALTED, REDUCING = TradingState.HALTED, TradingState.REDUCING
DESK = {"desk": TradingState.ACTIVE, "book": TradingState.ACTIVE}
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
