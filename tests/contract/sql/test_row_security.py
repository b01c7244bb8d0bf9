"""What row security lets people do beside the matrix (test_row_security_matrix.py), on a real Postgres.

The database is set up as Supabase's, where default privileges grant everything to every role; what is refused here is
refused by sql/. Each case runs in a transaction that is rolled back.
"""

# ruff: noqa: S608 the statements are put together from this file's own tables

from typing import Final

import psycopg
import pytest

from tests.contract.sql.actors import ALICE, BOB, Session

CALLS: Final = (
    "record_signals('binance', 'c', '[]')",
    "record_intelligence('[]')",
    "propose(desk.proposal_json(p), 1, true, 'a', 'r') from public.proposals as p where p.proposal_id = 'alices'",
    "approve_proposal('nobody', 1, '{}', 'a', 'r', 1)",
    "dismiss_proposal('nobody', 1, 'a', 'r')",
    "expire_proposals(0)",
    "due_outcomes('binance', '1m', 120000, 1)",
    "record_outcomes('[]')",
    "claim_boundary('binance', '1m', 120000, 1, 'test', 'c', gen_random_uuid())",
    "claimed_boundaries('[]')",
    "take_overdue_runs(0, 1)",
    "start_run('binance', '1m', 60000, 0, 1, gen_random_uuid())",
    "finish_run('binance', '1m', 60000, 0, '{}', '[]')",
    "finish_run('binance', '1m', 60000, 0, '{}', '[]', '')",
    "run_digests_at('binance', '1m', 60000)",
    "fail_run('binance', '1m', 60000, 0, 'x')",
    "beat_agent('ops-agent', '1')",
    "agent_gate('ops-agent')",
    "list_agents()",
    "silence_agents(1, '{}')",
    "recall_memories('ops-agent', 1)",
    "pause_agent('ops-agent', 'a', 'r')",
    "resume_agent('ops-agent', 'a')",
    "configure_agent('ops-agent', 'a', '{}')",
    "paper_open('binance', 'a', '{}')",
    "paper_save('binance', 'a', 0, gen_random_uuid(), '{}', '{}', 0, 0, '[]', '[]')",
    "paper_order('binance', 'a', 'BTC/USDT', 'c')",
    "paper_fills('binance', 'a', 'BTC/USDT', 0, 0, 0, 10)",
    "trading_state()",
    "set_trading_state('book', 'alices', 'halted', 'a', 'r')",
    "record_instruments('[]')",
    "get_instruments(null, null)",
    "create_book(desk.book_json(b)) from public.books as b where b.book_id = 'alices'",
    "update_book(desk.book_json(b), 1) from public.books as b where b.book_id = 'alices'",
    "trip_breaker('alices', 'x', 'halted', 60000, '{}', 'r')",
    "raise_intent(desk.intent_json(i), 'a', null) from public.trade_intents as i where i.intent_id = 'alices'",
    "view_intent('alices', 60000, 1, gen_random_uuid())",
    "decide_intent('alices', 1, 'denied', 0, null, null, '{}', 'a', 'r')",
    "pending_intents(1, 1)",
    "unfinished_intents(1)",
    "finish_intent('nobody', 1, 'expired', 'a', 'r')",
    "start_execution('nobody', 1, '{}', '[]', 'a')",
    "add_orders('nobody', '[]', 'a')",
    "execution_of('alices')",
    "submit_order('nobody', 1, 1, 'a', gen_random_uuid())",
    "advance_order('alices', 1, '{}', 'a')",
    "advance_orders('[]', 'a')",
    "unsettled_orders('binance', 'alices')",
    "traded_accounts()",
    "stirring_accounts(0)",
    "settle_alerts('{}', '[]', 1, 600000)",
    "acknowledge_alert(gen_random_uuid(), 'a', 1)",
    "unrouted_outbox(9)",
    "route_outbox('[]')",
    "claim_deliveries(gen_random_uuid(), 1, 9, 9)",
    "settle_deliveries(gen_random_uuid(), '[]', '[]')",
    "list_deliveries(null, null, 9, null, null)",
    "test_channel(gen_random_uuid())",
    "position_of('alices', 'binance', 'BTC/USDT')",
    "open_positions(null)",
    "fills_of('alices', 'binance', 'BTC/USDT')",
    "known_trades('binance', 'alices', '[]')",
    """post_fills('alices', '{"book_id": "alices", "venue": "binance", "symbol": "BTC/USDT", "qty": "1", "cost": "1",
      "realised": "0", "fees": "0", "opened_at_ms": 1, "version": 0}', '[{"symbol": "BTC/USDT", "trade_id": "new",
      "client_order_id": "c", "venue_order_id": "v", "side": "buy", "qty": "1", "price": "1", "fee_qty": "0",
      "fee_asset": "USDT", "fee_notional": "0", "is_maker": true, "event_time": 1}]', '{"new": "0"}')""",
    "guard_position('alices', 'binance', 'BTC/USDT', 0, '{}', null)",
    "open_account('binance', 'new', '{}')",
    "holdings('binance', 'live')",
    "post_flows('binance', 'live', '[]', '{}')",
    "flows_of('binance', 'live', 9)",
    "funding_since('binance', 'live', 0)",
    "held_at('binance', 'live', '[]')",
    "mark_equities('[]')",
    "watched_books(60000, null, 1)",
    "venue_measures(0)",
    "state_entry('book', 'alices')",
    "restrained()",
    "resting_orders_of_trader('alice')",
)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("actor", ["anon", "alice", "bob", "service"])
def test_functions_are_the_services_alone(session: Session, call: str, actor: str) -> None:
    assert session.run(actor, f"select public.{call}") == (1 if actor == "service" else None)


@pytest.mark.parametrize("column", ["target", "secret", "*"])
def test_the_address_of_a_channel_is_read_by_the_service_alone(session: Session, column: str) -> None:
    for actor in ("anon", "alice", "bob", "admin"):
        assert session.run(actor, f"select {column} from public.notification_channels") is None


def test_alerts_of_a_person_are_read_by_that_person(session: Session) -> None:
    session.connection.execute(
        "insert into public.alerts (dedupe_key, kind, severity, sentence, person_id, first_at_ms, last_at_ms)"
        f" values ('channel:1', 'channel', 'warning', 's', '{ALICE}', 1, 1)"
    )
    seen = "select from public.alerts where kind = 'channel'"
    assert [session.run(actor, seen) for actor in ("anon", "alice", "bob", "service")] == [None, 1, 0, 1]


@pytest.mark.parametrize(
    "change",
    [
        "update public.fills set price = 2 where true",
        "update public.accounts set opening = '{}' where true",
        "update public.account_flows set qty = 2 where true",
    ],
)
def test_what_is_posted_stays(session: Session, change: str) -> None:
    assert session.run("service", change) is None


@pytest.mark.parametrize("actor", ["anon", "alice"])
def test_nobody_else_says_who_set_a_state(session: Session, actor: str) -> None:
    assert session.run(actor, "select desk.record_act('desk', 'desk', 'an operator', 'forged')") is None
    assert session.run("service", "select desk.record_act('moon', 'x', 'a', 'r')") == 1
    assert session.run("service", "select from public.trading_transitions where reason in ('forged', 'r')") == 0


@pytest.mark.parametrize("granted", [False, True], ids=["as it is", "after a careless grant all"])
@pytest.mark.parametrize(
    "statement",
    [
        "update public.profiles set role = 'admin' where true",
        "update public.profiles set tier = 'whale' where true",
        f"update public.profiles set user_id = '{BOB}' where true",
        f"update public.traders set owner_id = '{BOB}' where trader_id = 'alices'",
        "update public.traders set owner_id = null where trader_id = 'alices'",
        "update public.traders set created_at = now() - interval '1 day' where trader_id = 'alices'",
        "update public.traders set trader_id = 'other' where trader_id = 'alices'",
        "update public.traders set trading_state = 'halted' where trader_id = 'alices'",
        "insert into public.traders (trader_id, owner_id, name, rule, timeframe, trading_state)"
        f" values ('x', '{ALICE}', 'n', 'close > 1', '1m', 'reducing')",
        "insert into public.traders (trader_id, owner_id, name, rule, timeframe)"
        f" values ('x', '{BOB}', 'n', 'r', '1m')",
        "insert into public.traders (trader_id, owner_id, name, rule, timeframe) values ('x', null, 'n', 'r', '1m')",
    ],
)
def test_nobody_gives_themselves_more(session: Session, statement: str, granted: bool) -> None:
    if granted:
        session.connection.execute("grant all on all tables in schema public to authenticated")
    assert session.run("alice", statement) is None


def test_a_public_trader_is_read_by_everybody_and_written_by_its_owner(session: Session) -> None:
    for actor in ("alice", "bob"):
        assert session.run(actor, "select from public.signals where trader_id = 'carols'") == 1
        assert session.run(actor, "select from public.trader_versions where trader_id = 'carols'") == 0
        assert session.run(actor, "update public.traders set visibility = 'private' where trader_id = 'carols'") == 0
    session.connection.execute("update public.traders set deleted_at = now() where trader_id = 'carols'")
    for table in ("traders", "signals"):
        assert session.run("alice", f"select from public.{table} where trader_id = 'carols'") == 0


def test_people_publish_and_withdraw_their_traders(session: Session) -> None:
    for visibility, seen in (("public", 1), ("private", 0)):
        publish = f"update public.traders set visibility = '{visibility}' where trader_id = 'alices'"
        assert session.run("alice", publish) == 1
        assert session.run("bob", "select from public.traders where trader_id = 'alices'") == seen
        assert session.run("bob", "select from public.signals where trader_id = 'alices'") == seen
        assert session.run("bob", "select from public.trader_versions where trader_id = 'alices'") == 0
    assert session.run("alice", "select from public.trader_versions where trader_id = 'alices'") == 3
    assert session.run("alice", "update public.traders set deleted_at = 'now' where trader_id = 'alices'") == 1
    versions = session.connection.execute("select from public.trader_versions where trader_id = 'alices'")
    assert versions.rowcount == 3  # a deletion is no version


def test_people_see_their_books_and_the_desks_alone(session: Session) -> None:
    for table in (
        "books",
        "trade_intents",
        "orders",
        "positions",
        "fills",
        "equity_points",
        "account_flows",
        "proposals",
    ):
        for actor, other in (("alice", "bobs"), ("bob", "alices")):
            assert session.run(actor, f"select from public.{table} where book_id = 'desks'") == 1, table
            assert session.run(actor, f"select from public.{table} where book_id = '{other}'") == 0, table
    assert session.run("alice", "select jsonb_array_elements(public.get_books())") == 2
    assert session.run("alice", "select jsonb_array_elements(public.get_books('bobs'))") == 0
    assert session.run("anon", "select public.get_books()") is None


# How many rows each tells Alice, of three books of which hers and the desk's are seen; anon may call none.
READS: Final = (
    ("list_intents(9, null, null, null, null, null)", 2),
    ("list_orders(9, null, null, null, null, null)", 2),
    ("list_fills(9, null, null, null, null)", 2),
    ("list_positions(null, true)", 2),
    ("equity_curve('alices', 0, 9)", 1),
    ("list_alerts(9, null, null, null, null, null)", 2),
    ("equity_curve('bobs', 0, 9)", 0),
    ("last_trips('alices')", 1),
    ("last_trips('bobs')", 0),
    ("trace('nothing')", 0),
    ("trace('p')", 2),
    ("list_proposals(9, null, null, null, null)", 2),
    ("current_views(9, 0, null, '{}', 0.5)", 1),
    (f"current_views(60000, 60000, '{ALICE}', '{{}}', 0.5)", 1),
)


@pytest.mark.parametrize(("call", "rows"), READS)
def test_what_is_read_of_trading_is_decided_by_row_security(session: Session, call: str, rows: int) -> None:
    assert session.run("alice", f"select jsonb_array_elements(public.{call})") == rows
    assert session.run("anon", f"select public.{call}") is None


def test_other_peoples_intents_and_books_are_not_told(session: Session) -> None:
    for function in ("tell_intent('{}')", "view_book('{}', 60000)", "get_proposal('{}')"):
        for whose, seen in (("alices", 1), ("desks", 1), ("bobs", 0)):
            call = f"select 1 where public.{function.format(whose)} is not null"
            assert session.run("alice", call) == seen, (function, whose)


TRADE: Final = '{"sizing": {"method": "notional", "value": "10"}, "guard": {}, "algorithm": {}, "horizon_ms": 60000}'


def test_people_let_their_traders_trade_their_books(session: Session) -> None:
    def trade(book: str, trader: str = "alices") -> int | None:
        set_clause = f"mode = 'paper', book_id = '{book}', trade = '{TRADE}'"
        return session.run("alice", f"update public.traders set {set_clause} where trader_id = '{trader}'")

    assert trade("alices") == 1
    for trader in ("bobs", "built-in"):
        assert trade("alices", trader) == 0
    for book in ("bobs", "desks"):
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="book_id"):
            trade(book)


@pytest.mark.parametrize(
    "bad",
    [
        "null",
        "[]",
        "{}",
        TRADE.replace('"10"', '"NaN"'),
        TRADE.replace('"10"', '"-1"'),
        TRADE.replace('"10"', '"ten"'),
        TRADE.replace("notional", "all of it"),
        TRADE.replace("60000", "1"),
        TRADE.replace("60000", '"soon"'),
        TRADE.replace('"guard": {}', '"guard": {"stop_rate": "1"}'),
        TRADE.replace('"guard": {}', '"guard": {"hold_bars": "1.5"}'),
        TRADE.replace('"guard": {}', '"guard": []'),
        TRADE.replace('"algorithm": {}', '"algorithm": {"name": "magic"}'),
        TRADE.replace('"algorithm": {}', '"algorithm": {"slices": "0"}'),
        TRADE.replace('"algorithm": {}', '"algorithm": {"limit_price": {}}'),
    ],
)
def test_terms_the_desk_could_not_read_are_refused(session: Session, bad: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="traders_trade_check"):
        session.run("alice", f"update public.traders set trade = '{bad}' where trader_id = 'alices'")


def test_a_deleted_trader_stays_deleted(session: Session) -> None:
    assert session.run("alice", "update public.traders set deleted_at = 'now' where trader_id = 'alices'") == 1
    assert session.run("alice", "update public.traders set deleted_at = null where trader_id = 'alices'") == 0
    assert session.run("alice", "update public.traders set deleted_at = 'now' where trader_id <> 'alices'") == 0
