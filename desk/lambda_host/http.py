"""Wake functions by HTTP, as API Gateway's HTTP API does (payload format 2.0), and by Lambda's own Invoke API.

Source: API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs"; Lambda API reference, Invoke.
"""

import asyncio
import base64
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from aiohttp import web
from multidict import CIMultiDict

from desk.lambda_host.pool import FunctionPool, Outcome
from desk.lambda_host.spec import ACCOUNT, Route

MAX_BODY_BYTES: Final = 10 * 1024 * 1024
_TEXT: Final = re.compile(r"text/.*|application/(.*\+)?(json|javascript|xml|x-www-form-urlencoded)")
_PARAMETER: Final = re.compile(r"\{(\w+)(\+)?\}")


@dataclass(frozen=True, slots=True)
class _Bound:
    """A route of one function, with its path as a pattern."""

    route: Route
    pattern: re.Pattern[str]
    pool: FunctionPool

    @property
    def key(self) -> str:
        return "$default" if self.route.path == "$default" else f"{self.route.method} {self.route.path}"

    @property
    def rank(self) -> tuple[bool, bool, int, bool]:
        """Exact before parameters before greedy before default; a named method before ANY."""
        path = self.route.path
        return path == "$default", "+}" in path, path.count("{"), self.route.method == "ANY"


class HttpGateway:
    """The HTTP API of every function with a route, and Lambda's own of all, whose names begin with `prefix` in the
    cloud."""

    def __init__(self, pools: Mapping[str, FunctionPool], *, prefix: str = "") -> None:
        self._pools, self._prefix = pools, prefix
        self._started: set[asyncio.Task[Outcome]] = set()
        bound = [_Bound(route, _pattern(route.path), pool) for pool in pools.values() for route in pool.spec.routes]
        self._routes = sorted(bound, key=lambda each: each.rank)

    def app(self) -> web.Application:
        """Return the web application."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/2015-03-31/functions/{name}/invocations", self._invoke)
        app.router.add_route("*", "/{path:.*}", self._request)
        return app

    async def _request(self, request: web.Request) -> web.Response:
        for bound in self._routes:
            matched = bound.pattern.fullmatch(request.path)
            if matched and bound.route.method in {"ANY", request.method}:
                return await _guarded(request, lambda body: _proxy(request, body, bound, matched.groupdict()))  # noqa: B023 - returns at once
        return _message(404, "Not Found")

    async def _invoke(self, request: web.Request) -> web.Response:
        name = request.match_info["name"].rpartition(":")[2].removeprefix(self._prefix)
        pool = self._pools.get(name)
        if pool is None:
            problem = {"Type": "User", "Message": f"Function not found: {name}, there are {', '.join(self._pools)}"}
            return web.json_response(problem, status=404, headers={"x-amzn-ErrorType": "ResourceNotFoundException"})
        if request.headers.get("X-Amz-Invocation-Type") == "Event":
            return await _guarded(request, lambda body: self._start(body, pool))
        return await _guarded(request, lambda body: _direct(body, pool))

    async def _start(self, body: bytes, pool: FunctionPool) -> web.Response:
        """Accept an event and answer before it is handled; what fails is not tried again, as it would be in the
        cloud."""
        try:
            event = json.loads(body or b"{}")
        except ValueError as error:
            return _unparsed(error)
        task = asyncio.create_task(pool.invoke(event))
        self._started.add(task)
        task.add_done_callback(self._started.discard)
        return web.Response(status=202)


async def _guarded(request: web.Request, handle: Callable[[bytes], Awaitable[web.Response]]) -> web.Response:
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        return _message(413, "Request Entity Too Large")
    return await handle(body)


async def _direct(body: bytes, pool: FunctionPool) -> web.Response:
    try:
        event = json.loads(body or b"{}")
    except ValueError as error:
        return _unparsed(error)
    outcome = await pool.invoke(event)
    if outcome.error is not None:
        return web.json_response(dict(outcome.error), headers={"X-Amz-Function-Error": "Unhandled"})
    return web.json_response(outcome.result)


def _unparsed(error: ValueError) -> web.Response:
    problem = {"Type": "User", "Message": f"Could not parse request body into json: {error}"}
    return web.json_response(problem, status=400, headers={"x-amzn-ErrorType": "InvalidRequestContentException"})


async def _proxy(request: web.Request, body: bytes, bound: _Bound, parameters: Mapping[str, str]) -> web.Response:
    return respond(await bound.pool.invoke(event_of(request, body, bound.key, parameters)))


def event_of(request: web.Request, body: bytes, route_key: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return an HTTP request as an event in payload format 2.0."""
    now_ms = time.time_ns() // 1_000_000
    headers = {name.lower(): ",".join(request.headers.getall(name)) for name in request.headers}
    cookies = headers.pop("cookie", "")
    text = _text(body, request.content_type)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": request.path,
        "rawQueryString": request.query_string,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "local",
            "domainName": request.host,
            "domainPrefix": "local",
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": f"HTTP/{request.version.major}.{request.version.minor}",
                "sourceIp": request.remote or "",
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": uuid4().hex,
            "routeKey": route_key,
            "stage": "$default",
            "time": datetime.fromtimestamp(now_ms // 1_000, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": now_ms,
        },
        "isBase64Encoded": text is None,
    }
    if request.query_string:
        event["queryStringParameters"] = {name: ",".join(request.query.getall(name)) for name in request.query}
    if cookies:
        event["cookies"] = [cookie.strip() for cookie in cookies.split(";")]
    if parameters:
        event["pathParameters"] = dict(parameters)
    if body:
        event["body"] = base64.b64encode(body).decode() if text is None else text
    return event


def respond(outcome: Outcome) -> web.Response:
    """Return what a caller sees of an invocation: the response it asks for, 502 for an error, 504 for a timeout."""
    if outcome.error is not None:
        return _message(504, "Endpoint request timed out") if outcome.timed_out else _message(502, "Bad Gateway")
    result = outcome.result
    if not isinstance(result, dict) or "statusCode" not in result:
        text = result if isinstance(result, str) else json.dumps(result)
        return web.Response(text=text, content_type="application/json")
    headers = CIMultiDict({name: str(value) for name, value in (result.get("headers") or {}).items()})
    headers.popall("content-length", None)
    for cookie in result.get("cookies") or ():
        headers.add("set-cookie", cookie)
    headers.setdefault("content-type", "text/plain;charset=UTF-8")
    body = result.get("body") or ""
    raw = base64.b64decode(body) if result.get("isBase64Encoded") else str(body).encode()
    return web.Response(status=int(result["statusCode"]), headers=headers, body=raw)


def _text(body: bytes, content_type: str) -> str | None:
    """Return the body as text, or None when it has to travel as base64."""
    if not _TEXT.fullmatch(content_type):
        return None if body else ""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _pattern(path: str) -> re.Pattern[str]:
    if path == "$default":
        return re.compile(".*")
    parts = [re.escape(part) for part in path.split("/")]
    for at, part in enumerate(path.split("/")):
        if parameter := _PARAMETER.fullmatch(part):
            parts[at] = f"(?P<{parameter[1]}>{'.+' if parameter[2] else '[^/]+'})"
    return re.compile("/".join(parts))


def _message(status: int, text: str) -> web.Response:
    return web.json_response({"message": text}, status=status)
