"""sql/cron.sql on the real pg_cron: it wakes what serverless.yml says, as the desk expects to be woken."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from desk.lambda_host.spec import FunctionSpec, read_spec
from desk.local.process import PROJECT
from desk.migrate import SQL, sql_files
from tests.architecture.packaging import VARIABLES
from tests.contract.sql.cron_server import STAND_INS, binaries, cron_server

FILE = (SQL / "cron.sql").read_text()
URL, SECRET = "https://abc123.execute-api.eu-central-1.amazonaws.com/", "of-the-vault-1"
RATE = re.compile(r"rate\((\d+) (minute|hour)s?\)")

needs_cron = pytest.mark.skipif(binaries() is None, reason="no pg_cron: apt-get install postgresql-15-cron")


def scheduled() -> dict[str, FunctionSpec]:
    functions = read_spec(PROJECT / "serverless.yml", VARIABLES).functions.values()
    return {function.name: function for function in functions if function.schedules}


def as_cron(rate: str) -> str:
    found = RATE.fullmatch(rate)
    assert found is not None, f"how often is {rate!r} for pg_cron?"
    number, unit = int(found[1]), found[2]
    if unit == "hour":
        return "0 * * * *" if number == 1 else f"0 */{number} * * *"
    return "* * * * *" if number == 1 else f"*/{number} * * * *"


def listed() -> dict[str, str]:
    body = FILE.partition("function desk_cron.functions()")[2].partition("$$;")[0]
    return dict(re.findall(r"\('([a-z-]+)', '([^']+)'\)", body))


def test_the_list_is_what_serverless_yml_schedules() -> None:
    assert listed() == {name: as_cron(function.schedules[0]) for name, function in scheduled().items()}


@pytest.mark.parametrize("name", sorted(scheduled()))
def test_what_is_woken_has_a_door_for_machines_and_answers_in_time(name: str) -> None:
    function = scheduled()[name]
    assert ("POST", f"/functions/v1/{name}") in {(route.method, route.path) for route in function.routes}
    assert function.environment["SERVICE_SECRET"] == VARIABLES["SERVICE_SECRET"]
    waits_ms = int(re.findall(r"timeout_milliseconds := (\d+)", FILE)[0])
    assert function.timeout_s * 1_000 < waits_ms


def test_it_is_no_migration_and_has_no_secret() -> None:
    assert "cron.sql" not in {file.name for file in sql_files()}
    assert not re.search(r"eyJ[\w-]{10,}|sb_secret_|Bearer [A-Za-z0-9]", FILE)


def test_without_pg_cron_it_says_so_and_leaves_nothing(postgres: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as connection:
        with pytest.raises(
            psycopg.errors.RaiseException, match=r"pg_cron is not enabled in database nightdesk: enable"
        ):
            connection.execute(FILE.encode())
        connection.rollback()
        assert connection.execute("select to_regnamespace('desk_cron')").fetchone() == (None,)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with pg_cron, the stand-ins for pg_net and the Vault, and the roles of the API."""
    with cron_server(tmp_path_factory.mktemp("cron")) as url:
        with psycopg.connect(url) as connection:
            connection.execute(STAND_INS.encode())
            connection.execute("create role anon; create role authenticated; create role service_role")
        yield url


@pytest.fixture
def database(server: str) -> Iterator["psycopg.Connection[Any]"]:
    """The database with the file applied, nothing scheduled and both secrets in the Vault."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(FILE.encode())
        connection.execute("select desk_cron.unschedule_functions()")
        connection.execute("truncate vault.secrets, net.calls, net._http_response, desk_cron.wakes")
        connection.execute("select vault.create_secret(%s, 'nightdesk_url')", (URL,))
        connection.execute("select vault.create_secret(%s, 'nightdesk_service_secret')", (SECRET,))
        yield connection
        connection.execute("select desk_cron.unschedule_functions()")


def jobs(connection: "psycopg.Connection[Any]") -> list[tuple[Any, ...]]:
    return connection.execute(
        "select jobid, jobname, schedule, command, active from cron.job order by jobname"
    ).fetchall()


@needs_cron
@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ("drop extension pg_cron cascade", "pg_cron is not enabled"),
        ("drop function net.http_post", "pg_net is not enabled"),
        ("drop view vault.decrypted_secrets", "no Supabase Vault"),
    ],
)
def test_what_it_needs_and_is_not_there_is_named(server: str, lacks: str, said: str) -> None:
    with psycopg.connect(server) as connection:
        connection.execute("drop schema if exists desk_cron cascade")
        connection.execute(lacks.encode())
        with pytest.raises(psycopg.errors.RaiseException, match=said):
            connection.execute(FILE.replace("\nbegin;\n", "\n", 1).replace("\ncommit;\n", "\n").encode())
        connection.rollback()


@needs_cron
def test_scheduling_again_keeps_one_job_each_and_unscheduling_leaves_none(
    database: "psycopg.Connection[Any]",
) -> None:
    wanted = {f"nightdesk:{name}": schedule for name, schedule in listed().items()} | {"nightdesk:forget": "17 3 * * *"}
    database.execute("select cron.schedule('somebody else''s', '0 0 1 1 *', 'select 1')")
    database.execute("select cron.schedule('nightdesk:of-an-older-list', '* * * * *', 'select 1')")
    described = []
    for _ in range(2):
        made = dict(database.execute("select * from desk_cron.schedule_functions()").fetchall())
        assert made == wanted
        described.append(jobs(database))
        database.execute(FILE.encode())  # a newer file over an older one leaves the jobs alone
    assert described[0] == described[1] == jobs(database)
    assert {job[1]: job[2] for job in jobs(database)} == wanted | {"somebody else's": "0 0 1 1 *"}
    ended = {row[0] for row in database.execute("select * from desk_cron.unschedule_functions()").fetchall()}
    assert ended == set(wanted)
    assert [job[1] for job in jobs(database)] == ["somebody else's"]
    assert database.execute("select * from desk_cron.unschedule_functions()").fetchall() == []
    database.execute("select cron.unschedule('somebody else''s')")


@needs_cron
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("nightdesk_url", None, "the Vault has no secret nightdesk_url"),
        ("nightdesk_service_secret", "", "the Vault has no secret nightdesk_service_secret"),
        ("nightdesk_url", "http://abc123.example", "no address that begins with https://"),
    ],
)
def test_nothing_is_scheduled_without_what_a_call_needs(
    database: "psycopg.Connection[Any]", name: str, value: str | None, said: str
) -> None:
    database.execute("delete from vault.secrets where name = %s", (name,))
    if value is not None:
        database.execute("select vault.create_secret(%s, %s)", (value, name))
    for ask in ("select desk_cron.schedule_functions()", "select desk_cron.wake('risk-agent')"):
        with pytest.raises(psycopg.errors.RaiseException, match=said) as refusal:
            database.execute(ask.encode())
        assert SECRET not in str(refusal.value)
    assert jobs(database) == []
    assert database.execute("select * from net.calls").fetchall() == []


@needs_cron
def test_only_functions_of_the_list_are_woken(database: "psycopg.Connection[Any]") -> None:
    with pytest.raises(psycopg.errors.RaiseException, match=r"no function \.\./api"):
        database.execute("select desk_cron.wake('../api')")


@needs_cron
@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_nobody_of_the_api_may_wake_or_read(database: "psycopg.Connection[Any]", role: str) -> None:
    for ask in ("select desk_cron.wake('risk-agent')", "select * from desk_cron.responses"):
        database.execute(f"set role {role}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.execute(ask.encode())
        database.execute("reset role")


@needs_cron
def test_pg_cron_wakes_every_function_within_the_minute_and_says_what_was_answered(
    database: "psycopg.Connection[Any]",
) -> None:
    """This one waits: pg_cron before 1.5 knows nothing shorter than the next full minute."""
    database.execute("select desk_cron.schedule_functions()")
    until_s = time.monotonic() + 75
    while len(calls := database.execute("select * from net.calls").fetchall()) < len(listed()):
        assert time.monotonic() < until_s, f"pg_cron called {calls}"
        time.sleep(0.5)
    database.execute("select desk_cron.unschedule_functions()")
    assert {call[1] for call in calls} == {f"{URL}functions/v1/{name}" for name in listed()}
    for _, _, body, headers, timeout_ms in calls:
        assert body == {"trigger": "cron"}
        assert headers == {"content-type": "application/json", "authorization": f"Bearer {SECRET}"}
        assert timeout_ms == 30_000

    database.execute(
        "insert into net._http_response (id, status_code, content, timed_out)"
        " select request_id, 401, 'no', false from desk_cron.wakes where function_name = 'risk-agent'"
    )
    database.execute("select desk_cron.schedule_functions()")
    answered = database.execute(
        "select function_name, status_code, content from desk_cron.responses where status_code is not null"
    ).fetchall()
    assert answered == [("risk-agent", 401, "no")]
    status = database.execute("select job_name, is_scheduled, status_code from desk_cron.status").fetchall()
    assert ("nightdesk:risk-agent", True, 401) in status
    assert {name for name, is_scheduled, _ in status if is_scheduled} == {
        f"nightdesk:{n}" for n in (*listed(), "forget")
    }
    said = database.execute("select status, return_message, command from cron.job_run_details").fetchall()
    assert {row[0] for row in said} == {"succeeded"}
    assert SECRET not in json.dumps([said, jobs(database)])


@needs_cron
def test_what_is_a_week_old_is_forgotten(database: "psycopg.Connection[Any]") -> None:
    database.execute("select desk_cron.schedule_functions()")
    for request, age in ((1, "8 days"), (2, "6 days")):
        database.execute(
            "insert into desk_cron.wakes values (%s, 'risk-agent', clock_timestamp() - %s::interval)", (request, age)
        )
        database.execute(
            "insert into cron.job_run_details (jobid, runid, username, end_time)"
            " select jobid, %s, current_user, clock_timestamp() - %s::interval from cron.job"
            " where jobname = 'nightdesk:risk-agent'",
            (-request, age),
        )
    database.execute("select desk_cron.forget()")
    assert database.execute("select request_id from desk_cron.wakes").fetchall() == [(2,)]
    assert database.execute("select runid from cron.job_run_details where runid < 0").fetchall() == [(-2,)]
