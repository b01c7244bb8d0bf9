"""Random rules for the benchmarks: what people write every day, and what the whole library can say.

Both are drawn with a seed; no two rules have the same normal form.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Final

import numpy as np

from bench.synthetic import BARS, BITCOIN, market
from shared.domain.rules import RuleError, compile_rule
from shared.domain.rules.definition import Condition, Function, Param, Parameter, Source
from shared.domain.rules.registry import FUNCTIONS
from shared.domain.timeframe import Timeframe

DEEPEST: Final = BARS - 1
"""How many candles a library rule may read: one less than a market holds, for the bar before that an edge looks at."""

Draw = Callable[[random.Random], str]


def _n(r: random.Random, low: int, high: int) -> int:
    return r.randint(low, high)


CONDITIONS: Final[tuple[Draw, ...]] = (
    lambda r: f"rsi({_n(r, 5, 30)}) < {_n(r, 15, 40)}",
    lambda r: f"rsi({_n(r, 5, 30)}) > {_n(r, 60, 85)}",
    lambda r: f"crosses_above(ema({_n(r, 5, 25)}), ema({_n(r, 26, 120)}))",
    lambda r: f"crosses_below(sma({_n(r, 5, 25)}), sma({_n(r, 26, 200)}))",
    lambda r: f"close > ema({_n(r, 20, 140)})",
    lambda r: f"close < wma({_n(r, 10, 100)})",
    lambda r: f"volume > {r.randint(15, 60) / 10} * sma(volume, {_n(r, 10, 60)})",
    lambda r: f"macd({_n(r, 8, 14)}, {_n(r, 20, 30)}, {_n(r, 7, 11)}).histogram > 0",
    lambda r: f"crosses_above(macd({_n(r, 8, 14)}, {_n(r, 20, 30)}).macd, 0)",
    lambda r: f"close < bbands({_n(r, 10, 40)}, {r.randint(15, 30) / 10}).lower",
    lambda r: f"bbands({_n(r, 10, 40)}).upper - bbands({_n(r, 10, 40)}).lower < {r.randint(1, 50) / 1000} * close",
    lambda r: f"high - low > {r.randint(10, 40) / 10} * atr({_n(r, 7, 30)})",
    lambda r: f"adx({_n(r, 7, 25)}) > {_n(r, 15, 45)}",
    lambda r: f"stoch({_n(r, 5, 30)}, {_n(r, 1, 5)}, 3).k < {_n(r, 10, 40)}",
    lambda r: f"crosses_above(stoch({_n(r, 5, 30)}).k, stoch({_n(r, 5, 30)}).d)",
    lambda r: f"stochrsi({_n(r, 7, 21)}, {_n(r, 7, 21)}).k < {_n(r, 5, 30)}",
    lambda r: f"cci({_n(r, 10, 40)}) < -{_n(r, 80, 200)}",
    lambda r: f"mfi({_n(r, 7, 30)}) < {_n(r, 10, 40)}",
    lambda r: f"obv({_n(r, 20, 200)}) > 0",
    lambda r: f"roc({_n(r, 1, 60)}) > {r.randint(1, 60) / 10}",
    lambda r: f"willr({_n(r, 5, 40)}) < -{_n(r, 60, 95)}",
    lambda r: f"close > psar(0.0{_n(r, 1, 5)}, 0.{_n(r, 1, 3)})",
    lambda r: f"close > highest({_n(r, 5, 120)})[1]",
    lambda r: f"close < lowest({_n(r, 5, 120)})[1]",
    lambda r: f"stdev({_n(r, 10, 60)}) > {r.randint(1, 30) / 10} * stdev({_n(r, 61, 200)})",
    lambda r: f"change({_n(r, 1, 30)}) > 0",
    lambda r: f"engulfing()[{_n(r, 1, 3)}] > 0",
    lambda r: f"close > close[{_n(r, 1, 30)}] > open[{_n(r, 1, 30)}]",
    lambda r: f"(close - open) / open > {r.randint(1, 40) / 1000}",
    lambda r: f"taker_buy_volume / volume > 0.{_n(r, 50, 80)}",
)

MOVING: Final[tuple[Draw, ...]] = (
    lambda r: f"rsi({_n(r, 7, 21)})",
    lambda r: f"roc({_n(r, 5, 60)})",
    lambda r: f"cci({_n(r, 10, 40)})",
    lambda r: f"sma(volume, {_n(r, 5, 50)})",
)
"""What functions are asked about that need a number that moves."""

LENGTHS: Final = (*range(1, 17), 20, 21, 24, 26, 28, 30, 34, 40, 48, 50, 55, 60, 72, 89, 100, 120, 144, 200, 240, 288)


class Library:
    """Conditions on every function of the registry, each as often as the others.

    What a function is compared with follows from the values its defaults give on a small market: a price with the
    close, a sign with zero, anything else with one of those values. A function that reads more than a market holds
    whatever its parameters (kama) is left out. Parameters lie within a third and three times the usual one: `usual`
    leaves half of them as they are and takes the others from what people write, otherwise any number is as likely.
    """

    def __init__(self, seed: int, *, usual: bool) -> None:
        self._draw = random.Random(seed)
        self._usual = usual
        self._deck: list[Function] = []
        numeric = [function for function in FUNCTIONS.values() if not function.condition]
        self._fitting = [function for function in FUNCTIONS.values() if self._ever_fits(function)]
        self._known = {call: _values(call) for function in numeric for call in calls(function)}

    def condition(self) -> str:
        """Return a condition on the next function of the deck, with legal parameters."""
        r = self._draw
        if not self._deck:
            self._deck = list(self._fitting)
            r.shuffle(self._deck)
        function = self._deck.pop()
        output = r.choice(function.outputs) if function.outputs else ""
        text = next(call for call in self._calls(function, output) if _fits(function, call))
        if function.condition:
            return r.choice(("", "not ")) + text
        return self._compared(text, function, output)

    def _ever_fits(self, function: Function) -> bool:
        output = function.outputs[0] if function.outputs else ""
        return any(_fits(function, call) for call in islice(self._calls(function, output), 100))

    def _calls(self, function: Function, output: str) -> Iterator[str]:
        while True:
            written = [self._argument(param) for param in function.params]
            yield f"{function.name}({', '.join(filter(None, written))}){'.' if output else ''}{output}"

    def _argument(self, param: Parameter) -> str:
        r = self._draw
        if isinstance(param, Source):
            if param.default is None:
                return f"{param.name}={r.choice(MOVING)(r)}"
            return f"{param.name}=hl2" if r.random() < 0.1 else ""
        if isinstance(param, Condition):
            return f"{param.name}={r.choice(CONDITIONS)(r)}"
        if not isinstance(param, Param):
            return f'{param.name}="{r.choice(param.choices or (BITCOIN, "SYM001/USDT", "SYM002/USDT"))}"'
        usual = 20.0 if param.default is None else param.default
        if self._usual:
            return self._written(param, usual)
        drawn = min(max(usual * 3 ** r.uniform(-1, 1), param.low), param.high)
        return f"{param.name}={round(drawn) if param.whole else round(drawn, 2)}"

    def _written(self, param: Param, usual: float) -> str:
        """Return a parameter as people write it: left out half of the time, or one of the numbers everybody takes."""
        r = self._draw
        if param.default is not None and r.random() < 0.5:
            return ""
        near = LENGTHS if param.whole else tuple(usual * part for part in (0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3))
        known = [number for number in near if max(usual / 3, param.low) <= number <= min(3 * usual, param.high)]
        return f"{param.name}={r.choice(known or [usual]):g}"

    def _compared(self, text: str, function: Function, output: str) -> str:
        r, (kind, values) = self._draw, self._known[call_of(function, output)]
        if r.random() < 0.1:
            return f"{text} {r.choice('<>')} {text}[{_n(r, 1, 20)}]"
        other = {"price": "close", "sign": "0"}.get(kind) or f"{r.choice(values):.4g}"
        if kind != "sign" and r.random() < 0.3:
            return f"crosses_{r.choice(('above', 'below'))}({text}, {other})"
        return f"{text} {r.choice('<>')} {other}"


def call_of(function: Function, output: str) -> str:
    """Return the call of the reference for one output of a function."""
    return f"{function.call.rpartition('.')[0]}.{output}" if output else function.call


def calls(function: Function) -> list[str]:
    """Return the call of the reference, once for each output of a function."""
    return [call_of(function, output) for output in function.outputs or ("",)]


def _fits(function: Function, call: str) -> bool:
    """Tell whether the parameters go together, and the call and its past read no more than the market holds."""
    try:
        return compile_rule(call if function.condition else f"{call}[20] > 0").lookback <= DEEPEST
    except RuleError:
        return False


def _values(call: str) -> tuple[str, list[float]]:
    """Return what kind of number a call gives on a small market (a price, a sign, another), and its nine deciles."""
    candles = market(symbols=5, bars=2 * BARS)
    view = candles.view(Timeframe.M1, candles.frames[Timeframe.M1].close_time)
    cells = next(iter(compile_rule(f"{call} > 0").values(view, 100).values()))
    known = cells[np.isfinite(cells)]
    beside = (cells / view.price(100))[np.isfinite(cells)]
    if ((beside > 0.5) & (beside < 2)).all():
        return "price", []
    if np.isin(known, (-1.0, 0.0, 1.0)).all():
        return "sign", []
    return "other", np.quantile(known, np.arange(1, 10) / 10).tolist()


def everyday_rules(count: int, seed: int = 11) -> list[str]:
    """Return distinct rules of one to three everyday conditions."""
    draw = random.Random(seed)
    return _distinct(count, draw, lambda parts: [part(draw) for part in draw.sample(CONDITIONS, parts)])


def library_rules(count: int, seed: int = 13, *, usual: bool = True) -> list[str]:
    """Return distinct rules of one to three conditions on every function there is."""
    library = Library(seed, usual=usual)
    return _distinct(count, random.Random(seed), lambda parts: [library.condition() for _ in range(parts)])


def _distinct(count: int, draw: random.Random, conditions: Callable[[int], list[str]]) -> list[str]:
    texts: dict[str, str] = {}
    while len(texts) < count:
        word = " or " if draw.random() < 0.1 else " and "
        text = word.join(conditions(draw.choice((1, 2, 2, 3, 3))))
        with suppress(RuleError):  # together its conditions may look at more than a rule may
            rule = compile_rule(text)
            if rule.lookback <= DEEPEST:
                texts.setdefault(rule.rule_hash, text)
    return list(texts.values())
