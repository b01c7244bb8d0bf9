"""Who may do what to which table: every table, as anon, Alice, Bob and the service, on a real Postgres.

The database is set up as Supabase's, where default privileges grant everything to every role; what is refused here is
refused by sql/. Each case runs in a transaction that is rolled back.
"""

# ruff: noqa: S608 the statements are put together from this file's own tables

from collections.abc import Iterator
from typing import Final

import psycopg
import pytest
from psycopg import sql as pg

ALICE: Final = "00000000-0000-4000-8000-00000000000a"
BOB: Final = "00000000-0000-4000-8000-00000000000b"
CAROL: Final = "00000000-0000-4000-8000-00000000000c"  # has a public trader
ACTORS: Final = {"anon": ("anon", ""), "alice": ("authenticated", ALICE), "bob": ("authenticated", BOB)} | {
    "service": ("service_role", "")
}

ROWS: Final = f"""
insert into auth.users (id) values ('{ALICE}'), ('{BOB}'), ('{CAROL}');
insert into public.instruments (venue, symbol, venue_symbol, base, quote, tick_size, step_size)
  values ('binance', 'BTC/USDT', 'BTCUSDT', 'BTC', 'USDT', 0.01, 0.00001);
insert into public.traders (trader_id, owner_id, name, rule, timeframe) values
  ('built-in', null, 'n', 'close > 1', '1m'), ('alices', '{ALICE}', 'n', 'close > 1', '1m'),
  ('bobs', '{BOB}', 'n', 'close > 1', '1m');
insert into public.traders (trader_id, owner_id, name, rule, timeframe, visibility)
  values ('carols', '{CAROL}', 'n', 'close > 1', '1m', 'public');
insert into public.signals (trader_id, venue, symbol, timeframe, close_time, side, price, rule_hash, correlation_id)
  select trader_id, 'binance', 'BTC/USDT', '1m', 60000, 'long', 1, 'h', 'c' from public.traders;
insert into public.signal_outcomes (signal_id, bars, forward_return, favourable, adverse)
  select signal_id, 5, 0.01, 0.02, 0 from public.signals;
insert into public.execution_runs (venue, timeframe, close_time, shard, shards, source, correlation_id, claim_id)
  values ('binance', '1m', 60000, 0, 1, 'test', 'c', gen_random_uuid());
insert into public.run_digests (venue, timeframe, close_time, shard, digests)
  values ('binance', '1m', 60000, 0, 'AAAAAAAA');
insert into public.agents (agent, version) values ('ops-agent', '1');
insert into public.monitor_runs (run_id, task, at_ms) values (gen_random_uuid(), 'all', 1);
insert into public.monitor_lease (holder, lease_until) values (gen_random_uuid(), now());
insert into public.venue_health (venue, state) values ('binance', 'offline');
insert into public.paper_accounts (venue, account, balances) values ('binance', 'a', '{{}}');
insert into public.paper_orders (
  venue, account, symbol, client_order_id, side, kind, time_in_force, qty, reduce_only, state, filled_qty,
  filled_notional, fills, is_triggered, placed_at_ms, updated_at_ms, bars_until_ms, book_until_ms
) values ('binance', 'a', 'BTC/USDT', 'c', 'buy', 'market', 'gtc', 1, false, 'filled', 1, 2, 1, false, 1, 1, 1, 1);
insert into public.paper_trades (
  venue, account, symbol, trade_id, client_order_id, venue_order_id, side, qty, price, fee_qty, fee_asset,
  fee_notional, is_maker, event_time
) values ('binance', 'a', 'BTC/USDT', 't', 'c', 'v', 'buy', 1, 2, 0, 'USDT', 0, false, 1);
insert into public.books (book_id, owner_id, name, mode, quote, capital, venues) values
  ('desks', null, 'n', 'paper', 'USDT', 1, '{{binance}}'),
  ('alices', '{ALICE}', 'n', 'paper', 'USDT', 1, '{{binance}}'),
  ('bobs', '{BOB}', 'n', 'paper', 'USDT', 1, '{{binance}}');
insert into public.circuit_breaker_events (book_id, breaker, at_ms, trading_state, reason)
  select book_id, 'daily_loss', 60000, 'halted', 'r' from public.books;
insert into public.risk_breaches (book_id, intent_id, breach_no, details)
  select book_id, 'i', 1, '"leverage"' from public.books;
insert into public.equity_points (book_id, at_ms, equity, realised, fees)
  select book_id, 60000, 1, 0, 0 from public.books;
insert into public.alerts (dedupe_key, kind, severity, sentence, book_id, first_at_ms, last_at_ms)
  select book_id, 'reconciliation', 'critical', 's', book_id, 1, 1 from public.books;
insert into public.outbox (outbox_id, kind, severity, person_id, to_desk, subject) values
  ('00000000-0000-4000-8000-0000000000f1', 'signal', 'info', '{ALICE}', false, 's'),
  ('00000000-0000-4000-8000-0000000000f2', 'signal', 'info', '{BOB}', false, 't'),
  ('00000000-0000-4000-8000-0000000000f3', 'alert_opened', 'info', null, true, 'u');
insert into public.notification_channels (channel_id, owner_id, name, kind, target, shown) values
  ('00000000-0000-4000-8000-0000000000c1', '{ALICE}', 'n', 'apprise', 'json://secret', 'json://…'),
  ('00000000-0000-4000-8000-0000000000c2', '{BOB}', 'n', 'apprise', 'json://secret', 'json://…'),
  ('00000000-0000-4000-8000-0000000000c3', null, 'n', 'apprise', 'json://secret', 'json://…');
insert into public.notification_deliveries (outbox_id, channel_id)
  select outbox_id, replace(outbox_id::text, 'f', 'c')::uuid from public.outbox;
insert into public.trade_intents (intent_id, book_id, mode, source, symbol, purpose, direction, sizing, raised_at_ms,
    expires_at_ms, correlation_id, actor)
  select book_id, book_id, 'paper', 'person', 'BTC/USDT', 'enter', 'long', '{{"value": "1"}}', 1, 2, 'c', 'a'
  from public.books;
insert into public.orders (order_id, intent_id, book_id, mode, account, venue, symbol, role, slice_no, attempt,
    client_order_id, side, kind, time_in_force, qty, reduce_only, due_at_ms, actor, correlation_id)
  select book_id, book_id, book_id, 'paper', book_id, 'binance', 'BTC/USDT', 'slice', 0, 1, book_id, 'buy', 'market',
    'gtc', 1, false, 1, 'a', 'c'
  from public.books;
insert into public.positions (book_id, venue, symbol) select book_id, 'binance', 'BTC/USDT' from public.books;
insert into public.fills (venue, account, symbol, trade_id, book_id, client_order_id, venue_order_id, side, qty, price,
    fee_qty, fee_asset, fee_notional, is_maker, event_time, realised)
  select 'binance', book_id, 'BTC/USDT', 't', book_id, 'c', 'v', 'buy', 1, 1, 0, 'USDT', 0, true, 1, 0
  from public.books;
insert into public.intelligence_signals (source, kind, instrument, direction, confidence, observed_at_ms, expires_at_ms,
    provenance, data_quality, correlation_id)
  values ('coingecko', 'sentiment', 'BTC/USDT', 'long', 0.5, 1, 2, 'measured', 1, 'c');
insert into public.proposals (proposal_id, book_id, mode, instrument, direction, window_start_ms, notional, share,
    confidence, created_at_ms, expires_at_ms, actor, correlation_id)
  select book_id, book_id, 'paper', 'BTC/USDT', 'long', 0, 1, 1, 1, 1, 2, 'signal-agent', 'p' from public.books;
insert into public.accounts (venue, account, opening) values ('binance', 'live', '{{}}');
insert into public.account_flows (venue, account, flow_id, part_no, kind, symbol, asset, qty, event_time, book_id,
    actor, reason)
  select 'binance', 'live', 'f', row_number() over (), 'funding', 'BTC/USDT:USDT', 'USDT', 1, 1, book_id, 'a', ''
  from public.books;
"""

_OF_BOOKS: Final[dict[str, int | None]] = {"anon": None, "alice": 2, "bob": 2, "service": 3}
_OF_THE_SERVICE: Final[dict[str, int | None]] = {"anon": None, "alice": None, "bob": None, "service": 1}

# How many rows each actor sees; None: the statement is refused.
SEEN: Final[dict[str, dict[str, int | None]]] = {
    "venues": {"anon": None, "alice": 9, "bob": 9, "service": 9},
    "instruments": {"anon": None, "alice": 1, "bob": 1, "service": 1},
    "profiles": {"anon": None, "alice": 1, "bob": 1, "service": 3},
    "traders": {"anon": None, "alice": 3, "bob": 3, "service": 4},
    "trader_versions": {"anon": None, "alice": 2, "bob": 2, "service": 4},
    "signals": {"anon": None, "alice": 3, "bob": 3, "service": 4},
    "signal_outcomes": {"anon": None, "alice": 3, "bob": 3, "service": 4},
    "execution_runs": {"anon": None, "alice": None, "bob": None, "service": 1},
    "run_digests": {"anon": None, "alice": None, "bob": None, "service": 1},
    "agents": {"anon": None, "alice": None, "bob": None, "service": 1},
    "paper_accounts": {"anon": None, "alice": None, "bob": None, "service": 1},
    "paper_orders": {"anon": None, "alice": None, "bob": None, "service": 1},
    "paper_trades": {"anon": None, "alice": None, "bob": None, "service": 1},
    "desk_state": {"anon": None, "alice": 1, "bob": 1, "service": 1},
    "books": _OF_BOOKS,
    "circuit_breaker_events": _OF_BOOKS,
    "risk_breaches": _OF_BOOKS,
    "equity_points": _OF_BOOKS,
    "alerts": _OF_BOOKS,
    "outbox": {"anon": None, "alice": 1, "bob": 1, "service": 3},
    "notification_channels": {"anon": None, "alice": 1, "bob": 1, "service": 3},
    "notification_deliveries": {"anon": None, "alice": 1, "bob": 1, "service": 3},
    "trade_intents": _OF_BOOKS,
    "orders": _OF_BOOKS,
    "positions": _OF_BOOKS,
    "fills": _OF_BOOKS,
    "accounts": _OF_THE_SERVICE,
    "monitor_runs": _OF_THE_SERVICE,
    "monitor_lease": _OF_THE_SERVICE,
    "venue_health": {"anon": None, "alice": 1, "bob": 1, "service": 1},
    "account_flows": _OF_BOOKS,
    "intelligence_signals": {"anon": None, "alice": 1, "bob": 1, "service": 1},
    "proposals": _OF_BOOKS,
    "trading_transitions": {"anon": None, "alice": 6, "bob": 6, "service": 9},
}

# Filled by triggers; not even the service writes them.
KEPT_BY_THE_DATABASE: Final = frozenset({"trader_versions", "trading_transitions"})

# Written once: the service adds and removes rows of these, and changes none.
NEVER_CHANGED: Final = frozenset({"fills", "accounts", "account_flows", "intelligence_signals"})

# What people may read of a table that has secrets in it.
READABLE: Final = {"notification_channels": "channel_id, owner_id, name, shown, last_error"}

# A valid change of every row of the table, and how many rows it reaches as anybody but the service.
EDITS: Final[dict[str, tuple[str, int | None]]] = {
    "venues": ("update public.venues set log_depth = 2 where true", None),
    "instruments": ("update public.instruments set enabled = false where true", None),
    "profiles": ("update public.profiles set display_name = 'x' where true", 1),
    "traders": ("update public.traders set enabled = false where true", 1),
    "trader_versions": ("update public.trader_versions set definition = '{}' where true", None),
    "signals": ("update public.signals set price = 2 where true", None),
    "signal_outcomes": ("update public.signal_outcomes set favourable = 1 where true", None),
    "execution_runs": ("update public.execution_runs set status = 'failed' where true", None),
    "run_digests": ("update public.run_digests set digests = '' where true", None),
    "agents": ("update public.agents set version = '2' where true", None),
    "paper_accounts": ("update public.paper_accounts set version = 2 where true", None),
    "paper_orders": ("update public.paper_orders set fills = 2 where true", None),
    "paper_trades": ("update public.paper_trades set price = 3 where true", None),
    "desk_state": ("update public.desk_state set trading_state = 'halted' where true", None),
    "books": ("update public.books set trading_state = 'halted' where true", None),
    "circuit_breaker_events": ("update public.circuit_breaker_events set reason = 'x' where true", None),
    "risk_breaches": ("update public.risk_breaches set details = '{}' where true", None),
    "equity_points": ("update public.equity_points set equity = 2 where true", None),
    "outbox": ("update public.outbox set title = 'x' where true", None),
    "notification_channels": ("update public.notification_channels set name = 'x' where true", None),
    "notification_deliveries": ("update public.notification_deliveries set state = 'muted' where true", None),
    "alerts": ("update public.alerts set state = 'acknowledged' where true", None),
    "trade_intents": ("update public.trade_intents set state = 'denied' where true", None),
    "orders": ("update public.orders set state = 'cancelled' where true", None),
    "positions": ("update public.positions set fees = 1 where true", None),
    "fills": ("update public.fills set price = 2 where true", None),
    "monitor_runs": ("update public.monitor_runs set task = 'quotas' where true", None),
    "monitor_lease": ("update public.monitor_lease set lease_until = now() where true", None),
    "venue_health": ("update public.venue_health set state = 'online' where true", None),
    "accounts": ("update public.accounts set opening = '{}' where true", None),
    "account_flows": ("update public.account_flows set qty = 2 where true", None),
    "intelligence_signals": ("update public.intelligence_signals set confidence = 1 where true", None),
    "proposals": ("update public.proposals set state = 'dismissed' where true", None),
    "trading_transitions": ("update public.trading_transitions set actor = 'x' where true", None),
}

# A valid new row (Alice's, where rows have owners), and who may insert it besides the service.
INSERTS: Final[dict[str, tuple[str, frozenset[str]]]] = {
    "venues": ("(venue, timeframes) values ('mtgox', array['1m'])", frozenset()),
    "instruments": (
        "(venue, symbol, venue_symbol, base, quote, tick_size, step_size)"
        " values ('binance', 'ETH/USDT', 'ETHUSDT', 'ETH', 'USDT', 0.01, 0.0001)",
        frozenset(),
    ),
    "profiles": ("(user_id) select gen_random_uuid() where false", frozenset()),
    "traders": (
        f"(trader_id, owner_id, name, rule, timeframe) values ('new', '{ALICE}', 'n', 'close > 1', '1m')",
        frozenset({"alice"}),
    ),
    "trader_versions": (
        "(trader_id, version, definition, recorded_at) values ('alices', 2, '{}', now())",
        frozenset(),
    ),
    "signals": (
        "(trader_id, venue, symbol, timeframe, close_time, side, price, rule_hash, correlation_id)"
        " values ('alices', 'binance', 'ETH/USDT', '1m', 60000, 'long', 1, 'h', 'c')",
        frozenset(),
    ),
    "signal_outcomes": ("(signal_id, bars) select signal_id, 20 from public.signals limit 1", frozenset()),
    "execution_runs": (
        "(venue, timeframe, close_time, shard, shards, source, correlation_id, claim_id)"
        " values ('binance', '1m', 120000, 0, 1, 'test', 'c', gen_random_uuid())",
        frozenset(),
    ),
    "run_digests": (
        "(venue, timeframe, close_time, shard, digests) select 'binance', '1m', 60000, 0, '' where false",
        frozenset(),
    ),
    "agents": ("(agent, version) values ('risk-agent', '1')", frozenset()),
    "paper_accounts": ("(venue, account, balances) values ('binance', 'b', '{}')", frozenset()),
    "paper_orders": (
        "(venue, account, symbol, client_order_id, side, kind, time_in_force, qty, reduce_only, state, filled_qty,"
        " filled_notional, fills, is_triggered, placed_at_ms, updated_at_ms, bars_until_ms, book_until_ms)"
        " values ('binance', 'a', 'BTC/USDT', 'd', 'buy', 'market', 'gtc', 1, false, 'open', 0, 0, 0, false, 1, 1, 1, 1"
        ")",
        frozenset(),
    ),
    "paper_trades": (
        "(venue, account, symbol, trade_id, client_order_id, venue_order_id, side, qty, price, fee_qty, fee_asset,"
        " fee_notional, is_maker, event_time)"
        " values ('binance', 'a', 'BTC/USDT', 'u', 'c', 'v', 'buy', 1, 2, 0, 'USDT', 0, false, 1)",
        frozenset(),
    ),
    "desk_state": ("(singleton, trading_state) select true, 'active' where false", frozenset()),
    "books": (
        f"(book_id, owner_id, name, mode, quote, capital, venues)"
        f" values ('new', '{ALICE}', 'n', 'paper', 'USDT', 1, '{{binance}}')",
        frozenset(),
    ),
    "circuit_breaker_events": (
        "(book_id, breaker, at_ms, trading_state, reason) values ('alices', 'x', 1, 'halted', 'r')",
        frozenset(),
    ),
    "risk_breaches": ("(book_id, intent_id, breach_no, details) values ('alices', 'i', 2, '{}')", frozenset()),
    "equity_points": ("(book_id, at_ms, equity, realised, fees) values ('alices', 120000, 1, 0, 0)", frozenset()),
    "alerts": (
        "(dedupe_key, kind, severity, sentence, first_at_ms, last_at_ms) values ('n', 'x', 'info', 's', 1, 1)",
        frozenset(),
    ),
    "outbox": ("(kind, severity, to_desk, subject) values ('x', 'info', true, 's')", frozenset()),
    "notification_channels": (
        f"(owner_id, name, kind, target, shown) values ('{ALICE}', 'm', 'apprise', 'json://x', 'json://…')",
        frozenset(),
    ),
    "notification_deliveries": (
        "(outbox_id, channel_id) values ('00000000-0000-4000-8000-0000000000f1',"
        " '00000000-0000-4000-8000-0000000000c2')",
        frozenset(),
    ),
    "trade_intents": (
        "(intent_id, book_id, mode, source, symbol, purpose, direction, sizing, raised_at_ms, expires_at_ms,"
        " correlation_id, actor) values ('new', 'alices', 'paper', 'person', 'BTC/USDT', 'enter', 'long',"
        """ '{"value": "1"}', 1, 2, 'c', 'a')""",
        frozenset(),
    ),
    "orders": (
        "(order_id, intent_id, book_id, mode, account, venue, symbol, role, slice_no, attempt, client_order_id, side,"
        " kind, time_in_force, qty, reduce_only, due_at_ms, actor, correlation_id)"
        " values ('new', 'alices', 'alices', 'paper', 'alices', 'binance', 'BTC/USDT', 'slice', 1, 1, 'new', 'buy',"
        " 'market', 'gtc', 1, false, 1, 'a', 'c')",
        frozenset(),
    ),
    "positions": ("(book_id, venue, symbol) values ('alices', 'binance', 'ETH/USDT')", frozenset()),
    "fills": (
        "(venue, account, symbol, trade_id, book_id, client_order_id, venue_order_id, side, qty, price, fee_qty,"
        " fee_asset, fee_notional, is_maker, event_time, realised)"
        " values ('binance', 'alices', 'BTC/USDT', 'new', 'alices', 'c', 'v', 'buy', 1, 1, 0, 'USDT', 0, true, 1, 0)",
        frozenset(),
    ),
    "monitor_runs": ("(run_id, task, at_ms) values (gen_random_uuid(), 'all', 1)", frozenset()),
    "monitor_lease": (
        "(singleton, holder, lease_until) select true, gen_random_uuid(), now() where false",
        frozenset(),
    ),
    "venue_health": ("(venue, state) values ('okx', 'online')", frozenset()),
    "accounts": ("(venue, account, opening) values ('binance', 'new', '{}')", frozenset()),
    "account_flows": (
        "(venue, account, flow_id, kind, asset, qty, event_time, actor, reason)"
        " values ('binance', 'live', 'new', 'adjustment', 'USDT', 1, 1, 'a', 'r')",
        frozenset(),
    ),
    "intelligence_signals": (
        "(source, kind, instrument, direction, confidence, observed_at_ms, expires_at_ms, provenance, data_quality,"
        " correlation_id) values ('me', 'sentiment', 'BTC/USDT', 'long', 1, 1, 2, 'measured', 1, 'forged')",
        frozenset(),
    ),
    "proposals": (
        "(proposal_id, book_id, mode, instrument, direction, window_start_ms, notional, share, confidence,"
        " created_at_ms, expires_at_ms, actor, correlation_id)"
        " values ('new', 'alices', 'paper', 'ETH/USDT', 'long', 0, 1, 1, 1, 1, 2, 'me', 'c')",
        frozenset(),
    ),
    "trading_transitions": (
        "(subject, subject_id, after, actor, reason) values ('desk', 'desk', 'active', 'me', 'forged')",
        frozenset(),
    ),
}

CALLS: Final = (
    "record_signals('binance', 'c', '[]')",
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
    "last_monitor_run()",
    "begin_monitor_run(gen_random_uuid(), 'all', 1, 1)",
    'finish_monitor_run(gen_random_uuid(), \'all\', 1, \'{"success": true, "duration_ms": 1, "causes": [],'
    ' "results": [], "kept_unread": false, "restored_ms": 0}\')',
    "watch_venues()",
    "record_venue_health('[]')",
    "marked_books('[]', 1)",
    "watch_signals(1)",
    "watch_intents(1, 1)",
    "watch_runs(1)",
    "watch_orders(1)",
    "watch_sizes()",
    "forget_rows('signals', 1, 1, 1)",
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
    "record_intelligence('[]')",
    "propose(desk.proposal_json(p), 1, 'a', 'r') from public.proposals as p where p.proposal_id = 'alices'",
    "approve_proposal('nobody', 1, '{}', 'a', 'r', 1)",
    "dismiss_proposal('nobody', 1, 'a', 'r')",
    "expire_proposals(0)",
)


class Session:
    """A transaction that acts for one person or role after another."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection

    def run(self, actor: str, statement: str) -> int | None:
        """Return how many rows a statement saw or changed as an actor; None when it was refused."""
        role, user = ACTORS[actor]
        try:
            with self.connection.transaction():
                self.connection.execute(pg.SQL("set local role {}").format(pg.Identifier(role)))
                claims = f'{{"sub": "{user}"}}' if user else ""
                self.connection.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
                reached = self.connection.execute(statement.encode()).rowcount
                self.connection.execute("reset role")
                return reached
        except psycopg.errors.InsufficientPrivilege:
            return None


@pytest.fixture
def session(postgres: str) -> Iterator[Session]:
    with psycopg.connect(postgres) as connection:
        connection.execute("begin" if connection.autocommit else "select 1")
        connection.execute("delete from public.traders")  # the built-in ones
        connection.execute("delete from public.trading_transitions")  # those of other tests
        connection.execute(ROWS.encode())
        yield Session(connection)
        connection.rollback()


def service_reaches(table: str) -> int | None:
    """Return how many rows of a table the service may write."""
    return None if table in KEPT_BY_THE_DATABASE else SEEN[table]["service"]


each_table = pytest.mark.parametrize("table", SEEN)
each_actor = pytest.mark.parametrize("actor", ACTORS)


@each_table
@each_actor
def test_select(session: Session, table: str, actor: str) -> None:
    columns = "*" if actor == "service" else READABLE.get(table, "*")
    assert session.run(actor, f"select {columns} from public.{table}") == SEEN[table][actor]


@pytest.mark.parametrize("column", ["target", "secret", "*"])
def test_the_address_of_a_channel_is_read_by_the_service_alone(session: Session, column: str) -> None:
    for actor in ("anon", "alice", "bob"):
        assert session.run(actor, f"select {column} from public.notification_channels") is None


def test_alerts_of_a_person_are_read_by_that_person(session: Session) -> None:
    session.connection.execute(
        "insert into public.alerts (dedupe_key, kind, severity, sentence, person_id, first_at_ms, last_at_ms)"
        f" values ('channel:1', 'channel', 'warning', 's', '{ALICE}', 1, 1)"
    )
    seen = "select from public.alerts where kind = 'channel'"
    assert [session.run(actor, seen) for actor in ACTORS] == [None, 1, 0, 1]


@each_table
@each_actor
def test_insert(session: Session, table: str, actor: str) -> None:
    values, people = INSERTS[table]
    reached = session.run(actor, f"insert into public.{table} {values}")
    allowed = actor in people or (actor == "service" and table not in KEPT_BY_THE_DATABASE)
    assert (reached is not None) == allowed


@each_table
@each_actor
def test_update(session: Session, table: str, actor: str) -> None:
    statement, people = EDITS[table]
    expected = service_reaches(table) if actor == "service" else None if actor == "anon" else people
    if table in NEVER_CHANGED:
        expected = None
    assert session.run(actor, statement) == expected


@each_table
@each_actor
def test_delete(session: Session, table: str, actor: str) -> None:
    if table == "traders":  # their signals refer to them
        session.connection.execute("delete from public.signals where true")
    if table == "venues":
        session.connection.execute(
            "truncate public.signals, public.execution_runs, public.traders, public.instruments, public.books,"
            " public.accounts cascade"
        )
    if table == "books":  # what was traded in them stays, and they with it
        session.connection.execute(
            "truncate public.trade_intents, public.positions, public.fills, public.account_flows cascade"
        )
    if table == "accounts":
        session.connection.execute("truncate public.account_flows")
    if table in {"trade_intents", "orders"}:
        session.connection.execute("truncate public.orders cascade" if table == "trade_intents" else "select 1")
    reached = session.run(actor, f"delete from public.{table} where true")
    assert reached == (service_reaches(table) if actor == "service" else None)


@pytest.mark.parametrize("call", CALLS)
@each_actor
def test_functions_are_the_services_alone(session: Session, call: str, actor: str) -> None:
    assert session.run(actor, f"select public.{call}") == (1 if actor == "service" else None)


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


def test_after_a_careless_grant_row_security_still_holds(session: Session) -> None:
    session.connection.execute("grant all on all tables in schema public to anon, authenticated")
    for table in SEEN:
        assert session.run("anon", f"select * from public.{table}") == 0, table
    for table in SEEN.keys() - {"profiles", "traders", "run_digests", "signal_outcomes", "desk_state", "monitor_lease"}:
        assert session.run("alice", EDITS[table][0]) == 0, table
        assert session.run("alice", f"delete from public.{table} where true") == 0, table
        assert session.run("alice", f"insert into public.{table} {INSERTS[table][0]}") is None, table


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


def test_every_table_has_row_security_and_every_policy_names_its_role(postgres: str) -> None:
    with psycopg.connect(postgres) as connection:
        tables = connection.execute(
            "select relname, relrowsecurity from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
        ).fetchall()
        policies = connection.execute("select roles::text from pg_policies where schemaname = 'public'").fetchall()
    assert dict(tables) == dict.fromkeys(SEEN, True)
    assert set(policies) == {("{authenticated}",)}
