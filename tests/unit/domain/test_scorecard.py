"""Scores say nothing from too few signals, and how sure they are from more."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.scorecard import DAY_MS, ENOUGH, NOTHING, score, scorecard, wilson

TALLY = replace(
    NOTHING,
    signals=45,
    measured=40,
    hits=24,
    total_return=0.2,
    total_favourable=0.6,
    total_adverse=-0.4,
    first_close_time=10 * DAY_MS,
    last_close_time=19 * DAY_MS,
)


def test_a_score_by_hand() -> None:
    found = score(TALLY, fee_rate=0.001)
    assert found.enough
    assert found.hit_rate == 0.6
    # Wilson, 24 of 40: (0.6 + 0.04802 ± 1.96 √(0.006 + 0.0006)) / 1.09604
    assert found.hit_rate_low == pytest.approx(0.4460, abs=1e-4)
    assert found.hit_rate_high == pytest.approx(0.7365, abs=1e-4)
    assert found.expectancy_percent == pytest.approx(0.5)
    assert found.expectancy_after_fee_percent == pytest.approx(0.3)
    assert found.favourable_percent == pytest.approx(1.5)
    assert found.adverse_percent == pytest.approx(-1.0)


def test_too_few_signals_say_nothing() -> None:
    found = score(replace(TALLY, measured=ENOUGH - 1, hits=10), fee_rate=0.001)
    assert not found.enough
    assert (found.hit_rate, found.hit_rate_low, found.expectancy_percent, found.favourable_percent) == (None,) * 4
    assert score(replace(TALLY, measured=ENOUGH, hits=10), fee_rate=0.001).hit_rate == 0.5


def test_a_card_sorts_its_parts_and_counts_signals_a_day() -> None:
    parts = [
        replace(TALLY, symbol="B/USDT", signals=5),
        replace(TALLY, hour=23, signals=40),
        TALLY,
        replace(TALLY, symbol="A/USDT", signals=40),
        replace(TALLY, hour=0, signals=5),
        replace(TALLY, symbol="C/USDT", signals=5),
    ]
    card = scorecard(parts, fee_rate=0.001, now_ms=20 * DAY_MS)
    assert card.signals_per_day == 4.5
    assert [found.tally.symbol for found in card.by_symbol] == ["A/USDT", "B/USDT", "C/USDT"]
    assert [found.tally.hour for found in card.by_hour] == [0, 23]
    assert card.total.tally == TALLY


def test_nothing_is_a_card_too() -> None:
    card = scorecard([], fee_rate=0.001, now_ms=DAY_MS)
    assert (card.total.tally.signals, card.signals_per_day, card.by_symbol) == (0, None, ())


@given(st.integers(1, 2_000), st.data())
def test_the_interval_holds_the_rate_and_narrows(count: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, count))
    low, high = wilson(hits, count)
    assert 0.0 <= low <= hits / count + 1e-12
    assert hits / count - 1e-12 <= high <= 1.0
    wider = wilson(hits, count, z=2.5758)
    assert wider[0] <= low + 1e-12
    assert high <= wider[1] + 1e-12
    more = wilson(10 * hits, 10 * count)
    assert more[1] - more[0] < high - low


@given(st.integers(ENOUGH, 500), st.floats(0, 0.01))
def test_a_fee_is_paid_in_and_out(count: int, fee_rate: float) -> None:
    found = score(replace(TALLY, measured=count, hits=0), fee_rate=fee_rate)
    assert found.expectancy_percent is not None
    assert found.expectancy_after_fee_percent == pytest.approx(found.expectancy_percent - 200 * fee_rate)
