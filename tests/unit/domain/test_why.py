"""Why a trader fired or did not: the verdict is the live decision's, for every symbol at every close."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.candles import CandleFrame
from shared.domain.decision import compile_trader, decide
from shared.domain.rules import Market
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Edge, Universe
from shared.domain.why import Verdict, Why, why
from tests.unit.rules.conftest import random_frame
from tests.usecases.desk_in_memory import make_trader

M1 = Timeframe.M1
RULES = ("close > open", "rsi(5) < 40 and close > sma(9)", "crosses_above(close, ema(4))", "rank(roc(3)) <= 2")


def told(closes: list[float], rule: str = "close > 10", symbol: str = "S0/USDT", **change: object) -> Why:
    candles = random_frame(symbols=1, bars=len(closes))
    candles.values[:4, 0] = closes
    trader = compile_trader(make_trader(1, rule, **({"edge": Edge.RISING} | change)))
    return why(trader, Market({M1: candles}), symbol, candles.close_time)


@pytest.mark.parametrize(
    ("closes", "change", "verdict", "words"),
    [
        ([9, 9, 11], {}, Verdict.FIRED, "close 11 > 10"),
        ([9, 9, 10], {}, Verdict.FALSE, "close 10 is not > 10"),
        ([9, 11, 12], {}, Verdict.ALREADY_TRUE, "close 12 > 10, but it was true one candle before, too"),
        ([9, 11, 12], {"edge": Edge.LEVEL}, Verdict.FIRED, "close 12 > 10"),
        (
            [9, 11, 9, 11],
            {"cooldown_bars": 2},
            Verdict.COOLING_DOWN,
            "close 11 > 10, but it triggered 2 before and asks for 2 candles of quiet",
        ),
        ([11], {}, Verdict.INSUFFICIENT, "close 11 > 10, but what was before cannot be told yet"),
        ([9, 11], {"rule": "sma(9) > 1"}, Verdict.INSUFFICIENT, "SMA(9) cannot be told yet"),
        ([9, np.nan], {}, Verdict.INSUFFICIENT, "there is no candle at this close"),
        ([9, 11], {"symbol": "X/USDT"}, Verdict.INSUFFICIENT, "the log has no 1m candles of X/USDT"),
        ([9, 11], {"symbol": "X/EUR"}, Verdict.OUTSIDE, "X/EUR is not in the trader's universe"),
    ],
)
def test_a_verdict_and_its_words(closes: list[float], change: dict[str, object], verdict: Verdict, words: str) -> None:
    found = told(closes, **change)  # type: ignore[arg-type]
    assert (found.verdict, found.sentence) == (verdict, words)


@settings(max_examples=40, deadline=None)
@given(
    rule=st.sampled_from(RULES),
    edge=st.sampled_from(Edge),
    cooldown=st.integers(0, 4),
    seed=st.integers(0, 5),
    hole=st.booleans(),
)
def test_every_verdict_is_what_the_desk_decided(rule: str, edge: Edge, cooldown: int, seed: int, hole: bool) -> None:
    candles = random_frame(symbols=5, bars=90, seed=seed)
    if hole:
        candles.values[:, 2, 80] = np.nan
    trader = compile_trader(make_trader(1, rule, edge=edge, cooldown_bars=cooldown))
    for close_time in candles.open_times[60:] + M1.ms:
        decision = decide([trader], Market({M1: candles}), M1, int(close_time))
        whys = [why(trader, Market({M1: candles}), symbol, int(close_time)) for symbol in candles.symbols]
        fired = {told.symbol for told in whys if told.verdict is Verdict.FIRED}
        assert fired == {signal.symbol for signal in decision.signals}
        assert sum(told.verdict is Verdict.INSUFFICIENT for told in whys) == decision.insufficient


def digest(candles: CandleFrame, ago: int = 0, rule: str = "sma(5) > 0", **change: object) -> str:
    trader = compile_trader(make_trader(1, rule, **change))
    close_time = candles.close_time - ago * M1.ms
    (found,) = decide([trader], Market({M1: candles}), M1, close_time).digests
    return found


def test_a_digest_is_the_same_as_long_as_what_decided_is() -> None:
    candles = random_frame(symbols=3, bars=60, seed=1)
    first = digest(candles)
    assert first == digest(random_frame(symbols=3, bars=60, seed=1)) == digest(candles.tail(10))
    shuffled = candles.select([candles.symbols[row] for row in (2, 0, 1)])
    assert digest(shuffled) == first
    assert digest(candles, ago=5) == digest(candles.until(candles.close_time - 5 * M1.ms))
    listed_later = replace(
        candles,
        symbols=(*candles.symbols, "NEW/USDT"),
        values=np.concatenate((candles.values, np.full((8, 1, 60), np.nan)), axis=1),
        filled=np.zeros((4, 60), dtype=np.bool_),
    )
    assert digest(listed_later, universe=Universe(exclude=("NEW/USDT",))) == digest(
        candles, universe=Universe(exclude=("NEW/USDT",))
    )


def test_a_digest_tells_another_rule_another_candle_and_another_verdict() -> None:
    candles = random_frame(symbols=3, bars=60, seed=1)
    corrected = random_frame(symbols=3, bars=60, seed=1)
    corrected.values[4, 1, -3] *= 1.0000001
    older = random_frame(symbols=3, bars=60, seed=1)
    older.values[4, 1, -6] *= 2.0  # before the window
    assert digest(older) == digest(candles)
    others = [
        digest(corrected),
        digest(candles, ago=1),
        digest(candles, rule="sma(5) > 1"),
        digest(candles, edge=Edge.RISING),
        digest(candles, cooldown_bars=1),
        digest(candles, universe=Universe(exclude=("S1/USDT",))),
    ]
    assert len({digest(candles), *others}) == 7
