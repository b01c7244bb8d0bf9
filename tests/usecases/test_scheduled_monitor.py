"""The monitor: each task apart, each cause one alert, and nothing lost while a store is away."""

import json
from collections.abc import Sequence
from dataclasses import replace
from threading import Barrier
from uuid import uuid4

import pytest

from shared.domain.alerts import Severity
from shared.domain.errors import FatalError, TransientError
from shared.domain.monitoring import MonitorSettings, Occasion, Task
from shared.monitor_messages import TaskResult
from shared.notification_messages import DirectNotification
from shared.usecases.checks.apart import look_apart
from tests.usecases.monitor_in_memory import MINUTE_MS, START, MonitorInMemory, down

each_task = pytest.mark.parametrize("task", list(Task), ids=str)


def failed(results: Sequence[TaskResult]) -> set[str]:
    return {each.task for each in results if not each.success}


def test_a_desk_that_is_well_has_nothing_to_tell() -> None:
    desk = MonitorInMemory()
    answer = desk.run()
    assert answer.success
    assert [each.task for each in answer.results] == list(Task)
    assert not desk.open
    assert answer.timestamp == START
    assert answer.notes is None
    assert all(each.checked or each.skipped_reason for each in answer.results), "a look at nothing says so"


def test_the_answer_has_exactly_these_fields() -> None:
    desk = MonitorInMemory(broken={Task.QUOTAS: RuntimeError("no")})
    told = json.loads(desk.run().model_dump_json())
    assert set(told) == {"success", "run_id", "timestamp", "total_duration_ms", "results"}
    shapes = {each["task"]: set(each) for each in told["results"]}
    always = {"task", "success", "checked", "details", "duration_ms"}
    assert shapes["kill_switch"] == always
    assert shapes["quotas"] == always | {"error"}
    assert shapes["signals"] == always | {"skipped_reason"}


@each_task
def test_a_task_that_breaks_is_one_alert_and_leaves_the_others(task: Task) -> None:
    desk = MonitorInMemory().warm()
    before = {each.task: each.details for each in desk.minute().results}

    desk.broken[task] = RuntimeError("nobody expected this")
    for _ in range(3):
        answer = desk.minute()
        assert not answer.success
        assert failed(answer.results) == {task}
        assert {each.task for each in answer.results} == set(Task)
        assert desk.open == {f"monitor:{task}"}
        details = {each.task: each.details for each in answer.results if each.task is not task}
        assert set(details) == set(before) - {task}
    assert len(desk.alerts.closed) == 0

    del desk.broken[task]
    assert desk.minute().success
    assert not desk.open
    assert [key for key, _, _ in desk.alerts.closed] == [f"monitor:{task}"]


@each_task
@pytest.mark.parametrize("source", ["database", "redis", "queues"])
def test_a_dependency_one_task_misses_is_one_alert(task: Task, source: str) -> None:
    desk = MonitorInMemory().warm()
    desk.broken[task] = TransientError("it does not answer", source=source)
    for _ in range(3):
        assert failed(desk.minute().results) == {task}
        assert desk.open == {f"dependency:{source}"}
    desk.broken.clear()
    desk.minute()
    assert not desk.open
    assert len(desk.alerts.closed) == 1


@each_task
def test_a_task_that_takes_too_long_is_one_alert_and_leaves_the_others(task: Task) -> None:
    desk = MonitorInMemory(settings=MonitorSettings(task_limit_ms=300, quotas_every_ms=1, retention_every_ms=1)).warm()
    desk.hanging.add(task)
    answer = desk.minute()
    assert failed(answer.results) == {task}
    assert next(each.error for each in answer.results if each.task is task) == "took longer than 0.3 s"
    assert desk.open == {f"monitor:{task}"}
    desk.hanging.clear()
    desk.release.set()
    assert desk.minute().success
    assert not desk.open


@pytest.mark.parametrize(("source", "failing"), [
    ("redis", {"market_data", "quotas"}), ("queues", {"executions"}),
])  # fmt: skip
def test_a_dependency_that_is_away_is_one_alert_however_many_tasks_miss_it(source: str, failing: set[str]) -> None:
    desk = MonitorInMemory().warm()
    desk.away = {source}
    for _ in range(5):
        assert failed(desk.minute().results) == failing
        assert desk.open == {f"dependency:{source}"}
    desk.away = set()
    assert desk.minute().success
    assert not desk.open
    assert len(desk.alerts.closed) == 1


def test_while_the_database_is_away_the_alert_is_kept_told_once_and_stored_as_of_then() -> None:
    desk = MonitorInMemory().warm()
    desk.away = {"database"}
    answer = desk.minute()
    began = answer.timestamp
    assert not answer.success
    assert "lease" in str(answer.notes)
    for _ in range(3):
        desk.minute()
    (notice,) = [DirectNotification.model_validate_json(body) for body in desk.notices.bodies]
    assert notice.severity is Severity.CRITICAL
    assert "database" in notice.title
    assert set(desk.pending.alerts) == {"dependency:database"}
    assert not desk.open

    desk.away = set()
    recovered = desk.minute()

    assert recovered.success
    assert desk.alerts.closed == [("dependency:database", began, recovered.timestamp)]
    assert not desk.open
    assert not desk.pending.alerts
    desk.minute()
    assert len(desk.alerts.closed) == 1


def test_a_database_that_goes_away_during_a_run_loses_nothing() -> None:
    desk = MonitorInMemory().warm()
    desk.pings.answers["binance"] = down()
    desk.run("exchange_health")
    desk.alerts.away = lambda: True
    answer = desk.minute()
    assert answer.success  # every task could look
    assert set(desk.pending.alerts) == {"dependency:database", "venue:binance"}
    desk.alerts.away = lambda: False
    desk.pings.answers.clear()
    for _ in range(2):
        desk.minute()
    assert not desk.open
    assert {key for key, since, _ in desk.alerts.closed if since == answer.timestamp} == {
        "dependency:database",
        "venue:binance",
    }


def test_operators_are_told_once_the_queue_takes_it() -> None:
    desk = MonitorInMemory().warm()
    desk.away = {"database", "queues"}
    assert "could not be told" in str(desk.minute().notes)
    desk.away = {"database"}
    desk.minute()
    desk.minute()
    assert len(desk.notices.bodies) == 1


def test_without_database_and_redis_the_function_fails() -> None:
    desk = MonitorInMemory().warm()
    desk.away = {"database", "redis"}
    with pytest.raises(TransientError):
        desk.minute()
    desk.away = set()
    desk.minute()
    assert not desk.open


def test_kept_alerts_that_cannot_be_read_are_stored_later() -> None:
    desk = MonitorInMemory().warm()
    desk.away = {"database"}
    began = desk.minute().timestamp
    desk.away = {"redis"}
    assert "could not be read" in str(desk.minute().notes)
    assert desk.open == {"dependency:redis"}
    desk.away = set()
    for _ in range(3):
        desk.minute()
    assert not desk.open
    assert [since for key, since, _ in desk.alerts.closed if key == "dependency:database"] == [began]


def test_kept_alerts_that_cannot_be_dropped_are_not_stored_twice() -> None:
    desk = MonitorInMemory().warm()
    desk.away = {"database"}
    desk.minute()
    desk.away = set()
    desk.pending.stuck = True
    assert "could not be dropped" in str(desk.minute().notes)
    desk.pending.stuck = False
    desk.minute()
    desk.minute()
    assert [key for key, _, _ in desk.alerts.closed] == ["dependency:database"]
    assert not desk.pending.alerts


def test_what_a_dependency_hides_is_left_as_it_is() -> None:
    desk = MonitorInMemory().warm()
    desk.collectors.late["binance", desk.database.venues[0].timeframes[1]] = desk.clock.now_ms()
    while not desk.open:
        desk.minute()
    assert desk.open == {"data:binance:5m"}
    desk.away = {"redis"}
    desk.minute()
    assert desk.open == {"data:binance:5m", "dependency:redis"}  # unknown is not resolved
    desk.away = set()
    desk.collectors.late.clear()
    desk.minute()
    desk.minute()
    assert not desk.open


def test_agents_that_could_not_beat_are_not_silent() -> None:
    desk = MonitorInMemory().warm()
    desk.away = {"database"}
    for _ in range(10):
        desk.minute()
    desk.agents.silent = dict.fromkeys(desk.agents.names, desk.clock.now_ms() - 10 * MINUTE_MS)
    desk.away = set()
    desk.minute()  # their hearts have not beaten yet, and they may be well
    assert not desk.open
    desk.agents.silent.clear()
    desk.minute()
    assert not desk.open
    assert [key for key, _, _ in desk.alerts.closed] == ["dependency:database"]


def test_a_run_that_overlaps_another_does_nothing_and_says_so() -> None:
    desk = MonitorInMemory().warm()
    desk.broken[Task.QUOTAS] = RuntimeError("no")
    desk.store.begin(str(uuid4()), task="all", at_ms=START, lease_ms=desk.settings.lease_ms)
    answer = json.loads(desk.run().model_dump_json())
    assert answer["success"] is True
    assert answer["results"] == []
    assert answer["skipped_reason"]
    assert not desk.open
    desk.clock.advance(desk.settings.lease_ms)  # whoever had it is dead
    assert len(desk.run().results) == len(Task)
    assert desk.open == {"monitor:quotas"}


def test_one_task_is_run_by_name_and_settles_only_what_it_has_looked_at() -> None:
    desk = MonitorInMemory().warm()
    desk.broken[Task.EXECUTIONS] = RuntimeError("no")
    desk.minute()
    last = desk.store.last_run()
    answer = desk.run("market_data")
    assert [each.task for each in answer.results] == [Task.MARKET_DATA]
    assert desk.open == {"monitor:executions"}
    assert desk.store.last_run() == last  # which is of all tasks


def test_what_is_looked_at_now_and_then_says_so_and_is_looked_at_when_asked() -> None:
    desk = MonitorInMemory(settings=MonitorSettings())
    assert next(each for each in desk.run().results if each.task is Task.QUOTAS).checked
    answers = [{each.task: each for each in desk.minute().results} for _ in range(15)]
    assert sum(each[Task.QUOTAS].checked > 0 for each in answers) == 1
    assert answers[0][Task.QUOTAS].skipped_reason == "looked at every 15 min"
    assert desk.run("quotas").results[0].checked


def test_a_setting_that_is_missing_fails_its_task_alone() -> None:
    desk = MonitorInMemory().warm()
    desk.broken[Task.EXECUTIONS] = FatalError("EXECUTIONS_QUEUE_URL is not set")
    answer = desk.minute()
    assert failed(answer.results) == {Task.EXECUTIONS}
    assert desk.alerts.opened["monitor:executions"][0].sentence.endswith("FatalError: EXECUTIONS_QUEUE_URL is not set")


def test_tasks_are_looked_at_side_by_side() -> None:
    together = Barrier(len(Task))

    def meet(_: object) -> object:
        together.wait(10)
        raise RuntimeError("all were there")

    checks = dict.fromkeys(Task, meet)
    outcomes = look_apart(checks, Occasion(now_ms=START), limit_s=10)  # type: ignore[arg-type]
    assert {each.error for each in outcomes} == {"RuntimeError: all were there"}


def test_a_slow_database_is_the_cause_of_tasks_that_ran_out_of_time() -> None:
    desk = MonitorInMemory(settings=replace(MonitorSettings(), task_limit_ms=300)).warm()
    desk.hanging = {Task.RECONCILIATION, Task.SIGNALS}
    desk.broken[Task.KILL_SWITCH] = TransientError("no answer within 2 s", source="database")
    desk.minute()
    assert desk.open == {"dependency:database"}
    desk.release.set()
