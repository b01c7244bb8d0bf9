"""Upstash's REST interface in front of a local Redis, so that functions speak to it as they do in the cloud.

What is kept: `POST /` with one command, `/pipeline`, `/multi-exec`, commands in the path (`/set/key/value?EX=9`, a body
is the last argument), `Upstash-Encoding: base64`, the bearer token on every route, error shapes and status codes, the
10 MB request limit, Upstash's own flag of scripts, and no commands that hold a connection.
Source: https://upstash.com/docs/redis/features/restapi
"""

import hashlib
import hmac
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pybase64 import b64encode

from desk.local.process import HOST, Child, accepts, claim_port
from desk.local.resp import Command, ReplyError, RespPool

PART: Final = "Upstash REST"
MAX_REQUEST_BYTES: Final = 10 * 1024 * 1024
_TOKEN_VARIABLE: Final = "UPSTASH_REDIS_REST_TOKEN"  # noqa: S105 - the name of a variable
_HOLDING: Final = frozenset(
    "BLPOP BRPOP BLMOVE BRPOPLPUSH BLMPOP BZPOPMIN BZPOPMAX BZMPOP SUBSCRIBE PSUBSCRIBE SSUBSCRIBE MONITOR "  # noqa: SIM905
    "WAIT MULTI EXEC DISCARD WATCH UNWATCH SELECT HELLO AUTH QUIT RESET CLIENT".split()
)


_KEY_LOCKING: Final = re.compile(r"\A#!lua flags=allow-key-locking *(?=\n)")
"""Has Upstash lock a script's keys instead of everything; Redis, which runs one script at a time, refuses the word."""


class _BadRequestError(Exception):
    """Refuse a request in the words Redis would use."""


def facade(pool: RespPool, token: str) -> web.Application:
    """Return the web application for one Redis and one token."""
    app = web.Application(client_max_size=MAX_REQUEST_BYTES, middlewares=[_guard(token)])
    answer = _Answers(pool)
    app.router.add_post("/pipeline", answer.pipeline)
    app.router.add_post("/multi-exec", answer.transaction)
    app.router.add_post("/", answer.command)
    for method in ("GET", "POST", "PUT"):
        app.router.add_route(method, "/{path:.+}", answer.path_command)
    return app


@dataclass(slots=True)
class _Answers:
    pool: RespPool
    stored: dict[str | bytes, str] = field(default_factory=dict)

    async def command(self, request: web.Request) -> web.Response:
        (reply,) = await self.pool.run([self._script(_command(msgspec.json.decode(await _read(request))))])
        return _one(request, reply)

    def _script(self, command: Command) -> Command:
        """Return a call of a script as Redis takes it, under the digest Redis has it by."""
        name, script = str(command[0]).upper(), command[1] if len(command) > 1 else ""
        if name == "EVAL" and isinstance(script, str) and (plain := _KEY_LOCKING.sub("", script)) != script:
            self.stored[_digest(script)] = _digest(plain)
            return [name, plain, *command[2:]]
        return [name, self.stored.get(script, script), *command[2:]] if name == "EVALSHA" else command

    async def path_command(self, request: web.Request) -> web.Response:
        path = urlsplit(request.raw_path).path  # raw: an argument may contain an encoded slash
        command: list[str | bytes] = [unquote(part) for part in path.strip("/").split("/")]
        if body := await _read(request):
            command.append(body)
        for name, value in request.query.items():
            if name != "_token":
                command += [name, value] if value else [name]
        (reply,) = await self.pool.run([_command(command)])
        return _one(request, reply)

    async def pipeline(self, request: web.Request) -> web.Response:
        replies = await self.pool.run(_commands(await _read(request)))
        return _json([_shape(request, reply) for reply in replies])

    async def transaction(self, request: web.Request) -> web.Response:
        commands = _commands(await _read(request))
        *_, replies = await self.pool.run([["MULTI"], *commands, ["EXEC"]])
        if isinstance(replies, ReplyError):
            return _one(request, replies)
        return _json([_shape(request, reply) for reply in replies])


def _digest(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def _guard(token: str) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ") or request.query.get("_token", "")
        if not hmac.compare_digest(given.encode(), token.encode()):
            return _json({"error": "WRONGPASS invalid or missing auth token"}, status=401)
        try:
            return await handler(request)
        except _BadRequestError as error:
            return _json({"error": str(error)}, status=400)
        except OSError as error:
            return _json({"error": f"ERR Redis is not reachable: {error}"}, status=502)
        except msgspec.DecodeError:
            return _json({"error": "ERR failed to parse command"}, status=400)

    return guard


async def _read(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise _BadRequestError(f"ERR max request size exceeded. Limit: {MAX_REQUEST_BYTES} bytes") from error


def _commands(body: bytes) -> list[Command]:
    commands = msgspec.json.decode(body)
    if not isinstance(commands, list) or not commands:
        raise _BadRequestError("ERR failed to parse pipeline request")
    return [_command(command) for command in commands]


def _command(parts: object) -> Command:
    """Return a command as Redis takes it: numbers and booleans as text, nothing that holds the connection."""
    if not isinstance(parts, list) or not parts:
        raise _BadRequestError("ERR empty command")
    if any(not isinstance(part, str | bytes | int | float) for part in parts):
        raise _BadRequestError("ERR failed to parse command")
    command = [part if isinstance(part, str | bytes) else msgspec.json.encode(part) for part in parts]
    name = str(parts[0]).upper()
    if name in _HOLDING or (name in {"XREAD", "XREADGROUP"} and "BLOCK" in {str(part).upper() for part in parts}):
        raise _BadRequestError(
            f"ERR Command is not available: '{parts[0]}'. "
            "See https://upstash.com/docs/redis/overall/rediscompatibility for details"
        )
    return command


def _one(request: web.Request, reply: object) -> web.Response:
    return _json(_shape(request, reply), status=400 if isinstance(reply, ReplyError) else 200)


def _shape(request: web.Request, reply: object) -> dict[str, Any]:
    if isinstance(reply, ReplyError):
        return {"error": str(reply)}
    return {"result": _plain(reply, encoded=request.headers.get("Upstash-Encoding") == "base64")}


def _plain(reply: object, *, encoded: bool) -> object:
    if isinstance(reply, bytes):
        if encoded and reply != b"OK":  # clients take a bare OK as it is
            return b64encode(reply).decode("ascii")
        return reply.decode(errors="replace")
    if isinstance(reply, list):
        return [_plain(item, encoded=encoded) for item in reply]
    return str(reply) if isinstance(reply, ReplyError) else reply


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


@dataclass(slots=True, kw_only=True)
class UpstashFacade:
    """The façade as a part of the desk, in its own process; a context manager."""

    redis_port: int
    token: str
    log_dir: Path
    port: int | None = None
    _child: Child | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Return the address for Upstash clients."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> Self:
        """Start serving; raise `LocalPartError` when the port is taken."""
        self.port = port = claim_port(self.port, PART)
        argv = [sys.executable, "-m", "desk.local.upstash", str(port), str(self.redis_port)]
        env = {_TOKEN_VARIABLE: self.token}  # not an argument: those are for all to see
        self._child = Child(name=PART, argv=argv, env=env, log=self.log_dir / "upstash.log").start()
        self._child.wait_ready(lambda: accepts(port))
        return self

    def stop(self) -> None:
        """Stop serving."""
        if self._child is not None:
            self._child.stop()

    def __enter__(self) -> Self:
        """Start serving."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self.stop()


def main(arguments: Sequence[str]) -> None:
    """Serve on the first port for the Redis on the second, with the token from the environment."""
    port, redis_port = (int(argument) for argument in arguments)
    app = facade(RespPool(HOST, redis_port), os.environ[_TOKEN_VARIABLE])
    web.run_app(app, host=HOST, port=port, print=None, access_log=None)


if __name__ == "__main__":
    main(sys.argv[1:])
