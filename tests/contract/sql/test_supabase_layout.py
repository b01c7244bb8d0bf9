"""supabase/migrations is made of sql/, and applied as the Supabase CLI and Supabase Lite's own CLI do."""

import re
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest
from typer import Typer
from typer.testing import CliRunner

from desk.local.process import PROJECT
from desk.local.supabase_lite import node_binary
from desk.migrate import SQL, check_all, sql_files
from desk.supabase_layout import migration_name, supabase_migrations, write_layout
from shared.domain.errors import ConflictError

ACCEPTED = re.compile(r"([0-9]+)_(.*)\.sql")  # supabase/cli, pkg/migration/file.go
HISTORY = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text primary key, name text);
"""


def push(url: str, folder: Path) -> list[str]:
    """Apply what is new in the order of the names, each in a transaction with its version; return the versions."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(HISTORY)
        rows = connection.execute("select version from supabase_migrations.schema_migrations").fetchall()
        known, pushed = {row[0] for row in rows}, []
        for path in sorted(folder.glob("*.sql")):
            found = ACCEPTED.fullmatch(path.name)
            assert found is not None, path.name
            if found[1] in known:
                continue
            with connection.transaction():
                connection.execute(path.read_bytes())
                connection.execute("insert into supabase_migrations.schema_migrations values (%s)", (found[1],))
            pushed.append(found[1])
    return pushed


def test_it_has_the_files_of_sql_in_their_order(tmp_path: Path) -> None:
    folder = tmp_path / "supabase" / "migrations"
    written = write_layout(folder, sql_files())
    assert list(written) == sorted(folder.iterdir())
    assert [path.read_text() for path in sorted(written)] == [file.text for file in sql_files()]
    versions = [path.name.partition("_")[0] for path in written]
    assert len(set(versions)) == len(written)
    assert {len(version) for version in versions} == {14}
    assert write_layout(folder, sql_files()) == ()


def test_a_files_moment_never_changes() -> None:
    names = {file.name: migration_name(file) for file in sql_files()}
    assert names["0001_desk.sql"] == "20260101000100_desk.sql"
    assert names["0045_status.sql"] == "20260101004500_status.sql"
    assert all(int(name[8:10]) < 24 and int(name[10:12]) < 60 for name in names.values())


def test_what_was_edited_there_is_refused_and_what_others_put_there_stays(tmp_path: Path) -> None:
    (tmp_path / "20270101000000_mine.sql").write_text("select 1;")
    first, *_ = write_layout(tmp_path, sql_files())
    assert (tmp_path / "20270101000000_mine.sql").read_text() == "select 1;"
    first.write_text("select 2;")
    with pytest.raises(ConflictError, match=r"20260101000100_desk\.sql"):
        write_layout(tmp_path, sql_files())


def test_pushed_from_empty_it_is_as_sql_says_and_a_newer_file_alone_is_pushed_later(
    any_empty: str, tmp_path: Path
) -> None:
    sql = Path(shutil.copytree(SQL, tmp_path / "sql"))
    write_layout(tmp_path / "migrations", sql_files(sql))
    assert len(push(any_empty, tmp_path / "migrations")) == len(sql_files())
    assert check_all(any_empty).is_none

    (sql / "0999_extra.sql").write_text("create table if not exists public.extra (a integer);")
    write_layout(tmp_path / "migrations", sql_files(sql))
    assert push(any_empty, tmp_path / "migrations") == ["20260101163900"]


def test_supabase_lites_own_command_applies_it_once(tmp_path: Path) -> None:
    program = [str(node_binary()), str(PROJECT / "node_modules" / "@supabase" / "lite" / "dist" / "cli" / "index.js")]

    def lite(*words: str) -> str:
        ran = subprocess.run(
            [*program, *words],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LITE_TELEMETRY": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    lite("init", "--pglite")
    written = write_layout(tmp_path / "supabase" / "migrations", sql_files())
    assert re.findall(r"Applied (\S+)", lite("migration", "up")) == [path.name for path in written]
    assert "Applied" not in lite("migration", "up")


def test_the_command_makes_it_once(tmp_path: Path) -> None:
    app = Typer()
    app.command()(supabase_migrations)
    folder = tmp_path / "supabase" / "migrations"
    made = CliRunner().invoke(app, [str(folder)])
    assert (made.exit_code, made.output.count("wrote ")) == (0, len(sql_files()))
    again = CliRunner().invoke(app, [str(folder)])
    assert (again.exit_code, again.output.count("wrote ")) == (0, 0)
    (folder / "20260101000100_desk.sql").write_text("")
    edited = CliRunner().invoke(app, [str(folder)])
    assert (edited.exit_code, "supabase-migrations: not as in sql/" in edited.output) == (1, True)


def test_it_is_not_kept_twice() -> None:
    assert "supabase/" in (SQL.parent / ".gitignore").read_text().splitlines()
