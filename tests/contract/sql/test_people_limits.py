"""Roles, tiers and the audit trail as the database holds them, on a real Postgres; every case is rolled back."""

# ruff: noqa: S608 the statements are put together from this file's own words

from datetime import datetime
from typing import Any, Final

import psycopg
import pytest

from tests.contract.sql.actors import ADMIN, ALICE, BOB, VIEWER, Session

TRADE: Final = '{"sizing": {"method": "notional", "value": "10"}, "guard": {}, "algorithm": {}, "horizon_ms": 60000}'
GIVE: Final = "select public.set_person(%s, %s, %s, %s)"


def give(session: Session, person: str, *, tier: str | None = None, role: str | None = None, actor: str = ADMIN) -> int:
    return session.act("service", GIVE, person, role, tier, actor)


def add(session: Session, name: str, *, timeframe: str = "5m", actor: str = "alice", enabled: bool = True) -> int:
    return session.act(
        actor,
        "insert into public.traders (trader_id, owner_id, name, rule, timeframe, enabled)"
        " values (%s, %s, 'n', 'close > 1', %s, %s)",
        name,
        ALICE,
        timeframe,
        enabled,
    )


def refused(session: Session, code: str, words: str, statement: str, *values: Any, actor: str = "service") -> None:
    with pytest.raises(psycopg.Error, match=words) as error:
        session.act(actor, statement, *values)
    assert error.value.sqlstate == code


def beyond(session: Session) -> set[str]:
    rows = session.connection.execute("select trader_id from public.traders where beyond_tier").fetchall()
    return {trader_id for (trader_id,) in rows}


def limit(session: Session, traders: int) -> None:
    session.act("service", "update public.tiers set max_traders = %s where tier = 'free'", traders)


VIEWERS_WRITES: Final = (
    ("viewer", "update public.traders set enabled = false where trader_id = 'viewers'"),
    ("viewer", "update public.traders set deleted_at = 'now' where trader_id = 'viewers'"),
    (
        "viewer",
        "insert into public.traders (trader_id, owner_id, name, rule, timeframe)"
        f" values ('x', '{VIEWER}', 'n', 'close > 1', '1m')",
    ),
    ("viewer", "update public.profiles set display_name = 'x' where true"),
    (
        "service",
        'select public.create_book(desk.book_json(b) || \'{"book_id": "x"}\') from public.books as b'
        " where b.book_id = 'viewers'",
    ),
    (
        "service",
        'select public.update_book(desk.book_json(b) || \'{"name": "x"}\', b.version) from public.books as b'
        " where b.book_id = 'viewers'",
    ),
    ("service", f"select public.set_trading_state('book', 'viewers', 'halted', '{VIEWER}', 'r')"),
    (
        "service",
        f"select public.raise_intent(desk.intent_json(i) || '{{\"intent_id\": \"x\"}}', '{VIEWER}', '{VIEWER}')"
        " from public.trade_intents as i where i.intent_id = 'viewers'",
    ),
    ("service", f"select public.withdraw_intent('viewers', 1, '{VIEWER}', 'r')"),
    ("service", f"select public.set_person('{BOB}', 'viewer', null, '{VIEWER}')"),
)


@pytest.mark.parametrize(("actor", "statement"), VIEWERS_WRITES)
def test_a_viewer_writes_nothing_whatever_the_way(session: Session, actor: str, statement: str) -> None:
    refused(session, "ND004", "viewer|only admins", statement, actor=actor)


def test_the_desk_goes_on_working_on_a_viewers_book(session: Session) -> None:
    assert session.act("service", "select public.set_trading_state('book', 'viewers', 'halted', 'operator', 'r')") == 1
    assert session.act("service", "update public.books set risk_version = 7 where book_id = 'viewers'") == 1
    assert session.act("service", "select public.withdraw_intent('viewers', 1, 'operator', 'r')") == 1


def test_what_a_viewer_left_behind_trades_no_more(session: Session) -> None:
    may = "select from (select 1) as one where desk.may_trade(%s, 'paper')"
    assert session.act("service", may, ALICE) == 1
    assert session.act("service", may, VIEWER) == 0
    refused(
        session,
        "22023",
        "does not trade paper",
        "insert into public.trade_intents (intent_id, book_id, mode, source, symbol, purpose, direction, sizing,"
        " raised_at_ms, expires_at_ms, correlation_id, actor)"
        " values ('x', 'viewers', 'paper', 'signal', 'BTC/USDT', 'enter', 'long', '{\"value\": \"1\"}', 1, 2,"
        " 'c', 's')",
    )


def test_only_admins_give_roles_and_tiers_and_the_last_one_stays(session: Session) -> None:
    assert give(session, BOB, role="operator", tier="pro") == 1
    found = session.connection.execute("select role, tier from public.profiles where user_id = %s", (BOB,)).fetchone()
    assert found == ("operator", "pro")
    refused(session, "ND004", "only admins", GIVE, ALICE, "admin", None, BOB)  # an operator is none
    refused(session, "ND004", "only admins", GIVE, ALICE, "admin", None, ALICE)
    refused(session, "22023", "expected one of anonymous, elite, free, pro, got", GIVE, BOB, None, "whale", "operator")
    refused(session, "23514", "profiles_role_check", GIVE, BOB, "king", None, "operator")
    refused(session, "ND002", "last admin", GIVE, ADMIN, "trader", None, ADMIN)
    refused(session, "ND002", "last admin", "update public.profiles set role = 'viewer' where true")
    assert give(session, ALICE, role="admin", actor="operator") == 1
    assert give(session, ADMIN, role="trader") == 1
    refused(session, "ND002", "last admin", GIVE, ALICE, "viewer", None, "operator")
    nobody = "select 1 where public.set_person(gen_random_uuid(), 'trader', null, 'operator') is not null"
    assert session.act("service", nobody) == 0


def test_a_tier_has_so_many_enabled_traders_on_some_timeframes(session: Session) -> None:
    session.connection.execute("delete from public.signals")
    session.connection.execute("delete from public.traders where owner_id is not null")
    give(session, ALICE, tier="free")
    limit(session, 2)
    refused(
        session, "22023", "timeframe.*your tier `free` has 5m, 15m",
        "insert into public.traders (trader_id, owner_id, name, rule, timeframe)"
        f" values ('x', '{ALICE}', 'n', 'close > 1', '1m')", actor="alice",
    )  # fmt: skip
    add(session, "first")
    add(session, "second")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match='"enabled": your tier `free` has 2'):
        add(session, "third")
    assert add(session, "third", enabled=False) == 1
    enable = "update public.traders set enabled = %s where trader_id = %s"
    refused(session, "22023", "has 2 enabled", enable, True, "third", actor="alice")
    refused(session, "22023", "has 2 enabled", enable, True, "third")  # nor does the service
    assert session.act("alice", "update public.traders set name = 'x' where true") == 3
    refused(session, "22023", "timeframe", "update public.traders set timeframe = '1m' where true", actor="alice")
    assert session.act("alice", enable, False, "first") == 1
    assert session.act("alice", enable, True, "third") == 1
    assert session.act("alice", "update public.traders set deleted_at = 'now' where trader_id = 'second'") == 1
    assert add(session, "fourth") == 1
    many = "insert into public.traders (trader_id, owner_id, name, rule, timeframe) select 'm' || n, %s, 'n', 'r', '5m'"
    session.act("alice", "update public.traders set enabled = false where true")
    refused(session, "22023", "has 2 enabled", f"{many} from generate_series(1, 3) as n", ALICE, actor="alice")
    assert session.act("alice", f"{many} from generate_series(1, 2) as n", ALICE) == 2


def test_a_downgrade_leaves_the_oldest_and_touches_what_it_affects(session: Session) -> None:
    session.connection.execute("delete from public.signals")
    session.connection.execute("delete from public.traders where owner_id is not null")
    for number, timeframe in enumerate(("1m", "5m", "5m", "5m")):
        add(session, f"t{number}", timeframe=timeframe)
        session.connection.execute(
            "update public.traders set created_at = now() - %s * interval '1 hour' where trader_id = %s",
            (9 - number, f"t{number}"),
        )
    stamps = "select trader_id, updated_at from public.traders"
    before: dict[str, datetime] = dict(session.connection.execute(stamps).fetchall())
    limit(session, 2)
    versions = "select from public.trader_versions"
    recorded = session.connection.execute(versions).rowcount

    give(session, ALICE, tier="free")

    after: dict[str, datetime] = dict(session.connection.execute(stamps).fetchall())
    assert beyond(session) == {"t0", "t3"} == {name for name in before if after[name] > before[name]}
    assert session.connection.execute(versions).rowcount == recorded  # their definitions are as they were

    assert session.act("alice", "update public.traders set name = 'x' where trader_id = 't3'") == 1  # theirs
    assert beyond(session) == {"t0", "t3"}
    session.act("alice", "update public.traders set enabled = false where trader_id = 't1'")
    assert beyond(session) == {"t0"}  # its place is t3's
    session.act("alice", "update public.traders set timeframe = '15m' where trader_id = 't0'")
    assert beyond(session) == {"t3"}  # the older one comes first
    session.act("alice", "update public.traders set deleted_at = 'now' where trader_id = 't2'")
    assert beyond(session) == set()
    limit(session, 1)
    assert beyond(session) == {"t3"}
    give(session, ALICE, tier="elite")
    assert beyond(session) == set()
    give(session, ALICE, tier="anonymous")
    assert beyond(session) == {"t0", "t3"}


def test_nobody_says_they_are_within_their_tier(session: Session) -> None:
    session.connection.execute("grant all on all tables in schema public to authenticated")
    change = "update public.traders set beyond_tier = not beyond_tier where trader_id = 'alices'"
    assert session.run("alice", change) is None


def test_modes_are_the_tiers(session: Session) -> None:
    give(session, ALICE, tier="free")
    live = "update public.books set mode = 'live' where book_id = 'alices'"
    session.connection.execute("truncate public.trade_intents cascade")
    refused(session, "22023", '"mode": your tier `free` does not trade live', live)
    give(session, ALICE, tier="pro")
    assert session.act("service", live) == 1
    give(session, ALICE, tier="free")
    live_trader = f"update public.traders set mode = 'live', book_id = 'alices', trade = '{TRADE}' where owner_id = %s"
    refused(session, "22023", "does not trade live", live_trader, ALICE, actor="alice")
    intent = (
        "insert into public.trade_intents (intent_id, book_id, mode, source, symbol, purpose, direction, sizing,"
        " raised_at_ms, expires_at_ms, correlation_id, actor)"
        " values ('x', 'alices', 'live', 'person', 'BTC/USDT', %s, 'long', '{\"value\": \"1\"}', 1, 2, 'c', 's')"
    )
    refused(session, "22023", "does not trade live", intent, "enter")
    assert session.act("service", intent, "exit") == 1  # what is held may always be left


def test_signals_raise_intents_only_within_the_tier(session: Session) -> None:
    session.act("alice", f"update public.traders set mode = 'paper', book_id = 'alices', trade = '{TRADE}' where true")
    raised = "select jsonb_array_elements(desk.raise_signal_intents(array(select signal_id from public.signals)))"
    session.act("service", "update public.tiers set paper = false where tier = 'free'")
    for tier, expected in (("free", 0), ("anonymous", 0), ("elite", 1)):
        give(session, ALICE, tier=tier)
        session.connection.execute("delete from public.trade_intents where source = 'signal'")
        assert session.connection.execute(raised).rowcount == expected, tier
    give(session, ALICE, tier="pro")
    session.act("service", "update public.tiers set timeframes = '{5m}' where tier = 'pro'")
    session.connection.execute("delete from public.trade_intents where source = 'signal'")
    assert session.connection.execute(raised).rowcount == 0  # the trader is beyond the tier now


def test_a_tier_has_so_many_books_and_a_call_repeated_finds_its_own(session: Session) -> None:
    give(session, ALICE, tier="free")
    book = (
        "select public.create_book(desk.book_json(b) || jsonb_build_object('book_id', %s::text)) from public.books as b"
        " where b.book_id = 'alices'"
    )
    for _ in range(2):
        assert session.act("service", book, "second") == 1
    refused(session, "22023", '"books": your tier `free` has 2', book, "third")


def test_tiers_that_are_in_use_stay(session: Session) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        session.act("service", "delete from public.tiers where tier = 'elite'")
    assert session.run("alice", "update public.tiers set max_traders = null where true") is None


def trail(session: Session, target: str) -> list[tuple[Any, ...]]:
    return session.connection.execute(
        "select action, actor, actor_kind, details from public.audit_events where target = %s order by event_id",
        (target,),
    ).fetchall()


def test_changes_leave_who_did_what(session: Session) -> None:
    add(session, "audited")
    session.act("alice", "update public.traders set enabled = false, rule = 'close > 2' where trader_id = 'audited'")
    session.act("alice", "update public.traders set name = 'n' where trader_id = 'audited'")  # as it is
    session.act("service", "select public.set_trading_state('trader', 'audited', 'halted', 'operator', 'r')")
    made, changed = trail(session, "audited")
    assert made[:3] == ("traders insert", ALICE, "person")
    assert {"name", "rule", "timeframe"} <= set(made[3]["changed"])
    assert made[3]["after"]["timeframe"] == "5m"
    assert "rule" not in made[3]["after"]
    assert changed[:3] == ("traders update", ALICE, "person")
    assert changed[3] == {"changed": ["enabled", "rule"], "before": {"enabled": True}, "after": {"enabled": False}}

    give(session, BOB, role="operator")
    give(session, BOB, tier="pro", actor="operator")
    session.act("service", "update public.profiles set tier = 'elite' where user_id = %s", BOB)
    session.connection.execute("update public.profiles set tier = 'free' where user_id = %s", (BOB,))
    mine = [row[1:] for row in trail(session, BOB)][-4:]
    assert [row[:2] for row in mine] == [
        (ADMIN, "person"),
        ("operator", "machine"),
        ("operator", "machine"),  # desk.actor lasts as long as the transaction
        ("operator", "machine"),
    ]
    assert mine[0][2] == {"changed": ["role"], "before": {"role": "trader"}, "after": {"role": "operator"}}

    session.connection.execute("select set_config('desk.actor', '', true)")
    session.act("service", "update public.tiers set max_books = 3 where tier = 'free'")
    session.connection.execute("update public.tiers set max_books = 4 where tier = 'free'")
    kinds = [(row[1], row[2]) for row in trail(session, "free")][-2:]
    assert kinds == [("service_role", "machine"), ("postgres", "sql")]

    before = len(trail(session, "alices"))
    session.act("service", "update public.books set risk_version = 7 where book_id = 'alices'")
    assert len(trail(session, "alices")) == before  # bookkeeping
    session.act("service", "update public.books set name = 'Mine' where book_id = 'alices'")
    assert trail(session, "alices")[-1][3]["after"] == {"name": "Mine"}


@pytest.mark.parametrize("statement", ["update public.audit_events set actor = 'x'", "delete from public.audit_events"])
def test_the_trail_only_grows_for_its_owner_too(session: Session, statement: str) -> None:
    for way in (f"{statement} where false", statement, "truncate public.audit_events"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), session.connection.transaction():
            session.connection.execute(way.encode())
    session.connection.execute("grant all on public.audit_events to service_role")
    assert session.run("service", statement) is None
    assert session.run("service", "truncate public.audit_events") is None


def test_operators_read_the_whole_trail_and_people_their_own(session: Session) -> None:
    everything = session.connection.execute("select from public.audit_events").rowcount
    assert session.run("alice", "select * from public.audit_events") == 1
    give(session, ALICE, role="operator")
    assert session.run("alice", "select * from public.audit_events") == everything + 1


def channel(session: Session, name: str, owner: str = ALICE) -> None:
    session.connection.execute(
        "insert into public.notification_channels (owner_id, name, kind, target, shown, secret)"
        " values (%s, %s, 'webhook', 'https://example.com/hook', 'a hook', 'hush hush hush hush')",
        (owner, name),
    )


def test_a_tier_has_so_many_channels_and_their_secrets_stay_out_of_the_trail(session: Session) -> None:
    give(session, ALICE, tier="free")
    session.connection.execute("truncate public.outbox, public.notification_channels cascade")
    before = session.connection.execute("select max(event_id) from public.audit_events").fetchone()
    channel(session, "one")
    channel(session, "two")
    with pytest.raises(psycopg.Error, match='"channels": your tier `free` has 2'), session.connection.transaction():
        channel(session, "three")
    with pytest.raises(psycopg.Error, match="a viewer reads only"), session.connection.transaction():
        channel(session, "mine", VIEWER)
    session.connection.execute(
        "update public.notification_channels set target = 'https://example.com/2', enabled = false"
    )
    session.connection.execute("update public.notification_channels set failing_since = now(), failures = 1")
    rows = session.connection.execute(
        "select action, details from public.audit_events where action like 'notification_channels%%'"
        " and event_id > %s order by event_id",
        before,
    ).fetchall()
    assert [action.split()[1] for action, _ in rows] == ["insert", "insert", "update", "update"]
    assert rows[2][1] == {"changed": ["enabled", "target"], "before": {"enabled": True}, "after": {"enabled": False}}
    assert "hush" not in str(rows)
    assert "example.com" not in str(rows)


def test_beyond_the_days_notifications_people_are_told_so_once(session: Session) -> None:
    give(session, ALICE, tier="free")
    session.act("service", "update public.tiers set notifications_per_day = 2 where tier = 'free'")
    session.connection.execute("truncate public.outbox, public.notification_channels cascade")
    say = (
        "insert into public.outbox (kind, severity, person_id, to_desk, subject)"
        " values (%s, %s, %s, %s, gen_random_uuid()::text) returning muted"
    )

    def muted(kind: str, severity: str = "info", *, person: str | None = ALICE, to_desk: bool = False) -> bool:
        row = session.connection.execute(say, (kind, severity, person, to_desk)).fetchone()
        return row is not None and row[0] is not None

    session.connection.execute(
        "insert into public.outbox (kind, severity, person_id, to_desk, subject, created_at)"
        " select 'signal', 'info', %s, false, n::text, now() - interval '1 day' from generate_series(1, 9) as n",
        (ALICE,),
    )
    session.connection.execute("update public.outbox set muted = null")
    session.connection.execute("delete from public.outbox where kind = 'limit_reached'")
    assert [muted("signal") for _ in range(5)] == [False, False, True, True, True]
    assert muted("alert_opened", "critical") is False
    assert muted("alert_opened", "warning", to_desk=True) is False
    assert muted("alert_opened", person=None, to_desk=True) is False
    assert muted("signal", person=BOB) is False  # elite
    waiting = "select from public.outbox where muted is not null and routed_at is null"
    assert session.connection.execute(waiting).rowcount == 0
    limits = session.connection.execute("select title, body from public.outbox where kind = 'limit_reached'").fetchall()
    assert len(limits) == 1
    assert "2 notifications a day" in limits[0][1]
    found = session.connection.execute("select public.standing_of(%s)", (ALICE,)).fetchone()
    assert found is not None
    assert found[0]["used"]["channels"] == 0
    assert found[0]["used"]["notifications"] == 4
