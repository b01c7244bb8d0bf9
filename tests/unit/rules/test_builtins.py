"""The built-in traders compile, keep their identity, and fire on a lively synthetic market."""

from collections.abc import Callable

import pytest

from shared.domain.builtins import BUILTINS
from shared.domain.candles import CandleFrame
from shared.domain.decision import compile_trader
from shared.domain.history import history
from shared.domain.resample import resample
from shared.domain.rules import Market
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Trader

COLLECTED = (Timeframe.M1, Timeframe.M5, Timeframe.M15)


@pytest.fixture(scope="module")
def market(frame: Callable[..., CandleFrame]) -> Market:
    candles = frame(symbols=6, bars=8_000, seed=8)
    return Market({timeframe: resample(candles, timeframe) for timeframe in COLLECTED})


@pytest.mark.parametrize("trader", BUILTINS, ids=lambda trader: trader.name)
def test_a_built_in_fires_but_not_all_the_time(trader: Trader, market: Market) -> None:
    compiled = compile_trader(trader, timeframes=COLLECTED)
    newest = market.frames[trader.timeframe].close_time
    page = history(compiled, market, since=0, until=newest, limit=100_000)
    assert page.firings
    assert len(page.firings) < page.evaluations / 20
    assert page.insufficient < page.evaluations / 2


def test_built_ins_are_told_apart_and_belong_to_nobody() -> None:
    assert len({trader.trader_id for trader in BUILTINS}) == len({trader.name for trader in BUILTINS}) == 8
    assert all(trader.owner_id is None and trader.description for trader in BUILTINS)
    assert BUILTINS[0].trader_id == "89bc7de4-9469-5362-a7d5-bf4e7ce56770"  # stored in databases: never changes
