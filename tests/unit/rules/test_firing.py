"""Edge and cool-down as tables: . is false, # is true, ? is unknown; F marks where a trader fires."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.firing import firings, triggers, truth_bars
from shared.domain.rules import Truth
from shared.domain.traders import Edge


def truth_of(marks: str) -> Truth:
    return Truth(np.array([[mark == "#" for mark in marks]]), np.array([[mark == "?" for mark in marks]]))


def fired(marks: str, edge: Edge, cooldown: int) -> str:
    """Return F, . or ? for each bar of the marks whose window is complete."""
    answer = firings(triggers(truth_of(marks), edge), cooldown)
    return "".join(
        "?" if not known else "F" if yes else "." for yes, known in zip(answer.yes[0], answer.known[0], strict=True)
    )


@pytest.mark.parametrize(
    ("edge", "cooldown", "marks", "expected"),
    [
        (Edge.LEVEL, 0, ".##.#", ".FF.F"),
        (Edge.RISING, 0, ".##.#", "F..F"),
        (Edge.RISING, 0, "##..#", "...F"),
        (Edge.RISING, 0, ".?#.#", "??.F"),
        (Edge.RISING, 2, "...#.#..#", "F....F"),
        (Edge.LEVEL, 2, "..###...#", "F.....F"),
        (Edge.LEVEL, 2, "..?#...", "??..."),
        (Edge.LEVEL, 2, "?#.#..#", "....F"),
        (Edge.LEVEL, 1, "?..#", "..F"),
        (Edge.LEVEL, 3, "...#", "F"),
    ],
)
def test_firing_by_example(edge: Edge, cooldown: int, marks: str, expected: str) -> None:
    assert len(fired(marks, edge, cooldown)) == len(marks) - truth_bars(edge, cooldown) + 1
    assert fired(marks, edge, cooldown) == expected


@given(
    marks=st.text("#.?", min_size=12, max_size=40),
    edge=st.sampled_from(Edge),
    cooldown=st.integers(0, 5),
)
def test_each_bar_is_decided_by_its_own_window(marks: str, edge: Edge, cooldown: int) -> None:
    bars = truth_bars(edge, cooldown)
    alone = "".join(fired(marks[stop - bars : stop], edge, cooldown) for stop in range(bars, len(marks) + 1))
    assert fired(marks, edge, cooldown) == alone


@given(marks=st.text("#.", min_size=12, max_size=60), edge=st.sampled_from(Edge), cooldown=st.integers(0, 5))
def test_firings_are_further_apart_than_the_cool_down(marks: str, edge: Edge, cooldown: int) -> None:
    places = [place for place, mark in enumerate(fired(marks, edge, cooldown)) if mark == "F"]
    assert all(later - earlier > cooldown for earlier, later in pairwise(places))


@given(marks=st.text("#.?", min_size=12, max_size=40), edge=st.sampled_from(Edge), cooldown=st.integers(0, 5))
def test_learning_more_never_turns_an_answer(marks: str, edge: Edge, cooldown: int) -> None:
    before = fired(marks, edge, cooldown)
    for learnt in (marks.replace("?", "#"), marks.replace("?", ".")):
        after = fired(learnt, edge, cooldown)
        assert all(b in ("?", a) for b, a in zip(before, after, strict=True))
