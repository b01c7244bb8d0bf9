"""Call the API as API Gateway does, with a desk in memory behind it."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import jwt

from functions.api import app, handler
from shared.domain.audit import AuditEvent
from shared.runtime.auditing import AuditTrail
from shared.runtime.config import Settings
from shared.runtime.limits import Limits
from shared.runtime.wiring import Deps, process_deps
from tests.fakes.agents import MemoryAgentStore
from tests.fakes.audit import MemoryAuditLog
from tests.fakes.outcomes import MemoryOutcomeStore
from tests.fakes.people import MemoryProfiles
from tests.fakes.requests import MemoryRequestCounter, MemoryRequestLimits
from tests.fakes.status import MemoryDepths, MemoryStatusReads, MemoryUsage
from tests.fakes.stores import MemorySignalStore, MemoryTraderStore
from tests.fakes.ticker_board import FakeTickerBoard
from tests.usecases.desk_in_memory import DeskInMemory

# Importing the API made Mangum set an event loop, as Lambda's main thread has one; each call here brings its own.
asyncio.get_event_loop_policy().get_event_loop().close()
asyncio.set_event_loop(None)

JWT_SECRET = "a-synthetic-secret-of-at-least-thirty-two-bytes"
PROJECT_URL = "https://project.supabase.test"
SUPABASE = {"SUPABASE_JWT_SECRET": JWT_SECRET, "SUPABASE_URL": PROJECT_URL}
ALICE = "aaaaaaaa-0000-4000-8000-000000000001"
BOB = "bbbbbbbb-0000-4000-8000-000000000002"


class Answer(NamedTuple):
    """What the API answered."""

    status: int
    body: Any
    headers: dict[str, str]


class MemoryDeps(Deps):
    """The runtime's parts, in memory."""

    def __init__(self, desk: DeskInMemory) -> None:
        super().__init__(Settings.from_env(SUPABASE))
        self.desk = desk
        self.clock = self.wall_clock = desk.clock
        self.candle_log = desk.candles
        self.ticker_board = FakeTickerBoard(desk.ticker_texts)
        self.venues = desk.venues
        self.signals = desk.signals
        self.intents_queue, self.signals_queue = desk.intents_queue, desk.signals_queue
        self.notifications = desk.notifications
        self.runs = desk.runs
        self.agents = MemoryAgentStore(desk.database)
        self.profiles = MemoryProfiles(desk.database)
        self.status_reads, self.redis_usage = MemoryStatusReads(desk.database), MemoryUsage()
        self.queue_depths = MemoryDepths()
        self.monitor_runs = desk.monitor_runs

    def traders_of(self, token: str) -> MemoryTraderStore:
        """Return what row security would let the person see."""
        return MemoryTraderStore(self.desk.database, user_id=_subject(token))

    def outcomes_of(self, token: str) -> MemoryOutcomeStore:
        """Return what row security would let the person see."""
        return MemoryOutcomeStore(self.desk.database, user_id=_subject(token))

    def signals_of(self, token: str) -> MemorySignalStore:
        """Return what row security would let the person see."""
        return MemorySignalStore(self.desk.database, user_id=_subject(token))


def token_of(user_id: str, **change: Any) -> str:
    """Return a Supabase token of a person."""
    claims = {
        "iss": f"{PROJECT_URL}/auth/v1",
        "sub": user_id,
        "role": "authenticated",
        "aud": "authenticated",
        "exp": int(time.time()) + 60,
    } | change
    return jwt.encode(claims, JWT_SECRET, "HS256")


class Guards:
    """What the door and the audit keep from one request to the next, in memory."""

    def __init__(self) -> None:
        self.counter, self.people, self.audit = MemoryRequestCounter(), MemoryRequestLimits(), MemoryAuditLog()
        self.limits, self.trail = Limits(self.counter, self.people), AuditTrail(lambda: self.audit)

    def give(self, deps: Deps) -> Deps:
        """Put them in the place of the real ones; everything else of the parts is as in a cold process."""
        deps.limits, deps.trail, deps.audit = self.limits, self.trail, self.audit
        deps.audit_of = lambda token: replace(self.audit, user_id=_seen_as(token, deps))  # type: ignore[method-assign]
        return deps

    @property
    def events(self) -> list[AuditEvent]:
        """Return what was audited, oldest first."""
        return [row.event for row in self.audit.rows]


@contextmanager
def api_of(desk: DeskInMemory) -> Iterator[Guards]:
    """Put a desk behind the API, where Alice and Bob have accounts without limits."""
    desk.database.people.enrol(ALICE, BOB)
    guards = Guards()
    app.dependency_overrides[process_deps] = lambda: guards.give(MemoryDeps(desk))
    try:
        yield guards
    finally:
        app.dependency_overrides.clear()


def call(
    method: str,
    path: str,
    body: Any = None,
    *,
    user: str | None = ALICE,
    token: str | None = None,
    query: str = "",
    address: str = "192.0.2.7",
    **more_headers: str,
) -> Answer:
    """Send one request; `body` is JSON unless it is text already, `more_headers` have `_` for `-`."""
    headers = {"content-type": "application/json", "host": "desk.test"}
    headers |= {name.replace("_", "-"): value for name, value in more_headers.items()}
    if user is not None or token is not None:
        headers["authorization"] = f"Bearer {token_of(user or ALICE) if token is None else token}"
    event = {
        "version": "2.0",
        "routeKey": "ANY /api/{proxy+}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": address},
            "stage": "$default",
        },
        "body": body if isinstance(body, str | None) else json.dumps(body),
        "isBase64Encoded": False,
    }
    with event_loop():
        answer = handler(event, None)
    text = answer["body"]
    return Answer(answer["statusCode"], json.loads(text) if text else None, answer["headers"])


@contextmanager
def event_loop() -> Iterator[None]:
    """Give Mangum the loop that Lambda's main thread has; other tests leave none behind."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _seen_as(token: str, deps: Deps) -> str | None:
    """Return whose events somebody sees: their own, an operator all (None)."""
    user_id = _subject(token)
    return None if deps.profiles.role(user_id).operates else user_id


def _subject(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["sub"])
