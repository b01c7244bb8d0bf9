"""What a run leaves is held against what is wrong."""

from functools import partial

from desk.drills.operations.judge import WITHIN, Cause, Episode, Seen, judge


def noted() -> None:
    """Do nothing."""


a_cause = partial(Cause, begin=noted, end=noted)


def seen(*keys: str, kept: tuple[str, ...] = (), away: tuple[str, ...] = ()) -> Seen:
    return Seen(open=keys, kept=kept, away=away)


def test_what_nobody_made_wrong_is_a_problem() -> None:
    assert [*judge([], 3, seen("venue:x", "agent:y"))] == ["run 3: nobody made agent:y, venue:x wrong"]


def test_a_cause_is_told_within_two_runs_of_being_plain_to_see() -> None:
    episode = Episode(a_cause("venue:x", hidden_by=("database", "agent:")), began=0, until=100)
    assert [*judge([episode], 0, seen())] == []
    assert [*judge([episode], 1, seen())] == ["run 1: venue:x is not told"]
    assert [*judge([episode], 2, seen("venue:x"))] == []


def test_what_is_hidden_or_does_not_count_yet_need_not_be_told() -> None:
    episode = Episode(a_cause("venue:x", hidden_by=("database", "agent:")), began=0, until=100)
    agent = Episode(a_cause("agent:y", counts_after_ms=10**9), began=0, until=100)
    for number in range(4):
        assert [*judge([episode, agent], number, seen())] == []
        assert [*judge([episode], number, seen(away=("database",)))] == []
    late = Episode(a_cause("runs:stuck", counts_after_ms=3 * 60_000), began=0, until=100)
    problems = [problem for number in range(6) for problem in judge([late], number, seen())]
    assert problems == ["run 5: runs:stuck is not told"]


def test_a_cause_is_over_within_two_runs_of_its_end() -> None:
    episode = Episode(a_cause("venue:x"), began=0, until=1)
    assert [*judge([episode], 1, seen("venue:x"))] == []
    assert not episode.is_over(1)
    assert [*judge([episode], 2, seen("venue:x"))] == ["run 2: venue:x is still open"]
    assert [*judge([episode], 3, seen())] == []
    assert episode.ended_for > WITHIN
    assert episode.is_over(3)


def test_while_there_is_no_database_that_is_kept_unless_redis_is_away_too() -> None:
    episode = Episode(a_cause("dependency:database", hidden_by=()), began=0, until=9)
    assert [*judge([episode], 0, seen(kept=("dependency:database",), away=("database",)))] == []
    assert [*judge([episode], 1, seen(away=("database", "redis")))] == []
    assert [*judge([episode], 2, seen(away=("database",)))] == ["run 2: dependency:database is not kept"]
