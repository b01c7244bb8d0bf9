"""What the SQL tests share."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.contract.sql.actors import ROWS, Session


@pytest.fixture(scope="session")
def bootstrap() -> bytes:
    """What Supabase provides and a plain Postgres lacks, as SQL."""
    return Path(__file__).with_name("bootstrap.sql").read_bytes()


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
