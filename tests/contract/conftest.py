"""Real parts on this machine, one of each for the whole run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.local.redis import LocalRedis
from desk.local.upstash import UpstashFacade
from tests.contract.live_venues import VENUES, Live, opened


@pytest.fixture(scope="session")
def log_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the parts write what they have to say."""
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="session")
def local_redis(log_dir: Path) -> Iterator[LocalRedis]:
    """A Redis: redis-server if there is one, else the embedded one."""
    with LocalRedis(log_dir=log_dir) as redis:
        yield redis


@pytest.fixture(scope="session")
def upstash(local_redis: LocalRedis, log_dir: Path) -> Iterator[UpstashFacade]:
    """Upstash's REST interface in front of the Redis."""
    assert local_redis.port is not None
    with UpstashFacade(redis_port=local_redis.port, token="a-token", log_dir=log_dir) as facade:
        yield facade


@pytest.fixture(params=sorted(VENUES))
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    """Each venue that trades live, with the desk's account there."""
    yield from opened(request.param)
