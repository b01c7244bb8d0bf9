"""Holding and standing by: one instance writes, others wait until it hands over or is silent for too long."""

import asyncio
import time
from typing import Final

from aws_lambda_powertools import Logger

from shared.domain.errors import FencedError, TransientError
from shared.domain.lease import Silence, Tenure
from shared.ports import Hearing, Lease

AGAIN_S: Final = 0.5
LISTEN_S: Final = 60.0
HAND_OVER_S: Final = 2.0


class Tenant:
    """This instance and the lease: `state` is `none`, `asking`, `standby` (a holder has answered) or `holder`."""

    def __init__(self, lease: Lease, *, log: Logger) -> None:
        self.state = "none"
        self.tenure = Tenure()
        self._lease = lease
        self._log = log
        self._trouble = ""

    @property
    def is_cut_off(self) -> bool:
        """Tell whether Redis was out of reach when it was last asked for the lease."""
        return bool(self._trouble)

    async def stand_by(self) -> Tenure:
        """Wait until the lease is ours and return our tenure; a Redis that is away is waited for."""
        self.state = "none"
        while True:
            try:
                async with self._lease.answers() as hearing:
                    token = await self._take(hearing)
            except TransientError as error:
                await self._wait_out(error)
            else:
                self.state, self.tenure = "holder", Tenure(token=token, owner=self._lease.owner)
                self._log.info("the lease is ours", token=token)
                return self.tenure

    async def attend(self) -> None:
        """Answer those who stand by for as long as the lease is ours; raise `FencedError` when it no longer is."""
        token = self.tenure.token
        while True:
            try:
                async with self._lease.questions() as hearing:
                    if (await self._lease.look()).token != token:  # what was said before is not heard any more
                        raise FencedError("the lease was taken or lost while nobody listened")
                    self._trouble = ""
                    await self._answer(hearing, token)
            except TransientError as error:
                await self._wait_out(error)

    async def hand_over(self) -> None:
        """Give the lease back, if we hold it, so that a standby need not wait."""
        if self.state != "holder":
            return
        self.state = "none"
        try:
            async with asyncio.timeout(HAND_OVER_S):
                await self._lease.release(self.tenure.token)
        except (TransientError, TimeoutError) as error:
            self._log.warning("lease not handed over, a standby will find it silent", error=repr(error))

    async def _take(self, hearing: Hearing) -> int:
        while True:
            seen = await self._lease.look()
            self._trouble = ""
            if seen.owner not in {None, self._lease.owner}:
                await self._outlive(seen, hearing)
            if (token := await self._lease.claim(seen)) is not None:
                return token

    async def _outlive(self, seen: Tenure, hearing: Hearing) -> None:
        """Return when the holder has handed over or counts as dead."""
        self.state = "asking"
        silence = Silence(heard_s=time.monotonic())
        while not silence.is_death(time.monotonic()):
            asked_s = time.monotonic()
            silence.note_question(await self._lease.ask())
            ends_s = asked_s + silence.pause_s(asked_s)
            while (left_s := ends_s - time.monotonic()) > 0:
                said = await hearing.next(left_s)
                if said == 0:
                    return
                if said is not None and said >= seen.token:
                    silence.note_answer(time.monotonic())
                    self._note("standby", seen)
            if silence.heard_s < asked_s:
                self._note("asking", seen)
        self._log.warning("the holder is silent, taking the lease", holder=seen.owner)

    def _note(self, state: str, seen: Tenure) -> None:
        if state != self.state:
            self._log.info("standing by" if state == "standby" else "the holder is silent", holder=seen.owner)
        self.state = state

    async def _wait_out(self, error: TransientError) -> None:
        if str(error) != self._trouble:  # said once, not twice a second for as long as Redis is away
            self._log.warning("the lease is out of reach", error=str(error))
        self._trouble = str(error)
        await asyncio.sleep(AGAIN_S)

    async def _answer(self, hearing: Hearing, token: int) -> None:
        while True:
            said = await hearing.next(LISTEN_S)
            if said == 0:
                await self._lease.answer(token)
            elif said is not None and said > token:
                raise FencedError("somebody else has taken the lease")
