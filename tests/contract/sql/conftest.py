"""What the SQL tests share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def bootstrap() -> bytes:
    """What Supabase provides and a plain Postgres lacks, as SQL."""
    return Path(__file__).with_name("bootstrap.sql").read_bytes()
