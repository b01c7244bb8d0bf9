"""Who the tests of row security act as, on which rows: every table has some, of everybody."""

# ruff: noqa: S608 the statements are put together from this file's own words

from typing import Any, Final

import psycopg
from psycopg import sql as pg

ALICE: Final = "00000000-0000-4000-8000-00000000000a"
BOB: Final = "00000000-0000-4000-8000-00000000000b"
CAROL: Final = "00000000-0000-4000-8000-00000000000c"  # has a public trader
ADMIN: Final = "00000000-0000-4000-8000-0000000000ad"
VIEWER: Final = "00000000-0000-4000-8000-0000000000ee"  # had traders before only reading
ACTORS: Final = {"anon": ("anon", ""), "alice": ("authenticated", ALICE), "bob": ("authenticated", BOB)} | {
    "admin": ("authenticated", ADMIN),
    "viewer": ("authenticated", VIEWER),
    "service": ("service_role", ""),
}

ROWS: Final = f"""
insert into auth.users (id) values ('{ALICE}'), ('{BOB}'), ('{CAROL}'), ('{ADMIN}'), ('{VIEWER}');
update public.profiles set tier = 'elite' where true;
insert into public.instruments (venue, symbol, venue_symbol, base, quote, tick_size, step_size)
  values ('binance', 'BTC/USDT', 'BTCUSDT', 'BTC', 'USDT', 0.01, 0.00001);
insert into public.traders (trader_id, owner_id, name, rule, timeframe) values
  ('built-in', null, 'n', 'close > 1', '1m'), ('alices', '{ALICE}', 'n', 'close > 1', '1m'),
  ('bobs', '{BOB}', 'n', 'close > 1', '1m'), ('viewers', '{VIEWER}', 'n', 'close > 1', '1m');
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
insert into public.agent_memory (agent, event_type, data) values ('ops-agent', 'looked', '{{}}');
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
  ('bobs', '{BOB}', 'n', 'paper', 'USDT', 1, '{{binance}}'),
  ('viewers', '{VIEWER}', 'n', 'paper', 'USDT', 1, '{{binance}}');
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
update public.profiles set role = 'admin' where user_id = '{ADMIN}';
update public.profiles set role = 'viewer' where user_id = '{VIEWER}';
insert into public.audit_events (actor, actor_kind, action, outcome)
  select user_id, 'person', 'POST /api/v1/books', 'refused' from public.profiles;
"""
"""Rows of every table, of the desk, Alice, Bob and the viewer; those of Carol's public trader. The admin has none."""


class Session:
    """A transaction that acts for one person or role after another."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection

    def act(self, actor: str, statement: str, *values: Any) -> int:
        """Return how many rows a statement saw or changed as an actor; raise what it was refused with."""
        role, user = ACTORS[actor]
        with self.connection.transaction():
            self.connection.execute(pg.SQL("set local role {}").format(pg.Identifier(role)))
            claims = f'{{"sub": "{user}"}}' if user else ""
            self.connection.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
            reached = self.connection.execute(statement.encode(), values or None).rowcount
            self.connection.execute("reset role")
            self.connection.execute("select set_config('request.jwt.claims', '', true)")
            return reached

    def run(self, actor: str, statement: str) -> int | None:
        """Return how many rows a statement saw or changed as an actor; None when it was refused."""
        try:
            return self.act(actor, statement)
        except psycopg.errors.InsufficientPrivilege:
            return None
