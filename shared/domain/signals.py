"""Signals: the fact that a trader fired on a symbol at a boundary."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from shared.domain.timeframe import Timeframe
from shared.domain.traders import PositionSide


class Signal(NamedTuple):
    """One firing; its identity is (trader, symbol, timeframe, close time), so storing it twice changes nothing.

    `price` is the close of the candle (quote units); `values` are the leaves of the rule at that candle, by their text.
    """

    trader_id: str
    symbol: str
    timeframe: Timeframe
    close_time: int
    side: PositionSide
    price: float
    rule_hash: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSignal:
    """A signal as the desk recorded it; `recorded_at_ms` is the database's clock when the row was written."""

    signal_id: str
    signal: Signal
    venue: str
    correlation_id: str
    recorded_at_ms: int
