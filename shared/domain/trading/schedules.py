"""How a quantity is spread over time: spans, what trades in them, shares that add up, and chance from a seed."""

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice, pairwise, takewhile
from typing import Final, NamedTuple

import numpy as np

from shared.domain.candles import VOLUME, CandleFrame
from shared.domain.trading.money import ZERO, decimal_of, grain, total

DAY_MS: Final = 86_400_000
LATEST_RATE: Final = Decimal("0.5")
"""A slice is due within this part of its span, so that what is left of the span can fill it."""
SIZE_RATE: Final = Decimal("0.2")
"""By how much of itself a slice is made larger or smaller."""


class Span(NamedTuple):
    """A half-open stretch of time, epoch ms."""

    start_ms: int
    end_ms: int


def draw(seed: str, of: str, number: int) -> Decimal:
    """Return a number in [0, 1) that is always the same for a seed, a name and a number."""
    digest = hashlib.blake2b(f"{seed}:{of}:{number}".encode(), digest_size=8).digest()
    return Decimal(int.from_bytes(digest, "big")) / 2**64


def spans(start_ms: int, duration_ms: int, count: int) -> tuple[Span, ...]:
    """Cut a duration into spans of equal length, to the millisecond."""
    edges = [start_ms + duration_ms * number // count for number in range(count + 1)]
    return tuple(Span(*pair) for pair in pairwise(edges))


def openings(seed: str, among: Sequence[Span]) -> tuple[int, ...]:
    """Return when the slice of each span is due: the first at once, the others at a moment nobody can guess."""
    late = (int(draw(seed, "time", no) * LATEST_RATE * (span.end_ms - span.start_ms)) for no, span in enumerate(among))
    return tuple(span.start_ms + (delay if no else 0) for no, (span, delay) in enumerate(zip(among, late, strict=True)))


def varied(seed: str, weights: Sequence[Decimal]) -> tuple[int, ...]:
    """Return weights as whole numbers, each varied by up to `SIZE_RATE` of itself; zero stays zero."""
    largest = max(weights, default=ZERO) or Decimal(1)
    factors = (1 + SIZE_RATE * (2 * draw(seed, "size", number) - 1) for number in range(len(weights)))
    return tuple(int(weight / largest * factor * 10**9) for weight, factor in zip(weights, factors, strict=True))


def allocate(units: int, weights: Sequence[int], caps: Sequence[int | None]) -> tuple[int, ...]:
    """Share whole units by weight, no share above its cap; what caps or zero weights leave over is not shared."""
    shares, left = [0] * len(weights), units
    while left and (open_ := [i for i, cap in enumerate(caps) if weights[i] and (cap is None or shares[i] < cap)]):
        weight, rest = sum(weights[i] for i in open_), left
        for i in open_:
            share = rest * weights[i] // weight
            share = share if (cap := caps[i]) is None else min(share, cap - shares[i])
            shares[i], left = shares[i] + share, left - share
        if left == rest:  # fewer units than shares: one each, the heaviest first
            for i in sorted(open_, key=lambda i: -weights[i])[:left]:
                shares[i], left = shares[i] + 1, left - 1
    return tuple(shares)


def merged(shares: Sequence[int], smallest: int) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Join neighbours until each share has reached a size, as (share, the numbers of those joined).

    Shares of nothing are left out. Together they may still be smaller: then there is one share.
    """
    groups: list[tuple[int, tuple[int, ...]]] = []
    for number, share in enumerate(shares):
        if groups and groups[-1][0] < smallest:
            size, numbers = groups.pop()
            groups.append((size + share, (*numbers, number)))
        elif share:
            groups.append((share, (number,)))
    if len(groups) > 1 and groups[-1][0] < smallest:
        (last, tail), (size, numbers) = groups.pop(), groups.pop()
        groups.append((size + last, numbers + tail))
    return tuple(groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeHistory:
    """What traded in the past, in base units: (open time in epoch ms, quantity) of bars `bar_ms` long, oldest first."""

    bar_ms: int
    bars: tuple[tuple[int, Decimal], ...]

    def expected(self, among: Sequence[Span]) -> tuple[Decimal, ...] | None:
        """Return what is expected to trade in each span: the mean of the same time of day on the days that are known.

        What is not known of a day trades as the average of all bars; None without any bar.
        """
        if not self.bars:
            return None
        mean = total(qty for _, qty in self.bars) / len(self.bars) / self.bar_ms
        return tuple(grain(self._expected(span, mean)) for span in among)

    def _expected(self, span: Span, mean: Decimal) -> Decimal:
        length, days = span.end_ms - span.start_ms, []
        for back in range(1, (span.end_ms - self.bars[0][0]) // DAY_MS + 1):
            known_ms, traded = self._traded(Span(span.start_ms - back * DAY_MS, span.end_ms - back * DAY_MS))
            if known_ms:
                days.append(traded + mean * (length - known_ms))
        return total(days) / len(days) if days else mean * length

    def _traded(self, span: Span) -> tuple[int, Decimal]:
        """Return for how much of a span bars are known (ms), and what traded in that time, in base units."""
        known_ms, traded = 0, ZERO
        first = bisect_left(self.bars, span.start_ms - self.bar_ms, key=lambda bar: bar[0])
        for open_ms, qty in takewhile(lambda bar: bar[0] < span.end_ms, islice(self.bars, first, None)):
            shared_ms = max(0, min(open_ms + self.bar_ms, span.end_ms) - max(open_ms, span.start_ms))
            known_ms, traded = known_ms + shared_ms, traded + qty * shared_ms / self.bar_ms
        return known_ms, traded


def volume_history(frame: CandleFrame, symbol: str) -> VolumeHistory:
    """Read the volumes of a symbol from candles; a missing candle is left out, a quiet one counts as nothing traded."""
    if symbol not in frame.symbols:
        return VolumeHistory(bar_ms=frame.timeframe.ms, bars=())
    row = frame.values[VOLUME, frame.symbols.index(symbol)]
    known = np.flatnonzero(~np.isnan(row))
    bars = tuple((int(frame.open_times[bar]), decimal_of("volume", repr(float(row[bar])))) for bar in known)
    return VolumeHistory(bar_ms=frame.timeframe.ms, bars=bars)
