"""What a run says of alerts: unknown is not resolved, and a cause is told under one key."""

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.alerts import Alert, Severity
from shared.domain.monitoring import Looked, MonitorRun, Task, TaskOutcome
from shared.domain.settling import EXPLAINED, FOLLOWS, SOURCES, WAKING_MS, settlement

KINDS = ("agent", "agent_failing", "venue", "collector", "data", "runs", "intents", "orders", "quota", "position")


def an_alert(key: str) -> Alert:
    return Alert(dedupe_key=key, kind=key.partition(":")[0], severity=Severity.WARNING, sentence=key)


def a_run(age_ms: int = 60_000, *causes: str) -> MonitorRun:
    return MonitorRun(run_id="r", at_ms=1, finished_ms=1, age_ms=age_ms, success=True, duration_ms=1.0, causes=causes)


@st.composite
def outcomes(draw: st.DrawFn) -> list[TaskOutcome]:
    found = []
    for task in draw(st.lists(st.sampled_from(list(Task)), unique=True)):
        kind = draw(st.sampled_from(KINDS))
        wrong = tuple(an_alert(f"{kind}:{name}") for name in draw(st.sets(st.sampled_from("abc"))))
        looked = Looked(
            checked=1,
            alerts=wrong,
            prefixes=(f"{kind}:",),
            answered=draw(st.frozensets(st.sampled_from(sorted(SOURCES)))),
        )
        broken = draw(st.sampled_from(["no", "breaks", "misses", "runs out"]))
        found.append(
            TaskOutcome(
                task=task,
                looked=looked if broken == "no" else None,
                error=None if broken == "no" else broken,
                source=draw(st.sampled_from(sorted(SOURCES))) if broken == "misses" else None,
                ran_out=broken == "runs out",
            )
        )
    return found


RUNS = st.one_of(st.none(), st.builds(a_run, st.integers(0, 2 * WAKING_MS)))


@given(outcomes(), RUNS)
def test_nothing_is_said_of_what_nobody_has_looked_at(found: list[TaskOutcome], last: MonitorRun | None) -> None:
    told = settlement(found, last=last)
    looked = {prefix for each in found if each.looked for prefix in each.looked.prefixes}
    tasks = {f"monitor:{each.task}" for each in found}
    assert all(each in looked | tasks or each.startswith("dependency:") for each in told.prefixes)
    assert all(any(each.startswith(prefix) for prefix in told.prefixes) for each in told.causes)
    assert len(set(told.causes)) == len(told.causes)


@given(outcomes(), RUNS)
def test_a_dependency_is_one_alert_and_hides_what_would_follow_from_it(
    found: list[TaskOutcome], last: MonitorRun | None
) -> None:
    told = settlement(found, last=last)
    missed = {each.source for each in found if each.source}
    assert told.away == missed
    assert {each for each in told.causes if each.startswith("dependency:")} == {f"dependency:{each}" for each in missed}
    for prefix in told.prefixes:
        assert not FOLLOWS.get(prefix.partition(":")[0], frozenset()) & missed
    broken = {f"monitor:{each.task}" for each in found if each.error == "breaks"}
    slow = {f"monitor:{each.task}" for each in found if each.ran_out and not missed}
    assert {each for each in told.causes if each.startswith("monitor:")} == broken | slow


@given(outcomes())
def test_a_monitor_that_wakes_tells_only_what_cannot_be_the_past(found: list[TaskOutcome]) -> None:
    told = settlement(found, last=a_run(WAKING_MS + 1))
    assert {each.partition(":")[0] for each in told.prefixes} <= {"dependency", "monitor", "quota"}


def test_what_another_cause_explains_is_not_told_nor_right_after_it() -> None:
    def looked(*keys: str) -> TaskOutcome:
        prefixes = tuple({f"{key.partition(':')[0]}:" for key in keys})
        return TaskOutcome(
            task=Task.SIGNALS, looked=Looked(checked=1, alerts=tuple(an_alert(key) for key in keys), prefixes=prefixes)
        )

    last = a_run()
    assert settlement([looked("intents:undecided")], last=last).causes == ("intents:undecided",)
    both = looked("intents:undecided", "agent:risk-agent")
    assert settlement([both], last=last).causes == ("agent:risk-agent",)
    just_before = a_run(60_000, "agent:risk-agent")
    assert settlement([looked("intents:undecided")], last=just_before).causes == ()
    assert settlement([looked("intents:undecided", "agent:execution-agent")], last=last).causes == (
        "agent:execution-agent",
        "intents:undecided",
    )
    assert all(why not in EXPLAINED for reasons in EXPLAINED.values() for why in reasons if why != "boundaries:")


def test_a_dependency_that_answers_some_is_slow_and_not_away() -> None:
    missed = TaskOutcome(task=Task.QUOTAS, error="timed out", source="database")
    answered = TaskOutcome(task=Task.SIGNALS, looked=Looked(checked=1, answered=frozenset({"database"})))
    (away,) = settlement([missed], last=a_run()).alerts
    assert (away.severity, away.sentence) == (Severity.CRITICAL, "The database does not answer: timed out")
    (slow,) = settlement([missed, answered], last=a_run()).alerts
    assert (slow.dedupe_key, slow.severity) == (away.dedupe_key, Severity.WARNING)
    assert slow.sentence == "The database does not answer everybody in time: timed out"


def test_no_task_is_named_as_another_begins() -> None:
    assert not [(one, other) for one in Task for other in Task if one != other and other.startswith(one)]
