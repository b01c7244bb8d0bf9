"""The venue's clock: followed where ours is off, left alone where the question's way explains it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.venue_clock import VenueClock
from shared.adapters.clock import TapeClock, steer
from tests.fakes.clock import ManualClock


class Source:
    """A venue whose clock is `ahead_ms` of ours, with a way there and a way back, that counts how often it is asked."""

    def __init__(self, clock: ManualClock, ahead_ms: int, *, there_ms: int = 0, back_ms: int = 0) -> None:
        self.clock = clock
        self.ahead_ms = ahead_ms
        self.there_ms, self.back_ms = there_ms, back_ms
        self.asked = 0

    async def server_time(self) -> int:
        self.asked += 1
        self.clock.advance(self.there_ms)
        told = self.clock.now_ms() + self.ahead_ms
        self.clock.advance(self.back_ms)
        return told


async def test_a_clock_that_is_off_is_corrected_and_said_to_be_off() -> None:
    ours = ManualClock(1_700_000_000_000)
    clock = VenueClock(ours)
    assert clock.now_ms() == ours.now_ms()  # nothing is known yet
    await clock.measure(Source(ours, 5_000))  # type: ignore[arg-type]
    assert (clock.offset_ms, clock.now_ms(), clock.is_off) == (5_000, 1_700_000_005_000, True)
    await clock.measure(Source(ours, -700))  # type: ignore[arg-type]
    assert (clock.now_ms(), clock.is_off) == (1_699_999_999_300, False)


@pytest.mark.parametrize(("there_ms", "back_ms"), [(0, 3_000), (3_000, 0), (1_500, 1_500)])
async def test_what_the_way_explains_is_no_offset(there_ms: int, back_ms: int) -> None:
    ours = ManualClock(1_700_000_000_000)
    clock = VenueClock(ours)
    await clock.measure(Source(ours, 0, there_ms=there_ms, back_ms=back_ms))  # type: ignore[arg-type]
    assert clock.offset_ms == 0


@given(ahead_ms=st.integers(-10_000, 10_000), there_ms=st.integers(0, 5_000), back_ms=st.integers(0, 5_000))
async def test_it_is_never_ahead_of_the_venue(ahead_ms: int, there_ms: int, back_ms: int) -> None:
    """Or a forming candle would pass for a closed one; unless the way could explain it, which a repair asks again."""
    ours = ManualClock(1_700_000_000_000)
    clock = VenueClock(ours)
    await clock.measure(Source(ours, ahead_ms, there_ms=there_ms, back_ms=back_ms))  # type: ignore[arg-type]
    venue_ms = ours.now_ms() + ahead_ms
    if clock.offset_ms:
        assert clock.now_ms() <= venue_ms
        assert venue_ms - clock.now_ms() <= there_ms + back_ms
    else:
        assert abs(ahead_ms) <= there_ms + back_ms + 1


async def test_a_repair_asks_again_only_after_a_moment() -> None:
    ours = ManualClock(1_700_000_000_000)
    clock, source = VenueClock(ours), Source(ours, 9_000)
    await clock.refresh(source)  # type: ignore[arg-type]
    await clock.refresh(source)  # type: ignore[arg-type]
    assert (source.asked, clock.offset_ms) == (1, 9_000)


def test_the_grace_follows_the_tape_but_not_beyond_half_a_candle(tmp_path: Path) -> None:
    assert VenueClock(ManualClock(0)).grace_ms(1_500, shortest_ms=60_000) == 1_500
    file = tmp_path / "clock.json"
    steer(file, tape_ms=0, speed=10.0)
    assert VenueClock(TapeClock(file)).grace_ms(1_500, shortest_ms=60_000) == 15_000
    steer(file, tape_ms=0, speed=100.0)
    assert VenueClock(TapeClock(file)).grace_ms(1_500, shortest_ms=60_000) == 30_000
    steer(file, tape_ms=0, speed=1_000.0)
    assert VenueClock(TapeClock(file)).grace_ms(1_500, shortest_ms=60_000) == 250_000


def test_a_pause_is_market_time_and_short_while_the_tape_is_held(tmp_path: Path) -> None:
    assert VenueClock(ManualClock(0)).pause_s(30.0, at_least_s=1.0) == 30.0
    paused = {}
    for speed in (0, 10, 600):
        steer(tmp_path / "clock.json", tape_ms=0, speed=speed)
        paused[speed] = VenueClock(TapeClock(tmp_path / "clock.json")).pause_s(30.0, at_least_s=1.0)
    assert paused == {0: 1.0, 10: 3.0, 600: 1.0}
