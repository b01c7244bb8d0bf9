"""The venue's clock as this machine can tell it: our own, corrected by what was measured."""

import asyncio
import time
from typing import Final

from aws_lambda_powertools import Logger

from shared.adapters.clock import TapeClock
from shared.domain.errors import InvalidMessageError, TransientError
from shared.ports import Clock, VenueSource

FRESH_S: Final = 1.0
FOLLOW_S: Final = 60.0
MIN_GRACE_MS: Final = 250
ALERT_MS: Final = 1_000
"""How far our clock may be off, in real time, before somebody should mend it."""


class VenueClock:
    """A clock that follows the venue's; `offset_ms` is by how much ours is behind, None until it was measured."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._measured_s = float("-inf")
        self.offset_ms: int | None = None

    def now_ms(self) -> int:
        """Return the venue's now (epoch ms)."""
        return self._clock.now_ms() + (self.offset_ms or 0)

    @property
    def speed(self) -> float:
        """Return how many milliseconds of the market pass in a real one: 1, unless it is a tape."""
        return self._clock.speed if isinstance(self._clock, TapeClock) else 1.0

    @property
    def is_off(self) -> bool:
        """Tell whether our clock needs mending."""
        return is_off(self.offset_ms, self.speed)

    def grace_ms(self, grace_ms: int, *, shortest_ms: int) -> int:
        """Return a grace in market time: real time stretched by the tape's speed, but not beyond half a candle."""
        speed = max(self.speed, 1.0)
        return int(max(min(grace_ms * speed, shortest_ms / 2), min(grace_ms, MIN_GRACE_MS) * speed))

    def pause_s(self, market_s: float, *, at_least_s: float) -> float:
        """Return how many real seconds a span of market time takes, but no fewer than that; that many on a held tape.

        A held tape may be let go any moment, and a span measured before would be slept through at its speed.
        """
        return max(market_s / max(self.speed, 1.0), at_least_s) if self.speed else at_least_s

    async def follow(self, source: VenueSource, *, log: Logger) -> None:
        """Measure again and again, since clocks drift; say so when ours is off."""
        while True:
            await asyncio.sleep(FOLLOW_S)
            try:
                await self.measure(source)
            except (TransientError, InvalidMessageError) as error:
                log.warning("the venue's clock not measured", error=str(error))
            if self.is_off:
                log.error("our clock and the venue's differ", offset_ms=self.offset_ms)

    async def refresh(self, source: VenueSource) -> None:
        """Measure unless that was done a moment ago: whether a candle has closed is the venue's to say."""
        if time.monotonic() - self._measured_s > FRESH_S / max(self.speed, 1.0):
            await self.measure(source)

    async def measure(self, source: VenueSource) -> None:
        """Ask the venue for its time, and follow it.

        It told its time somewhere between question and answer. Where our clock agrees with that, it is right; else the
        venue's is taken as it was at the answer at the latest, for to be behind it costs a moment, but to be ahead of
        it would pass forming candles for closed ones.
        """
        asked_ms = self._clock.now_ms()
        venue_ms = await source.server_time()
        answered_ms = self._clock.now_ms()
        self._measured_s = time.monotonic()
        self.offset_ms = 0 if asked_ms - 1 <= venue_ms <= answered_ms + 1 else venue_ms - answered_ms


def is_off(offset_ms: int | None, speed: float) -> bool:
    """Tell whether a clock this far from the venue's needs mending; the clock of a tape is read at its speed."""
    return abs(offset_ms or 0) > ALERT_MS * max(speed, 1.0)
