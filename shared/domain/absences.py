"""Which series the streams seem to have lost: REST had trades where they brought nothing, time and again.

A subscription can be refused, or dropped without a word, while its connection lives. What a thin market looks like is
the venue's business; that somebody traded and we were not told is proof anywhere.
"""

from collections.abc import Iterable
from typing import Final

from shared.domain.timeframe import Timeframe

PATIENCE: Final = 3
"""So many candles in a row may be absent before a series counts as lost: two may come of one bad moment."""
MOST_PATIENT: Final = 192
"""Each time subscribing again has not helped, twice as many, up to these."""


class _Run:
    """The candles of one series that were absent in a row; `newest` is the open time of the last one known of."""

    __slots__ = ("absent", "newest", "patience")

    def __init__(self) -> None:
        self.newest = -1
        self.absent = 0
        self.patience = PATIENCE


class Absences:
    """What the streams brought of each series and what only REST knew; times in epoch ms of the market's clock."""

    def __init__(self, timeframes: Iterable[Timeframe]) -> None:
        self._timeframes = tuple(timeframes)
        self._watched: dict[str, int] = {}  # since when, by symbol
        self._runs: dict[tuple[Timeframe, str], _Run] = {}

    def watch(self, symbols: Iterable[str], now_ms: int) -> None:
        """Note that the streams should bring everything of these symbols from now on; what opened before is no sign."""
        for symbol in symbols:
            self._watched[symbol] = now_ms
            for timeframe in self._timeframes:
                if (run := self._runs.get((timeframe, symbol))) is not None:
                    run.absent = 0

    def lose(self, symbols: Iterable[str]) -> None:
        """Note that the streams bring nothing of these symbols for now, as everybody knows."""
        for symbol in symbols:
            self._watched.pop(symbol, None)

    def retain(self, symbols: Iterable[str]) -> None:
        """Forget every other symbol."""
        kept = frozenset(symbols)
        self._watched = {symbol: since for symbol, since in self._watched.items() if symbol in kept}
        self._runs = {series: run for series, run in self._runs.items() if series[1] in kept}

    def came(self, timeframe: Timeframe, symbol: str, open_time: int) -> None:
        """Note that the streams brought a candle, however late."""
        run = self._run(timeframe, symbol)
        run.newest = max(run.newest, open_time)
        run.absent, run.patience = 0, PATIENCE

    def missed(self, timeframe: Timeframe, symbol: str, open_time: int) -> None:
        """Note that REST has a candle with trades which the streams did not bring."""
        run = self._run(timeframe, symbol)
        if run.newest < open_time >= self._watched.get(symbol, open_time + 1):
            run.newest = open_time
            run.absent += 1

    def take(self) -> list[str]:
        """Return the symbols of the series that are lost by now, in order, and be more patient with them from then on.

        They are watched no more until they have been subscribed to again.
        """
        lost: set[str] = set()
        for (_, symbol), run in self._runs.items():
            if symbol in self._watched and run.absent >= run.patience:
                run.absent, run.patience = 0, min(2 * run.patience, MOST_PATIENT)
                lost.add(symbol)
        self.lose(lost)
        return sorted(lost)

    def _run(self, timeframe: Timeframe, symbol: str) -> _Run:
        run = self._runs.get((timeframe, symbol))
        if run is None:
            run = self._runs[timeframe, symbol] = _Run()
        return run
