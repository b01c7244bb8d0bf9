"""What agents remember fits where it is kept, and into a prompt."""

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.agents import MAX_MEMORIES, MAX_MEMORY_CHARS, Memory, Remembered, bounded, context

AT = 1_640_995_200_000
MEMORIES = st.lists(
    st.builds(
        Memory,
        event_type=st.sampled_from(["decided", "signals"]),
        data=st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=300), max_size=3),
    ),
    max_size=20,
)


def remembered(memories: list[Memory]) -> list[Remembered]:
    """Return memories as they are recalled: the newest first."""
    kept = [Remembered(memory_id=str(n), agent="a", memory=m, at_ms=AT + n * 1_000) for n, m in enumerate(memories)]
    return kept[::-1]


def test_a_context_reads_from_the_oldest_to_the_newest() -> None:
    memories = [Memory(event_type="signals", data={"n": 1}), Memory(event_type="decided", data={"why": "fits – 7 €"})]
    assert context(remembered(memories)) == (
        '[2022-01-01T00:00:00Z] signals: {"n": 1}\n[2022-01-01T00:00:01Z] decided: {"why": "fits – 7 €"}'
    )
    assert context([]) == ""


@given(MEMORIES, st.integers(0, 2_000))
def test_a_context_is_bounded_and_has_the_newest(memories: list[Memory], limit: int) -> None:
    known = remembered(memories)
    text = context(known, limit)
    assert len(text) <= limit
    lines = text.splitlines() if text else []
    all_of_it = context(known, 1_000_000).splitlines() if memories else []
    assert lines == all_of_it[len(all_of_it) - len(lines) :]
    if len(lines) < len(all_of_it):
        left = all_of_it[len(all_of_it) - len(lines) - 1]
        assert len(text) + bool(lines) + len(left) > limit


@given(st.lists(st.integers(0, 3 * MAX_MEMORY_CHARS), max_size=MAX_MEMORIES + 20))
def test_what_is_kept_of_a_run_is_bounded(lengths: list[int]) -> None:
    kept = bounded([Memory(event_type="said", data={"text": "x" * length}) for length in lengths])
    assert len(kept) == min(len(lengths), MAX_MEMORIES + 1)
    assert all(len(str(memory.data)) <= MAX_MEMORY_CHARS + 50 for memory in kept)
