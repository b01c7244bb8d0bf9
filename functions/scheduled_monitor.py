"""Watch the desk and tell what is wrong, each thing once (EventBridge; HTTP: everything, or one task)."""

from shared.messages import CronTick
from shared.monitor_messages import MonitorRequest, MonitorResult, RunMonitor
from shared.runtime.entrypoint import entrypoint
from shared.runtime.wiring import Deps
from shared.usecases.scheduled_monitor import scheduled_monitor


@entrypoint(MonitorRequest, service="scheduled-monitor", agent="ops-agent")
def handler(event: RunMonitor | CronTick, deps: Deps) -> MonitorResult:
    """Look at everything the desk depends on, and settle its alerts."""
    return scheduled_monitor(event, desk=deps.monitor_desk)
