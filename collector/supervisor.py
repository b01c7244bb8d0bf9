"""The supervisor: keeps one run of the collector going after another, and is the only place that catches everything."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from aws_lambda_powertools import Logger

from shared.domain.errors import FatalError, FencedError

BACKOFF_S: Final = (0.5, 60.0)
STEADY_S: Final = 300.0

Kind = TypeVar("Kind", bound=Exception)


async def supervise(
    start: Callable[[], Awaitable[None]], *, log: Logger, backoff_s: tuple[float, float] = BACKOFF_S
) -> None:
    """Run `start` again whenever it fails, after growing, jittered pauses; raise `FatalError` when it does.

    A run that held for five minutes resets the pause, and so does one that lost the lease: the next one stands by.
    """
    pause = backoff_s[0]
    while True:
        started = time.monotonic()
        try:
            await start()
        except Exception as error:
            if fatal := _among(error, FatalError):
                raise fatal from error
            if fenced := _among(error, FencedError):
                log.warning("the run has ended: %s", fenced)
                pause = backoff_s[0]
            else:
                log.exception("run failed, starting over", pause_s=round(pause, 1))
        else:
            return
        if time.monotonic() - started > STEADY_S:
            pause = backoff_s[0]
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 jitter, not a secret
        pause = min(2 * pause, backoff_s[1])


def _among(error: BaseException, kind: type[Kind]) -> Kind | None:
    """Return the first error of a kind among what ended a run."""
    if isinstance(error, kind):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for part in error.exceptions if (found := _among(part, kind))), None)
    return None
