"""The line for a venue's limits: never faster than allowed, the most urgent first, and who gives up pays nothing."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.venues.rest_client import RestClient, TokenBucket
from shared.domain.urgency import Urgency
from tests.fakes.virtual_time import leap_through

REPAIR, CONFIRM, BACKFILL, TICKERS = Urgency
LIMIT, PER_S = 10.0, 5.0  # two a second


@dataclass(eq=False)
class Question:
    """Who comes at an instant, holds its place for a while, and may give up; times in s."""

    comes_s: float
    weight: float
    urgency: Urgency
    holds_s: float
    gives_up_s: float | None
    served_s: float | None = None
    left_s: float = float("inf")

    async def ask(self, bucket: TokenBucket) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self.comes_s)
        try:
            async with asyncio.timeout(self.gives_up_s), bucket.turn(self.weight, self.urgency):
                self.served_s = loop.time()
                await asyncio.sleep(self.holds_s)
        except TimeoutError:
            pass
        finally:
            self.left_s = loop.time()


def questions(*, holds_s: st.SearchStrategy[float], gives_up: bool = True) -> st.SearchStrategy[list[Question]]:
    """Return some at instants of a tenth of a second, so that things happen at once."""
    tenths = st.integers(0, 60).map(lambda tenth: tenth / 10)
    never = st.none()
    return st.lists(
        st.builds(
            Question,
            comes_s=tenths,
            weight=st.integers(1, int(LIMIT)).map(float),
            urgency=st.sampled_from(Urgency),
            holds_s=holds_s,
            gives_up_s=st.one_of(never, tenths) if gives_up else never,
        ),
        min_size=1,
        max_size=25,
    )


def asked(many: list[Question], *, at_once: int = 1_000, then: float = 0.0) -> float:
    """Let them all ask, and return how long `then` takes to be had after that (s)."""

    async def main() -> float:
        bucket = TokenBucket(LIMIT, PER_S, share=1.0, at_once=at_once)
        async with asyncio.TaskGroup() as tasks:
            for question in many:
                tasks.create_task(question.ask(bucket))
        ended_s = asyncio.get_running_loop().time()
        async with bucket.turn(then, REPAIR):
            return asyncio.get_running_loop().time() - ended_s

    return leap_through(main())


@given(many=questions(holds_s=st.just(0.0)))
def test_the_rate_is_never_exceeded(many: list[Question]) -> None:
    """In no span is more spent than a full bucket and what flows in meanwhile."""
    asked(many)
    spent = sorted((one.served_s, one.weight) for one in many if one.served_s is not None)
    for first, (since_s, _) in enumerate(spent):
        total = 0.0
        for at_s, weight in spent[first:]:
            total += weight
            assert total <= LIMIT + (at_s - since_s) * LIMIT / PER_S + 1e-6


@given(many=questions(holds_s=st.integers(0, 20).map(lambda tenth: tenth / 10)), at_once=st.integers(1, 4))
def test_nobody_is_served_before_who_is_more_urgent_or_came_first(many: list[Question], at_once: int) -> None:
    asked(many, at_once=at_once)
    served = [(one.served_s, one) for one in many if one.served_s is not None]
    for at_s, one in served:
        passed_over = [
            other
            for other in many
            if other.comes_s < at_s < (other.left_s if other.served_s is None else other.served_s)
            and (other.urgency, other.comes_s) < (one.urgency, one.comes_s)
        ]
        assert passed_over == []
        assert sum(other_s <= at_s < other.left_s for other_s, other in served) <= at_once
    assert all(one.served_s is not None for one in many if one.gives_up_s is None)


@given(many=questions(holds_s=st.just(0.0)))
def test_who_gives_up_in_the_line_pays_nothing(many: list[Question]) -> None:
    """A full bucket is had as soon afterwards as if only those had asked who were served."""
    wait_s = asked(many, then=LIMIT)
    tokens, at_s = LIMIT, 0.0
    for served_s, weight in sorted((one.served_s, one.weight) for one in many if one.served_s is not None):
        tokens = min(tokens + (served_s - at_s) * LIMIT / PER_S, LIMIT) - weight
        at_s = served_s
    ended_s = max(one.left_s for one in many)
    tokens = min(tokens + (ended_s - at_s) * LIMIT / PER_S, LIMIT)
    assert wait_s == pytest.approx((LIMIT - tokens) / LIMIT * PER_S, abs=1e-6)


def test_who_gives_up_keeps_nobody_waiting() -> None:
    heavy = Question(0.1, LIMIT, REPAIR, 0.0, gives_up_s=1.0)
    light = Question(0.2, 1.0, BACKFILL, 0.0, gives_up_s=None)
    asked([Question(0.0, LIMIT, REPAIR, 0.0, None), heavy, light])
    assert heavy.served_s is None
    assert light.served_s == pytest.approx(1.1)  # there was enough for it at 0.5


def test_who_is_cancelled_in_the_moment_it_is_served_pays_nothing() -> None:
    async def main() -> float:
        loop, bucket = asyncio.get_running_loop(), TokenBucket(LIMIT, PER_S, share=1.0, at_once=1)
        first = asyncio.create_task(Question(0.0, 1.0, REPAIR, 1.0, None).ask(bucket))
        second = asyncio.create_task(Question(0.0, LIMIT - 1.0, REPAIR, 1.0, None).ask(bucket))
        await asyncio.sleep(0.5)
        first.cancel()  # in the next round of the loop it frees the place, and the second one is served
        loop.call_soon(second.cancel)
        await asyncio.wait([first, second])
        assert second.cancelled()
        async with bucket.turn(LIMIT - 1.0, REPAIR):
            return loop.time()

    assert leap_through(main()) == 0.5


def test_more_than_the_limit_waits_for_a_full_bucket_and_is_paid_off() -> None:
    many = [Question(at_s, weight, REPAIR, 0.0, None) for at_s, weight in ((0.0, 1.0), (0.1, 20.0), (0.2, 1.0))]
    asked(many)
    assert [one.served_s for one in many] == pytest.approx([0.0, 0.5, 6.0])


class Venue:
    """A venue that notes what it is asked, and answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refusals: list[int] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        await self.may_answer.wait()
        return web.Response(status=self.refusals.pop(0) if self.refusals else 200)


@pytest.fixture
async def venue() -> Venue:
    return Venue()


@pytest.fixture
async def client(venue: Venue) -> AsyncIterator[RestClient]:
    app = web.Application()
    app.router.add_get("/{what}", venue.answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield RestClient(session, str(server.make_url("")), bucket=TokenBucket(1e6, 1.0, at_once=2))


async def test_a_repair_goes_before_all_that_waits(client: RestClient, venue: Venue) -> None:
    """Also before those who wait for nothing but an answer to the others."""
    venue.may_answer.clear()
    async with asyncio.TaskGroup() as tasks:
        for urgency in (TICKERS, TICKERS, TICKERS, BACKFILL, CONFIRM, REPAIR):
            tasks.create_task(client.get(f"/{urgency.name}", urgency=urgency))
        while len(venue.asked) < 2:  # noqa: ASYNC110 a list tells nobody
            await asyncio.sleep(0)
        venue.may_answer.set()
    assert venue.asked[:2] == ["/TICKERS", "/TICKERS"]
    assert venue.asked[2] == "/REPAIR"
    assert sorted(venue.asked[3:]) == ["/BACKFILL", "/CONFIRM", "/TICKERS"]


async def test_what_is_asked_again_stands_in_line_again(client: RestClient, venue: Venue) -> None:
    """Else a venue in trouble would have every place taken by history that is tried again and again."""
    client.bucket = TokenBucket(1e6, 1.0, at_once=1)
    venue.refusals = [503]
    venue.may_answer.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(client.get("/history", urgency=BACKFILL))
        while not venue.asked:  # noqa: ASYNC110 a list tells nobody
            await asyncio.sleep(0)
        tasks.create_task(client.get("/repair", urgency=REPAIR))
        await asyncio.sleep(0)
        venue.may_answer.set()
    assert venue.asked == ["/history", "/repair", "/history"]
