"""What is remembered is asked for once, for as long as that may be."""

import pytest

from shared import remembering
from shared.remembering import Remembered
from tests.fakes.clock import ManualClock


def test_an_answer_is_remembered_until_it_is_too_old() -> None:
    clock = ManualClock(1_700_000_000_000)
    known: Remembered[str, int] = Remembered(life_ms=1_000, wall_clock=clock)
    assert [known.of("a", lambda: 1), known.of("a", lambda: 2), known.of("b", lambda: 3)] == [1, 1, 3]
    clock.advance(999)
    assert known.of("a", lambda: 4) == 1
    clock.advance(1)
    assert known.of("a", lambda: 5) == 5
    known.forget()
    assert known.of("a", lambda: 6) == 6


def test_nothing_is_an_answer_unless_it_is_said_to_be_none() -> None:
    known: Remembered[str, list[int]] = Remembered(life_ms=1_000, wall_clock=ManualClock(1))
    assert known.of("a", list) == known.of("a", lambda: [1]) == []
    assert known.of("b", list, unless_empty=True) == []
    assert known.of("b", lambda: [2], unless_empty=True) == [2]


def test_what_fails_is_not_remembered() -> None:
    known: Remembered[str, int] = Remembered(life_ms=1_000, wall_clock=ManualClock(1))
    with pytest.raises(ZeroDivisionError):
        known.of("a", lambda: 1 // 0)
    assert known.of("a", lambda: 1) == 1


def test_memory_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembering, "MOST", 2)
    known: Remembered[int, int] = Remembered(life_ms=1_000, wall_clock=ManualClock(1))
    for key in (1, 2, 3):
        known.of(key, lambda: 0)
    assert (known.of(3, lambda: 1), known.of(1, lambda: 1)) == (0, 1)
