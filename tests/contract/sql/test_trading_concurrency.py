"""Many connections trade at once on a real Postgres: each order, decision and fill counts once, and a halt holds."""

import json
from collections.abc import Iterator
from decimal import Decimal
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.contract.sql.test_concurrency import CLIENTS, all_at_once, count, value

ROWS = """
insert into public.instruments (venue, symbol, base, quote, tick_size, step_size)
  values ('binance', 'BTC/USDT', 'BTC', 'USDT', 0.01, 0.00001);
insert into public.books (book_id, name, mode, quote, capital, venues)
  values ('b', 'n', 'paper', 'USDT', 1, '{binance}');
"""
TERMS = """{"sizing": {"method": "notional", "value": "10"}, "guard": {"stop_rate": "0.02"}, "algorithm": {},
  "horizon_ms": 60000}"""
SUBMIT = "select public.submit_order(%s, 1, 60000, 'test', %s)"
STATE = "select public.set_trading_state('desk', '', %s, 'test', 'drill')"


@pytest.fixture
def book(postgres: str) -> Iterator[str]:
    """A database with one book."""
    with psycopg.connect(postgres) as connection:
        connection.execute(ROWS.encode())
    yield postgres
    with psycopg.connect(postgres) as connection:
        connection.execute("truncate public.books, public.instruments, public.accounts cascade")
        connection.execute(STATE.encode(), ("active",))


def raise_intent(connection: psycopg.Connection, intent_id: str, purpose: str = "enter") -> None:
    connection.execute(
        "insert into public.trade_intents (intent_id, book_id, mode, source, venue, symbol, purpose, direction, sizing,"
        " reference_price, raised_at_ms, expires_at_ms, correlation_id, actor) values"
        """ (%s, 'b', 'paper', 'person', 'binance', 'BTC/USDT', %s, 'long', '{"value": "1"}', 1, 1, 2, 'c', 'a')""",
        (intent_id, purpose),
    )


def start(connection: psycopg.Connection, intent_id: str, *qtys: str, purpose: str = "enter") -> list[str]:
    """Raise, approve and start an intent; return the ids of its new orders."""
    raise_intent(connection, intent_id, purpose)
    connection.execute(
        "update public.trade_intents set state = 'approved', qty = %s where intent_id = %s",
        (sum(map(Decimal, qtys)), intent_id),
    )
    orders = [
        {"order_id": f"{intent_id}-{n}", "client_order_id": f"{intent_id}-{n}", "slice_no": n, "qty": qty}
        | {"intent_id": intent_id, "book_id": "b", "mode": "paper", "account": "b", "venue": "binance"}
        | {"symbol": "BTC/USDT", "role": "slice", "attempt": 1, "side": "buy" if purpose == "enter" else "sell"}
        | {"kind": "market", "time_in_force": "gtc", "reduce_only": False, "due_at_ms": 1, "state": "new"}
        | {"correlation_id": "c"}
        for n, qty in enumerate(qtys)
    ]
    ask = "select public.start_execution(%s, 2, '{}', %s::jsonb, 'test')"
    started: list[dict[str, Any]] = value(connection, ask, intent_id, json.dumps(orders))
    return [order["order_id"] for order in started]


def sqlstate(connection: psycopg.Connection, ask: str, *values: Any) -> str | None:
    """Ask and commit; return the code of the refusal, None when there was an answer that is not null."""
    try:
        answer = value(connection, ask, *values)
        connection.commit()
    except psycopg.Error as error:
        connection.rollback()
        return error.sqlstate
    return None if answer is not None else "null"


def test_two_executors_submit_an_order_once(book: str) -> None:
    with psycopg.connect(book) as connection:
        (order_id,) = start(connection, "i", "1")
    holders = [uuid4() for _ in range(CLIENTS)]
    answers = all_at_once(book, lambda connection, n: sqlstate(connection, SUBMIT, order_id, holders[n]))
    assert sorted(answers, key=str) == [None, *["null"] * (CLIENTS - 1)]
    with psycopg.connect(book) as connection:
        winner = holders[answers.index(None)]
        assert value(connection, SUBMIT, order_id, winner)["order_id"] == order_id  # a lost answer is asked for again


def test_decisions_on_one_risk_version_have_one_winner(book: str) -> None:
    with psycopg.connect(book) as connection:
        for n in range(CLIENTS):
            raise_intent(connection, f"i{n}")
    ask = "select public.decide_intent(%s, 1, 'approved', 0, 1, 1, '{}', 'risk-agent', 'fits')"
    answers = all_at_once(book, lambda connection, n: sqlstate(connection, ask, f"i{n}"))
    assert sorted(answers, key=str) == ["ND003"] * (CLIENTS - 1) + [None]
    assert count(book, "select count(*) from public.trade_intents where state = 'approved'") == 1
    assert count(book, "select risk_version from public.books") == 1


def test_one_fill_is_posted_once(book: str) -> None:
    with psycopg.connect(book) as connection:
        start(connection, "i", "1")
    fill = {"trade_id": "t", "client_order_id": "i-0", "venue_order_id": "v", "symbol": "BTC/USDT", "side": "buy"}
    fill |= {"qty": "0.5", "price": "1", "fee_qty": "0", "fee_asset": "USDT", "fee_notional": "0"}
    fills = json.dumps([fill | {"is_maker": True, "event_time": 1}])

    def post(connection: psycopg.Connection, n: int) -> str | None:
        # Each folds it into a position of its own making: only one may count.
        position: dict[str, str | int] = {"book_id": "b", "venue": "binance", "symbol": "BTC/USDT"}
        position |= {
            "qty": "0.5",
            "cost": "0.5",
            "realised": "0",
            "fees": "0" if n else "0.0",
            "opened_at_ms": 1,
            "version": 0,
        }
        ask = "select public.post_fills('b', %s::jsonb, %s::jsonb, '{\"t\": \"0\"}')"
        return sqlstate(connection, ask, json.dumps(position), fills)

    assert all_at_once(book, post) == [None] * CLIENTS  # the same posting again answers as the first
    assert count(book, "select count(*) from public.fills") == 1
    assert count(book, "select version from public.positions") == 1
    assert count(book, "select (posted_qty * 10)::integer from public.orders") == 5


def test_slices_at_once_take_no_more_than_was_approved(book: str) -> None:
    with psycopg.connect(book) as connection:
        orders = start(connection, "i", *["1"] * CLIENTS)
        connection.execute("alter table public.trade_intents disable trigger check_intent")
        connection.execute("update public.trade_intents set qty = 5 where true")
        connection.execute("alter table public.trade_intents enable trigger check_intent")
    answers = all_at_once(book, lambda connection, n: sqlstate(connection, SUBMIT, orders[n], uuid4()))
    assert sorted(answers, key=str) == ["ND002"] * (CLIENTS - 5) + [None] * 5


def test_exits_at_once_take_no_more_than_is_held_while_reducing(book: str) -> None:
    with psycopg.connect(book) as connection:
        orders = [start(connection, f"i{n}", "1", purpose="exit")[0] for n in range(CLIENTS)]
        connection.execute(
            "insert into public.positions (book_id, venue, symbol, qty, opened_at_ms)"
            " values ('b', 'binance', 'BTC/USDT', 3, 1)"
        )
        connection.execute(STATE.encode(), ("reducing",))
    answers = all_at_once(book, lambda connection, n: sqlstate(connection, SUBMIT, orders[n], uuid4()))
    assert sorted(answers, key=str) == ["ND001"] * (CLIENTS - 3) + [None] * 3


def test_a_halt_waits_for_who_has_passed_and_stops_who_comes_later(book: str) -> None:
    with psycopg.connect(book) as connection:
        early, late = start(connection, "i", "1", "1")
    halted = Event()

    def halt() -> None:
        with psycopg.connect(book) as connection:
            connection.execute(STATE.encode(), ("halted",))
        halted.set()

    with psycopg.connect(book) as passing:
        assert value(passing, SUBMIT, early, uuid4())["state"] == "submitting"
        setting = Thread(target=halt)
        setting.start()
        assert not halted.wait(0.5)  # the order above is not committed yet
        passing.commit()
        setting.join(timeout=30)
        assert halted.is_set()
        assert sqlstate(passing, SUBMIT, late, uuid4()) == "ND001"
    assert count(book, "select count(*) from public.orders where state = 'submitting'") == 1


def test_a_halt_between_decision_and_submission_stops_every_order(book: str) -> None:
    with psycopg.connect(book) as connection:
        orders = start(connection, "i", *["1"] * CLIENTS)
        connection.execute(STATE.encode(), ("halted",))
    answers = all_at_once(book, lambda connection, n: sqlstate(connection, SUBMIT, orders[n], uuid4()))
    assert answers == ["ND001"] * CLIENTS
    assert count(book, "select count(*) from public.orders where state <> 'new'") == 0


def test_a_signal_recorded_at_once_raises_one_intent(book: str) -> None:
    with psycopg.connect(book) as connection:
        connection.execute(
            "insert into public.traders (trader_id, name, rule, timeframe, mode, book_id, trade)"
            " values ('trading', 'n', 'close > 1', '1m', 'paper', 'b', %s::jsonb)",
            (TERMS,),
        )
    signal = {"trader_id": "trading", "symbol": "BTC/USDT", "timeframe": "1m", "close_time": 60_000, "side": "long"}
    signals = json.dumps([signal | {"price": 100, "rule_hash": "h", "values": {}}])
    ask = "select public.record_signals('binance', 'c', %s::jsonb)"
    answers = all_at_once(book, lambda connection, _: value(connection, ask, signals))
    assert sorted(len(answer["intents"]) for answer in answers) == [*[0] * (CLIENTS - 1), 1]
    assert count(book, "select count(*) from public.trade_intents where (guard ->> 'stop_price')::numeric = 98") == 1


@pytest.fixture
def account(book: str) -> str:
    """A database with one book, which holds a future on its account."""
    with psycopg.connect(book) as connection:
        connection.execute(
            "insert into public.accounts (venue, account, opening) values ('binance', 'b', '{\"USDT\": \"5\"}')"
        )
        connection.execute(
            "insert into public.positions (book_id, venue, symbol) values ('b', 'binance', 'BTC/USDT:USDT')"
        )
    return book


POST_FLOWS = "select public.post_flows('binance', 'b', %s::jsonb, %s::jsonb)"
HELD = "select ((public.holdings('binance', 'b') ->> 'USDT')::numeric * 100)::integer"


def flow(flow_id: str, qty: str, book_id: str | None = None, *, kind: str = "funding") -> dict[str, Any]:
    symbol = "BTC/USDT:USDT" if kind == "funding" else None
    return {"flow_id": flow_id, "kind": kind, "symbol": symbol, "asset": "USDT", "qty": qty, "event_time": 1} | {
        "book_id": book_id, "actor": "a", "reason": "",
    }  # fmt: skip


def test_a_payment_that_is_shared_in_many_ways_at_once_is_posted_in_one(account: str) -> None:
    shares: list[list[tuple[str | None, str]]] = [[("b", "-1.5")], [(None, "-1.5")], [("b", "-2"), (None, "0.5")]]

    def post(connection: psycopg.Connection, n: int) -> str | None:
        parts = [flow("p", qty, book_id) for book_id, qty in shares[n % len(shares)]]
        return sqlstate(connection, POST_FLOWS, json.dumps(parts), "{}")

    assert all_at_once(account, post) == [None] * CLIENTS
    assert count(account, HELD) == 350
    theirs = (
        "select count(*) from public.positions where funding ="
        " (select coalesce(sum(qty), 0) from public.account_flows where book_id = 'b')"
    )
    assert count(account, theirs) == 1


def test_a_difference_is_adopted_by_one_of_many(account: str) -> None:
    def adopt(connection: psycopg.Connection, n: int) -> str | None:
        adjustment = [flow(f"a-{n}", "2.25", kind="adjustment")]
        return sqlstate(connection, POST_FLOWS, json.dumps(adjustment), '{"USDT": "5"}')

    assert sorted(all_at_once(account, adopt), key=str) == ["ND003"] * (CLIENTS - 1) + [None]
    assert count(account, HELD) == 725
