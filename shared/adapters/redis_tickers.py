"""The ticker board in Redis: two keys a venue, each a packed snapshot of all its symbols, each written by one command.

The collector writes over TCP (redis-py), functions read over Upstash's REST interface (upstash-redis), all venues in
one command. Both keys expire, so that nobody trades on an old price.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.adapters.redis_rest import RestRedis, run
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.ticker_codec import decode_snapshot, encode_snapshot
from shared.domain.tickers import Funding, Row, Snapshot, Ticker, VenueNow

if TYPE_CHECKING:
    from redis.asyncio import Redis


def tickers_key(venue: str) -> str:
    """Return the key of a venue's tickers."""
    return f"tickers:{venue}"


def funding_key(venue: str) -> str:
    """Return the key of a venue's funding."""
    return f"funding:{venue}"


class RedisTickerBoardWriter:
    """The board as the collector writes it; a write that is repeated changes nothing, so it needs no fencing."""

    def __init__(self, client: "Redis") -> None:
        self._redis = client

    async def write_tickers(self, venue: str, snapshot: Snapshot[Ticker], *, ttl_ms: int) -> None:
        """Put up the tickers of every symbol; raise `TransientError` unless Redis has taken them."""
        await self._set(tickers_key(venue), encode_snapshot(snapshot, Ticker), ttl_ms)

    async def write_funding(self, venue: str, snapshot: Snapshot[Funding], *, ttl_ms: int) -> None:
        """Put up the funding of every symbol; raise `TransientError` unless Redis has taken it."""
        await self._set(funding_key(venue), encode_snapshot(snapshot, Funding), ttl_ms)

    async def _set(self, key: str, value: str, ttl_ms: int) -> None:
        from shared.adapters.redis_tcp import redis_errors

        with redis_errors("ticker board"):
            await self._redis.set(key, value, px=ttl_ms)


@dataclass(frozen=True, slots=True)
class UpstashTickerBoard:
    """The board as functions read it."""

    redis: RestRedis

    def now(self, venues: Sequence[str]) -> Mapping[str, VenueNow]:
        """Return the newest snapshots of each venue, all in one command; raise `TransientError`."""
        if not venues:
            return {}
        keys = [key(venue) for key in (tickers_key, funding_key) for venue in venues]
        texts: list[Any] = run(self.redis, ["MGET", *keys], "ticker board")
        tickers, funding = texts[: len(venues)], texts[len(venues) :]
        return {
            venue: VenueNow(read_snapshot(tickers[at], Ticker), read_snapshot(funding[at], Funding))
            for at, venue in enumerate(venues)
        }

    def close(self) -> None:
        """Close the connections."""
        self.redis.close()


def read_snapshot(text: str | None, kind: type[Row]) -> Snapshot[Row] | None:
    """Read what a key holds, None when it holds nothing; a damaged one is a `TransientError`, since the next write
    replaces it."""
    try:
        return None if text is None else decode_snapshot(text, kind)
    except InvalidMessageError as error:
        raise TransientError(f"ticker board: {error}") from error
