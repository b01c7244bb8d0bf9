"""Wake whoever acts on new signals: notify, which tells their owners, and signal-agent, which looks for a consensus."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from shared.domain.agents import Autonomy
from shared.domain.consensus import SignalAgentSettings
from shared.domain.errors import NightdeskError, TransientError
from shared.domain.runs import Recorded
from shared.domain.signals import Signal
from shared.notification_messages import SignalsStored
from shared.ports import Queue
from shared.signal_messages import SignalsRecorded

GATHER_S: Final = 6
"""A second longer than signals of a boundary are gathered (desk.tell_signals), so that all shards are told as one."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waking:
    """The queues of both, and what tells signal-agent's settings as they are now."""

    settings: Callable[[], SignalAgentSettings]
    queue: Queue
    notifications: Queue

    def announce(self, recorded: Recorded, signals: Sequence[Signal], correlation_id: str) -> None:
        """Send one message to each that would do something, none when nothing is new.

        Which of the signals are new they see for themselves; what a queue does not take their sweeps find.
        """
        if not recorded.new:
            return
        stored = SignalsStored(signals=recorded.new, correlation_id=correlation_id)
        _send(self.notifications, stored, delay_s=GATHER_S)
        wanted = self._wanted(signals)
        if wanted:
            _send(self.queue, SignalsRecorded(instruments=wanted, correlation_id=correlation_id))

    def _wanted(self, signals: Sequence[Signal]) -> list[str]:
        """Return the instruments about which signal-agent would do something."""
        try:
            settings = self.settings()
        except NightdeskError as error:  # signal-agent's trouble is not execute-trader's
            logger.warning("signals are left to signal-agent's sweep: %s", error)
            return []
        if settings.book_id is None or settings.autonomy is Autonomy.USER_TRIGGERED:
            return []
        names = {signal.symbol for signal in signals}
        return sorted(names & {*settings.instruments} if settings.instruments else names)


def _send(queue: Queue, message: BaseModel, *, delay_s: int = 0) -> None:
    try:
        queue.send([message.model_dump_json()], delay_s=delay_s)
    except TransientError as error:
        logger.warning("%s is left to the sweep: %s", type(message).__name__, error)
