"""A tape clock follows the file that steers it."""

import time
from pathlib import Path

from shared.adapters.clock import SystemClock, TapeClock, steer


def test_a_held_tape_stands_still(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    steer(file, tape_ms=1_000_000, speed=0)
    clock = TapeClock(file)
    assert [clock.now_ms(), clock.now_ms()] == [1_000_000, 1_000_000]


def test_a_running_tape_passes_faster_than_time(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    steer(file, tape_ms=0, speed=3_600)
    clock, system = TapeClock(file), SystemClock()
    began, tape_began = system.now_ms(), clock.now_ms()
    time.sleep(0.05)
    passed, tape_passed = system.now_ms() - began, clock.now_ms() - tape_began
    assert tape_passed >= 50 * 3_600
    assert tape_passed <= (passed + 20) * 3_600
    assert clock.speed == 3_600


def test_every_process_that_reads_the_file_is_steered_anew(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    steer(file, tape_ms=1, speed=0)
    clocks = [TapeClock(file), TapeClock(file)]
    assert [clock.now_ms() for clock in clocks] == [1, 1]
    steer(file, tape_ms=2, speed=0)
    assert [clock.now_ms() for clock in clocks] == [2, 2]
