"""Synthetic markets and random rules for the tests of the rule language."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import strategies as st

from shared.domain.candles import CandleFrame
from shared.domain.rules.definition import Condition, Parameter, Source, Word
from shared.domain.rules.registry import FUNCTIONS, SERIES
from shared.domain.timeframe import Timeframe

START = 1_700_000_000_000 - 1_700_000_000_000 % 86_400_000


def random_frame(
    timeframe: Timeframe = Timeframe.M1, *, symbols: int = 4, bars: int = 300, seed: int = 1, start: int = START
) -> CandleFrame:
    """Return seeded random walks; prices span eight orders of magnitude, as coins do."""
    rng = np.random.default_rng(seed)
    shape = (symbols, bars)
    level = 10.0 ** rng.uniform(-5, 4, (symbols, 1))
    close = level * np.exp(np.cumsum(rng.normal(0, 0.004, shape), axis=1))
    opened = np.concatenate((close[:, :1], close[:, :-1]), axis=1) * np.exp(rng.normal(0, 0.0005, shape))
    high = np.maximum(opened, close) * (1 + np.abs(rng.normal(0, 0.001, shape)))
    low = np.minimum(opened, close) / (1 + np.abs(rng.normal(0, 0.001, shape)))
    volume = rng.lognormal(3, 1, shape)
    values = np.stack([opened, high, low, close, volume, volume * close, np.ceil(volume), volume * 0.5])
    return CandleFrame(
        timeframe=timeframe,
        symbols=tuple(f"S{row}/USDT" for row in range(symbols)),
        open_times=start + np.arange(bars, dtype=np.int64) * timeframe.ms,
        values=values,
        filled=np.zeros(shape, dtype=np.bool_),
    )


@pytest.fixture(scope="session")
def frame() -> Callable[..., CandleFrame]:
    """Return the maker of random frames."""
    return random_frame


def _argument(param: Parameter, length: int, source: str | None) -> str | None:
    """Return what to write for a parameter, None to leave it out."""
    if isinstance(param, Source):
        return source if param.default else source or "hlc3"
    if isinstance(param, Condition):
        return "close > open"
    if isinstance(param, Word):
        return f'{param.name}="{param.choices[length % len(param.choices)] if param.choices else "S1/USDT"}"'
    return f"{param.name}={int(min(max(param.low, length), param.high))}" if param.whole else None


def _call(name: str, length: int, source: str | None) -> str:
    function = FUNCTIONS[name]
    output = f".{function.outputs[length % len(function.outputs)]}" if function.outputs else ""
    # Lengths grow from left to right, which is the order that functions with a fast and a slow one ask for.
    written = [_argument(param, length + place, source) for place, param in enumerate(function.params)]
    by_name = [text for text in written if text and "=" in text]
    by_place = [text for text in written if text and "=" not in text]
    return f"{name}({', '.join(by_place + by_name)}){output}"


def _numbers() -> st.SearchStrategy[str]:
    lengths = st.integers(2, 6)
    numeric = [name for name, function in FUNCTIONS.items() if not function.condition]
    leaves = st.one_of(
        st.sampled_from(list(SERIES)),
        st.builds(_call, st.sampled_from(numeric), lengths, st.none() | st.sampled_from(list(SERIES))),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
            st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), st.sampled_from(("2", "0.5", "1e-3"))),
            st.builds("(-{})".format, inner),
            st.builds("({})[{}]".format, inner, st.integers(0, 3)),
            st.builds("{}({}, {})".format, st.sampled_from(("ema", "sma", "highest", "rsi")), inner, lengths),
        ),
        max_leaves=3,
    )


def _plain_conditions() -> st.SearchStrategy[str]:
    numbers = _numbers()
    plain = st.one_of(
        st.builds("({} {} {})".format, numbers, st.sampled_from((">", ">=", "<", "<=", "==", "!=")), numbers),
        st.builds("(1 < {} <= {})".format, numbers, numbers),
        st.builds("{}({}, {})".format, st.sampled_from(("crosses_above", "crosses_below")), numbers, numbers),
    )
    flags = [name for name, function in FUNCTIONS.items() if function.condition]
    return st.one_of(plain, st.builds(_call, st.sampled_from(flags), st.integers(2, 6), st.none()))


def _joined(conditions: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        conditions,
        lambda inner: st.one_of(
            st.builds("({} and {})".format, inner, inner),
            st.builds("({} or {})".format, inner, inner),
            st.builds("(not {})".format, inner),
            st.builds("({})[{}]".format, inner, st.integers(0, 7)),
        ),
        max_leaves=3,
    )


@pytest.fixture(scope="session")
def rules() -> st.SearchStrategy[str]:
    """Return a strategy of well-formed rules over the whole language."""
    plain = _plain_conditions()
    return _joined(plain | st.builds('on("5m", {})'.format, plain))


@pytest.fixture(scope="session")
def own_conditions() -> st.SearchStrategy[str]:
    """Return a strategy of conditions that name no timeframe."""
    return _joined(_plain_conditions())


@pytest.fixture(scope="session")
def own_numbers() -> st.SearchStrategy[str]:
    """Return a strategy of numbers that name no timeframe."""
    return _numbers()
