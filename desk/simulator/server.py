"""The simulated venue as a server: Binance's REST and WebSocket interface over a tape, at a clock's time.

Paths that begin with an underscore are the simulator's own: `/_tape/status`, and `/_tape/sent?since_ms=…`, which tells
when each closing frame first went out (real epoch ms), so that latency can be measured from there. `/_faults` switches
what goes wrong (desk/simulator/faults.py), `/_accounts` opens accounts (desk/simulator/private_rest.py).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from desk.simulator import wire
from desk.simulator.faults import Faults, FaultyClock
from desk.simulator.gate import Gate
from desk.simulator.matching import Matching
from desk.simulator.player import Player
from desk.simulator.private_rest import PrivateRest
from desk.simulator.rest import Rest
from desk.simulator.streams import BACKLOG, Streams
from desk.simulator.tape import Tape
from shared.domain.errors import FatalError
from shared.ports import Clock

_MAX_LINE: Final = 64 * 1024  # 1,024 stream names in one URL


class Simulator:
    """A venue on one tape and one clock."""

    def __init__(
        self,
        tape: Tape,
        clock: Clock,
        *,
        forming_ms: int = 2_000,
        forming_pause_s: float = 0.5,
        weight_limit: int = wire.WEIGHT_LIMIT,
        weight_scale: float = 1.0,
        backlog: int = BACKLOG,
        faults: Faults | None = None,
    ) -> None:
        self.tape = tape
        self.faults = faults or Faults()
        self.streams = Streams(backlog=backlog, faults=self.faults)
        self._clock = FaultyClock(clock, self.faults)
        gate = Gate(self.faults, weight_limit=weight_limit, weight_scale=weight_scale)
        self._rest = Rest(tape, self._clock, gate)
        self.exchange = Matching(tape, self._clock, self.faults)
        self._private = PrivateRest(self.exchange, self._clock, gate)
        self._player = Player(tape, self._clock, self.streams, forming_ms=forming_ms, forming_pause_s=forming_pause_s)

    @asynccontextmanager
    async def serve(self, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Serve and play until the block ends; yield the base URL. Raises `FatalError` when the port is in use."""
        app = web.Application()
        own = [web.get("/_tape/status", self._status), web.get("/_tape/sent", self._sent)]
        rest = [*self._rest.routes(), *self._private.routes()]
        app.add_routes([*rest, *self.streams.routes(), *self.faults.routes(), *own])
        app.on_shutdown.append(self.streams.close)
        runner = web.AppRunner(app, access_log=None, max_line_size=_MAX_LINE, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise FatalError(f"port {port} of {host} cannot be used: {error.strerror or error}") from error
        try:
            # A player that fails takes the server down with it: a venue that is silent but healthy helps nobody.
            async with asyncio.TaskGroup() as tasks:
                player = tasks.create_task(self._player.run())
                try:
                    yield f"http://{host}:{runner.addresses[0][1]}"
                finally:
                    player.cancel()
        finally:
            await runner.cleanup()

    async def _status(self, _: web.Request) -> web.Response:
        return _answer(
            {
                "start": self.tape.start,
                "live_from": self.tape.live_from,
                "end": self.tape.end,
                "now": self._clock.now_ms(),
                "connections": self.streams.connections,
                "half_open": self.streams.half_open,
                "subscriptions": len(self.streams.subscribed()),
                "frames_sent": self.streams.frames_sent,
            }
        )

    async def _sent(self, request: web.Request) -> web.Response:
        since = request.query.get("since_ms", "0")
        if not since.isdecimal():
            return _answer({"error": "since_ms: expected epoch ms"}, status=400)
        found = [
            {
                "symbol": closing.symbol,
                "timeframe": str(closing.timeframe),
                "open_time": closing.open_time,
                "close_time": closing.open_time + closing.timeframe.ms,
                "sent_ms": sent_ms,
            }
            for closing, sent_ms in self.streams.sent.items()
            if sent_ms >= int(since)
        ]
        return _answer({"sent": found})


def _answer(body: object, *, status: int = 200) -> web.Response:
    return web.Response(body=wire.to_json(body), status=status, content_type="application/json")
