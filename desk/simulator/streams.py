"""The simulated venue's WebSocket interface: connections, their subscriptions, and what was sent when.

Every connection has its own writer, so a slow reader delays nobody; one that does not read at all is cut off.
"""

import asyncio
import json
import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from aiohttp import WSCloseCode, WSMsgType, web

from desk.simulator.faults import Fault, FaultKind, Faults
from shared.domain.timeframe import Timeframe

MAX_STREAMS: Final = 1_024
MESSAGES_PER_SECOND: Final = 5
BACKLOG: Final = 20_000  # frames a connection may lag behind
_REMEMBERED: Final = 200_000  # closing frames whose sending time is kept
_PING_EVERY_S: Final = 60.0


class ClosingFrame(NamedTuple):
    """Which candle a closing frame closed."""

    symbol: str
    timeframe: Timeframe
    open_time: int


class Streams:
    """The open connections; `sent` remembers when each closing frame first went out (real epoch ms)."""

    def __init__(self, *, backlog: int = BACKLOG, faults: Faults | None = None) -> None:
        self._backlog = backlog
        self._faults = faults or Faults()
        self._faults.on_strike(self._strike)
        self.sent: OrderedDict[ClosingFrame, int] = OrderedDict()
        self.frames_sent = 0
        self._connections: set[_Connection] = set()

    @property
    def connections(self) -> int:
        """Return how many connections are open."""
        return len(self._connections)

    @property
    def half_open(self) -> int:
        """Return how many of them say nothing any more."""
        return sum(connection.is_half_open for connection in self._connections)

    def subscribed(self) -> set[str]:
        """Return the names of the streams anybody listens to."""
        return set().union(*(connection.streams for connection in self._connections))

    def publish(self, frames: Iterable[tuple[str, str, ClosingFrame | None]]) -> None:
        """Hand (stream, event as JSON, candle it closes) to every connection that subscribed to the stream."""
        for stream, event, closing in frames:
            for connection in self._connections:
                if stream in connection.streams:
                    connection.put(stream, event, closing)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of combined streams (/stream) and raw streams (/ws)."""
        return [
            web.get("/stream", self._combined),
            web.get("/ws", self._raw),
            web.get("/ws/{streams:.+}", self._raw),
        ]

    async def close(self, *_: object) -> None:
        """Close every connection as a server that goes away does."""
        for connection in list(self._connections):
            await connection.socket.close(code=WSCloseCode.GOING_AWAY)

    async def _strike(self, fault: Fault) -> None:
        """Carry out a fault that strikes open connections once."""
        for connection in list(self._connections):
            if not connection.is_half_open and self._faults.is_hit(fault):
                match fault.kind:
                    case FaultKind.DROP:
                        connection.cut()
                    case FaultKind.CUT:
                        await connection.socket.close(code=WSCloseCode.GOING_AWAY)
                    case FaultKind.HALF_OPEN:
                        connection.is_half_open = True

    async def _combined(self, request: web.Request) -> web.WebSocketResponse:
        return await self._serve(request, request.query.get("streams", ""), is_combined=True)

    async def _raw(self, request: web.Request) -> web.WebSocketResponse:
        return await self._serve(request, request.match_info.get("streams", ""), is_combined=False)

    async def _serve(self, request: web.Request, names: str, *, is_combined: bool) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=_PING_EVERY_S, autoping=False, max_msg_size=64 * 1024, compress=False)
        await socket.prepare(request)
        if request.transport is None:  # gone before it was here
            return socket
        connection = _Connection(
            socket, request.transport, self._faults, backlog=self._backlog, is_combined=is_combined
        )
        connection.streams.update(filter(None, names.split("/")))
        if len(connection.streams) > MAX_STREAMS:
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Too many streams")
            return socket
        self._connections.add(connection)
        writer = asyncio.create_task(connection.write(self))
        try:
            await connection.read()
        finally:
            self._connections.discard(connection)
            writer.cancel()
        return socket

    def count(self, closing: ClosingFrame | None) -> None:
        """Count a frame that went out, and note the time if it closed a candle nobody was told of before."""
        self.frames_sent += 1
        if closing is not None and closing not in self.sent:
            self.sent[closing] = time.time_ns() // 1_000_000
            if len(self.sent) > _REMEMBERED:
                self.sent.popitem(last=False)


class _Connection:
    """One client: its subscriptions, its outgoing frames, its requests."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.WriteTransport,
        faults: Faults,
        *,
        backlog: int,
        is_combined: bool,
    ) -> None:
        self.socket = socket
        self.streams: set[str] = set()
        self.is_half_open = False
        self._transport: asyncio.WriteTransport = transport
        self._faults = faults
        self._is_combined = is_combined
        self._queue: asyncio.Queue[tuple[str, ClosingFrame | None]] = asyncio.Queue(backlog)
        self._asked: deque[float] = deque(maxlen=MESSAGES_PER_SECOND + 1)

    def put(self, stream: str, event: str, closing: ClosingFrame | None) -> None:
        """Queue what the faults leave of an event, now or later."""
        text = f'{{"stream":"{stream}","data":{event}}}' if self._is_combined else event
        for late_s, left in self._faults.deliveries(text):
            if late_s:
                asyncio.get_running_loop().call_later(late_s, self._queue_frame, left, closing)
            else:
                self._queue_frame(left, closing)

    def cut(self) -> None:
        """End the connection without a word."""
        self.streams.clear()
        self._transport.abort()

    def _queue_frame(self, text: str, closing: ClosingFrame | None) -> None:
        """Queue a frame, or cut the connection that fell too far behind."""
        if self.is_half_open:
            return
        try:
            self._queue.put_nowait((text, closing))
        except asyncio.QueueFull:
            self.cut()

    async def write(self, streams: Streams) -> None:
        """Send what is queued, in order, until the connection ends."""
        with suppress(ConnectionError):  # the reader sees the end too, and closes
            while True:
                text, closing = await self._queue.get()
                await self.socket.send_str(text)
                streams.count(closing)

    async def read(self) -> None:
        """Answer the client's requests until it goes, or asks too often."""
        async for message in self.socket:
            if self.is_half_open:
                continue
            if message.type is WSMsgType.PING:
                await self.socket.pong(message.data)
            if message.type is not WSMsgType.TEXT:
                continue
            self._asked.append(time.monotonic())
            if len(self._asked) > MESSAGES_PER_SECOND and self._asked[-1] - self._asked[0] < 1.0:
                await self.socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Too many requests")
                return
            await self.socket.send_str(json.dumps(self._answer(message.data)))

    def _answer(self, text: str) -> dict[str, Any]:
        request_id: object = None
        try:
            request = json.loads(text)
            request_id = request.get("id")
            return {"result": self._apply(request.get("method"), request.get("params") or []), "id": request_id}
        except json.JSONDecodeError as error:
            return _error(3, f"Invalid JSON: {error}", None)
        except (ValueError, AttributeError) as error:
            return _error(2, f"Invalid request: {error}", request_id)

    def _apply(self, method: object, params: object) -> object:
        """Carry out a request and return its result; raise `ValueError` for one Binance would refuse."""
        if not isinstance(params, list) or not all(isinstance(item, str | bool) for item in params):
            raise ValueError("params must be a list of stream names")
        match method, params:
            case "SUBSCRIBE", _:
                if len(self.streams | set(params)) > MAX_STREAMS:
                    raise ValueError(f"at most {MAX_STREAMS} streams per connection")
                self.streams.update(params)
            case "UNSUBSCRIBE", _:
                self.streams.difference_update(params)
            case "LIST_SUBSCRIPTIONS", _:
                return sorted(self.streams)
            case "SET_PROPERTY", ["combined", bool() as is_combined]:
                self._is_combined = is_combined
            case "GET_PROPERTY", ["combined"]:
                return self._is_combined
            case _:
                raise ValueError(f"unknown variant `{method}` or its params")
        return None


def _error(code: int, message: str, request_id: object) -> dict[str, Any]:
    return {"error": {"code": code, "msg": message}, "id": request_id}
