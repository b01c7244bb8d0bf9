"""The intake: frames as they come off the sockets, turned into closed candles for assembly."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Final

from aws_lambda_powertools import Logger

from shared.adapters.venues.dialect import Dialect, SubscriptionRefusedError
from shared.domain.absences import Absences
from shared.domain.assembly import REMEMBER, Assembler, Cell
from shared.domain.candles import Candle
from shared.domain.errors import InvalidMessageError
from shared.domain.pushes import Closer, Closing, Late, Push, changes, confirmed
from shared.domain.timeframe import Timeframe

SHOWN: Final = 500


class Intake:
    """What the sockets bring for the symbols we follow; `symbols` maps the venue's ids to them and may change.

    `unconfirmed` are the candles that only the clock has closed, or for which something came too late, by cell, until
    REST has been asked for them.
    """

    def __init__(
        self,
        dialect: Dialect,
        assembler: Assembler,
        symbols: Mapping[str, str],
        timeframes: Collection[Timeframe],
        *,
        counts: Counter[str],
        news: Callable[[], object],
        log: Logger,
    ) -> None:
        self.unconfirmed: dict[Cell, Candle] = {}
        self._dialect = dialect
        self._assembler = assembler
        self._symbols = symbols
        self._closer = Closer(timeframes)
        self._absences = Absences(timeframes)
        self._counts = counts
        self._news = news
        self._log = log

    def take(self, frame: bytes) -> None:
        """Take one frame off a socket: read it, and assemble what it closes of the candles we follow."""
        self._counts["frames"] += 1
        try:
            for push in self._dialect.read(frame):
                symbol = self._symbols.get(push.venue_id)
                if symbol is None:
                    continue
                if not isinstance(push, Push):
                    self._close(self._closer.trade(symbol, push))
                elif push.is_closed:
                    self._absences.came(push.timeframe, symbol, push.candle.open_time)
                    self.add(push.timeframe, symbol, push.candle)
                else:
                    self._close(self._closer.push(push.timeframe, symbol, push.candle))
        except SubscriptionRefusedError as error:
            self._counts["refused_subscriptions"] += 1
            self._log.warning("subscription refused", error=str(error))
        except InvalidMessageError as error:
            # Its boundary lacks the candle now, and is repaired by REST; or a candle lacks a trade, and is confirmed.
            self._closer.doubt(self._symbols.values())
            self._counts["invalid_frames"] += 1
            self._log.warning("frame refused", error=str(error), frame=frame[:SHOWN].decode(errors="replace"))

    def add(self, timeframe: Timeframe, symbol: str, candle: Candle) -> bool:
        """Take a closed candle, pushed or asked for, and tell whether it was news; raise `InvalidMessageError`."""
        if not self._dialect.says_closed:
            self._closer.know(timeframe, symbol, candle)
        if not self._assembler.add(timeframe, symbol, candle):
            return False
        self._counts["closed"] += 1
        self._news()
        return True

    def note_time(self, now_ms: int) -> None:
        """Note what time it is while nothing is closed by the clock yet."""
        self._closer.note_time(now_ms)

    def mend(self, timeframe: Timeframe, symbol: str, asked: Candle) -> None:
        """Take from REST a candle that did not come."""
        if self.add(timeframe, symbol, asked) and not asked.filled:
            self._absences.missed(timeframe, symbol, asked.open_time)

    def advance(self, now_ms: int, *, grace_ms: int) -> None:
        """Close by the clock what no push has closed."""
        if not self._dialect.says_closed:
            self._close(self._closer.due(now_ms, grace_ms=grace_ms, symbols=self._symbols.values()))

    def confirm(self, timeframe: Timeframe, symbol: str, asked: Candle) -> None:
        """Take REST's word for a candle that the clock had closed."""
        pushed = self.unconfirmed.pop(Cell(timeframe, asked.open_time, symbol), None)
        if pushed is not None and (better := confirmed(pushed, asked)) is not None:
            self.add(timeframe, symbol, better)
            if pushed.filled and not asked.filled:
                self._absences.missed(timeframe, symbol, asked.open_time)

    def doubtful(self, *, series: int) -> list[Cell]:
        """Return what is unconfirmed of so many series, those first that have waited longest since they were asked."""
        names = dict.fromkeys((cell.timeframe, cell.symbol) for cell in self.unconfirmed)
        turn = frozenset(islice(names, series))
        cells = [cell for cell in self.unconfirmed if (cell.timeframe, cell.symbol) in turn]
        for cell in cells:  # to the end of the row
            self.unconfirmed[cell] = self.unconfirmed.pop(cell)
        return cells

    def forget(self, now_ms: int) -> None:
        """Give up confirming what assembly would not correct any more."""
        for cell in [cell for cell in self.unconfirmed if cell.open_time < now_ms - REMEMBER * cell.timeframe.ms]:
            del self.unconfirmed[cell]
            self._counts["never_confirmed"] += 1

    def follow(self) -> None:
        """Note that the symbols have changed: of those who left nothing is known any more, and nothing is asked."""
        followed = frozenset(self._symbols.values())
        self._closer.retain(followed)
        self._absences.retain(followed)
        for cell in [cell for cell in self.unconfirmed if cell.symbol not in followed]:
            del self.unconfirmed[cell]

    def opened(self, venue_ids: Collection[str], now_ms: int) -> None:
        """Note that a connection brings everything of these symbols from now on."""
        symbols = self._known(venue_ids)
        self._closer.watch(symbols, now_ms)
        self._absences.watch(symbols, now_ms)
        self._closer.doubt(symbols)

    def ended(self, venue_ids: Collection[str], reason: str) -> None:
        """Note that a connection ended, and what it carried may have been missed."""
        symbols = self._known(venue_ids)
        self._closer.lose(symbols)
        self._absences.lose(symbols)
        self._counts["disconnects"] += 1
        self._log.warning("connection ended", reason=reason, symbols=len(venue_ids))

    def take_lost(self) -> list[str]:
        """Return the venue ids whose subscriptions seem to be lost; who asks sees that they are `opened` again."""
        if lost := self._absences.take():
            self._closer.lose(lost)
            self._counts["resubscriptions"] += len(lost)
            self._log.warning("traded, but not told: subscribing again", symbols=lost)
        return [venue_id for venue_id, symbol in self._symbols.items() if symbol in lost]

    def _known(self, venue_ids: Collection[str]) -> list[str]:
        return [self._symbols[venue_id] for venue_id in venue_ids if venue_id in self._symbols]

    def _close(self, closings: Collection[Closing | Late]) -> None:
        for closing in closings:
            if isinstance(closing, Late):
                self._absences.came(closing.timeframe, closing.symbol, closing.open_time)
                self._doubt(closing)
                continue
            timeframe, symbol, candle, is_confirmed = closing
            if not candle.filled:
                self._absences.came(timeframe, symbol, candle.open_time)
            if self.add(timeframe, symbol, candle) and not is_confirmed:
                self.unconfirmed[Cell(timeframe, candle.open_time, symbol)] = candle

    def _doubt(self, late: Late) -> None:
        """Have a candle confirmed that may be another with what came too late for it.

        And the quiet ones behind it, which repeat its close. What is missing will be asked for anyway.
        """
        step_ms = late.timeframe.ms
        cell = Cell(late.timeframe, late.open_time, late.symbol)
        closed = self._assembler.known(cell)
        if closed is None or (late.candle is not None and not changes(late.candle, closed)):
            return
        while closed is not None and (closed.filled or cell.open_time == late.open_time):
            self.unconfirmed[cell] = closed
            cell = cell._replace(open_time=cell.open_time + step_ms)
            closed = self._assembler.known(cell)
