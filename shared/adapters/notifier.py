"""Bring messages to people, many side by side; one that does not come to an end holds nothing else."""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.domain.notification_texts import Parcel
from shared.domain.notifications import ChannelKind, Fault, FaultKind
from shared.ports import Clock

LIMIT_S: Final = 10.0
AT_ONCE: Final = 32

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelNotifier:
    """Sends by Apprise or to webhooks; `clock` is the wall clock.

    `may_be_private` lets addresses be of this machine, for a desk that runs there.
    """

    clock: Clock
    may_be_private: bool = False
    limit_s: float = LIMIT_S

    def send(self, parcels: Sequence[Parcel]) -> Sequence[Fault | None]:
        """Send messages side by side, each within the limit; return why each was not delivered, None where it was."""
        faults: list[Fault | None] = []
        for start in range(0, len(parcels), AT_ONCE):
            faults += self._together(parcels[start : start + AT_ONCE])
        return faults

    def _together(self, parcels: Sequence[Parcel]) -> list[Fault | None]:
        late = Fault(kind=FaultKind.UNREACHABLE, reason=f"it took longer than {self.limit_s:g} s")
        faults: list[Fault | None] = [late] * len(parcels)

        def run(place: int, parcel: Parcel) -> None:
            faults[place] = self._one(parcel)

        # Nobody can stop a thread that waits for a socket: it is left alone, and ends with the socket or the process.
        threads = [
            threading.Thread(target=run, args=(place, parcel), daemon=True) for place, parcel in enumerate(parcels)
        ]
        until = time.monotonic() + self.limit_s
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0))
        return list(faults)  # what ends later changes the other list

    def _one(self, parcel: Parcel) -> Fault | None:
        try:
            return self._sent(parcel)
        except Exception as error:  # noqa: BLE001 - a library's mistake is one channel's fault, and its text may be secret
            logger.error("a message could not be sent: %s", type(error).__name__)
            return Fault(kind=FaultKind.UNREACHABLE, reason=f"sending it failed: {type(error).__name__}")

    def _sent(self, parcel: Parcel) -> Fault | None:
        if parcel.kind is ChannelKind.WEBHOOK:
            from shared.adapters.signed_webhook import post  # noqa: PLC0415 - a function pays for what it sends by

            return post(parcel, clock=self.clock, may_be_private=self.may_be_private)
        from shared.adapters.apprise_notifier import notify  # noqa: PLC0415 - Apprise takes 0.1 s to import

        return notify(parcel, may_be_private=self.may_be_private)
