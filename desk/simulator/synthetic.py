"""A synthetic market: invented candles, from a seed, for demonstrations and tests. No backtest may ever use them.

The market repeats itself every `CYCLE_BARS` bars and is laid on the UTC epoch, so the candle of an instant depends on
nothing but the seed: a desk that restarts finds the same history, and a tape of any length costs the same.

Each symbol walks through regimes (up, down, range, quiet, burst) with heavy-tailed returns, follows a common market
factor, and prints on its price and volume grids. Nobody trades in a maintenance pause of the venue, in pauses of a
symbol, and in many minutes of a thin symbol: such candles are flagged and repeat the previous close.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator, default_rng

from desk.simulator.instruments import Instrument, tradable, untradable
from shared.domain.candles import (
    CLOSE,
    COLUMNS,
    HIGH,
    LOW,
    OPEN,
    QUOTE_VOLUME,
    TAKER_BUY_VOLUME,
    TRADES,
    VOLUME,
    Bools,
    CandleFrame,
    Floats,
)
from shared.domain.timeframe import Timeframe

MAX_SYMBOLS: Final = 800

_DAY_BARS: Final = 1_440  # bars a day at 1m; at other timeframes still whole days, as every timeframe divides a day
_MARKET, _PAUSE_BARS = 1_000_003, 6
_REGIMES: Final = {  # drift in standard deviations a bar, volatility factor, how strongly a move is undone
    "up": (0.22, 0.9, 0.0),
    "down": (-0.24, 1.1, 0.0),
    "range": (0.0, 0.8, 0.5),
    "quiet": (0.0, 0.22, 0.3),
    "burst": (0.0, 3.2, 0.0),
}
_SHARE: Final = (0.25, 0.22, 0.28, 0.15, 0.10)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Character:
    """How a symbol trades: value a day in quote units, volatility a minute, how often, how close to the market."""

    quote_volume_day: float
    volatility: float = 0.0009
    activity: float = 1.0
    beta: float = 0.7


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SyntheticMarket:
    """One cycle of the market: bar `i` is the candle of every instant whose bar number is `i` modulo the cycle."""

    instruments: tuple[Instrument, ...]
    tradable: tuple[str, ...]
    cycle: CandleFrame


def cycle_bars(symbols: int) -> int:
    """Return the bars after which the market repeats: two weeks of minutes, fewer days when there are many symbols."""
    return min(max(1_400 // max(symbols, 1), 2), 14) * _DAY_BARS


def synthetic_market(*, symbols: int, seed: int, timeframe: Timeframe) -> SyntheticMarket:
    """Invent a market of `symbols` tradable USDT pairs and a few others; the same arguments give the same bytes."""
    chosen, others = tradable(symbols), untradable()
    instruments = (*chosen, *others)
    bars = cycle_bars(symbols)
    market = _returns(default_rng([seed, _MARKET]), bars, beta=0.0, market=np.zeros(bars))
    paused = _pauses(default_rng([seed, _MARKET + 1]), bars, count=3, longest=_PAUSE_BARS)
    values = np.empty((len(COLUMNS), len(instruments), bars))
    filled = np.empty((len(instruments), bars), dtype=np.bool_)
    scale = (timeframe.ms / Timeframe.M1.ms) ** 0.5
    for row, listed in enumerate(instruments):
        character = _others_character(listed) if row >= symbols else _character(row, symbols)
        rng = default_rng([seed, row if row < symbols else _MARKET + 2 + row - symbols])
        values[:, row], filled[row] = _invent(rng, listed, character, scale=scale, market=market, paused=paused)
    cycle = CandleFrame(
        timeframe=timeframe,
        symbols=tuple(listed.symbol for listed in instruments),
        open_times=np.arange(bars, dtype=np.int64) * timeframe.ms,
        values=values,
        filled=filled,
    )
    return SyntheticMarket(instruments=instruments, tradable=tuple(one.symbol for one in chosen), cycle=cycle)


def _character(rank: int, symbols: int) -> _Character:
    """Give the last symbols of a large market the odd characters: one flat, a tenth thin."""
    if symbols >= 8 and rank == symbols - 1:
        return _Character(quote_volume_day=400_000, volatility=0.0)
    if symbols >= 8 and rank >= symbols - 1 - symbols // 10:
        return _Character(quote_volume_day=250_000, volatility=0.0014, activity=0.3, beta=0.3)
    return _Character(quote_volume_day=2e9 / (1 + rank) ** 1.1, volatility=0.0006 if rank < 2 else 0.0010)


def _others_character(listed: Instrument) -> _Character:
    return {
        "USDC/USDT": _Character(quote_volume_day=1.2e9, volatility=0.00003, beta=0.0),
        "BTCUP/USDT": _Character(quote_volume_day=4e8, volatility=0.0020, beta=0.95),
        "ETH/BTC": _Character(quote_volume_day=12_000, volatility=0.0005),
        "MOULD/USDT": _Character(quote_volume_day=1_500, activity=0.03),
    }.get(listed.symbol, _Character(quote_volume_day=0, activity=0.0))


def _invent(
    rng: Generator, listed: Instrument, character: _Character, *, scale: float, market: Floats, paused: Bools
) -> tuple[Floats, Bools]:
    """Return one symbol's (columns, bars) and its flags; everything is counted in whole ticks and volume steps."""
    bars = len(market)
    tick, step = 10.0**listed.price_decimals, 10.0**listed.volume_decimals
    moves = _returns(rng, bars, beta=character.beta, market=market) * character.volatility * scale
    close = np.maximum(np.rint(listed.price * np.exp(np.cumsum(moves)) * tick), 2.0)
    spread = np.abs(moves).mean() * close * rng.exponential(0.5, (2, bars))
    busy = np.abs(moves) / max(float(np.abs(moves).mean()), 1e-12)
    value = character.quote_volume_day / _DAY_BARS * scale**2 * _activity(rng, bars) * (0.5 + 0.5 * busy)
    steps = np.rint(value / (close / tick) * step)
    filled = (steps == 0) | paused | _pauses(rng, bars, count=2, longest=12) | (rng.random(bars) >= character.activity)

    # Nobody trades in a filled bar, so the price that moved on beneath it shows only at the next trade.
    close = close[_last_traded(filled)]
    opened = np.roll(close, 1) + np.where(filled | (character.volatility == 0), 0, rng.integers(-1, 2, bars))
    high = np.maximum(opened, close) + np.where(filled, 0, np.rint(spread[0]))
    low = np.maximum(np.minimum(opened, close) - np.where(filled, 0, np.rint(spread[1])), 1)
    opened = np.maximum(opened, 1)
    steps[filled] = 0
    average = np.rint((opened + high + low + close) / 4)
    bought = np.clip(0.5 + 0.12 * np.sign(close - opened) + rng.normal(0, 0.08, bars), 0, 1)

    values = np.empty((len(COLUMNS), bars))
    values[OPEN], values[HIGH], values[LOW], values[CLOSE] = opened / tick, high / tick, low / tick, close / tick
    values[VOLUME] = steps / step
    values[QUOTE_VOLUME] = steps * average / (tick * step)
    values[TRADES] = np.where(filled, 0, np.maximum(1, np.rint((value / 900) ** 0.8)))
    values[TAKER_BUY_VOLUME] = np.rint(steps * bought) / step
    return values, filled


def _returns(rng: Generator, bars: int, *, beta: float, market: Floats) -> Floats:
    """Return moves of about one standard deviation that add up to zero, so that the cycle ends where it began."""
    drift, volatility, undone = _regimes(rng, bars)
    noise = rng.standard_t(4, bars) / 2**0.5
    noise -= undone * np.roll(noise, 1)
    moves = volatility * (drift + (1 - beta**2) ** 0.5 * noise + beta * market)
    return np.asarray(moves - moves.mean())


def _regimes(rng: Generator, bars: int) -> tuple[Floats, Floats, Floats]:
    """Return drift, volatility factor and undoing of every bar: one regime follows another, 25 to 180 bars each."""
    lengths = rng.integers(25, 181, bars // 25 + 1)
    kinds = rng.choice(len(_REGIMES), len(lengths), p=_SHARE)
    bursts = kinds == len(_REGIMES) - 1
    lengths[bursts] = lengths[bursts] // 6 + 1
    table = np.array(list(_REGIMES.values())).T
    drift, volatility, undone = np.repeat(table[:, kinds], lengths, axis=1)[:, :bars]
    return drift, volatility, undone


def _activity(rng: Generator, bars: int) -> Floats:
    """Return the volume factor of every bar: noisy, higher once a day, with a spike every few hundred bars."""
    factor = np.exp(rng.normal(0, 0.45, bars)) * (1 + 0.4 * np.sin(np.arange(bars) * (2 * np.pi / _DAY_BARS)))
    return np.asarray(factor * np.where(rng.random(bars) < 0.005, rng.uniform(4, 14, bars), 1.0))


def _pauses(rng: Generator, bars: int, *, count: int, longest: int) -> Bools:
    paused = np.zeros(bars, dtype=np.bool_)
    for start in rng.integers(0, bars, count * bars // (5 * _DAY_BARS) + 1).tolist():
        paused[start : start + int(rng.integers(1, longest + 1))] = True
    return paused


def _last_traded(filled: Bools) -> np.ndarray:
    """Return for each bar the newest bar at or before it with trades, around the cycle; itself when there are none."""
    if filled.all():
        return np.zeros(len(filled), dtype=np.intp)
    traded = np.where(filled, -1, np.arange(len(filled)))
    newest = np.maximum.accumulate(traded)
    return np.where(newest < 0, traded.max(), newest)
