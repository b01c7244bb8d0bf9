"""A PostgreSQL of the system, also with the real pg_cron and stand-ins for the two of Supabase that no package has."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

WHERE: Final = "/usr/lib/postgresql"
STAND_INS: Final = """
create extension pg_cron;

-- pg_net: calls are kept instead of sent; an answer is whatever a test puts into its table.
create schema net;
create table net.calls (
  id bigint generated always as identity primary key, url text, body jsonb, headers jsonb, timeout_milliseconds integer
);
create table net._http_response (
  id bigint, status_code integer, content_type text, headers jsonb, content text, timed_out boolean, error_msg text,
  created timestamptz not null default now()
);
create function net.http_post(
  url text, body jsonb default '{}', params jsonb default '{}', headers jsonb default '{}',
  timeout_milliseconds integer default 5000
) returns bigint language sql as $$
  insert into net.calls (url, body, headers, timeout_milliseconds) values ($1, $2, $4, $5) returning id
$$;

-- Supabase Vault, without its encryption.
create schema vault;
create table vault.secrets (name text unique, secret text);
create view vault.decrypted_secrets as select name, secret as decrypted_secret from vault.secrets;
create function vault.create_secret(new_secret text, new_name text) returns void language sql
as $$ insert into vault.secrets values (new_name, new_secret) $$;
"""


CRON: Final = {
    "shared_preload_libraries": "pg_cron",
    "cron.database_name": "postgres",
    "cron.use_background_workers": "on",
    "max_worker_processes": "32",
}


def binaries() -> Path | None:
    """Return where the programs of a PostgreSQL with pg_cron are, the newest; None when there is none."""
    for folder in sorted(Path(WHERE).glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True):
        if (folder.parent / "lib" / "pg_cron.so").exists() and (folder / "initdb").exists():
            return folder
    return None


def binaries_of(major: int) -> Path | None:
    """Return where the programs of a PostgreSQL of this version are; None when it is not installed."""
    folder = Path(WHERE) / str(major) / "bin"
    return folder if (folder / "initdb").exists() else None


@contextmanager
def cron_server(folder: Path) -> Iterator[str]:
    """Run the one with pg_cron; yield the URL of its database."""
    bin_dir = binaries()
    assert bin_dir is not None, "no PostgreSQL with pg_cron here"
    with system_server(folder, bin_dir, CRON) as url:
        yield url


@contextmanager
def system_server(folder: Path, bin_dir: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Run it on a unix socket; yield the URL of its database. Root may not run one: then `nobody` does."""
    home = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # the path of a socket may have 107 characters
    account = pwd.getpwnam("nobody") if os.getuid() == 0 else None
    if account is not None:
        os.chown(home, account.pw_uid, account.pw_gid)
    run_as: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
    options = {**settings, "listen_addresses": "", "unix_socket_directories": str(home), "fsync": "off"}
    initdb = [str(bin_dir / "initdb"), "-D", str(home / "data"), "-U", "postgres", "-A", "trust", "--no-sync"]
    serve = [str(bin_dir / "postgres"), "-D", str(home / "data")]
    serve += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    try:
        with (folder / "system-postgres.log").open("wb") as log:
            subprocess.run(initdb, stdout=log, stderr=log, cwd=home, check=True, **run_as)
            server = subprocess.Popen(serve, stdout=log, stderr=log, cwd=home, **run_as)
            try:
                url = f"postgresql://postgres@/postgres?host={home}"
                _wait_ready(url, server)
                yield url
            finally:
                server.terminate()
                server.wait(30)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _wait_ready(url: str, server: "subprocess.Popen[bytes]") -> None:
    until_s = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            assert server.poll() is None, "PostgreSQL has stopped"
            assert time.monotonic() < until_s, "PostgreSQL does not answer"
            time.sleep(0.05)
        else:
            return
