"""Build what a function needs, when it first needs it: one lazy property per adapter.

Imports are inside the properties on purpose: a function pays at cold start only for what it touches.
"""

from functools import cache, cached_property
from typing import TYPE_CHECKING

from shared.adapters.clock import SystemClock, TapeClock
from shared.ports import (
    AgentStore,
    CandleLog,
    Clock,
    OutcomeStore,
    Queue,
    RunStore,
    SignalStore,
    TickerBoard,
    TraderStore,
    VenueStore,
)
from shared.runtime.config import Settings

if TYPE_CHECKING:
    from postgrest import SyncPostgrestClient

    from shared.usecases.watchlist import Watchlist


class Deps:
    """Everything outside the process, with the desk's own credentials."""

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
    def candle_log(self) -> CandleLog:
        """The candle log over Upstash's REST interface."""
        from shared.adapters.redis_log import upstash_candle_log

        return upstash_candle_log(
            self.settings.need("upstash_redis_rest_url"), self.settings.need("upstash_redis_rest_token")
        )

    @cached_property
    def ticker_board(self) -> TickerBoard:
        """The ticker board over Upstash's REST interface."""
        from shared.adapters.redis_tickers import upstash_ticker_board

        return upstash_ticker_board(
            self.settings.need("upstash_redis_rest_url"), self.settings.need("upstash_redis_rest_token")
        )

    @cached_property
    def executions(self) -> Queue:
        """The queue of shards to evaluate."""
        return _sqs(self.settings.need("executions_queue_url"))

    @cached_property
    def dead_letters(self) -> Queue:
        """Where messages go that can never succeed."""
        return _sqs(self.settings.need("dead_letter_queue_url"))

    @cached_property
    def database(self) -> "SyncPostgrestClient":
        """The database with the desk's own rights; row security does not apply."""
        from shared.adapters.supabase.client import connect

        return connect(self.settings.need("supabase_url"), self.settings.need("supabase_service_role_key"))

    @cached_property
    def traders(self) -> TraderStore:
        """Every person's traders."""
        from shared.adapters.supabase.traders import SupabaseTraderStore

        return SupabaseTraderStore(self.database)

    @cached_property
    def runs(self) -> RunStore:
        """Execution runs."""
        from shared.adapters.supabase.runs import SupabaseRunStore

        return SupabaseRunStore(self.database)

    @cached_property
    def signals(self) -> SignalStore:
        """Every trader's signals."""
        from shared.adapters.supabase.signals import SupabaseSignalStore

        return SupabaseSignalStore(self.database)

    @cached_property
    def outcomes(self) -> OutcomeStore:
        """What became of every trader's signals."""
        from shared.adapters.supabase.outcomes import SupabaseOutcomeStore

        return SupabaseOutcomeStore(self.database)

    @cached_property
    def venues(self) -> VenueStore:
        """The venues the desk collects."""
        from shared.adapters.supabase.venues import SupabaseVenueStore

        return SupabaseVenueStore(self.database)

    @cached_property
    def agents(self) -> AgentStore:
        """Heartbeats."""
        from shared.adapters.supabase.agents import SupabaseAgentStore

        return SupabaseAgentStore(self.database)

    @cached_property
    def watchlist(self) -> "Watchlist":
        """The compiled traders a warm process keeps."""
        from shared.usecases.watchlist import Watchlist

        return Watchlist(self.traders, self.venues, self.wall_clock)

    def traders_of(self, token: str) -> TraderStore:
        """Return the traders a signed-in person may see and change, decided by row security."""
        from shared.adapters.supabase.traders import SupabaseTraderStore

        return SupabaseTraderStore(self._database_as(token))

    def signals_of(self, token: str) -> SignalStore:
        """Return the signals a signed-in person may see, decided by row security."""
        from shared.adapters.supabase.signals import SupabaseSignalStore

        return SupabaseSignalStore(self._database_as(token))

    def outcomes_of(self, token: str) -> OutcomeStore:
        """Return what became of the signals a signed-in person may see, decided by row security."""
        from shared.adapters.supabase.outcomes import SupabaseOutcomeStore

        return SupabaseOutcomeStore(self._database_as(token))

    def _database_as(self, token: str) -> "SyncPostgrestClient":
        from shared.adapters.supabase.client import connect

        return connect(self.settings.need("supabase_url"), self.settings.need("supabase_key"), token=token)


def _sqs(queue_url: str) -> Queue:
    from shared.adapters.sqs import SqsQueue

    return SqsQueue(queue_url)


@cache
def process_deps() -> Deps:
    """Return the one set of adapters a warm process keeps."""
    return Deps(Settings.from_env())
