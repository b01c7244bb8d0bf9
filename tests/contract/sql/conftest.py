"""What the SQL tests share."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from tests.contract.sql.actors import ROWS, Session
from tests.contract.sql.cron_server import binaries_of, system_server

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def bootstrap() -> bytes:
    """What Supabase provides and a plain Postgres lacks, as SQL."""
    return Path(__file__).with_name("bootstrap.sql").read_bytes()


@pytest.fixture(scope="session")
def postgres_15(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL 15, Supabase's oldest, that can decode its log: the URL of its database `postgres`."""
    programs = binaries_of(15)
    if programs is None:
        pytest.skip("no PostgreSQL 15: apt-get install postgresql-15")
    with system_server(tmp_path_factory.mktemp("postgres15"), programs, {"wal_level": "logical"}) as url:
        yield url


@pytest.fixture
def make_database(bootstrap: bytes) -> Callable[[str], str]:
    """Make a database on a server that has only what Supabase provides: its URL."""

    def make(server: str) -> str:
        name = f"made{next(_NUMBERS)}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"create database {name}".encode())
        url = server.replace("/postgres?", f"/{name}?")
        with psycopg.connect(url) as connection:
            connection.execute(bootstrap)
        return url

    return make


@pytest.fixture(params=["postgres_server", "postgres_15"])
def any_empty(request: pytest.FixtureRequest, make_database: Callable[[str], str]) -> str:
    """An empty database of every PostgreSQL there is here: its URL."""
    return make_database(request.getfixturevalue(request.param))


@pytest.fixture
def session(postgres: str) -> Iterator[Session]:
    """A transaction on a database with rows of everybody in every table."""
    with psycopg.connect(postgres) as connection:
        connection.execute("select 1")
        connection.execute("delete from public.traders")  # the built-in ones
        connection.execute("delete from public.trading_transitions")  # those of other tests
        connection.execute(ROWS.encode())
        yield Session(connection)
        connection.rollback()
