"""The doctor on real parts: what it finds of a desk that is well, and of one that is not."""

import secrets
from collections.abc import Iterator
from uuid import uuid4

import pytest

from desk.doctor import Finding, State, Surroundings, examine
from desk.local.supabase_lite import SupabaseLite
from desk.local.upstash import UpstashFacade
from desk.surroundings import RestProbe, surroundings
from shared.adapters.supabase.channels import SupabaseChannelStore
from shared.adapters.supabase.client import connect, once
from shared.domain.notifications import Channel, ChannelKind
from shared.runtime.config import Settings
from tests.fakes.status import MemoryDepths

NOBODY = "http://127.0.0.1:9"


def settings_of(supabase: SupabaseLite, upstash: UpstashFacade, **changes: str) -> Settings:
    return Settings.from_env(
        {
            "SUPABASE_URL": supabase.url,
            "SUPABASE_KEY": supabase.publishable_key,
            "SUPABASE_SERVICE_ROLE_KEY": supabase.secret_key,
            "SUPABASE_JWT_SECRET": supabase.jwt_secret,
            "UPSTASH_REDIS_REST_URL": upstash.url,
            "UPSTASH_REDIS_REST_TOKEN": upstash.token,
            "BINANCE_URL": NOBODY,
        }
        | changes
    )


def examined(around: Surroundings) -> dict[str, Finding]:
    """Return the last finding of each name."""
    try:
        return {each.name: each for each in examine(around)}
    finally:
        assert isinstance(around.redis, RestProbe)
        around.redis.redis.close()


@pytest.fixture
def channels(clean_supabase: SupabaseLite) -> Iterator[SupabaseChannelStore]:
    client = connect(clean_supabase.url, clean_supabase.secret_key)
    once(client.from_("notification_channels").delete().not_.is_("channel_id", "null"))
    yield SupabaseChannelStore(client)
    once(client.from_("notification_channels").delete().not_.is_("channel_id", "null"))


def test_what_can_be_reached_is_well(
    clean_supabase: SupabaseLite, upstash: UpstashFacade, channels: SupabaseChannelStore
) -> None:
    address = "json://example.com"
    for name, enabled in (("Ops", True), ("Spare", False)):
        channel = Channel(
            channel_id=str(uuid4()), owner_id=None, name=name, kind=ChannelKind.APPRISE, shown=address, enabled=enabled
        )
        channels.create(channel, target=address, secret=None)
    found = examined(surroundings(settings_of(clean_supabase, upstash), queues=MemoryDepths()))
    for name in ("database", "migrations", "token", "redis", "channels"):
        assert found[name].state is State.OK, found[name]
    assert found["channels"].found == "1 enabled"
    assert found["redis plan"].state in {State.OK, State.WARN}
    assert (found["clock"].state, "binance does not tell its time" in found["clock"].found) == (State.WARN, True)


def test_what_is_wrong_is_found(clean_supabase: SupabaseLite, upstash: UpstashFacade) -> None:
    other = settings_of(clean_supabase, upstash, SUPABASE_JWT_SECRET=secrets.token_urlsafe(32))
    found = examined(surroundings(other, queues=MemoryDepths()))
    assert (found["database"].state, found["token"].state) == (State.OK, State.FAIL)
    away = {"UPSTASH_REDIS_REST_URL": NOBODY, "SUPABASE_URL": NOBODY}
    found = examined(surroundings(settings_of(clean_supabase, upstash, **away), queues=MemoryDepths()))
    for name in ("database", "redis", "token", "channels"):
        assert found[name].state is State.FAIL, found[name]
