"""Traders: a person's rule, where it looks, and when a match counts as a signal."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from shared.domain.timeframe import Timeframe
from shared.domain.trading.instruments import PositionSide as PositionSide  # noqa: PLC0414 - signals speak of it too
from shared.domain.trading.terms import TraderMode, TradeTerms


class Edge(StrEnum):
    """When a match counts: at its first bar (`rising`), or at every bar where the rule is true (`level`)."""

    RISING = "rising"
    LEVEL = "level"


class Visibility(StrEnum):
    """Who may read a trader and its signals: its owner alone, or everybody signed in. Only its owner writes it."""

    PRIVATE = "private"
    PUBLIC = "public"


class Owner(StrEnum):
    """Whose traders to list, as one person sees it: their own, the desk's built-in ones, other people's public ones."""

    ME = "me"
    DESK = "desk"
    OTHERS = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Universe:
    """The symbols a trader looks at; `include` empty means every symbol of the quote currency."""

    quote: str = "USDT"
    min_quote_volume_24h: float = 0.0
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trader:
    """A rule with a timeframe and a universe; `updated_at_ms` is the stamp a cache compares.

    `cooldown_bars` is how many bars must have passed without a trigger before a new one fires, which makes firing a
    function of the last candles alone. `owner_id` is None for the desk's built-in traders. One whose `mode` is not
    `signals` trades by its terms, `trade`, in a book of its owner's and of its mode. `beyond_tier`, which the database
    says, is True of one that is enabled and more than its owner's tier has.
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
    visibility: Visibility = Visibility.PRIVATE
    mode: TraderMode = TraderMode.SIGNALS
    book_id: str | None = None
    trade: TradeTerms | None = None
    beyond_tier: bool = False
    created_at_ms: int = 0
    updated_at_ms: int = 0

    @property
    def is_evaluated(self) -> bool:
        """Tell whether the desk looks at it when candles close."""
        return self.enabled and not self.beyond_tier


@dataclass(frozen=True, slots=True, kw_only=True)
class TraderVersion:
    """A definition a trader had, numbered from 1; its `updated_at_ms` is when the version was recorded."""

    version: int
    trader: Trader
    recorded_at_ms: int


DEFINITION: Final = (
    "name",
    "description",
    "rule",
    "venue",
    "timeframe",
    "universe",
    "side",
    "edge",
    "cooldown_bars",
    "enabled",
    "visibility",
    "mode",
    "book_id",
    "trade",
)
"""The fields of a trader that its owner writes, in reading order; a change of any of them is a new version."""


def definition_of(trader: Trader) -> dict[str, Any]:
    """Return what its owner wrote, by field: everything but ids and times."""
    return {name: getattr(trader, name) for name in DEFINITION}


def shard_of(trader_id: str, shards: int) -> int:
    """Return the shard (0-based) a trader belongs to: a stable hash, so the same on every machine and day."""
    return int.from_bytes(hashlib.blake2b(trader_id.encode(), digest_size=8).digest(), "big") % shards


def shards_for(traders: int, *, traders_per_shard: int) -> int:
    """Return how many shards a number of traders needs, at least one."""
    return max(-(-traders // traders_per_shard), 1)
