"""No secret in what is logged, answered, kept or raised: canaries in every secret setting, and others that talk.

Every dependency is a server that tells back what it was sent, headers and all, in errors of every kind: whatever the
desk repeats of an answer repeats its own keys.
"""

import asyncio
import base64
import io
import json
import logging
import os
import secrets
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, get_args

import jwt
import pytest
from aiohttp import ClientSession
from aws_lambda_powertools import Logger
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

import collector.config
from shared.adapters.announcer import HttpAnnouncer
from shared.domain.errors import NightdeskError
from shared.domain.runs import ClosedBoundary
from shared.domain.signing import sign
from shared.domain.timeframe import Timeframe
from shared.messages import BoundaryClosed, CronTick, Message, TriggerRequest
from shared.runtime import redaction
from shared.runtime.config import TRADED_VENUES, Settings, VenueAccess
from shared.runtime.entrypoint import entrypoint
from shared.runtime.problems import problem_of
from shared.runtime.redaction import HIDDEN, redact, redacted_json, secrets_of
from shared.runtime.users import authenticate
from shared.runtime.wiring import Deps
from tests.fakes.agents import MemoryAgentStore
from tests.fakes.audit import MemoryAuditLog
from tests.fakes.queue import MemoryQueue
from tests.functions.api_client import ALICE, call, token_of
from tests.functions.whole_desk import WholeDesk, whole_api


def is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(is_secret(each) for each in get_args(annotation))


OF_FUNCTIONS: Final = [name.upper() for name, field in Settings.model_fields.items() if is_secret(field.annotation)]
OF_VENUES: Final = [
    f"{venue}_{name}".upper()
    for venue in TRADED_VENUES
    for name, field in VenueAccess.model_fields.items()
    if is_secret(field.annotation)
]
OF_THE_COLLECTOR: Final = [
    name.upper()
    for name, field in collector.config.Settings.model_fields.items()
    if is_secret(field.annotation) or any(is_secret(type(each)) for each in field.metadata)
]
OF_AWS: Final = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
STATUSES: Final = (200, 400, 401, 403, 404, 409, 429, 500, 502, 503)


class Echo:
    """A server that answers with a status and everything it was sent."""

    def __init__(self) -> None:
        self.status, self.delay_s = 500, 0.0
        echo = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                time.sleep(echo.delay_s)
                size = int(self.headers.get("content-length") or 0)
                told = {**self.headers, "path": self.path, "body": self.rfile.read(size).decode(errors="replace")}
                text = " ".join(f"{name}={value}" for name, value in told.items())
                shapes = {"error": text, "message": text, "msg": text, "code": "42501", "details": text, "hint": text}
                body = json.dumps(shapes).encode()
                self.send_response(echo.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the names the server calls

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - overrides the server's
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.stop()


@pytest.fixture
def canaries(monkeypatch: pytest.MonkeyPatch, echo: Echo) -> Iterator[dict[str, str]]:
    """An environment in which every secret is a canary, and every address is the server that tells."""
    made = {name: f"canary-{name.lower()}-{secrets.token_hex(8)}" for name in OF_FUNCTIONS + OF_VENUES + OF_AWS}
    made["COINBASE_API_SECRET"] = (
        f"-----BEGIN EC {'PRIVATE'} KEY-----\ncanary{secrets.token_hex(20)}\n-----END EC PRIVATE KEY-----"
    )
    made["HYPERLIQUID_API_SECRET"] = "0x" + secrets.token_hex(32)
    made["KRAKEN_API_SECRET"] = base64.b64encode(secrets.token_bytes(64)).decode()
    passwords = {"UPSTASH_REDIS_URL": f"rediss://default:canary{secrets.token_hex(8)}@127.0.0.1:9", "DATABASE_URL": (
        f"postgresql://postgres:canary%2B{secrets.token_hex(8)}@127.0.0.1:9/postgres"
    )}  # fmt: skip
    places = {"SUPABASE_URL": echo.url, "UPSTASH_REDIS_REST_URL": echo.url, "AWS_ENDPOINT_URL": echo.url}
    places |= {f"{venue}_URL".upper(): echo.url for venue in TRADED_VENUES} | {"AWS_DEFAULT_REGION": "eu-central-1"}
    places |= {f"{queue}_QUEUE_URL": f"{echo.url}/q" for queue in ("EXECUTIONS", "INTENTS", "ORDERS", "DEAD_LETTER")}
    for name, value in {
        **made,
        **passwords,
        **places,
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AGENT_MODE": "live",
    }.items():
        monkeypatch.setenv(name, value)
    redaction._own_secrets.cache_clear()
    yield made | {name: value.split(":", 2)[2].split("@")[0] for name, value in passwords.items()}
    redaction._own_secrets.cache_clear()


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Callable[[Exception], str]:
    """What the desk's logger writes of an error, traces included."""
    stream = io.StringIO()
    logger = Logger(service=f"redaction-{secrets.token_hex(4)}", stream=stream, json_serializer=redacted_json)

    def write(error: Exception) -> str:
        trace = (type(error), error, error.__traceback__)
        logger.error("it failed", error=str(error), of=repr(error), context={"nested": [str(error)]}, exc_info=trace)
        return stream.getvalue()

    return write


def held(text: str, canaries: dict[str, str]) -> list[str]:
    """Return whose values are in a text, however they are written."""
    return [
        name
        for name, value in canaries.items()
        if any(form in text for form in secrets_of({"X_SECRET": value}))
        or any(len(line) > 12 and line in text for line in value.splitlines() if "KEY-----" not in line)
    ]


def test_every_secret_has_a_canary(canaries: dict[str, str]) -> None:
    assert {"SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_JWT_SECRET", "UPSTASH_REDIS_REST_TOKEN", "TRIGGER_SECRET"} < {
        *canaries
    }
    assert {"SERVICE_SECRET", "BINANCE_API_SECRET", "OKX_SWAP_API_PASSWORD"} < {*canaries}
    assert set(OF_THE_COLLECTOR) == {"UPSTASH_REDIS_URL", "TRIGGER_SECRET"} <= {*canaries}
    known = secrets_of(os.environ)
    assert all(value in known for value in canaries.values())


def test_settings_never_show_one(canaries: dict[str, str]) -> None:
    settings = Settings.from_env()
    assert (
        held(repr(settings) + str(settings) + settings.model_dump_json() + str(settings.model_dump()), canaries) == []
    )


def foreign_token() -> str:
    return jwt.encode({}, ec.generate_private_key(ec.SECP256R1()), "ES256", {"kid": "k"})


ASKED: dict[str, Callable[[Deps], object]] = {
    "database": lambda deps: deps.venues.enabled(),
    "database as a person": lambda deps: deps.traders_of(token_of(ALICE)).list(limit=1),
    "candle log": lambda deps: deps.candle_log.newest_close("binance", Timeframe.M1),
    "tickers": lambda deps: deps.ticker_board.now(["binance"]),
    "request limits": lambda deps: deps.request_counter.count("p:x", per_minute=5),
    "queue": lambda deps: deps.executions.send(["{}"]),
    "published keys": lambda deps: authenticate(foreign_token(), deps.settings),
    "audit": lambda deps: deps.audit.list(limit=1),
    "account at binance": lambda deps: deps.exchanges.of("binance", "live").balances(),
    "account at bybit": lambda deps: deps.exchanges.of("bybit", "live").balances(),
    "account at okx": lambda deps: deps.exchanges.of("okx", "live").balances(),
    "account at kraken": lambda deps: deps.exchanges.of("kraken", "live").balances(),
}


def failure(what: str, echo: Echo, status: int) -> Exception | None:
    """Ask a dependency that answers with a status, and return what it raises."""
    echo.status = status
    try:
        ASKED[what](Deps(Settings.from_env()))
    except Exception as error:  # noqa: BLE001 - whatever comes out is looked at
        return error
    return None


@pytest.mark.parametrize("what", ASKED)
def test_what_a_talkative_dependency_says_is_not_passed_on(
    what: str, canaries: dict[str, str], echo: Echo, log: Callable[[Exception], str], caplog: pytest.LogCaptureFixture
) -> None:
    errors = [error for status in STATUSES if (error := failure(what, echo, status)) is not None]
    assert len(errors) >= 5
    for error in errors:
        told = problem_of(error, "r")
        assert held(log(error), canaries) == [], error
        assert held(json.dumps([told.body, told.headers]), canaries) == [], error
    for record in caplog.records:
        assert held(redacted_json({"message": record.getMessage()}), canaries) == []


class Seen(Message):
    """An answer."""


def test_a_function_keeps_no_secret_in_its_heartbeat_its_answers_or_its_log(
    canaries: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    everything = " ".join(canaries.values())
    deps = Deps(Settings.from_env())
    deps.agents, deps.dead_letters, deps.audit = MemoryAgentStore(), MemoryQueue(), MemoryAuditLog()
    answers = []
    for failure in (NightdeskError(everything), RuntimeError(everything), KeyError(everything)):

        @entrypoint(TriggerRequest, service=f"redaction-{secrets.token_hex(4)}", agent="test-agent")
        def handler(event: BoundaryClosed | CronTick, deps: Deps, failure: Exception = failure) -> Seen:
            raise failure

        body = '{"trigger":"cron"}'
        signed = sign(canaries["TRIGGER_SECRET"], timestamp_ms=time.time_ns() // 1_000_000, body=body)
        for headers in (
            signed,
            {"authorization": f"Bearer {canaries['SERVICE_SECRET']}"},
            {"authorization": "Bearer no"},
        ):
            request = {"requestContext": {}, "headers": headers, "body": body}
            answers.append(handler(request, None, deps=deps))
        answers.append(handler({"Records": [{"messageId": "m", "body": body}]}, None, deps=deps))
    said = capfd.readouterr()
    assert HIDDEN in said.out
    kept = [deps.agents.list(), deps.agents.recall("strategy-agent"), deps.audit.rows]
    assert held(said.out + said.err + json.dumps(answers) + repr(kept), canaries) == []


def test_the_api_keeps_no_token(
    canaries: dict[str, str], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="httpx")
    desk, token = WholeDesk(), token_of(ALICE)
    spoiled = token[:-4] + "AAAA"
    with whole_api(desk) as guards:
        answers = [
            call("POST", "/api/v1/books", {"name": "B", "capital": "1"}, token=token),
            call("POST", "/api/v1/books", {"name": "B", "capital": "1"}, token=spoiled),
            call("POST", f"/api/v1/traders/{token}/run", None, token=token),
            call(
                "POST", "/api/v1/books", {"name": "B", "capital": "1", "key": canaries["SERVICE_SECRET"]}, token=token
            ),
            call("GET", "/api/v1/books", token=canaries["SERVICE_SECRET"] + "x"),
        ]
        said = capfd.readouterr()
        text = said.out + said.err + repr([each.body for each in answers]) + repr(guards.audit.rows)
    assert [each.status for each in answers] == [201, 401, 400, 400, 401]
    assert held(text, canaries | {"token": token, "spoiled": spoiled}) == []


async def test_the_collector_says_none(canaries: dict[str, str], echo: Echo) -> None:
    env = {"TRIGGER_URL": f"{echo.url}/t", "TRIGGER_SECRET": canaries["TRIGGER_SECRET"]}
    url = f"rediss://default:{canaries['UPSTASH_REDIS_URL']}@127.0.0.1:9"
    settings = collector.config.Settings.from_env(env | {"UPSTASH_REDIS_URL": url})
    errors: list[BaseException] = []
    boundary = ClosedBoundary(venue="binance", timeframe=Timeframe.M1, close_time=1_640_995_260_000)
    async with ClientSession() as session:
        announcer = HttpAnnouncer(
            session=session, url=settings.trigger_url, secret=settings.trigger_secret.get_secret_value(), attempts=1
        )
        for status in STATUSES[1:]:
            echo.status = status
            with pytest.raises(NightdeskError) as raised:
                await announcer.announce(boundary, correlation_id="abcdef123456")
            errors.append(raised.value)
    from shared.adapters.redis_log import RedisCandleLogWriter

    writer = RedisCandleLogWriter(url, depth=10)
    with pytest.raises(NightdeskError) as raised:
        await asyncio.wait_for(writer.frame("binance", Timeframe.M1), 20)
    errors.append(raised.value)
    await writer.close()
    for bad in ("http://x:" + canaries["UPSTASH_REDIS_URL"] + "@h", canaries["UPSTASH_REDIS_URL"]):
        with pytest.raises(NightdeskError) as raised:
            collector.config.Settings.from_env(env | {"UPSTASH_REDIS_URL": bad})
        errors.append(raised.value)
    text = repr(settings) + repr(announcer) + "".join("".join(traceback.format_exception(each)) for each in errors)
    assert held(text, {name: canaries[name] for name in ("TRIGGER_SECRET", "UPSTASH_REDIS_URL")}) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rediss://default:hunter22@h:1", f"rediss://{HIDDEN}@h:1"),
        ("postgresql://u:p%2Bq@h/db?x=1", f"postgresql://{HIDDEN}@h/db?x=1"),
        ("GET https://h/path?at=10:30", "GET https://h/path?at=10:30"),
        ("Authorization: Bearer abcdefgh12345", f"Authorization: Bearer {HIDDEN}"),
        ("expected 'Bearer <token>'", "expected 'Bearer <token>'"),
        ("the close at 10:30@binance", "the close at 10:30@binance"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out_and_nothing_else(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_what_is_no_secret_stays(canaries: dict[str, str]) -> None:
    said = {"message": "POST /api/v1/books", "status": 201, "price": 101.5, "intent_id": ALICE, "reasons": ["a", "ü"]}
    assert json.loads(redacted_json(said)) == said


def test_short_words_are_not_taken_for_secrets() -> None:
    assert secrets_of({"TRIGGER_SECRET": "open", "X_KEY": ""}) == ()
