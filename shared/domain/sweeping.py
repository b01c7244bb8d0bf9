"""Which boundaries the clock must repair because nobody announced them."""

from collections.abc import Collection, Sequence

from shared.domain.runs import ClosedBoundary
from shared.domain.venues import Venue

PATIENCE_MS = 10_000
HORIZON_MS = 15 * 60_000


def expected_boundaries(
    venues: Sequence[Venue], now_ms: int, *, patience_ms: int = PATIENCE_MS, horizon_ms: int = HORIZON_MS
) -> tuple[ClosedBoundary, ...]:
    """Return the boundaries that should have been announced by now, oldest first.

    Those of the last `horizon_ms`, and of a long timeframe at least the newest; one younger than `patience_ms` is left
    to the collector.
    """
    settled = now_ms - patience_ms
    found = []
    for venue in venues:
        for timeframe in venue.timeframes:
            newest = timeframe.last_close(settled)
            oldest = min(newest, timeframe.close_time(settled - horizon_ms))
            found += [
                ClosedBoundary(venue=venue.venue, timeframe=timeframe, close_time=close_time)
                for close_time in range(oldest, newest + 1, timeframe.ms)
            ]
    return tuple(sorted(found, key=lambda boundary: (boundary.close_time, -boundary.timeframe.ms)))


def unclaimed(expected: Sequence[ClosedBoundary], claimed: Collection[ClosedBoundary]) -> tuple[ClosedBoundary, ...]:
    """Return the expected boundaries nobody claimed, never reaching back before the desk began to watch.

    Of a timeframe without any claim only the newest boundary is due: what closed before the desk was there is history.
    """
    began: dict[tuple[str, str], int] = {}
    for boundary in expected:
        key = (boundary.venue, boundary.timeframe)
        if boundary in claimed:
            began.setdefault(key, boundary.close_time)
    newest = {(b.venue, b.timeframe): b.close_time for b in expected}
    return tuple(
        b
        for b in expected
        if b not in claimed and b.close_time >= began.get((b.venue, b.timeframe), newest[b.venue, b.timeframe])
    )
