"""Whoever cannot wait is told at once that a store is away."""

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
