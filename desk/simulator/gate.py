"""What stands before every REST answer of the simulated venue: faults, request weight, Binance's error format."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from desk.simulator import wire
from desk.simulator.faults import FaultKind, Faults

_DIGITS: Final = "^[0-9]{1,20}$"
_FAULTS: Final = {
    429: (-1003, "Too many requests queued."),
    418: (-1003, "Way too many requests; IP banned until further notice."),
    503: (-1000, "An unknown error occurred while processing the request."),
}


class RefusedError(Exception):
    """An answer in Binance's error format."""

    def __init__(self, code: int, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class Gate:
    """The part of REST that public and private requests share; weight is counted over both, as for one address."""

    def __init__(self, faults: Faults, *, weight_limit: int = wire.WEIGHT_LIMIT, weight_scale: float = 1.0) -> None:
        self.faults = faults
        self.weight_limit = weight_limit
        self._weight_scale = weight_scale
        self._minute, self._used = 0, 0.0

    async def answer(
        self, request: web.Request, weight: int, work: Callable[[], Awaitable[Any]], *, is_private: bool = False
    ) -> web.Response:
        """Do the work of a request and answer it, unless a fault or its weight is against that."""
        late_s, refused, retry_after_s = self.faults.refusal(is_private=is_private)
        if late_s:
            await asyncio.sleep(late_s)
        if self.faults.hit(FaultKind.DOWN):
            return cut(request)
        try:
            _admit(refused)
            self._charge(weight)
            body, status = await work(), 200
        except RefusedError as error:
            body, status = {"code": error.code, "msg": error.message}, error.status
        used = str(int(self._used))
        headers = {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
        if status in (418, 429):
            headers["Retry-After"] = str(retry_after_s or 60 - int(time.time()) % 60)
        return web.Response(body=wire.to_json(body), status=status, headers=headers, content_type="application/json")

    def _charge(self, weight: int) -> None:
        """Count request weight per minute of real time: the limit protects the venue's machines, not its market."""
        minute = int(time.time() // 60)
        if minute != self._minute:
            self._minute, self._used = minute, 0.0
        self._used += weight * self._weight_scale
        if self._used > self.weight_limit:
            raise RefusedError(
                -1003,
                f"Too much request weight used; current limit is {self.weight_limit} request weight per 1 MINUTE. "
                "Please use WebSocket Streams for live updates to avoid polling the API.",
                status=429,
            )


def cut(request: web.Request) -> web.Response:
    """End a connection without an answer: what is returned reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def mandatory(values: Mapping[str, str], name: str) -> str:
    """Return a parameter that must be there."""
    value = values.get(name, "")
    if not value:
        raise RefusedError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return value


def number(values: Mapping[str, str], name: str) -> int | None:
    """Return a parameter that is a whole number, None when it was not sent."""
    text = values.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 20):
        raise RefusedError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{_DIGITS}'.")
    return int(text)


def _admit(refused: int | None) -> None:
    if refused is not None:
        raise RefusedError(*_FAULTS[refused], status=refused)
