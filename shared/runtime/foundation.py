"""What every function stands on: settings, clocks, the market's log and board, the database."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from shared.adapters.clock import SystemClock, TapeClock

if TYPE_CHECKING:
    from postgrest import SyncPostgrestClient

    from shared.adapters.redis_rest import RestRedis
    from shared.ports import CandleLog, Clock, Queue, TickerBoard, VenueStore
    from shared.runtime.config import Settings


class Foundation:
    """What is outside the process and belongs to no part of the desk alone."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def clock(self) -> Clock:
        """The market's time: the system clock, or the tape's when the desk replays one."""
        return TapeClock(self.settings.clock_file) if self.settings.clock_file else SystemClock()

    @cached_property
    def wall_clock(self) -> Clock:
        """The machine's time, which signatures and heartbeats are made with."""
        return SystemClock()

    @cached_property
    def redis(self) -> RestRedis:
        """Redis over Upstash's REST interface: one connection, and certificates read once, for all of it."""
        from shared.adapters.redis_rest import connect_rest

        return connect_rest(
            self.settings.need("upstash_redis_rest_url"), self.settings.need("upstash_redis_rest_token")
        )

    @cached_property
    def candle_log(self) -> CandleLog:
        """The candle log over Upstash's REST interface."""
        from shared.adapters.redis_log import UpstashCandleLog

        return UpstashCandleLog(self.redis)

    @cached_property
    def ticker_board(self) -> TickerBoard:
        """The ticker board over Upstash's REST interface."""
        from shared.adapters.redis_tickers import UpstashTickerBoard

        return UpstashTickerBoard(self.redis)

    @cached_property
    def dead_letters(self) -> Queue:
        """Where messages go that can never succeed."""
        return sqs(self.settings.need("dead_letter_queue_url"))

    @cached_property
    def database(self) -> SyncPostgrestClient:
        """The database with the desk's own rights; row security does not apply."""
        from shared.adapters.supabase.client import connect

        return connect(self.settings.need("supabase_url"), self.settings.need("supabase_service_role_key"))

    @cached_property
    def hasty_database(self) -> SyncPostgrestClient:
        """The database with the desk's own rights, for whoever cannot wait for it."""
        from shared.adapters.supabase.client import connect, hasty_session

        url, key = self.settings.need("supabase_url"), self.settings.need("supabase_service_role_key")
        return connect(url, key, session=hasty_session())

    @cached_property
    def venues(self) -> VenueStore:
        """The venues the desk collects."""
        from shared.adapters.supabase.venues import SupabaseVenueStore

        return SupabaseVenueStore(self.database)

    def database_as(self, token: str) -> SyncPostgrestClient:
        """Return the database with the rights of a signed-in person."""
        from shared.adapters.supabase.client import connect

        return connect(self.settings.need("supabase_url"), self.settings.need("supabase_key"), token=token)


def sqs(queue_url: str) -> Queue:
    """Return an SQS queue by its URL."""
    from shared.adapters.sqs import SqsQueue

    return SqsQueue(queue_url)
