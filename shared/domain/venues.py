"""Venues: where candles come from and which timeframes the desk collects there."""

from dataclasses import dataclass

from shared.domain.timeframe import Timeframe


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """A venue the desk collects; `log_depth` is how many boundaries its log keeps per timeframe."""

    venue: str
    timeframes: tuple[Timeframe, ...]
    log_depth: int = 1_000
    enabled: bool = True
