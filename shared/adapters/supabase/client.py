"""How the stores talk to PostgREST: one keep-alive session, and retries where a repetition changes nothing."""

import atexit
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Final, Protocol

import httpx
import stamina
from postgrest import APIError, APIResponse, SyncPostgrestClient

from shared.adapters.supabase.errors import SOURCE, named
from shared.domain.errors import TransientError

Row = dict[str, Any]

PAGE: Final = 1_000  # PostgREST's default max_rows; a server with a smaller one only costs more requests
_TIMEOUT: Final = httpx.Timeout(10.0, connect=3.0)
_HASTE: Final = httpx.Timeout(2.0, connect=1.0)
_NEXT_RUN_S: Final = 60.0
_BUSY_WAIT_S: Final = 0.2
AWAY_S: Final = 2.0
"""For how long nobody who cannot wait asks a database that is away."""
_BUSY: Final = frozenset({429, 502, 503, 504, *range(520, 531)})
_PATIENCE_S: Final = 5.0  # asked to wait longer, leave the retry to the queue


class Query(Protocol):
    """A built PostgREST request."""

    def execute(self) -> APIResponse:
        """Send it."""
        ...


def connect(
    url: str, key: str, *, token: str | None = None, session: httpx.Client | None = None
) -> SyncPostgrestClient:
    """Return a client of a Supabase project for its holder of `key`, or for the person a token speaks for.

    Clients share one HTTP session of the process unless one is given, so that making a client per request is free.
    """
    return SyncPostgrestClient(
        f"{url.rstrip('/')}/rest/v1",
        headers={"apikey": key, "Authorization": f"Bearer {token or key}"},
        http_client=session or shared_session(),
        retry_enabled=False,  # stamina retries here: by total time, with jitter, and writes that are safe to repeat
    )


@cache
def shared_session() -> httpx.Client:
    """Return the process's session; it keeps connections alive between invocations, and closes them at the end."""
    session = httpx.Client(timeout=_TIMEOUT, event_hooks={"response": [refuse_busy]})
    atexit.register(session.close)
    return session


@cache
def hasty_session() -> httpx.Client:
    """Return the session of whoever cannot wait: a database that does not answer in two seconds is away."""
    session = httpx.Client(timeout=_HASTE, transport=_Hasty(httpx.HTTPTransport(retries=1)))
    atexit.register(session.close)
    return session


class _Hasty(httpx.BaseTransport):
    """A transport that has the retry left to the next run: nobody here waits for it.

    A connection that cannot be made is tried twice, and so is a server that is busy. When a request fails during which
    nothing else was answered, the database is away: for the next two seconds nobody waits for it again. One that fails
    while others are answered is its own.
    """

    def __init__(
        self,
        transport: httpx.BaseTransport,
        *,
        stopwatch: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport, self._stopwatch, self._wait = transport, stopwatch, wait
        self._answered_s = self._away_until_s = float("-inf")

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; raise `TransientError` when the database is away."""
        began_s = self._stopwatch()
        if began_s < self._away_until_s:
            raise self._away("the database did not answer a moment ago", began_s)
        try:
            response = self._transport.handle_request(request)
            if response.status_code in _BUSY:
                response.close()
                self._wait(_BUSY_WAIT_S)
                response = self._transport.handle_request(request)
        except httpx.TransportError as error:
            why = f"the database cannot be reached: {type(error).__name__} {error}".rstrip()
            raise self._away(why, began_s) from error
        if response.status_code in _BUSY:
            response.close()
            raise self._away(f"the database answers {response.status_code}", began_s)
        self._answered_s = self._stopwatch()
        return response

    def _away(self, why: str, began_s: float) -> TransientError:
        """Return why a request has failed that began at an instant, and remember when it was the only one."""
        if self._answered_s < began_s and self._away_until_s <= began_s:
            self._away_until_s = self._stopwatch() + AWAY_S
        return TransientError(why, retry_after_s=_NEXT_RUN_S, source=SOURCE)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


def refuse_busy(response: httpx.Response) -> None:
    """Raise `TransientError` for an answer that says "later", with the delay the server asks for."""
    if response.status_code in _BUSY:
        delay = response.headers.get("retry-after", "")
        raise TransientError(
            f"the database answers {response.status_code}",
            retry_after_s=float(delay) if delay.isdecimal() else None,
            source=SOURCE,
        )


def once(query: Query) -> APIResponse:
    """Send a request that may not be repeated; raise the desk's errors."""
    try:
        return query.execute()
    except APIError as error:
        raise named(error) from error
    except httpx.TransportError as error:
        why = f"the database cannot be reached: {type(error).__name__} {error}".rstrip()
        raise TransientError(why, source=SOURCE) from error


def repeatable(query: Query) -> APIResponse:
    """Send a read, or a write that repeating does not change, as often as it takes within a few seconds."""
    for attempt in stamina.retry_context(on=_patient, attempts=4, timeout=12.0, wait_initial=0.1, wait_max=2.0):
        with attempt:
            response = once(query)
    return response


def call(client: SyncPostgrestClient, function: str, values: dict[str, Any]) -> Any:
    """Call one of sql/'s functions, all of which may be repeated, and return the value it answers."""
    return repeatable(client.rpc(function, values)).data


def rows(response: APIResponse) -> list[Row]:
    """Return the rows of an answer; raise `TransientError` when something else than PostgREST answered."""
    data: Any = response.data
    if not isinstance(data, list):
        raise TransientError(f"the database answers {str(data)[:100]!r} instead of rows", source=SOURCE)
    return data


def every_row(page: Callable[[Row | None], Query]) -> list[Row]:
    """Return all rows of a query that is built anew from the last row of the page before.

    Only an empty page is the end: a server may cut pages shorter than asked, and says nothing when it does.
    """
    found: list[Row] = []
    while batch := rows(repeatable(page(found[-1] if found else None))):
        found += batch
    return found


def _patient(error: Exception) -> bool | float:
    if not isinstance(error, TransientError):
        return False
    if error.retry_after_s is None:
        return True
    return error.retry_after_s <= _PATIENCE_S and error.retry_after_s
