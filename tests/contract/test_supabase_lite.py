"""The local Supabase: starts with its tables, holds row security over HTTP, keeps data when asked, leaves nothing."""

import os
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from desk.local import supabase_lite
from desk.local.process import PROJECT, LocalPartError, clean_env
from desk.local.supabase_lite import SupabaseLite, node_binary
from shared.adapters.supabase.client import connect
from shared.adapters.supabase.traders import SupabaseTraderStore
from tests.contract.stores import a_trader

ALICE = str(uuid4())
READABLE = {
    "anon": set[str](),
    "alice": {"venues", "instruments", "profiles", "traders", "signals"},
    "service": {"venues", "instruments", "profiles", "traders", "signals", "execution_runs", "agents"},
}


def headers(supabase: SupabaseLite, actor: str) -> dict[str, str]:
    key = supabase.secret_key if actor == "service" else supabase.publishable_key
    token = supabase.sign_token(ALICE) if actor == "alice" else key
    return {"apikey": key, "Authorization": f"Bearer {token}"}


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("actor", READABLE)
def test_grants_and_policies_hold_over_http(supabase: SupabaseLite, actor: str) -> None:
    for table in READABLE["service"]:
        answer = httpx.get(f"{supabase.url}/rest/v1/{table}", headers=headers(supabase, actor), params={"limit": 1})
        assert answer.is_success == (table in READABLE[actor]), (table, answer.text)
    claim = httpx.post(
        f"{supabase.url}/rest/v1/rpc/claimed_boundaries", headers=headers(supabase, actor), json={"p_boundaries": []}
    )
    assert claim.is_success == (actor == "service"), claim.text


def test_an_unknown_key_and_an_expired_or_forged_token_are_refused(supabase: SupabaseLite) -> None:
    good = supabase.publishable_key
    for key, token in (
        ("sb_secret_guessed", "sb_secret_guessed"),
        (good, supabase.sign_token(ALICE, ttl_s=-60)),
        (good, supabase_lite.sign_token(ALICE, "another-secret-of-sufficient-length")),
    ):
        answer = httpx.get(
            f"{supabase.url}/rest/v1/venues", headers={"apikey": key, "Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == 401, answer.text


def test_a_write_without_where_is_refused_as_on_supabase(supabase: SupabaseLite) -> None:
    answer = httpx.patch(
        f"{supabase.url}/rest/v1/traders", headers=headers(supabase, "service"), json={"enabled": False}
    )
    assert answer.status_code == 400
    assert "WHERE" in answer.text


def test_signing_up_makes_a_profile(supabase: SupabaseLite) -> None:
    person = {"email": f"{uuid4().hex}@example.com", "password": "correct horse battery staple"}
    answer = httpx.post(f"{supabase.url}/auth/v1/signup", headers={"apikey": supabase.publishable_key}, json=person)
    token = answer.json()["access_token"]
    mine = httpx.get(
        f"{supabase.url}/rest/v1/profiles",
        headers={"apikey": supabase.publishable_key, "Authorization": f"Bearer {token}"},
    ).json()
    assert [(row["tier"], row["role"]) for row in mine] == [("free", "trader")]


def test_an_account_is_known_from_when_it_is_made(supabase: SupabaseLite) -> None:
    person = str(uuid4())
    assert not supabase.knows(person)
    supabase.enrol(person)
    assert supabase.knows(person)


def test_the_owner_of_the_database_runs_sql_in_one_transaction(supabase: SupabaseLite) -> None:
    stored = f"{supabase.url}/rest/v1/venues?venue=eq.owned"
    insert = "insert into public.venues (venue, timeframes) values ('owned', '{1m}');"
    with pytest.raises(LocalPartError, match="division by zero"):
        supabase.run_sql(f"{insert} select 1 / 0;")
    assert httpx.get(stored, headers=headers(supabase, "service")).json() == []
    supabase.run_sql(insert)
    assert len(httpx.get(stored, headers=headers(supabase, "service")).json()) == 1
    supabase.run_sql("delete from public.venues where venue = 'owned'")


@pytest.mark.parametrize("path", ["/auth/v1/admin/users", "/pg/query"])
def test_who_makes_accounts_or_runs_sql_has_the_secret_key(supabase: SupabaseLite, path: str) -> None:
    person = str(uuid4())
    for key in (supabase.publishable_key, supabase.sign_token(ALICE), "", "sb_secret_other"):
        answer = httpx.post(f"{supabase.url}{path}", headers={"apikey": key}, json={"id": person, "email": "a@b.c"})
        assert answer.status_code == 401
    assert not supabase.knows(person)


DESK = """
import pathlib, sys, time
from desk.local.supabase_lite import SupabaseLite
folder = pathlib.Path(sys.argv[1])
lite = SupabaseLite(log_dir=folder, data_dir=folder / "data").start()
print(lite.pid, lite.url, lite.secret_key, flush=True)
time.sleep(600)
"""


def test_a_killed_desk_leaves_its_data_and_no_process(tmp_path: Path) -> None:
    trader = a_trader()
    with subprocess.Popen([sys.executable, "-c", DESK, str(tmp_path)], stdout=subprocess.PIPE, env=clean_env()) as desk:
        assert desk.stdout is not None
        pid, url, key = desk.stdout.readline().decode().split()
        SupabaseTraderStore(connect(url, key)).create(trader)
        desk.kill()
    deadline = time.monotonic() + 30
    while is_alive(int(pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(int(pid))

    with SupabaseLite(log_dir=tmp_path, data_dir=tmp_path / "data") as again:
        assert SupabaseTraderStore(connect(again.url, again.secret_key)).get(trader.trader_id).rule == trader.rule
        pid = str(again.pid)
    assert not is_alive(int(pid))

    (tmp_path / "0001_broken.sql").write_text("select 1 / 0;")
    with pytest.raises(LocalPartError, match=r"0001_broken\.sql: division by zero"):
        SupabaseLite(log_dir=tmp_path, data_dir=tmp_path / "data", sql=tmp_path).start()


def test_a_port_in_use_is_named(supabase: SupabaseLite, tmp_path: Path) -> None:
    with pytest.raises(LocalPartError, match=f"port {supabase.port} is in use"):
        SupabaseLite(log_dir=tmp_path, port=supabase.port).start()


def test_missing_npm_packages_are_a_clear_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supabase_lite, "_PACKAGE", PROJECT / "nowhere" / "package.json")
    with pytest.raises(LocalPartError, match="nowhere is missing: `make setup`"):
        node_binary()
