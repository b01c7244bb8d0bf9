"""The monitor's runs as its agent's heartbeat tells of them."""

from dataclasses import dataclass
from typing import Final

from shared.domain.status import MonitorBeat
from shared.status_ports import StatusReads

AGENT: Final = "ops-agent"


@dataclass(frozen=True, slots=True)
class HeartbeatRuns:
    """Runs by the heartbeat that the monitor's function leaves after every one."""

    reads: StatusReads

    def last_run(self) -> MonitorBeat | None:
        """Return the last run that ended; None before the first."""
        pulse = self.reads.pulse()
        for each in pulse.agents:
            if each.agent == AGENT:
                failed = each.last_error_ms is not None and each.last_error_ms >= each.last_beat_ms
                return MonitorBeat(
                    finished_ms=each.last_beat_ms, age_ms=max(pulse.now_ms - each.last_beat_ms, 0), success=not failed
                )
        return None
