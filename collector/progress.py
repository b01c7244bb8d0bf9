"""How far the backfill is: a bar where a person watches, a line a tenth where none does."""

import sys
from typing import Final, TextIO

from aws_lambda_powertools import Logger

WIDTH: Final = 40
LINES: Final = 10


class Progress:
    """So many series of `total` are whole; `screen` is where a bar is drawn when it is a terminal."""

    def __init__(self, total: int = 0, *, log: Logger, screen: TextIO = sys.stderr) -> None:
        self.total = total
        self.done = 0
        self._log = log
        self._screen = screen if screen.isatty() else None

    def advance(self) -> None:
        """Count one more."""
        self.done += 1
        if self._screen is not None:
            self._draw(self._screen)
        elif LINES * self.done // self.total > LINES * (self.done - 1) // self.total:
            self._log.info("backfilling", done=self.done, total=self.total)

    def leave_out(self, series: int) -> None:
        """Expect so many fewer: nobody waits for what the venue refuses."""
        self.total -= series
        if self._screen is not None and series:
            self._draw(self._screen)

    def _draw(self, screen: TextIO) -> None:
        filled = WIDTH * self.done // self.total if self.total else WIDTH
        bar = "█" * filled + "░" * (WIDTH - filled)
        end = "\n" if self.done == self.total else ""
        screen.write(f"\rbackfill {bar} {self.done}/{self.total} series{end}")
        screen.flush()
