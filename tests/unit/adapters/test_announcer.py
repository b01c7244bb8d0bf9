"""Announcements: signed, repeated while it may help, and refused for good reason."""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.adapters.announcer import HttpAnnouncer
from shared.adapters.clock import SystemClock
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.runs import ClosedBoundary
from shared.domain.signing import SignatureError, verify
from shared.domain.timeframe import Timeframe

BOUNDARY = ClosedBoundary(venue="binance", timeframe=Timeframe.M5, close_time=1_700_000_100_000)
SECRET = "s3cret"


class Trigger:
    """An HTTP trigger that keeps what it accepts; `answers` are given first."""

    def __init__(self) -> None:
        self.accepted: list[dict[str, object]] = []
        self.answers: list[int] = []
        self.calls = 0

    async def handle(self, request: web.Request) -> web.Response:
        self.calls += 1
        body = await request.text()
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            verify(SECRET, headers=headers, body=body, now_ms=SystemClock().now_ms())
        except SignatureError as error:
            return web.Response(status=401, text=str(error))
        if self.answers:
            return web.Response(status=self.answers.pop(0))
        self.accepted.append(json.loads(body))
        return web.Response(status=202)


@pytest.fixture
def trigger() -> Trigger:
    return Trigger()


@pytest.fixture
async def announcer(trigger: Trigger) -> AsyncIterator[HttpAnnouncer]:
    app = web.Application()
    app.router.add_post("/functions/v1/trigger-executions", trigger.handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        url = str(server.make_url("/functions/v1/trigger-executions"))
        yield HttpAnnouncer(session=session, url=url, secret=SECRET, timeout_s=1.0)


async def test_the_trigger_can_verify_what_it_gets(announcer: HttpAnnouncer, trigger: Trigger) -> None:
    await announcer.announce(BOUNDARY, correlation_id="abc")
    assert trigger.accepted == [
        {"venue": "binance", "timeframe": "5m", "close_time": 1_700_000_100_000, "correlation_id": "abc"}
    ]


async def test_a_hiccup_is_tried_again(announcer: HttpAnnouncer, trigger: Trigger) -> None:
    trigger.answers = [503, 429]
    await announcer.announce(BOUNDARY, correlation_id="abc")
    assert len(trigger.accepted) == 1


async def test_a_trigger_that_stays_away_is_given_up(announcer: HttpAnnouncer, trigger: Trigger) -> None:
    trigger.answers = [500] * 9
    with pytest.raises(TransientError, match="500"):
        await announcer.announce(BOUNDARY, correlation_id="abc")
    assert trigger.calls == 3


async def test_a_wrong_secret_is_refused_and_not_repeated(announcer: HttpAnnouncer, trigger: Trigger) -> None:
    stranger = HttpAnnouncer(session=announcer.session, url=announcer.url, secret="other")
    with pytest.raises(InvalidMessageError, match="wrong signature"):
        await stranger.announce(BOUNDARY, correlation_id="abc")
    assert (trigger.calls, trigger.accepted) == (1, [])


async def test_fresh_tickers_are_told_once(announcer: HttpAnnouncer, trigger: Trigger) -> None:
    await announcer.announce_tickers("binance")
    assert trigger.accepted == [{"tickers_of": "binance"}]
    trigger.answers = [503]
    with pytest.raises(TransientError, match="503"):
        await announcer.announce_tickers("binance")
    assert trigger.calls == 2
