"""The database refuses every illegal step of intents and orders, whoever writes it, and records every legal one."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import psycopg
import pytest

from shared.domain.proposals import PROPOSAL_STEPS
from shared.domain.trading.states import INTENT_STEPS, ORDER_STEPS, IntentState, OrderState

ROWS = """
insert into public.instruments (venue, symbol, base, quote, tick_size, step_size)
  values ('binance', 'BTC/USDT', 'BTC', 'USDT', 0.01, 0.00001);
insert into public.books (book_id, name, mode, quote, capital, venues)
  values ('b', 'n', 'paper', 'USDT', 1, '{binance}');
insert into public.trade_intents (intent_id, book_id, mode, source, venue, symbol, purpose, direction, sizing,
    reference_price, raised_at_ms, expires_at_ms, correlation_id, actor)
  values ('i', 'b', 'paper', 'person', 'binance', 'BTC/USDT', 'enter', 'long', '{"value": "1"}', 1, 1, 2, 'c', 'a');
"""
START = """
update public.trade_intents set state = 'approved', qty = 1, actor = 'risk' where true;
update public.trade_intents set state = 'executing', actor = 'execution' where true;
insert into public.orders (order_id, intent_id, book_id, mode, account, venue, symbol, role, slice_no, attempt,
    client_order_id, side, kind, time_in_force, qty, reduce_only, due_at_ms, actor, correlation_id)
  values ('o', 'i', 'b', 'paper', 'b', 'binance', 'BTC/USDT', 'slice', 0, 1, 'x', 'buy', 'market', 'gtc', 1, false, 1,
    'a', 'c');
"""
# A way to reach each state from the first.
TO_INTENT = {
    IntentState.PENDING: "",
    IntentState.APPROVED: "approved",
    IntentState.MODIFIED: "modified",
    IntentState.DENIED: "denied",
    IntentState.EXECUTING: "approved executing",
    IntentState.EXECUTED: "approved executing executed",
    IntentState.FAILED: "approved executing failed",
    IntentState.EXPIRED: "expired",
}
TO_ORDER = {
    OrderState.NEW: "",
    OrderState.SUBMITTING: "submitting",
    OrderState.OPEN: "submitting open",
    OrderState.PARTIALLY_FILLED: "submitting open partially_filled",
    OrderState.CANCEL_PENDING: "submitting open cancel_pending",
    OrderState.UNKNOWN: "submitting unknown",
    OrderState.FILLED: "submitting filled",
    OrderState.CANCELLED: "cancelled",
    OrderState.REJECTED: "submitting rejected",
}


@pytest.fixture
def service(postgres: str) -> Iterator[psycopg.Connection]:
    """A transaction of the service with a pending intent, rolled back."""
    with psycopg.connect(postgres) as connection:
        connection.execute(ROWS.encode())
        connection.execute("set local role service_role")
        yield connection
        connection.rollback()


def step_intent(connection: psycopg.Connection, state: str) -> None:
    qty = "coalesce(qty, 1)" if state in {"approved", "modified"} else "qty"
    connection.execute(f"update public.trade_intents set state = '{state}', qty = {qty} where true".encode())  # noqa: S608


def step_order(connection: psycopg.Connection, state: str) -> None:
    filled = "qty" if state == "filled" else "filled_qty"
    connection.execute(f"update public.orders set state = '{state}', filled_qty = {filled} where true".encode())  # noqa: S608


def recorded(connection: psycopg.Connection, subject: str) -> list[tuple[str | None, str, int]]:
    return connection.execute(
        "select before, after, version from public.trading_transitions"
        " where subject = %s order by step_no desc limit 1",
        (subject,),
    ).fetchall()


def test_the_database_has_the_same_table_of_steps(postgres: str) -> None:
    with psycopg.connect(postgres) as connection:
        stored = connection.execute("select subject, before, after from desk.trading_steps").fetchall()
    tables: dict[str, Mapping[Any, frozenset[Any]]] = {
        "intent": INTENT_STEPS,
        "order": ORDER_STEPS,
        "proposal": PROPOSAL_STEPS,
    }
    assert len(stored) == len(set(stored))
    assert set(stored) == {
        (subject, str(before), str(after))
        for subject, steps in tables.items()
        for before, afters in steps.items()
        for after in afters
    }


@pytest.mark.parametrize(("before", "after"), [pair for pair in product(IntentState, repeat=2) if pair[0] != pair[1]])
def test_every_step_of_an_intent(service: psycopg.Connection, before: IntentState, after: IntentState) -> None:
    for state in TO_INTENT[before].split():
        step_intent(service, state)
    if after in INTENT_STEPS[before]:
        step_intent(service, after)
        assert recorded(service, "intent") == [(before, after, len(TO_INTENT[before].split()) + 2)]
        return
    with pytest.raises(psycopg.Error) as refused:
        step_intent(service, after)
    assert refused.value.sqlstate == "ND002"


@pytest.mark.parametrize(("before", "after"), [pair for pair in product(OrderState, repeat=2) if pair[0] != pair[1]])
def test_every_step_of_an_order(service: psycopg.Connection, before: OrderState, after: OrderState) -> None:
    service.execute(START.encode())
    for state in TO_ORDER[before].split():
        step_order(service, state)
    if after in ORDER_STEPS[before]:
        step_order(service, after)
        assert recorded(service, "order") == [(before, after, len(TO_ORDER[before].split()) + 2)]
        return
    with pytest.raises(psycopg.Error) as refused:
        step_order(service, after)
    assert refused.value.sqlstate == "ND002"


@pytest.mark.parametrize("state", [state for state in IntentState if state is not IntentState.PENDING])
def test_an_intent_begins_as_pending(service: psycopg.Connection, state: IntentState) -> None:
    columns = "book_id, mode, source, symbol, purpose, direction, sizing, raised_at_ms, expires_at_ms, correlation_id"
    with pytest.raises(psycopg.Error) as refused:
        service.execute(
            f"insert into public.trade_intents (intent_id, {columns}, actor, qty, reference_price, state)"  # noqa: S608
            f" select 'j', {columns}, actor, 1, 1, '{state}' from public.trade_intents".encode()
        )
    assert refused.value.sqlstate == "ND002"


@pytest.mark.parametrize(
    ("halted", "says"),
    [
        ("update public.desk_state set trading_state = 'halted' where true", "desk"),
        ("delete from public.desk_state where true", "desk"),
        ("update public.books set trading_state = 'halted' where true", "book"),
        ("update public.venues set trading_state = 'reducing' where true", "venue"),
        ("delete from public.instruments where true", "symbol"),
    ],
)
@pytest.mark.parametrize("subject", ["intent", "order"])
def test_a_function_that_writes_past_the_functions_is_halted_too(
    service: psycopg.Connection, subject: str, halted: str, says: str
) -> None:
    if subject == "order":
        service.execute(START.encode())
    service.execute(halted.encode())
    step, state = (step_order, "submitting") if subject == "order" else (step_intent, "approved")
    with pytest.raises(psycopg.Error, match=says) as refused:
        step(service, state)
    assert refused.value.sqlstate == "ND001"


def test_what_an_order_is_and_what_has_filled_stays(service: psycopg.Connection) -> None:
    service.execute(START.encode())
    for column, value, code in (
        ("qty", "2", "42501"),
        ("side", "'sell'", "42501"),
        ("limit_price", "1", "42501"),
        ("client_order_id", "'y'", "42501"),
        ("filled_qty", "-1", "ND002"),
    ):
        with pytest.raises(psycopg.Error) as refused, service.transaction():
            service.execute(f"update public.orders set {column} = {value} where true".encode())  # noqa: S608
        assert refused.value.sqlstate == code
    for column, value in (("qty", "2"), ("decision", "'{}'"), ("plan", "'{}'")):
        with pytest.raises(psycopg.Error) as refused, service.transaction():
            service.execute(f"update public.trade_intents set {column} = {value} where true".encode())  # noqa: S608
        assert refused.value.sqlstate == "ND002"


def test_what_is_withdrawn_stays_so_and_what_has_ended_is_not_withdrawn(service: psycopg.Connection) -> None:
    service.execute(START.encode())
    service.execute("update public.trade_intents set withdrawn = 'no', actor = 'alice' where true")
    assert recorded(service, "intent") == [("executing", "withdrawn", 4)]
    for value in ("null", "'another reason'"):
        with pytest.raises(psycopg.Error) as refused, service.transaction():
            service.execute(f"update public.trade_intents set withdrawn = {value} where true".encode())  # noqa: S608
        assert refused.value.sqlstate == "ND002"
    with pytest.raises(psycopg.Error, match="withdrawn") as refused, service.transaction():
        step_order(service, "submitting")
    assert refused.value.sqlstate == "ND002"
    step_intent(service, "failed")
    with pytest.raises(psycopg.Error) as refused:
        service.execute("update public.trade_intents set withdrawn = 'late' where true")
    assert refused.value.sqlstate == "ND002"
