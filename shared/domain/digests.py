"""Fingerprints of what was decided: a trader's rule, the candles it read and its verdict in a few characters.

A run stores one per trader. Whoever decides the same again later, to say why, can then tell whether it is the same:
the rule was not edited, no candle corrected, and the verdict is bit for bit the one the function gave.
"""

import base64
import hashlib

import numpy as np
from numpy.typing import NDArray

from shared.domain.candles import COLUMNS, CandleFrame
from shared.domain.rules import Market
from shared.domain.runs import DIGEST_CHARS
from shared.domain.timeframe import Timeframe

Sums = NDArray[np.uint64]
Reads = tuple[tuple[Timeframe, int], ...]
"""How many of the last candles of each timeframe are read, in one order for everybody."""


def bar_sums(frame: CandleFrame) -> Sums:
    """Return a fingerprint of each bar: the sum over symbols and columns of the cells' bits, each times its own factor.

    A missing cell adds nothing, so that a symbol listed later does not change the bars before it.
    """
    factors = (
        np.stack([_factors(symbol) for symbol in frame.symbols], axis=1)
        if frame.symbols
        else np.empty((len(COLUMNS), 0))
    )
    bits = np.where(np.isnan(frame.values), 0.0, frame.values).view(np.uint64)
    sums: Sums = np.einsum("csb,cs->b", bits, factors.astype(np.uint64))
    return sums


def _factors(symbol: str) -> Sums:
    drawn = hashlib.blake2b(symbol.encode(), digest_size=8 * len(COLUMNS)).digest()
    return np.frombuffer(drawn, dtype="<u8") | np.uint64(1)


class Digests:
    """The digests of one boundary; the candles are summed once for everybody."""

    def __init__(self, market: Market, close_time: int) -> None:
        self._market = market
        self._time = close_time
        self._sums: dict[Timeframe, Sums] = {}
        self._windows: dict[Reads, bytes] = {}

    def of(self, identity: bytes, reads: Reads, verdict: str) -> str:
        """Return the digest of what a trader (`identity` tells it and all it asks) made of the candles it reads."""
        window = self._windows.get(reads) or self._window(reads)
        found = hashlib.blake2b(identity + window + verdict.encode(), digest_size=DIGEST_CHARS * 6 // 8)
        return base64.b64encode(found.digest()).decode()

    def _window(self, reads: Reads) -> bytes:
        read = (self._bars(timeframe)[-bars:].tobytes() for timeframe, bars in reads)
        self._windows[reads] = hashlib.blake2b(b"\n".join(read), digest_size=16).digest()
        return self._windows[reads]

    def _bars(self, timeframe: Timeframe) -> Sums:
        if timeframe not in self._sums:
            self._sums[timeframe] = bar_sums(self._market.frames[timeframe].until(self._time))
        return self._sums[timeframe]
