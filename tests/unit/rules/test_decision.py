"""A shard decides in one call; history tells the same story."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.candles import QUOTE_VOLUME, CandleFrame
from shared.domain.decision import CompiledTrader, compile_trader, decide
from shared.domain.errors import InvalidMessageError
from shared.domain.history import history
from shared.domain.resample import resample
from shared.domain.rules import Market, RuleError
from shared.domain.signals import Signal
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Edge, PositionSide, Trader, Universe

M1, M5, M15, H1 = Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.H1
Frames = Callable[..., CandleFrame]


def trader(rule: str, **changes: Any) -> Trader:
    plain = Trader(trader_id="t", owner_id=None, name="n", description="d", rule=rule, timeframe=M1)
    return replace(plain, **changes)


def compiled(rule: str, **changes: Any) -> CompiledTrader:
    return compile_trader(trader(rule, **changes))


def market_of(candles: CandleFrame) -> Market:
    return Market({M1: candles, M5: resample(candles, M5)})


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_live_and_history_fire_alike(data: st.DataObject, rules: st.SearchStrategy[str], frame: Frames) -> None:
    one = compiled(data.draw(rules), edge=data.draw(st.sampled_from(Edge)), cooldown_bars=data.draw(st.integers(0, 4)))
    candles = frame(symbols=3, bars=150, seed=data.draw(st.integers(0, 5)))
    candles.values[:, 2, 100:102] = np.nan
    market = market_of(candles)
    times = [int(time) + M1.ms for time in candles.open_times[-30:]]
    live = [decide([one], Market({M1: candles.until(t), M5: market.frames[M5].until(t)}), M1, t) for t in times]
    page = history(one, market, since=times[0], until=times[-1], limit=10_000)
    assert sorted(page.firings, key=key) == sorted((s for d in live for s in d.signals), key=key)
    assert page.evaluations == sum(d.evaluations for d in live) == 90
    assert page.insufficient == sum(d.insufficient for d in live)


def test_a_rule_across_the_market_sees_its_universe_alike_live_and_in_history(frame: Frames) -> None:
    candles = frame(symbols=6, bars=600, seed=3)
    market = market_of(candles)
    volumes = market.frames[M5].values[QUOTE_VOLUME]
    universe = Universe(min_quote_volume_24h=float(np.median(volumes[:, -288:].sum(axis=1))), exclude=("S5/USDT",))
    one = compile_trader(
        trader("sma(rank(roc(5)), 3) < 3 and breadth(close > open) > 0.4", edge=Edge.LEVEL, universe=universe),
        timeframes=(M1, M5),
    )
    long = Market(
        {M1: candles, M5: resample(frame(symbols=6, bars=3_000, seed=3, start=candles.close_time - 3_000 * M1.ms), M5)}
    )
    times = [int(time) + M1.ms for time in candles.open_times[-20:]]
    live = [
        decide([one], Market({tf: long.frames[tf].until(t).tail(n) for tf, n in one.needs.items()}), M1, t)
        for t in times
    ]
    page = history(one, long, since=times[0], until=times[-1], limit=1_000)
    assert sorted(page.firings, key=key) == sorted((s for d in live for s in d.signals), key=key)
    assert page.firings
    of_one = history(one, long, since=times[0], until=times[-1], limit=1_000, symbol=page.firings[0].symbol)
    assert of_one.firings == tuple(s for s in page.firings if s.symbol == page.firings[0].symbol)


def test_two_universes_rank_apart(frame: Frames) -> None:
    candles = frame(symbols=3, bars=30)
    everybody = compiled("rank(close) == 1", edge=Edge.LEVEL, trader_id="all")
    best = decide([everybody], market_of(candles), M1, candles.close_time).signals[0].symbol
    others = compiled("rank(close) == 1", edge=Edge.LEVEL, trader_id="others", universe=Universe(exclude=(best,)))
    signals = decide([everybody, others], market_of(candles), M1, candles.close_time).signals
    assert [signal.trader_id for signal in signals] == ["all", "others"]
    assert signals[0].symbol == best != signals[1].symbol


def key(signal: Signal) -> tuple[int, str]:
    return signal.close_time, signal.symbol


def test_a_signal_says_what_the_rule_saw(frame: Frames) -> None:
    candles = frame(symbols=2, bars=60)
    one = compiled("close > 0 and sma(volume, 20)[1] > 0", edge=Edge.LEVEL, side=PositionSide.SHORT, trader_id="abc")
    decision = decide([one], market_of(candles), M1, candles.close_time)
    assert (decision.evaluations, decision.insufficient, dict(decision.errors)) == (2, 0, {})
    signal = decision.signals[1]
    closes, volumes = candles.column("close")[1], candles.column("volume")[1]
    assert (signal.trader_id, signal.symbol, signal.side) == ("abc", "S1/USDT", PositionSide.SHORT)
    assert (signal.close_time, signal.price) == (candles.close_time, closes[-1])
    assert signal.rule_hash == one.rule.rule_hash
    assert signal.values == {
        "close": closes[-1],
        "sma(volume, 20)[1]": pytest.approx(volumes[-21:-1].mean(), rel=1e-12),
    }


def test_a_broken_trader_does_not_lose_the_others(frame: Frames) -> None:
    candles = frame(symbols=2, bars=30)
    shard = [
        compiled("close > 0", trader_id="good", edge=Edge.LEVEL),
        compiled('on("1h", close) > 0', trader_id="no 1h here"),
        compiled("close > 0", trader_id="other", timeframe=M5),
    ]
    decision = decide(shard, market_of(candles), M1, candles.close_time)
    assert {signal.trader_id for signal in decision.signals} == {"good"}
    assert decision.errors == {
        "no 1h here": "needs 1h candles, which the market does not hold",
        "other": "waits for 5m, not for 1m",
    }


def test_not_enough_history_is_a_result_of_its_own(frame: Frames) -> None:
    candles = frame(symbols=3, bars=50)
    candles.values[:, 1, :-5] = np.nan  # just listed
    decision = decide([compiled("sma(20) > 0", edge=Edge.LEVEL)], market_of(candles), M1, candles.close_time)
    assert [signal.symbol for signal in decision.signals] == ["S0/USDT", "S2/USDT"]
    assert (decision.evaluations, decision.insufficient) == (3, 1)


def test_a_boundary_whose_candles_have_not_arrived_is_insufficient(frame: Frames) -> None:
    candles = frame(symbols=3, bars=50)
    decision = decide([compiled("close > 0")], market_of(candles), M1, candles.close_time + M1.ms)
    assert (decision.signals, decision.insufficient) == ((), 3)
    with pytest.raises(InvalidMessageError, match="no 1m candle closes"):
        decide([], market_of(candles), M1, candles.close_time + 1)


def test_an_empty_market_decides_nothing() -> None:
    empty = CandleFrame(
        timeframe=M1,
        symbols=(),
        open_times=np.empty(0, dtype=np.int64),
        values=np.empty((8, 0, 0)),
        filled=np.empty((0, 0), dtype=np.bool_),
    )
    one = compiled("close > ema(20) and psar() > 0 and adx() > 5 and stochrsi().k > 1 and highest(9) > 1")
    decision = decide([one], Market({M1: empty}), M1, 60_000)
    assert (decision.signals, decision.evaluations) == ((), 0)
    assert history(one, Market({M1: empty}), since=0, until=60_000, limit=5).firings == ()


class TestUniverse:
    """Who belongs: by quote, by name, by a day's volume."""

    def symbols(self, universe: Universe, candles: CandleFrame, frames: dict[Timeframe, CandleFrame] | None = None) -> tuple[list[str], int, int]:  # fmt: skip # noqa: E501
        one = compiled("close > 0", edge=Edge.LEVEL, universe=universe)
        decision = decide([one], Market(frames or {M1: candles}), M1, candles.close_time)
        assert not decision.errors
        return [signal.symbol for signal in decision.signals], decision.evaluations, decision.insufficient

    def test_by_name(self, frame: Frames) -> None:
        candles = replace(frame(symbols=4, bars=5), symbols=("A/USDT", "B/USDT:USDT", "C/BTC", "JUP/USDT"))
        assert self.symbols(Universe(), candles)[0] == ["A/USDT", "B/USDT:USDT", "JUP/USDT"]
        assert self.symbols(Universe(quote="BTC"), candles)[0] == ["C/BTC"]
        assert self.symbols(Universe(exclude=("A/USDT",)), candles)[0] == ["B/USDT:USDT", "JUP/USDT"]
        assert self.symbols(Universe(include=("JUP/USDT",)), candles)[0] == ["JUP/USDT"]
        # A symbol asked for by name and not in the market is not silently false.
        assert self.symbols(Universe(include=("JUP/USDT", "GONE/USDT")), candles) == (["JUP/USDT"], 2, 1)

    def test_by_volume_of_the_last_24_hours(self, frame: Frames) -> None:
        candles = frame(symbols=4, bars=10)
        hours = frame(H1, symbols=4, bars=30, start=H1.last_close(candles.close_time) - 30 * H1.ms)
        hours.values[QUOTE_VOLUME] = 1.0
        hours.values[QUOTE_VOLUME, 0, -24:] = 100.0
        hours.values[QUOTE_VOLUME, 1, :-24] = 1e9  # the day before yesterday does not count
        hours.values[QUOTE_VOLUME, 3, -1] = np.nan
        found = self.symbols(Universe(min_quote_volume_24h=2_400), candles, {M1: candles, H1: hours})
        assert found == (["S0/USDT"], 2, 1)

    def test_what_cannot_be_told_is_refused_by_field(self) -> None:
        def problem(universe: Universe, timeframes: tuple[Timeframe, ...]) -> str:
            with pytest.raises(InvalidMessageError) as caught:
                compile_trader(trader("close > 0", universe=universe), timeframes=timeframes)
            return str(caught.value)

        assert problem(Universe(min_quote_volume_24h=1), (M1, Timeframe.D1)).startswith(
            "universe.min_quote_volume_24h: needs 5m, 15m, 30m or 1h candles, collected are 1m, 1d"
        )
        assert problem(Universe(min_quote_volume_24h=float("nan")), (M1,)).startswith("universe.min_quote_volume_24h")
        assert problem(Universe(include=("BTCUSDT",)), (M1,)).startswith("universe.include: 'BTCUSDT' is no USDT")
        assert problem(Universe(exclude=("BTC/EUR",)), (M1,)).startswith("universe.exclude: 'BTC/EUR'")
        assert problem(Universe(include=("A/USDT",), exclude=("A/USDT",)), (M1,)).startswith("universe.exclude")
        assert problem(Universe(quote=""), (M1,)).startswith("universe.quote")

    def test_the_volume_is_read_from_the_longest_timeframe_collected(self) -> None:
        universe = Universe(min_quote_volume_24h=1)
        wanted = trader("close > 0", universe=universe, edge=Edge.LEVEL)
        assert compile_trader(wanted).needs == {M1: 1, H1: 24}
        assert compile_trader(wanted, timeframes=(M1, M5, M15)).needs == {M1: 1, M15: 96}
        assert compile_trader(wanted, timeframes=(M1, M5, Timeframe.H4)).needs == {M1: 1, M5: 288}


def test_what_a_trader_needs_covers_edge_and_cool_down() -> None:
    assert compiled("sma(20) > 0", edge=Edge.LEVEL).needs == {M1: 20}
    assert compiled("sma(20) > 0", cooldown_bars=30).needs == {M1: 51}
    assert compiled('on("5m", sma(20)) > 0', cooldown_bars=30).needs == {M1: 32, M5: 27}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rule": "close >"}, "rule: this does not read as a rule"),
        ({"rule": 'on("1h", close) > 0'}, "1h candles are not collected"),
        ({"rule": "sma(1000) > 0", "edge": Edge.RISING}, "looks back 1,001 1m candles"),
        ({"rule": "sma(900) > 0", "cooldown_bars": 101}, "looks back 1,001 1m candles"),
        ({"rule": "close > 0", "cooldown_bars": -1}, "cooldown_bars: expected 0 to 999"),
        ({"rule": "close > 0", "timeframe": H1}, "timeframe: 1h is not collected"),
        ({"rule": 'on("1m", close) > 0', "timeframe": M5}, "is shorter than the trader's timeframe 5m"),
    ],
)
def test_what_could_never_fire_is_refused_at_save(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidMessageError) as caught:
        compile_trader(trader(**{"edge": Edge.LEVEL, **changes}), timeframes=(M1, M5))
    assert reason in str(caught.value)
    assert isinstance(caught.value, RuleError) == ("rule" in str(caught.value).split(":")[0])


def test_history_pages_backwards_without_losing_or_repeating(frame: Frames) -> None:
    candles = frame(symbols=3, bars=120)
    market = market_of(candles)
    one = compiled("close > open", edge=Edge.RISING, cooldown_bars=1)
    whole = history(one, market, since=0, until=candles.close_time, limit=10_000)
    assert whole.until is None
    times = [signal.close_time for signal in whole.firings]
    assert times == sorted(times, reverse=True)
    paged: list[Signal] = []
    until: int | None = candles.close_time
    while until is not None:
        page = history(one, market, since=0, until=until, limit=7)
        assert len(page.firings) < 7 + 3
        paged += page.firings
        until = page.until
    assert paged == list(whole.firings)


def test_history_names_the_candles_it_lacks(frame: Frames) -> None:
    with pytest.raises(InvalidMessageError, match="needs 1h candles"):
        history(compiled('on("1h", close) > 0'), market_of(frame(bars=9)), since=0, until=1, limit=1)
