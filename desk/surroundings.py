"""Reach what a desk stands on, as the doctor needs it."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from desk.doctor import Finding, State, Surroundings
from shared.adapters.redis_rest import RestRedis, connect_rest, run
from shared.adapters.redis_usage import RestUsageReads
from shared.adapters.supabase.client import once, rows
from shared.domain.errors import NightdeskError, TransientError
from shared.runtime.config import Settings
from shared.runtime.users import AUDIENCE, authenticate
from shared.runtime.wiring import Deps
from shared.status_ports import QueueDepths

_TOKEN_TTL_S: Final = 60
_VENUE_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class RestProbe:
    """Redis over Upstash's REST interface."""

    redis: RestRedis

    def ping(self) -> bool:
        """Tell whether it answers as Redis does."""
        return bool(run(self.redis, ["PING"], "redis") == "PONG")

    def eviction(self) -> str | None:
        """Return its eviction policy; None where it does not tell, as Upstash does not."""
        try:
            told = run(self.redis, ["CONFIG", "GET", "maxmemory-policy"], "redis")
        except TransientError:
            return None
        values = [*told.values()] if isinstance(told, Mapping) else list(told or ())[1:]
        return str(values[0]) if values else None


def surroundings(settings: Settings, *, queues: QueueDepths | None, urgent_urls: int = 0) -> Surroundings:
    """Return what the settings lead to; what they lack is left out."""
    deps = Deps(settings)
    has_database = bool(settings.supabase_url and settings.supabase_service_role_key)
    has_redis = bool(settings.upstash_redis_rest_url and settings.upstash_redis_rest_token)
    redis = None
    if has_redis:
        redis = connect_rest(settings.need("upstash_redis_rest_url"), settings.need("upstash_redis_rest_token"))
    return Surroundings(
        status=deps.status_reads if has_database else None,
        monitor=deps.monitor_runs if has_database else None,
        redis=RestProbe(redis) if redis else None,
        usage=RestUsageReads(redis) if redis else None,
        queues=queues,
        try_token=_token_round(deps) if settings.supabase_key and settings.supabase_jwt_secret else None,
        channels=(lambda: _channels(deps)) if has_database else None,
        venue_times=lambda venues: asyncio.run(_times(venues, settings)),
        urgent_urls=urgent_urls,
        wall_clock=deps.wall_clock,
    )


def look_at_api(address: str) -> Finding:
    """Return what /health of an API says."""
    import httpx

    advice = "see what /health says: `desk status`, and `desk logs api`"
    try:
        answer = httpx.get(f"{address.rstrip('/')}/health", timeout=10.0)
        body: dict[str, Any] = answer.json()
        stale = ", ".join(body["collector"]["stale"]) or "none"
        said = f"{body['status']}, database {body['database']}, stale: {stale}"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        return Finding("api", State.FAIL, f"{address} does not answer as a desk: {error!r}", "see that it is deployed")
    states = {"healthy": State.OK, "degraded": State.WARN}
    state = states.get(body["status"], State.FAIL)
    return Finding("api", state, said, "" if state is State.OK else advice)


def _token_round(deps: Deps) -> Callable[[], None]:
    """Return what signs a person's token, checks it as the API does, and asks the database with it."""

    def ask() -> None:
        import jwt

        now = int(time.time())
        claims = {
            "sub": str(uuid4()),
            "role": AUDIENCE,
            "aud": AUDIENCE,
            "iss": f"{deps.settings.need('supabase_url').rstrip('/')}/auth/v1",
            "iat": now,
            "exp": now + _TOKEN_TTL_S,
        }
        token = jwt.encode(claims, deps.settings.need("supabase_jwt_secret"), algorithm="HS256")
        authenticate(token, deps.settings)
        rows(once(deps.database_as(token).from_("traders").select("trader_id").limit(1)))

    return ask


def _channels(deps: Deps) -> tuple[int, int]:
    """Return how many desk-wide channels are enabled and how many of them fail."""
    query = deps.database.from_("notification_channels").select("failing_since").eq("enabled", "true")
    found = rows(once(query.is_("owner_id", "null")))
    return len(found), sum(row["failing_since"] is not None for row in found)


async def _times(venues: Sequence[str], settings: Settings) -> Mapping[str, int | NightdeskError]:
    """Return each venue's clock, or why it does not tell."""
    import aiohttp

    from shared.adapters.venues.registry import VENUES

    timeout = aiohttp.ClientTimeout(total=_VENUE_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:

        async def ask(venue: str) -> int | NightdeskError:
            access = settings.venue_access.get(venue)
            url = (access.url if access else None) or VENUES[venue].rest_url
            try:
                async with asyncio.timeout(_VENUE_TIMEOUT_S):
                    return await VENUES[venue].source(session, url).server_time()
            except NightdeskError as error:
                return error
            except TimeoutError:
                return TransientError(f"no answer within {_VENUE_TIMEOUT_S:.0f} s")

        known = [venue for venue in venues if venue in VENUES]
        return dict(zip(known, await asyncio.gather(*map(ask, known)), strict=True))
