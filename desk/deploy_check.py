"""Try a live desk from outside, as its collector and its people do: health, data, a signed trigger, a signal."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from desk.doctor import Finding, State
from shared.domain.errors import InvalidMessageError
from shared.domain.signing import sign
from shared.domain.timeframe import Timeframe, parse_timeframe

TRIGGER: Final = "/functions/v1/trigger-executions"
SIGNALS: Final = "/api/v1/signals"
ALLOWANCE_MS: Final = 30_000
"""A close may be overdue by as much: what the monitor allows too."""
_PAUSE_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveDesk:
    """A desk as it is reached from outside; without `trigger_secret` or `token` what needs it is skipped."""

    client: httpx.Client
    venue: str
    trigger_secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    sleep: Callable[[float], None] = time.sleep


def check(desk: LiveDesk, *, wait_s: float = 0.0) -> Iterator[Finding]:
    """Yield what is found, in the order in which a deployment comes to life; a signal is waited for up to `wait_s`.

    Announcing the newest close again changes nothing: a boundary is claimed once. A deployment that accepts an
    announcement nobody signed fails.
    """
    health, finding = _health(desk)
    yield finding
    newest = None
    if health is not None:
        newest, finding = _data_age(health)
        yield finding
    yield from _trigger(desk, newest)
    yield _signal(desk, wait_s)


def _health(desk: LiveDesk) -> tuple[dict[str, Any] | None, Finding]:
    advice = "see that it is deployed and that the address is the one `make deploy` printed"
    try:
        answer = desk.client.get("/health")
        body: dict[str, Any] = answer.json()
        monitor = "overdue" if body["monitor"]["overdue"] else "runs"
        said = f"{body['status']}, database {body['database']}, monitor {monitor}"
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return None, Finding("health", State.FAIL, f"does not answer as a desk: {error!r}", advice)
    states = {"healthy": State.OK, "degraded": State.WARN}
    state = states.get(body["status"], State.FAIL)
    more = "" if state is State.OK else "`desk doctor --deployed` says what is wrong, `make logs` why"
    return body, Finding("health", state, said, more)


def _data_age(health: dict[str, Any]) -> tuple[tuple[Timeframe, int] | None, Finding]:
    """Return the newest close of the shortest timeframe (epoch ms), and whether it is due."""
    advice = "see the collector's own /health, and UPSTASH_REDIS_URL there against UPSTASH_REDIS_REST_URL here"
    try:
        ages = {
            parse_timeframe(name): age for name, age in health["collector"]["data_age_ms"].items() if age is not None
        }
        now_ms = int(health["timestamp"])
    except (InvalidMessageError, KeyError, TypeError, ValueError, AttributeError) as error:
        return None, Finding("data age", State.FAIL, f"/health does not tell it: {error!r}", advice)
    if not ages:
        return None, Finding("data age", State.FAIL, "there are no candles in the log", advice)
    shortest = min(ages, key=lambda timeframe: timeframe.ms)
    close_time = now_ms - ages[shortest]
    told = f"the newest {shortest} close is {ages[shortest] / 1_000:.0f} s old"
    if ages[shortest] > shortest.ms + ALLOWANCE_MS:
        return (shortest, close_time), Finding("data age", State.FAIL, told, advice)
    return (shortest, close_time), Finding("data age", State.OK, told)


def _trigger(desk: LiveDesk, newest: tuple[Timeframe, int] | None) -> Iterator[Finding]:
    if newest is None:
        yield Finding("trigger", State.SKIP, "no close is known that could be announced")
        return
    timeframe, close_time = newest
    announced = {"venue": desk.venue, "timeframe": str(timeframe), "close_time": close_time - close_time % timeframe.ms}
    body = json.dumps(announced)
    yield _posted(desk, "unsigned", body, {}, _refused)
    if desk.trigger_secret is None:
        yield Finding("trigger", State.SKIP, "TRIGGER_SECRET is not set here")
        return
    yield _posted(desk, "trigger", body, sign(desk.trigger_secret, timestamp_ms=desk.wall_ms(), body=body), _accepted)


def _posted(
    desk: LiveDesk, name: str, body: str, headers: dict[str, str], judge: Callable[[httpx.Response], Finding]
) -> Finding:
    try:
        return judge(desk.client.post(TRIGGER, content=body, headers={**headers, "content-type": "application/json"}))
    except httpx.HTTPError as error:
        return Finding(name, State.FAIL, f"POST {TRIGGER}: {error!r}", "see `make logs FN=trigger-executions`")


def _refused(answer: httpx.Response) -> Finding:
    if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        return Finding("unsigned", State.OK, f"an announcement nobody signed is refused ({answer.status_code})")
    found = f"an announcement nobody signed is answered with {answer.status_code}"
    return Finding("unsigned", State.FAIL, found, "set TRIGGER_SECRET and deploy again; until then anybody may trigger")


def _accepted(answer: httpx.Response) -> Finding:
    advice = "TRIGGER_SECRET here, at the functions and at the collector must be the same; the clock must be right"
    try:
        body = answer.json()
        if answer.status_code == httpx.codes.OK:
            how = f"claimed, {body['shards']} shards sent" if body["claimed"] else "claimed before, as it should be"
            return Finding("trigger", State.OK, f"a signed announcement is accepted: {body['timeframe']}, {how}")
        said = body.get("detail", "")
    except (ValueError, KeyError, TypeError, AttributeError):
        said = answer.text[:200]
    return Finding(
        "trigger", State.FAIL, f"a signed announcement is answered with {answer.status_code}: {said}", advice
    )


def _signal(desk: LiveDesk, wait_s: float) -> Finding:
    """Look for a signal, again and again while there is time."""
    if desk.token is None:
        return Finding("signal", State.SKIP, "NIGHTDESK_TOKEN is not set here")
    until_ms = desk.wall_ms() + round(wait_s * 1_000)
    while (found := _newest_signal(desk, desk.token)).state is State.WARN and desk.wall_ms() < until_ms:
        desk.sleep(_PAUSE_S)
    return found


def _newest_signal(desk: LiveDesk, token: str) -> Finding:
    try:
        answer = desk.client.get(SIGNALS, params={"limit": 1}, headers={"authorization": f"Bearer {token}"})
        if answer.status_code != httpx.codes.OK:
            advice = "NIGHTDESK_TOKEN is a person's access token, and lasts for an hour"
            return Finding("signal", State.FAIL, f"GET {SIGNALS} answers {answer.status_code}", advice)
        items: list[dict[str, Any]] = answer.json()["items"]
        if not items:
            advice = (
                "built-in traders wait for their conditions: try again with --wait-s, or save a trader of `close > 0`"
            )
            return Finding("signal", State.WARN, "no signal is there yet", advice)
        newest = items[0]
        told = f"{newest['symbol']} {newest['timeframe']} {newest['side']} of {newest['trader_id']}"
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return Finding("signal", State.FAIL, f"GET {SIGNALS}: {error!r}", "see `make logs FN=api`")
    return Finding("signal", State.OK, f"seen: {told}")
