"""How long a standby waits: never on a holder that answers, never more than ten seconds on one that does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.lease import ASK_AGAIN_S, ASK_S, MAX_UNHEARD, PATIENCE_S, Silence


def waited_s(*, hearers: int, answers_after_s: float | None, dies_s: float = 0.0, until_s: float = 60.0) -> float:
    """Play a standby against a holder that answers until it dies; return when the holder counts as dead."""
    now_s = 0.0
    silence = Silence(heard_s=now_s)
    while now_s < until_s and not silence.is_death(now_s):
        lives = now_s < dies_s
        silence.note_question(1 if lives else hearers)
        ends_s = now_s + silence.pause_s(now_s)
        if answers_after_s is not None and lives and now_s + answers_after_s < ends_s:
            silence.note_answer(now_s + answers_after_s)
        now_s = ends_s
    return now_s


@given(st.floats(0.0, ASK_S - 0.1))
def test_a_holder_that_answers_keeps_the_lease(latency_s: float) -> None:
    assert waited_s(hearers=0, answers_after_s=latency_s, dies_s=1e9, until_s=300.0) >= 300.0


@given(st.floats(0.0, 20.0), st.floats(0.0, 0.5), st.sampled_from([0, 1]))
def test_a_holder_that_falls_silent_is_followed_within_ten_seconds(
    dies_s: float, latency_s: float, hearers: int
) -> None:
    assert waited_s(hearers=hearers, answers_after_s=latency_s, dies_s=dies_s) - dies_s < 9.0


def test_who_starts_beside_nobody_waits_for_three_questions_and_beside_a_hung_holder_for_its_patience() -> None:
    assert waited_s(hearers=0, answers_after_s=None) == MAX_UNHEARD * ASK_AGAIN_S
    assert waited_s(hearers=1, answers_after_s=None) == pytest.approx(PATIENCE_S, abs=0.1)


def test_hearers_that_come_back_break_the_row_of_unheard_questions() -> None:
    silence = Silence(heard_s=0.0)
    for hearers in (0, 0, 1, 0, 0):
        silence.note_question(hearers)
    assert not silence.is_death(1.0)
    silence.note_question(0)
    assert silence.is_death(1.0)
