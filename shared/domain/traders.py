"""Traders: a person's rule, where it looks, and when a match counts as a signal."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

from shared.domain.timeframe import Timeframe


class PositionSide(StrEnum):
    """The side a trader's signal speaks for."""

    LONG = "long"
    SHORT = "short"


class Edge(StrEnum):
    """When a match counts: at its first bar (`rising`), or at every bar where the rule is true (`level`)."""

    RISING = "rising"
    LEVEL = "level"


@dataclass(frozen=True, slots=True, kw_only=True)
class Universe:
    """The symbols a trader looks at; `include` empty means every symbol of the quote currency."""

    quote: str = "USDT"
    min_quote_volume_24h: float = 0.0
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trader:
    """A rule with a timeframe and a universe; `updated_at_ms` is the version a cache compares.

    `cooldown_bars` is how many bars must have passed without a trigger before a new one fires, which makes firing a
    function of the last candles alone. `owner_id` is None for the desk's built-in traders.
    """

    trader_id: str
    owner_id: str | None
    name: str
    description: str
    rule: str
    venue: str = "binance"
    timeframe: Timeframe
    universe: Universe = field(default_factory=Universe)
    side: PositionSide = PositionSide.LONG
    edge: Edge = Edge.RISING
    cooldown_bars: int = 0
    enabled: bool = True
    created_at_ms: int = 0
    updated_at_ms: int = 0


def shard_of(trader_id: str, shards: int) -> int:
    """Return the shard (0-based) a trader belongs to: a stable hash, so the same on every machine and day."""
    return int.from_bytes(hashlib.blake2b(trader_id.encode(), digest_size=8).digest(), "big") % shards


def shards_for(traders: int, *, traders_per_shard: int) -> int:
    """Return how many shards a number of traders needs, at least one."""
    return max(-(-traders // traders_per_shard), 1)
