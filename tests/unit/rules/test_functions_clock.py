"""What time it is when a candle closes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.rules import Market, compile_rule
from shared.domain.timeframe import Timeframe
from tests.unit.rules.conftest import random_frame
from tests.unit.rules.golden import last

MONDAY_14_05 = 1_704_117_900_000  # 2024-01-01 14:05 UTC
GOLDEN: dict[str, float] = {
    "hour_utc()": 14.0,
    "weekday()": 1.0,
    'session("london")': True,
    "minutes_to_close()": 595.0,
    'minutes_to_close("15m")': 10.0,
    'minutes_to_close("5m")': 0.0,
}


@pytest.mark.parametrize("expression", GOLDEN)
def test_by_hand(expression: str) -> None:
    candles = random_frame(symbols=2, bars=5, start=MONDAY_14_05 - 5 * 60_000)
    if isinstance(GOLDEN[expression], bool):
        view = Market({Timeframe.M1: candles}).view(Timeframe.M1, candles.close_time)
        assert compile_rule(expression).truth(view).yes.tolist() == [[GOLDEN[expression]]] * 2
    else:
        assert last(expression, candles).tolist() == [GOLDEN[expression]] * 2


@given(st.integers(0, 2**41 // 60_000))
def test_the_calendar_agrees(minute: int) -> None:
    candles = random_frame(symbols=1, bars=1, start=(minute - 1) * 60_000)
    now = datetime.fromtimestamp(minute * 60, UTC)
    assert last("hour_utc()", candles)[0] == now.hour
    assert last("weekday()", candles)[0] == now.isoweekday()


@pytest.mark.parametrize(
    ("name", "hours"),
    [
        ("sydney", {21, 22, 23, 0, 1, 2, 3, 4, 5}),
        ("tokyo", set(range(9))),
        ("london", set(range(7, 16))),
        ("new_york", set(range(13, 22))),
    ],
)
def test_sessions_open_and_close_on_the_hour(name: str, hours: set[int]) -> None:
    candles = random_frame(Timeframe.H1, symbols=1, bars=24, start=MONDAY_14_05 // 86_400_000 * 86_400_000 - 3_600_000)
    view = Market({Timeframe.H1: candles}).view(Timeframe.H1, candles.close_time)
    yes = compile_rule(f'session("{name}")').truth(view, 24).yes[0]
    assert {hour for hour in range(24) if yes[hour]} == hours
