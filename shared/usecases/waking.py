"""Wake signal-agent where new signals may make a consensus it would do something about."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from shared.domain.agents import Autonomy
from shared.domain.consensus import SignalAgentSettings
from shared.domain.errors import TransientError
from shared.ports import Queue
from shared.signal_messages import SignalsRecorded

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waking:
    """What wakes the agent: its settings as they are now, and its queue."""

    settings: SignalAgentSettings
    queue: Queue

    def announce(self, instruments: Iterable[str], correlation_id: str) -> None:
        """Send one message for the instruments of new signals, none while the agent would do nothing about any.

        When the queue does not take it, the agent's sweep looks at them within a minute.
        """
        settings = self.settings
        wanted = sorted({name for name in instruments if not settings.instruments or name in settings.instruments})
        if not wanted or settings.book_id is None or settings.autonomy is Autonomy.USER_TRIGGERED:
            return
        try:
            self.queue.send([SignalsRecorded(instruments=wanted, correlation_id=correlation_id).model_dump_json()])
        except TransientError as error:
            logger.warning("new signals of %d instruments are left to the sweep: %s", len(wanted), error)
