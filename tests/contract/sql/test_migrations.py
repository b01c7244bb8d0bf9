"""sql/ applies from empty and again, on a real Postgres and on Supabase Lite; `desk migrate` keeps the history."""

import re
import shutil
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import psycopg
import pytest
from typer import Typer
from typer.testing import CliRunner

from desk.local.supabase_lite import SupabaseLite
from desk.migrate import SQL, SqlFile, apply_all, check_all, migrate, sql_files
from shared.domain.errors import ConflictError, FatalError

TABLES = {
    "venues",
    "instruments",
    "profiles",
    "traders",
    "trader_versions",
    "signals",
    "signal_outcomes",
    "execution_runs",
    "run_digests",
    "agents",
    "agent_memory",
    "paper_accounts",
    "paper_orders",
    "paper_trades",
    "desk_state",
    "trading_transitions",
    "books",
    "circuit_breaker_events",
    "risk_breaches",
    "equity_points",
    "trade_intents",
    "orders",
    "positions",
    "fills",
    "accounts",
    "account_flows",
    "alerts",
    "outbox",
    "notification_channels",
    "notification_deliveries",
    "intelligence_signals",
    "proposals",
    "tiers",
    "audit_events",
    "monitor_runs",
    "monitor_lease",
    "venue_health",
}


@pytest.fixture
def empty(postgres_server: str, make_database: Callable[[str], str]) -> str:
    """Return the URL of a database that has only what Supabase provides."""
    return make_database(postgres_server)


def public_tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
    return {row[0] for row in rows}


def schema(url: str) -> list[tuple[str, ...]]:
    """Describe columns, constraints, indexes, policies, triggers, functions and grants."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            """
            select 'column', table_name, column_name, data_type || coalesce(column_default, '')
              from information_schema.columns where table_schema in ('public', 'desk')
            union all select 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
              from pg_constraint where connamespace in ('public'::regnamespace, 'desk'::regnamespace)
            union all select 'index', tablename, indexname, indexdef from pg_indexes where schemaname = 'public'
            union all select 'policy', tablename, policyname, coalesce(qual, '') || coalesce(with_check, '')
              from pg_policies
            union all select 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid)
              from pg_trigger where not tgisinternal
            union all select 'function', oid::regprocedure::text, coalesce(proacl::text, ''), md5(prosrc)
              from pg_proc where pronamespace in ('public'::regnamespace, 'desk'::regnamespace)
            union all select 'table', oid::regclass::text, coalesce(relacl::text, ''), relrowsecurity::text
              from pg_class where relnamespace in ('public'::regnamespace, 'desk'::regnamespace) and relkind = 'r'
            order by 1, 2, 3, 4
            """
        ).fetchall()


def paste(url: str, text: str) -> None:
    """Run a file as the SQL editor does: its text as one query, which is one transaction."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(text.encode())


def test_files_pasted_one_by_one_apply_from_empty_and_again_without_a_change(any_empty: str) -> None:
    described = []
    for _ in range(2):
        for file in sql_files():
            paste(any_empty, file.text)
        described.append(schema(any_empty))
    assert described[0] == described[1]
    assert public_tables(any_empty) == TABLES
    assert check_all(any_empty).is_none  # told by what is there, without any history


def needs(file: SqlFile) -> list[str]:
    """Return the numbers of the files that one says it needs, at its head."""
    head = " ".join(line.removeprefix("--").strip() for line in takewhile(is_comment, file.text.splitlines()))
    return re.findall(r"(\d{4})", head.partition("Needs ")[2])


def is_comment(line: str) -> bool:
    return line.startswith("--")


def test_what_a_file_says_it_needs_comes_before_it() -> None:
    said = {file.name[:4]: needs(file) for file in sql_files()}
    assert {number: wanted for number, wanted in said.items() if any(one >= number for one in wanted)} == {}
    assert {one for wanted in said.values() for one in wanted} <= said.keys()
    assert len([number for number, wanted in said.items() if wanted]) > 30


def test_a_file_pasted_too_early_fails_and_leaves_nothing_or_makes_functions_alone(empty: str) -> None:
    (first,) = [file for file in sql_files() if file.name == "0001_desk.sql"]
    paste(empty, first.text)
    described = schema(empty)
    refused = set()
    for file in [file for file in sql_files() if needs(file)]:
        with psycopg.connect(empty) as connection:
            try:
                connection.execute(file.text.encode())
            except psycopg.Error:
                refused.add(file.name[:4])
            connection.rollback()
        assert schema(empty) == described
    tables = {
        file.name[:4] for file in sql_files() if needs(file) not in ([], ["0001"]) and "references public." in file.text
    }
    assert tables <= refused
    assert "0046" in refused


def test_traders_from_before_the_history_begin_with_what_they_are(empty: str) -> None:
    files = {file.name: file.text.encode() for file in sql_files()}
    history = "0010_trader_versions.sql"
    with psycopg.connect(empty) as connection:
        for name in sorted(name for name in files if name < history):
            connection.execute(files[name])
        connection.execute(
            "insert into public.traders (trader_id, name, rule, timeframe, include, min_quote_volume_24h)"
            " values ('old', 'n', 'close > 1', '1m', '{BTC/USDT}', 0.1)"
        )
        for _ in range(2):
            connection.execute(files[history])
        versions = connection.execute(
            "select version, v.definition->>'rule', v.definition->'include', v.definition->'min_quote_volume_24h',"
            " v.definition->>'visibility', v.recorded_at = t.updated_at"
            " from public.trader_versions v join public.traders t using (trader_id) where trader_id = 'old'"
        ).fetchall()
        others = connection.execute("select count(*), max(version) from public.trader_versions").fetchone()
        traders = connection.execute("select count(*), 1 from public.traders").fetchone()
    assert versions == [(1, "close > 1", ["BTC/USDT"], 0.1, "private", True)]
    assert others == traders  # the built-in ones have theirs too


def test_migrate_applies_each_file_once(any_empty: str) -> None:
    names = tuple(file.name for file in sql_files())
    assert check_all(any_empty).missing == names
    assert public_tables(any_empty) == set()  # a check changes nothing
    assert apply_all(any_empty) == names
    assert apply_all(any_empty) == ()
    assert check_all(any_empty).is_none
    assert public_tables(any_empty) == TABLES


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("alter table public.orders disable row level security", "no row security on public.orders"),
        (
            'create policy "all" on public.orders for select to anon using (true)',
            'a policy of somebody else on public.orders: "all"',
        ),
        (
            'drop policy "people read alerts of their books" on public.alerts',
            'no policy "people read alerts of their books" (0039_alert_life.sql)',
        ),
        ("drop trigger check_order on public.orders", "no trigger check_order on public.orders (0016_orders.sql)"),
        (
            "alter table public.orders disable trigger check_order",
            "no trigger check_order on public.orders (0016_orders.sql)",
        ),
        (
            "alter publication supabase_realtime drop table public.orders",
            "Realtime does not stream orders (0046_realtime.sql)",
        ),
        ("drop index public.signals_newest", "no index signals_newest (0005_signals.sql)"),
        ("drop function public.read_pulse()", "pending 0045_status.sql"),
        (
            "create or replace function public.read_pulse() returns jsonb language sql as $$ select '1'::jsonb $$",
            "changed public.read_pulse (0045_status.sql)",
        ),
        ("update desk.schema_migrations set sha256 = 'x' where name = '0002_venues.sql'", "edited 0002_venues.sql"),
        ("delete from desk.schema_migrations where name = '0002_venues.sql'", "pending 0002_venues.sql"),
    ],
)
def test_a_check_finds_what_somebody_changed(migrated: str, change: str, said: str) -> None:
    paste(migrated, change)
    assert [*check_all(migrated).lines()] == [said]


@pytest.fixture
def migrated(postgres: str, postgres_server: str) -> str:
    """Return the URL of a copy of the migrated database."""
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("drop database if exists copied")
        connection.execute("create database copied template nightdesk")
    return postgres_server.replace("/postgres?", "/copied?")


def test_an_edited_file_and_a_broken_file_are_named(empty: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SQL, tmp_path / "sql"))
    apply_all(empty, folder=folder)

    (folder / "9998_extra.sql").write_text("create table public.extra (a integer);")
    (folder / "9999_broken.sql").write_text("create table public.half (a integer); select 1 / 0;")
    with pytest.raises(FatalError, match=r"9999_broken\.sql.*division"):
        apply_all(empty, folder=folder)
    assert public_tables(empty) == TABLES | {"extra"}  # what came before stays, the broken file left nothing

    (folder / "9999_broken.sql").unlink()
    (folder / "9998_extra.sql").write_text("create table public.extra (a bigint);")
    with pytest.raises(ConflictError, match=r"9998_extra\.sql"):
        apply_all(empty, folder=folder)


def test_the_command_says_what_it_does(empty: str) -> None:
    app = Typer()
    app.command()(migrate)
    run = CliRunner().invoke

    pending = run(app, ["--url", empty, "--check"])
    assert (pending.exit_code, "pending 0001_desk.sql" in pending.output) == (1, True)
    assert "applied 0001_desk.sql" in run(app, [], env={"DATABASE_URL": empty}).output
    again = run(app, ["--url", empty])
    assert (again.exit_code, again.output) == (0, "nothing to apply\n")
    assert run(app, ["--url", empty, "--check"]).exit_code == 0
    paste(empty, "drop index public.signals_newest; alter table public.signals disable row level security")
    drifted = run(app, ["--url", empty, "--check"])
    assert drifted.exit_code == 1
    assert drifted.output == "no row security on public.signals\nno index signals_newest (0005_signals.sql)\n"
    unreachable = run(app, ["--url", "postgresql://nobody@127.0.0.1:1/x"])
    assert (unreachable.exit_code, "migrate:" in unreachable.output) == (1, True)


def test_a_new_account_gets_a_profile_and_its_traders_stop_with_it(postgres: str) -> None:
    with psycopg.connect(postgres) as connection:
        user = connection.execute("insert into auth.users (id) values (gen_random_uuid()) returning id").fetchone()
        assert user is not None
        profile = connection.execute("select tier, role from public.profiles where user_id = %s", user).fetchone()
        assert profile == ("free", "trader")
        connection.execute(
            "insert into public.traders (trader_id, owner_id, name, rule, timeframe)"
            " values ('leaver', %s, 'n', 'close > 1', '5m')",
            user,
        )
        connection.execute("delete from auth.users where id = %s", user)
        left = connection.execute(
            "select deleted_at = updated_at from public.traders where trader_id = 'leaver'"
        ).fetchone()
        assert left == (True,)
        connection.rollback()


def test_supabase_lite_applied_the_same_tables(supabase: SupabaseLite) -> None:
    import httpx

    for table in TABLES:
        answer = httpx.get(
            f"{supabase.url}/rest/v1/{table}", params={"limit": 1}, headers={"apikey": supabase.secret_key}
        )
        assert answer.status_code == 200, table
