"""Play the tape: send what a venue would, as the clock passes each candle."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from desk.simulator import wire
from desk.simulator.streams import ClosingFrame, Streams
from desk.simulator.tape import Tape
from shared.domain.candles import CLOSE
from shared.domain.timeframe import Timeframe
from shared.ports import Clock

_POLL_S: Final = 0.005

_Frame = tuple[str, str, ClosingFrame | None]


class Player:
    """Follow a clock through a tape.

    Every boundary's closing frames go out together, in order of time and none left out, however far the clock jumps.
    In between, the forming candles go out every `forming_ms` of tape time, but at most every `forming_pause_s` real
    seconds and at least once per base candle: a fast tape sends fewer forming frames, never fewer closing ones.
    """

    def __init__(
        self, tape: Tape, clock: Clock, streams: Streams, *, forming_ms: int = 2_000, forming_pause_s: float = 0.5
    ) -> None:
        self._tape = tape
        self._clock = clock
        self._streams = streams
        self._forming_ms = forming_ms
        self._forming_pause_s = forming_pause_s
        self._closed_until = tape.base.last_close(clock.now_ms())
        self._formed_at, self._formed_at_s = 0, 0.0
        self._targets = {
            f"{listed.wire.lower()}@kline_{timeframe}": (listed.symbol, listed.wire, timeframe)
            for listed in tape.instruments
            if listed.is_trading
            for timeframe in Timeframe
            if tape.shows(timeframe)
        }

    async def run(self) -> None:
        """Play until cancelled."""
        while True:
            await self.step()
            await asyncio.sleep(_POLL_S)

    async def step(self) -> None:
        """Send everything that is due by now."""
        now, base = self._clock.now_ms(), self._tape.base
        for close_time in range(self._closed_until + base.ms, now + 1, base.ms):
            if self._formed_at < close_time - base.ms:
                self._show_forming(close_time - base.ms // 2)
            self._streams.publish(self._closing(close_time, event_time=max(now, close_time)))
            self._closed_until = close_time
            await asyncio.sleep(0)
        if self._is_forming_due(now):
            self._show_forming(now)

    def _is_forming_due(self, now: int) -> bool:
        first_of_bar = self._formed_at < self._closed_until
        long_enough = now - max(self._formed_at, self._closed_until) >= min(self._forming_ms, self._tape.base.ms // 4)
        return long_enough and (first_of_bar or time.monotonic() - self._formed_at_s >= self._forming_pause_s)

    def _show_forming(self, now: int) -> None:
        self._streams.publish(self._forming(now))
        self._formed_at, self._formed_at_s = now, time.monotonic()

    def _closing(self, close_time: int, *, event_time: int) -> Iterator[_Frame]:
        for timeframe, listeners in self._listeners().items():
            if not timeframe.is_boundary(close_time):
                continue
            symbols = [symbol for _, symbol, _ in listeners]
            frame = self._tape.frame(timeframe, since=close_time - 1, until=close_time, symbols=symbols)
            if not frame.bars:
                continue
            open_time = close_time - timeframe.ms
            for (stream, symbol, name), bar in zip(listeners, frame.values[:, :, 0].T.tolist(), strict=True):
                if bar[CLOSE] == bar[CLOSE]:  # NaN: the symbol has no candle here
                    event = wire.kline_event(name, timeframe, open_time, bar, event_time=event_time, is_closed=True)
                    yield stream, event, ClosingFrame(symbol, timeframe, open_time)

    def _forming(self, now: int) -> Iterator[_Frame]:
        for timeframe, listeners in self._listeners().items():
            bars = self._tape.forming(timeframe, now, [symbol for _, symbol, _ in listeners])
            open_time = timeframe.open_time(now)
            for (stream, _, name), bar in zip(listeners, bars.T.tolist(), strict=True):
                if bar[CLOSE] == bar[CLOSE]:
                    event = wire.kline_event(name, timeframe, open_time, bar, event_time=now, is_closed=False)
                    yield stream, event, None

    def _listeners(self) -> dict[Timeframe, list[tuple[str, str, str]]]:
        """Return (stream, symbol, wire name) of every stream somebody listens to, shortest timeframe first."""
        return _by_timeframe(
            (stream, *self._targets[stream]) for stream in self._streams.subscribed() & self._targets.keys()
        )


def _by_timeframe(targets: Iterable[tuple[str, str, str, Timeframe]]) -> dict[Timeframe, list[tuple[str, str, str]]]:
    grouped: dict[Timeframe, list[tuple[str, str, str]]] = defaultdict(list)
    for stream, symbol, name, timeframe in targets:
        grouped[timeframe].append((stream, symbol, name))
    return {timeframe: sorted(grouped[timeframe]) for timeframe in sorted(grouped, key=lambda one: one.ms)}
