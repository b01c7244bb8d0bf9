"""A clock told in whole seconds: every answer leaves a span, and they overlap in the truth."""

from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.venues.whole_seconds import WholeSeconds

AHEAD = 1_700_000_000_123.0
QUESTIONS = st.lists(st.tuples(st.floats(0, 60_000), st.floats(1, 400), st.floats(0, 1)), min_size=1, max_size=30)


def ask(clock: WholeSeconds, at_ms: float, trip_ms: float, reached: float, *, ahead: float = AHEAD) -> float:
    """Return by how much a clock so far ahead was misjudged, asked at a time of ours."""
    second = int((at_ms + trip_ms * reached + ahead) // 1_000)
    return clock.told(second, asked_ms=at_ms, answered_ms=at_ms + trip_ms) - (at_ms + trip_ms / 2 + ahead)


@given(questions=QUESTIONS)
def test_the_truth_is_never_further_than_the_first_answer_leaves(questions: list[tuple[float, float, float]]) -> None:
    clock = WholeSeconds()
    errors = [ask(clock, 60_000.0 * number + at, trip, part) for number, (at, trip, part) in enumerate(questions)]
    assert max(map(abs, errors)) <= 500 + 400 / 2 + 1


def test_answers_at_different_parts_of_a_second_say_it_to_a_few_milliseconds() -> None:
    clock = WholeSeconds()
    errors = [abs(ask(clock, 60_037.0 * number, 20.0, 0.5)) for number in range(30)]
    assert errors[-1] < 30 < errors[0]


def test_a_clock_that_moved_is_believed_at_once() -> None:
    clock = WholeSeconds()
    for number in range(30):
        ask(clock, 60_037.0 * number, 20.0, 0.5)
    assert abs(ask(clock, 2_000_000.0, 20.0, 0.5, ahead=AHEAD + 5_000)) <= 511
