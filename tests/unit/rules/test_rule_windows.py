"""A value is a function of a fixed window: no look-ahead, no neighbours, no luck with the cache."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.domain.candles import CandleFrame
from shared.domain.resample import resample
from shared.domain.rules import Market, Rule, Truth, compile_rule
from shared.domain.timeframe import Timeframe

M1, M5 = Timeframe.M1, Timeframe.M5
BARS = 260
Frames = Callable[..., CandleFrame]


def market_of(candles: CandleFrame) -> Market:
    return Market({M1: candles, M5: resample(candles, M5)})


Rows = list[list[float]]


def judged(
    rule: Rule, market: Market, close_time: int, bars: int = 1
) -> tuple[list[list[bool | None]], dict[str, Rows]]:
    """Return truth where known and the exact leaves, as plain lists; None is unknown."""
    view = market.view(M1, close_time)
    truth = rule.truth(view, bars)
    pairs = zip(truth.yes.tolist(), truth.known.tolist(), strict=True)
    answers = [[is_true if sure else None for is_true, sure in zip(*row, strict=True)] for row in pairs]
    leaves = {text: np.broadcast_to(x, truth.yes.shape) for text, x in rule.values(view, bars).items()}
    return answers, {text: np.nan_to_num(x, nan=-12345.678).tolist() for text, x in leaves.items()}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_one_bar_at_a_time_and_many_together_give_the_same_bits(
    data: st.DataObject, rules: st.SearchStrategy[str], frame: Frames
) -> None:
    rule = compile_rule(data.draw(rules))
    candles = frame(symbols=2, bars=BARS, seed=data.draw(st.integers(0, 9)))
    market, bars = market_of(candles), 23
    together, leaves = judged(rule, market, candles.close_time, bars)
    for ago in range(bars):
        alone, own = judged(rule, market, candles.close_time - ago * M1.ms)
        place = bars - 1 - ago
        assert [row[0] for row in alone] == [row[place] for row in together]
        assert {t: [r[0] for r in x] for t, x in own.items()} == {t: [r[place] for r in x] for t, x in leaves.items()}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_others_asked_before_changes_nothing(
    data: st.DataObject, rules: st.SearchStrategy[str], frame: Frames
) -> None:
    candles = frame(symbols=3, bars=BARS, seed=8)
    market = market_of(candles)
    shared = market.view(M1, candles.close_time)
    for text in data.draw(st.lists(rules, min_size=2, max_size=6)):
        rule, bars = compile_rule(text), data.draw(st.sampled_from((1, 2, 3, 20)))
        asked_together = rule.truth(shared, bars), rule.values(shared, bars)
        fresh = market.view(M1, candles.close_time)
        truth, values = rule.truth(fresh, bars), rule.values(fresh, bars)
        assert np.array_equal(asked_together[0].known, truth.known)
        assert np.array_equal(asked_together[0].yes & truth.known, truth.yes & truth.known)
        for leaf, cells in values.items():
            assert np.array_equal(asked_together[1][leaf], cells, equal_nan=True), leaf


@pytest.mark.parametrize("expression", ["psar()", "adx(5)", "stoch(9, 3, 3).d", "stdev(40)", "wma(30)", "highest(25)"])
def test_a_long_stretch_is_its_bars_one_by_one(expression: str, frame: Frames) -> None:
    rule = compile_rule(f"{expression} > 0")
    candles, bars = frame(symbols=2, bars=500, seed=12), 150
    market = Market({M1: candles})
    together = rule.values(market.view(M1, candles.close_time), bars)[rule.leaves[0].text]
    for ago in range(bars):
        alone = rule.values(market.view(M1, candles.close_time - ago * M1.ms))[rule.leaves[0].text]
        assert np.array_equal(alone[:, -1], together[:, bars - 1 - ago])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_future_changes_nothing(data: st.DataObject, rules: st.SearchStrategy[str], frame: Frames) -> None:
    rule = compile_rule(data.draw(rules))
    candles = frame(symbols=2, bars=BARS, seed=1)
    cut = data.draw(st.integers(200, BARS - 1))
    close_time = int(candles.open_times[cut - 1]) + M1.ms
    past = market_of(candles.until(close_time))
    assert judged(rule, market_of(candles), close_time) == judged(rule, past, close_time)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_other_symbols_change_nothing(data: st.DataObject, rules: st.SearchStrategy[str], frame: Frames) -> None:
    rule = compile_rule(data.draw(rules))
    assume(not rule.root.reads.wide and "S1/USDT" not in rule.text)  # across the market, others are the point
    candles = frame(symbols=7, bars=BARS, seed=2)
    some = data.draw(st.lists(st.sampled_from(candles.symbols), min_size=1, max_size=7, unique=True))
    everybody, all_leaves = judged(rule, market_of(candles), candles.close_time, 3)
    chosen, leaves = judged(rule, market_of(candles.select(some)), candles.close_time, 3)
    rows = [candles.symbols.index(symbol) for symbol in some]
    assert chosen == [everybody[row] for row in rows]
    assert leaves == {text: [x[row] for row in rows] for text, x in all_leaves.items()}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_more_history_answers_but_never_changes_an_answer(
    data: st.DataObject, rules: st.SearchStrategy[str], frame: Frames
) -> None:
    rule = compile_rule(data.draw(rules))
    candles = frame(symbols=2, bars=BARS, seed=3)
    bars = data.draw(st.integers(1, BARS))
    short, _ = judged(rule, market_of(candles.tail(bars)), candles.close_time)
    full, _ = judged(rule, market_of(candles), candles.close_time)
    for before, after in zip(short, full, strict=True):
        assert before in (after, [None])


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_exactly_the_lookback_is_enough_and_one_less_is_not(
    data: st.DataObject, rules: st.SearchStrategy[str], frame: Frames
) -> None:
    rule = compile_rule(data.draw(rules))
    candles = frame(symbols=2, bars=BARS, seed=4)
    needs = rule.needs(M1)
    market = Market({M1: candles.tail(needs[M1]), M5: resample(candles, M5).tail(needs.get(M5, 1))})
    assert judged(rule, market, candles.close_time) == judged(rule, market_of(candles), candles.close_time)
    short = Market({M1: candles.tail(needs[M1] - 1), M5: resample(candles, M5)})
    assert judged(rule, short, candles.close_time)[0] == [[None], [None]]


def test_unknown_is_never_false(frame: Frames) -> None:
    candles = frame(symbols=2, bars=60)
    candles.values[:, 1, -1] = np.nan
    view = Market({M1: candles}).view(M1, candles.close_time)
    for text in ("rsi(14) < 101", "not rsi(14) < 101", "close > 0 or rsi(14) > 0", "close > 0 / (close - close)"):
        assert not compile_rule(text).truth(view).known.any(), text
    assert compile_rule("close > 0").truth(view).known.tolist() == [[True], [False]]


def test_a_missing_candle_is_unknown_even_to_a_rule_that_reads_another_timeframe(frame: Frames) -> None:
    candles = frame(symbols=2, bars=60)
    market = market_of(candles)
    candles.values[:, 1, -1] = np.nan
    assert compile_rule('on("5m", close > 0)').truth(market.view(M1, candles.close_time)).known.tolist() == [
        [True],
        [False],
    ]


class TestHigherTimeframes:
    """on("5m", …) is the last 5m candle closed at or before the boundary."""

    def value(self, expression: str, market: Market, close_time: int, bars: int = 1) -> list[float]:
        rule = compile_rule(f"{expression} > 0")
        return list(map(float, rule.values(market.view(M1, close_time), bars)[rule.leaves[0].text][0]))

    def test_it_changes_exactly_when_the_higher_candle_closes(self, frame: Frames) -> None:
        candles = frame(symbols=1, bars=30)
        closes = candles.column("close")[0]
        seen = self.value('on("5m", close)', market_of(candles), candles.close_time, 12)
        assert seen == [float(closes[(bar + 1) // 5 * 5 - 1]) for bar in range(18, 30)]

    def test_a_lag_outside_counts_base_candles_and_inside_higher_ones(self, frame: Frames) -> None:
        candles = frame(symbols=1, bars=30)
        closes = candles.column("close")[0]
        market, now = market_of(candles), candles.close_time
        assert self.value('on("5m", close)[1]', market, now) == [closes[24]]
        assert self.value('on("5m", close[1])', market, now) == [closes[24]]
        assert self.value('on("5m", close)[1]', market, now - M1.ms) == [closes[24]]
        assert self.value('on("5m", close[1])', market, now - M1.ms) == [closes[19]]

    def test_a_higher_candle_that_has_not_arrived_is_unknown(self, frame: Frames) -> None:
        candles = frame(symbols=2, bars=30)
        late = Market({M1: candles, M5: resample(candles, M5).slice(0, 5)})
        rule = compile_rule('on("5m", close) > 0')
        assert not rule.truth(late.view(M1, candles.close_time)).known.any()
        assert rule.truth(late.view(M1, candles.close_time - M1.ms)).known.all()

    def test_frames_may_hold_different_symbols_in_different_order(self, frame: Frames) -> None:
        candles = frame(symbols=3, bars=30)
        higher = resample(candles, M5).select(["S2/USDT", "S0/USDT"])
        rule = compile_rule('on("5m", close) > 0')
        view = Market({M1: candles, M5: higher}).view(M1, candles.close_time)
        values = rule.values(view)['on("5m", close)'][:, 0]
        assert values[[0, 2]].tolist() == candles.column("close")[[0, 2], -1].tolist()
        assert np.isnan(values[1])
        assert rule.truth(view).known.tolist() == [[True], [False], [True]]

    def test_the_same_timeframe_is_the_rule_itself(self, frame: Frames) -> None:
        candles = frame(symbols=2, bars=30)
        view = Market({M1: candles}).view(M1, candles.close_time)
        same, plain = (compile_rule(t).truth(view, 9) for t in ('on("1m", close > close[2])', "close > close[2]"))
        assert isinstance(same, Truth)
        assert same.yes.tolist() == plain.yes.tolist()


def test_nested_indicators_do_not_multiply_their_cost(frame: Frames) -> None:
    rule = compile_rule("ema(" * 25 + "close" + ", 2)" * 25 + " > 1")
    candles = frame(symbols=2, bars=rule.lookback)
    view = Market({M1: candles}).view(M1, candles.close_time)
    assert rule.truth(view).known.all()
    assert len(view.memo) <= 60


def test_forgetting_what_was_computed_changes_nothing(frame: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    market = market_of(frame(symbols=3, bars=BARS, seed=8))
    close_time = market.frames[M1].close_time
    texts = (
        "rsi(14) < 50",
        "close > highest(20)[1]",
        "rank(roc(5)) <= 2",
        "count(close > sma(9), 30) > 15",
        "rsi(14)[9] > 40",
    )

    def answers() -> list[list[bool]]:
        view = market.view(M1, close_time)
        return [compile_rule(text).truth(view, 2).yes.tolist() for text in texts * 2]

    plenty = answers()
    for name in ("REMEMBERED_CELLS", "TABLED_CELLS"):
        monkeypatch.setattr(f"shared.domain.rules.market.{name}", 50)
    assert answers() == plenty
