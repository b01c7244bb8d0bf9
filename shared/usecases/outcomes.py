"""Measure what became of signals, woken by the same boundaries that make them, and score their traders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.domain.outcomes import HORIZONS, measure
from shared.domain.rules import compile_rule
from shared.domain.scorecard import Scorecard, scorecard

if TYPE_CHECKING:
    from shared.domain.candles import CandleFrame
    from shared.domain.runs import ClosedBoundary
    from shared.domain.traders import Trader
    from shared.ports import CandleLog, Clock, OutcomeStore

BATCH: Final = 1_000
BARS: Final = max(HORIZONS) + 1
"""How many bars the outcomes that are due in time look at."""


def measure_outcomes(
    boundary: ClosedBoundary, frame: CandleFrame, *, outcomes: OutcomeStore, candles: CandleLog
) -> int:
    """Record every outcome that is due at a boundary and can be told from its frame; return how many.

    What is due since long, after an interruption, is read deeper from the log.
    """
    recorded = 0
    while awaited := outcomes.due(boundary, limit=BATCH):
        oldest = min(signal.close_time for signal in awaited)
        if not frame.bars or int(frame.open_times[0]) > oldest:
            bars = (boundary.close_time - oldest) // boundary.timeframe.ms + 1
            frame = candles.frame(boundary.venue, boundary.timeframe, bars=bars)
        found = measure(awaited, frame.until(boundary.close_time))
        if found:
            recorded += outcomes.record(found)
        if len(found) < len(awaited):  # the rest waits for candles that are still missing
            break
    return recorded


def performance(
    trader: Trader, *, bars: int, fee_rate: float, every_rule: bool, outcomes: OutcomeStore, clock: Clock
) -> Scorecard:
    """Return a trader's scorecard after so many bars: of its present rule, or of every rule it ever had."""
    rule_hash = None if every_rule else compile_rule(trader.rule).rule_hash
    tallies = outcomes.tallies(trader.trader_id, bars=bars, rule_hash=rule_hash)
    return scorecard(tallies, fee_rate=fee_rate, now_ms=clock.now_ms())
