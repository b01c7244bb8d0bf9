"""Where a trader would have fired: the same rule, edge, cool-down and universe, over the candles of the past."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from shared.domain.decision import CompiledTrader, Decision, make_signal, members, view_of
from shared.domain.errors import InvalidMessageError
from shared.domain.firing import firings, triggers, truth_bars
from shared.domain.rules import Market
from shared.domain.signals import Signal

BLOCK: Final = 16_384
"""How many (symbol, boundary) pairs are judged together: enough to be quick, few enough to stop early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """Firings, newest first; `until` continues with the older ones, None when there are none left to look at."""

    firings: tuple[Signal, ...]
    evaluations: int
    insufficient: int
    until: int | None


def history(
    trader: CompiledTrader, market: Market, *, since: int, until: int, limit: int, symbol: str | None = None
) -> HistoryPage:
    """Return the firings at boundaries in `[since, until]` (epoch ms), newest first, of one symbol or all.

    A page ends after the boundary that brings it to `limit`, so that it never splits one.
    """
    missing = [timeframe for timeframe in trader.needs if timeframe not in market.frames]
    if missing:
        raise InvalidMessageError("timeframe", f"needs {', '.join(missing)} candles, which the market does not hold")
    found: list[Signal] = []
    evaluations = insufficient = 0
    for close_time, decision in _backwards(trader, market, since, until, symbol):
        found += decision.signals
        evaluations += decision.evaluations
        insufficient += decision.insufficient
        if len(found) >= limit:
            older = close_time - trader.trader.timeframe.ms
            return HistoryPage(
                firings=tuple(found),
                evaluations=evaluations,
                insufficient=insufficient,
                until=older if older >= since else None,
            )
    return HistoryPage(firings=tuple(found), evaluations=evaluations, insufficient=insufficient, until=None)


def _backwards(
    trader: CompiledTrader, market: Market, since: int, until: int, symbol: str | None
) -> Iterator[tuple[int, Decision]]:
    """Yield what the trader decided at each boundary the market holds, newest first."""
    timeframe = trader.trader.timeframe
    frame = market.frames[timeframe]
    if not frame.bars or not frame.symbols:
        return
    newest = min(timeframe.last_close(until), frame.close_time)
    oldest = max(since, int(frame.open_times[0]) + timeframe.ms)
    block = max(BLOCK // len(frame.symbols), 1)
    while newest >= oldest:
        bars = min(block, (newest - oldest) // timeframe.ms + 1)
        yield from _block(trader, market, newest, bars, symbol)
        newest -= bars * timeframe.ms


def _block(
    compiled: CompiledTrader, market: Market, newest: int, bars: int, symbol: str | None
) -> Iterator[tuple[int, Decision]]:
    """Yield the decisions of the last `bars` boundaries up to one, newest first."""
    trader, universe = compiled.trader, compiled.trader.universe
    symbols = market.frames[trader.timeframe].symbols
    view = view_of(compiled, market, newest)
    truth = compiled.rule.truth(view, truth_bars(trader.edge, trader.cooldown_bars) + bars - 1)
    fired = firings(triggers(truth, trader.edge), trader.cooldown_bars)
    if symbol is not None:
        universe = replace(universe, include=(symbol,))
    group = members(view, symbols, universe, compiled.volume, bars)
    yes = fired.yes & group.inside & ~group.unknown
    unknown = (~fired.known & group.inside) | group.unknown
    prices, values = view.price(bars), compiled.rule.values(view, bars) if yes.any() else {}
    absent = group.absent // bars
    for bar in range(bars - 1, -1, -1):
        close_time = newest - (bars - 1 - bar) * trader.timeframe.ms
        yield (
            close_time,
            Decision(
                signals=tuple(
                    make_signal(
                        compiled,
                        symbol=symbols[row],
                        close_time=close_time,
                        price=float(prices[row, bar]),
                        values={text: float(column[row, bar]) for text, column in values.items()},
                    )
                    for row in np.flatnonzero(yes[:, bar]).tolist()
                ),
                evaluations=int(np.count_nonzero(group.inside[:, bar])) + absent,
                insufficient=int(np.count_nonzero(unknown[:, bar])) + absent,
                errors={},
            ),
        )
