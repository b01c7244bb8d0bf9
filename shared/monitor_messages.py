"""The monitor's messages: what it is asked, and what it answers."""

from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    TypeAdapter,
    model_serializer,
)

from shared.domain.agents import Memory
from shared.domain.monitoring import Task
from shared.messages import READ_LATE, CorrelationId, CronTick, Message, new_id

ALL: Final = "all"


def _known(task: str) -> str:
    if task not in {ALL, *Task}:
        raise ValueError(f"expected one of {', '.join((ALL, *Task))}, got {task[:64]!r}")
    return task


class RunMonitor(Message):
    """Look at everything (`all`), or at one thing."""

    task: Annotated[str, AfterValidator(_known)]
    correlation_id: CorrelationId = Field(default_factory=new_id)


class _Told(Message):
    """An answer that leaves out what there is nothing to say of."""

    @model_serializer(mode="wrap")
    def _without_nothing(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


class TaskResult(_Told):
    """What became of a task; `checked` is how many things it looked at, `skipped_reason` why there were none."""

    task: Task
    success: bool
    checked: int
    details: dict[str, Any]
    duration_ms: float
    error: str | None = None
    skipped_reason: str | None = None


class MonitorResult(_Told):
    """What a run found; it is a success when every task is. `notes` say what went on beside the tasks.

    A run that found another one under way did nothing, and says so in `skipped_reason`.
    """

    success: bool
    run_id: str
    timestamp: int
    total_duration_ms: float
    results: list[TaskResult]
    notes: list[str] | None = None
    skipped_reason: str | None = None

    def memories(self) -> list[Memory]:
        """Return which tasks failed, and what went on beside them; while that stays so, it is remembered once."""
        failed = {each.task.value: each.error or "" for each in self.results if not each.success}
        found = [Memory(event_type="tasks_failed", data=failed)] if failed else []
        return found + ([Memory(event_type="notes", data={"notes": self.notes})] if self.notes else [])


def _kind_of_run(payload: object) -> str:
    return "cron" if isinstance(payload, dict) and "trigger" in payload else "task"


MonitorRequest: TypeAdapter[CronTick | RunMonitor] = TypeAdapter(
    Annotated[Annotated[CronTick, Tag("cron")] | Annotated[RunMonitor, Tag("task")], Discriminator(_kind_of_run)],
    config=READ_LATE,
)
