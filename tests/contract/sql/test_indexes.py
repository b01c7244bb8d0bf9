"""What is looked for by the minute is found by an index, whatever a table grows to."""

import psycopg

from shared.domain.monitoring import KEPT_DAYS

AGE = {
    "monitor_runs": "started_at",
    "execution_runs": "close_time",
    "equity_points": "at_ms",
    "agent_memory": "at",
    "notification_deliveries": "created_at",
    "outbox": "created_at",
    "alerts": "resolved_at_ms",
    "paper_orders": "updated_at_ms",
    "signals": "close_time",
    "intelligence_signals": "observed_at_ms",
}
"""What retention tells old rows by."""

LEADING = """
    select i.indrelid::regclass::text, a.attname
    from pg_index as i
    join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
"""
REFERRING = """
    select c.conrelid::regclass::text, array_agg(a.attname::text), c.confrelid::regclass::text
    from pg_constraint as c
    join pg_attribute as a on a.attrelid = c.conrelid and a.attnum = any (c.conkey)
    where c.contype = 'f' and c.connamespace = 'public'::regnamespace
    group by c.oid
"""


def leading(connection: psycopg.Connection) -> set[tuple[str, str]]:
    """Return every column of a table that an index begins with."""
    return {(table, column) for table, column in connection.execute(LEADING)}


def test_retention_finds_what_is_old_by_an_index(postgres: str) -> None:
    assert AGE.keys() == KEPT_DAYS.keys()
    with psycopg.connect(postgres) as connection:
        assert AGE.items() <= leading(connection)


def test_what_refers_to_a_row_that_becomes_old_is_found_by_an_index(postgres: str) -> None:
    with psycopg.connect(postgres) as connection:
        found = leading(connection)
        referring = [each for each in connection.execute(REFERRING) if each[2] in KEPT_DAYS]
    assert len(referring) >= 4
    for table, columns, _ in referring:
        assert any((table, column) in found for column in columns), (table, columns)
