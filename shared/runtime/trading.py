"""What trading needs, as lazily as the rest: stores, queues, exchanges, and the desks its use-cases are given.

Only execution reaches venues, and only its function is given keys.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from shared.runtime.agents import AgentParts
from shared.runtime.foundation import sqs
from shared.runtime.operations import Operations

if TYPE_CHECKING:
    from shared.book_ports import Books, BookStore, DeskStates
    from shared.people_ports import Profiles
    from shared.ports import Queue, VenueStore
    from shared.runtime.exchanges import DeskExchanges
    from shared.trading_ports import IntentStore, Ledger, OrderStore
    from shared.trading_reads import TradingReads
    from shared.usecases.execution_agent import ExecutionDesk
    from shared.usecases.halting import Switch
    from shared.usecases.listing import Listings
    from shared.usecases.markets_of_books import Market
    from shared.usecases.risk_agent import RiskDesk
    from shared.usecases.working import Floor
    from shared.venue_ports import InstrumentStore, Measures, PaperStore


class Trading(AgentParts, Operations):
    """The part of what is outside the process that trades."""

    @cached_property
    def intents_queue(self) -> Queue:
        """The queue of intents to decide."""
        return sqs(self.settings.need("intents_queue_url"))

    @cached_property
    def orders_queue(self) -> Queue:
        """The queue of intents and slices to work."""
        return sqs(self.settings.need("orders_queue_url"))

    @cached_property
    def intents(self) -> IntentStore:
        """Trade intents."""
        from shared.adapters.supabase.intents import SupabaseIntentStore

        return SupabaseIntentStore(self.database)

    @cached_property
    def orders(self) -> OrderStore:
        """Orders."""
        from shared.adapters.supabase.orders import SupabaseOrderStore

        return SupabaseOrderStore(self.database)

    @cached_property
    def measures(self) -> Measures:
        """How venues have lately answered the desk's orders."""
        from shared.adapters.remembered import RememberedMeasures

        return RememberedMeasures(orders=self.orders, clock=self.clock, wall_clock=self.wall_clock)

    @cached_property
    def ledger(self) -> Ledger:
        """Fills and positions."""
        from shared.adapters.supabase.ledger import SupabaseLedger

        return SupabaseLedger(self.database)

    @cached_property
    def books(self) -> BookStore:
        """Everybody's books."""
        from shared.adapters.supabase.books import SupabaseBookStore

        return SupabaseBookStore(self.database)

    @cached_property
    def known_books(self) -> Books:
        """Books, as trading asks for them with every order."""
        from shared.adapters.remembered import RememberedBooks

        return RememberedBooks(store=self.books, wall_clock=self.wall_clock)

    @cached_property
    def instruments(self) -> InstrumentStore:
        """What venues list."""
        from shared.adapters.remembered import RememberedInstruments
        from shared.adapters.supabase.instruments import SupabaseInstrumentStore

        return RememberedInstruments(store=SupabaseInstrumentStore(self.database), wall_clock=self.wall_clock)

    @cached_property
    def traded_venues(self) -> VenueStore:
        """The venues the desk collects, as trading asks for them with every intent."""
        from shared.adapters.remembered import RememberedVenues

        return RememberedVenues(store=self.venues, wall_clock=self.wall_clock)

    @cached_property
    def desk_states(self) -> DeskStates:
        """Trading states."""
        from shared.adapters.supabase.desk_states import SupabaseDeskStates

        return SupabaseDeskStates(self.database)

    @cached_property
    def paper(self) -> PaperStore:
        """What the paper exchange keeps."""
        from shared.adapters.supabase.paper import SupabasePaperStore

        return SupabasePaperStore(self.database)

    @cached_property
    def exchanges(self) -> DeskExchanges:
        """Every account at every venue."""
        from shared.runtime.exchanges import DeskExchanges

        return DeskExchanges(
            settings=self.settings,
            books=self.known_books,
            paper=self.paper,
            instruments=self.instruments,
            candles=self.candle_log,
            tickers=self.ticker_board,
            clock=self.clock,
            wall_clock=self.wall_clock,
        )

    @cached_property
    def listings(self) -> Listings:
        """What venues list, brought up to date now and then."""
        from shared.usecases.listing import Listings

        return Listings(
            instruments=self.instruments,
            books=self.books,
            venues=self.venues,
            market_lists=self.exchanges,
            wall_clock=self.wall_clock,
        )

    @cached_property
    def floor(self) -> Floor:
        """What working orders takes."""
        from shared.usecases.working import Floor

        return Floor(orders=self.orders, ledger=self.ledger, exchanges=self.exchanges, clock=self.clock)

    @cached_property
    def market(self) -> Market:
        """Where books read prices, candles and instruments."""
        from shared.usecases.markets_of_books import Market

        return Market(
            instruments=self.instruments,
            tickers=self.ticker_board,
            candles=self.candle_log,
            venues=self.traded_venues,
            clock=self.clock,
        )

    @cached_property
    def risk_desk(self) -> RiskDesk:
        """What deciding intents takes."""
        from shared.usecases.risk_agent import RiskDesk
        from shared.usecases.watching import WatchDesk

        return RiskDesk(
            intents=self.intents,
            market=self.market,
            orders_queue=self.orders_queue,
            watch=WatchDesk(books=self.books, ledger=self.ledger, market=self.market, caps=self.caps),
            mode=self.settings.agent_mode,
            tier=self.settings.risk_tier,
            caps=self.caps,
        )

    @cached_property
    def execution_desk(self) -> ExecutionDesk:
        """What execution takes."""
        from shared.usecases.execution_agent import ExecutionDesk
        from shared.usecases.protecting import Guards

        return ExecutionDesk(
            floor=self.floor,
            intents=self.intents,
            books=self.known_books,
            instruments=self.instruments,
            candles=self.candle_log,
            venues=self.traded_venues,
            orders_queue=self.orders_queue,
            measures=self.measures,
            guards=Guards(
                intents=self.intents,
                books=self.known_books,
                instruments=self.instruments,
                tickers=self.ticker_board,
                intents_queue=self.intents_queue,
                orders_queue=self.orders_queue,
            ),
            alerts=self.alerts,
            listings=self.listings,
        )

    @cached_property
    def switch(self) -> Switch:
        """What the kill switch takes beside the floor."""
        from shared.usecases.halting import Switch

        return Switch(
            states=self.desk_states,
            intents=self.intents,
            books=self.known_books,
            intents_queue=self.intents_queue,
            orders_queue=self.orders_queue,
        )

    @cached_property
    def reads(self) -> TradingReads:
        """What is read of everybody's trading."""
        from shared.adapters.supabase.trading_reads import SupabaseTradingReads

        return SupabaseTradingReads(self.database)

    @cached_property
    def profiles(self) -> Profiles:
        """What the desk knows of people."""
        from shared.adapters.supabase.people import SupabaseProfiles

        return SupabaseProfiles(self.database)

    def books_of(self, token: str) -> BookStore:
        """Return the books a signed-in person may see, decided by row security."""
        from shared.adapters.supabase.books import SupabaseBookStore

        return SupabaseBookStore(self.database_as(token))

    def reads_of(self, token: str) -> TradingReads:
        """Return what a signed-in person may read of trading, decided by row security."""
        from shared.adapters.supabase.trading_reads import SupabaseTradingReads

        return SupabaseTradingReads(self.database_as(token))
