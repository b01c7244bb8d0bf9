"""What a demo measured, as the report people compare runs by."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from desk.demo_notifications import Notifications
from shared.domain.candles import CLOSE, CandleFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Percentiles in milliseconds, None when there was nothing to measure."""

    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUse:
    """What the run cost Redis while the tape ran."""

    commands: int
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The figures of one run.

    `boundaries` counts the (timeframe, close) pairs the tape closed; candles are counted over everything the log
    should hold at the end, history included; `latency_ms` is from the simulator sending the closing frame of a signal's
    candle to the commit of the signal's row, in real milliseconds. `denied` counts the reasons of denied intents;
    `ledger_mismatches` where the ledger, its fills and the venue's balances differ. `notifications` counts what people
    were told, in how many messages, and what did not arrive. `alerts` are causes that were found, with their severity:
    they say how the machine kept up, and are no fault of the run.
    """

    symbols: int
    timeframes: tuple[str, ...]
    boundaries: int
    candles_expected: int
    candles_stored: int
    candles_missing: int
    traders: int
    evaluations: int
    signals: int
    signals_duplicate: int
    errors: int
    latency_ms: Latency
    redis: RedisUse
    invocations: Mapping[str, int]
    intents: int
    orders: int
    fills: int
    denied: Mapping[str, int]
    ledger_mismatches: int
    notifications: Notifications
    alerts: Mapping[str, str]

    @property
    def is_good(self) -> bool:
        """Tell whether nothing was lost, doubled or wrong."""
        lost = self.candles_missing or self.ledger_mismatches or self.notifications.failed
        return not (lost or self.signals_duplicate or self.errors)

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")


def percentiles(samples: Sequence[float]) -> Latency:
    """Return nearest-rank percentiles, so that each is a latency that really occurred."""
    if not samples:
        return Latency(p50=None, p95=None, p99=None, max=None)
    ordered = sorted(samples)

    def rank(share: float) -> float:
        return ordered[max(-(-len(ordered) * round(share * 100) // 100) - 1, 0)]

    return Latency(p50=rank(0.50), p95=rank(0.95), p99=rank(0.99), max=ordered[-1])


@dataclass(frozen=True, slots=True)
class Compared:
    """How the log compares with the tape, in candles."""

    expected: int
    stored: int
    missing: int
    wrong: int


def compare(expected: CandleFrame, stored: CandleFrame) -> Compared:
    """Hold what the log has against what the tape played, cell by cell; a candle that differs is wrong."""
    found = _cells(stored)
    wanted = _cells(expected)
    missing = sum(key not in found for key in wanted)
    wrong = sum(key in found and not np.array_equal(found[key], cells, equal_nan=True) for key, cells in wanted.items())
    return Compared(expected=len(wanted), stored=len(wanted) - missing, missing=missing, wrong=wrong)


def _cells(frame: CandleFrame) -> dict[tuple[str, int], np.ndarray]:
    """Return the values of every candle a frame has, by symbol and open time."""
    return {
        (symbol, int(frame.open_times[bar])): frame.values[:, row, bar]
        for row, symbol in enumerate(frame.symbols)
        for bar in np.flatnonzero(~np.isnan(frame.values[CLOSE, row]))
    }
