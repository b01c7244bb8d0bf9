"""The traders the SQL brings in are those of the code, and the demo's crowd is one that could be saved."""

import psycopg
from psycopg.rows import dict_row

from desk.migrate import SQL
from desk.population import synthetic_traders
from shared.domain.builtins import BUILTINS
from shared.domain.decision import compile_trader
from shared.domain.timeframe import Timeframe

COLLECTED = (Timeframe.M1, Timeframe.M5, Timeframe.M15)
OWNER = "d0000000-0000-4000-8000-000000000002"


def test_a_fresh_database_has_exactly_the_built_in_traders(postgres: str) -> None:
    with psycopg.connect(postgres, row_factory=dict_row) as connection:
        connection.execute("delete from public.signals")
        connection.execute("delete from public.traders")
        connection.execute((SQL / "0008_builtin_traders.sql").read_bytes())
        rows = {row["trader_id"]: row for row in connection.execute("select * from public.traders").fetchall()}
        connection.rollback()
    assert rows.keys() == {trader.trader_id for trader in BUILTINS}
    for trader in BUILTINS:
        row = rows[trader.trader_id]
        for field in ("owner_id", "name", "description", "rule", "venue", "timeframe", "side", "edge", "cooldown_bars"):
            assert row[field] == getattr(trader, field), field
        assert (row["quote"], row["enabled"]) == (trader.universe.quote, trader.enabled)


def test_the_crowd_is_distinct_reproducible_and_compiles() -> None:
    crowd = synthetic_traders(300, owner_id=OWNER, timeframes=COLLECTED, quote="USDT", seed=7)
    assert crowd == synthetic_traders(300, owner_id=OWNER, timeframes=COLLECTED, quote="USDT", seed=7)
    assert len({trader.rule for trader in crowd}) == len({trader.trader_id for trader in crowd}) == 300
    for trader in crowd:
        compile_trader(trader, timeframes=COLLECTED)
