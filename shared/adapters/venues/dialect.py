"""What a venue module says about its venue: how to connect, what to send, how to read a frame, how to ask by REST."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp

from shared.domain.errors import InvalidMessageError
from shared.domain.pushes import Push, Trade
from shared.domain.timeframe import Timeframe
from shared.ports import VenueSource

DAY_S: Final = 86_400.0


class SubscriptionRefusedError(InvalidMessageError):
    """Say that the venue turned down a subscription, or the end of one: it will be tried again if it is missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a venue allows a client of its streams, and what keeps a connection to it alive.

    `topics` streams a connection, `topics_in_all` an address (None where nobody counts); `messages_per_s` sent on a
    connection, or on all of them together where `counts_by_address`; connections may be opened `connect_every_s` apart,
    and live for `cut_after_s`. `ping` is a message to send every `ping_every_s`, None where WebSocket pings will do.
    """

    topics: int
    messages_per_s: float
    connect_every_s: float = 0.25
    cut_after_s: float = DAY_S
    topics_in_all: int | None = None
    counts_by_address: bool = False
    ping: str | None = None
    ping_every_s: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one venue speaks; everything here is a fact or a pure function, but `source`, which makes its REST client.

    - `timeframes`: those it can push, in its own terms.
    - `says_closed`: whether it marks the last push of a candle. Then `read` returns closed candles only; elsewhere it
      returns forming candles or trades, and the collector closes them.
    - `topic(venue_id, timeframe)`: what to subscribe to for one series; series may share one.
    - `url(base, topics)`: where to connect. Where the venue `subscribes_by_url`, that subscribes to the topics too.
    - `subscribe(topics)`, `unsubscribe(topics)`: which messages to send on an open connection.
    - `data_mark`: what every frame with a candle or trade contains, forming ones too, and no other frame does.
    - `read(frame)`: what a frame holds, nothing for a forming candle or another kind of message; raises
      `InvalidMessageError` for a damaged frame or an impossible candle, `SubscriptionRefusedError` where the venue
      turns down what it was told.
    """

    venue: str
    rest_url: str
    ws_url: str
    timeframes: tuple[Timeframe, ...]
    says_closed: bool
    limits: Limits
    topic: Callable[[str, Timeframe], str]
    url: Callable[[str, Sequence[str]], str]
    subscribe: Callable[[Sequence[str]], Sequence[str]]
    unsubscribe: Callable[[Sequence[str]], Sequence[str]]
    data_mark: bytes
    read: Callable[[bytes], Sequence[Push | Trade]]
    source: Callable[[aiohttp.ClientSession, str], VenueSource]
    subscribes_by_url: bool = False


def plain_url(base: str, _topics: Sequence[str]) -> str:
    """Return the address of a venue whose streams are subscribed to by message."""
    return base


def batches(topics: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Yield topics in order, at most so many at a time."""
    for start in range(0, len(topics), size):
        yield topics[start : start + size]
