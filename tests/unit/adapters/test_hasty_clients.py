"""Whoever cannot wait is told at once that a store is away."""

import threading
import time

import httpx
import pytest
import stamina

from shared.adapters.supabase.client import _Hasty, call, connect
from shared.domain.errors import TransientError


@pytest.mark.parametrize("error", [httpx.ReadTimeout("slow"), httpx.ConnectError("refused")], ids=["slow", "refused"])
def test_a_database_that_does_not_answer_is_asked_once(error: httpx.TransportError) -> None:
    asked = []

    def away(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        raise error

    session = httpx.Client(transport=_Hasty(httpx.MockTransport(away)))
    client = connect("http://database.example", "k", session=session)
    began = time.perf_counter()
    with stamina.set_testing(False), pytest.raises(TransientError) as why:  # with real patience
        call(client, "last_monitor_run", {})
    assert why.value.source == "database"
    assert len(asked) == 1
    assert time.perf_counter() - began < 1
    session.close()


class Answers:
    """A database that answers as it is told: with a status, or not at all; each answer takes a while."""

    def __init__(self) -> None:
        self.status: int | None = 200
        self.takes_s = 0.0
        self.recovers = False
        self.asked = 0
        self.now_s = 100.0
        hasty = _Hasty(httpx.MockTransport(self._answer), stopwatch=lambda: self.now_s, wait=self._wait)
        self.client = connect("https://x.supabase.co", "key", session=httpx.Client(transport=hasty))

    def ask(self) -> None:
        """Ask for something."""
        call(self.client, "list_agents", {})

    def _answer(self, _: httpx.Request) -> httpx.Response:
        self.asked += 1
        self.now_s += self.takes_s
        if self.status is None:
            raise httpx.ReadTimeout("timed out")
        return httpx.Response(self.status, json=[])

    def _wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.status = 200 if self.recovers else self.status


def test_a_busy_database_is_asked_once_more_and_not_again() -> None:
    database = Answers()
    database.status = 503
    with pytest.raises(TransientError, match="the database answers 503") as raised:
        database.ask()
    assert (database.asked, raised.value.source) == (2, "database")


def test_a_database_that_is_busy_for_a_moment_is_there() -> None:
    database = Answers()
    database.status, database.recovers = 503, True
    database.ask()
    assert database.asked == 2


@pytest.mark.parametrize("status", [None, 503])
def test_who_is_away_is_not_waited_for_again_within_the_same_run(status: int | None) -> None:
    database = Answers()
    database.status, database.takes_s = status, 2.0
    with pytest.raises(TransientError):
        database.ask()
    asked, waited_s = database.asked, database.now_s
    for _ in range(5):
        with pytest.raises(TransientError, match="did not answer a moment ago") as raised:
            database.ask()
        assert raised.value.source == "database"
    assert (database.asked, database.now_s) == (asked, waited_s)
    database.status = 200
    database.now_s += 60.0  # the next run
    database.ask()


def test_one_slow_question_among_others_keeps_no_other_from_being_asked() -> None:
    other = threading.Event()

    def slow(request: httpx.Request) -> httpx.Response:
        if other.is_set():
            return httpx.Response(200, json=[])
        other.set()
        call(client, "list_agents", {})  # somebody else is answered meanwhile
        raise httpx.ReadTimeout("timed out")

    client = connect("https://x.supabase.co", "key", session=httpx.Client(transport=_Hasty(httpx.MockTransport(slow))))
    with pytest.raises(TransientError):
        call(client, "list_agents", {})
    call(client, "list_agents", {})
