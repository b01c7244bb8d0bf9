"""The two databases every store contract runs against: the in-memory one and a real Supabase Lite."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol
from uuid import uuid4

from postgrest import SyncPostgrestClient

from desk.local.supabase_lite import SupabaseLite
from shared.adapters.supabase.agents import SupabaseAgentStore
from shared.adapters.supabase.alerts import SupabaseAlertStore
from shared.adapters.supabase.books import SupabaseBookStore
from shared.adapters.supabase.channels import SupabaseChannelStore
from shared.adapters.supabase.client import connect
from shared.adapters.supabase.desk_states import SupabaseDeskStates
from shared.adapters.supabase.instruments import SupabaseInstrumentStore
from shared.adapters.supabase.intelligence import SupabaseIntelligenceStore, SupabaseProposalStore
from shared.adapters.supabase.intents import SupabaseIntentStore
from shared.adapters.supabase.ledger import SupabaseLedger
from shared.adapters.supabase.monitor import SupabaseMonitorStore
from shared.adapters.supabase.orders import SupabaseOrderStore
from shared.adapters.supabase.outbox import SupabaseDeliveries, SupabaseOutbox
from shared.adapters.supabase.outcomes import SupabaseOutcomeStore
from shared.adapters.supabase.runs import SupabaseRunStore
from shared.adapters.supabase.signals import SupabaseSignalStore
from shared.adapters.supabase.status import SupabaseStatusReads
from shared.adapters.supabase.traders import SupabaseTraderStore
from shared.adapters.supabase.trading_reads import SupabaseTradingReads
from shared.adapters.supabase.venues import SupabaseVenueStore
from shared.agent_ports import Agents
from shared.alert_ports import AlertStore, ChannelStore, Deliveries, Outbox
from shared.book_ports import BookStore, DeskStates
from shared.domain.people import PersonRole
from shared.domain.runs import ClosedBoundary, RunResult
from shared.domain.signals import Signal
from shared.domain.timeframe import Timeframe
from shared.domain.traders import PositionSide, Trader
from shared.monitor_ports import MonitorStore
from shared.ports import OutcomeStore, RunStore, SignalStore, TraderStore, VenueStore
from shared.signal_ports import IntelligenceStore, ProposalStore
from shared.status_ports import StatusReads
from shared.trading_ports import IntentStore, Ledger, OrderStore
from shared.trading_reads import TradingReads
from shared.venue_ports import InstrumentStore
from tests.fakes.agents import MemoryAgentStore
from tests.fakes.alerts import MemoryAlertStore
from tests.fakes.books import MemoryBookStore, MemoryDeskStates, MemoryInstrumentStore
from tests.fakes.intelligence import MemoryIntelligenceStore, MemoryProposalStore
from tests.fakes.intents import MemoryIntentStore
from tests.fakes.ledger import MemoryLedger
from tests.fakes.monitor import MemoryMonitorStore, MonitorTables
from tests.fakes.orders import MemoryOrderStore
from tests.fakes.outbox import MemoryChannelStore, MemoryDeliveries, MemoryOutbox
from tests.fakes.outcomes import MemoryOutcomeStore
from tests.fakes.status import MemoryStatusReads
from tests.fakes.stores import (
    MemoryDatabase,
    MemoryRunStore,
    MemorySignalStore,
    MemoryTraderStore,
    MemoryVenueStore,
)
from tests.fakes.trading_reads import MemoryTradingReads

EMPTY: Final = (Path(__file__).parent / "sql" / "empty.sql").read_text()
CLOSE = 1_700_000_040_000  # a 1m boundary
RESULT = RunResult(traders=3, evaluations=30, insufficient=1, errors=0, duration_ms=12.5)


def empty(supabase: SupabaseLite) -> None:
    """Leave a Supabase as it was made: nobody has traded, and the desk is active."""
    supabase.run_sql(EMPTY)


class Stores(Protocol):
    """The stores of one database; those of people see it as the user they are asked for, None is the desk."""

    def enrol(self, *user_ids: str, role: str = "trader", tier: str = "elite") -> None:
        """Give people an account, or another role and tier."""
        ...

    def traders(self, user_id: str | None = None) -> TraderStore:
        """Return the traders as somebody sees them."""
        ...

    def signals(self, user_id: str | None = None) -> SignalStore:
        """Return the signals as somebody sees them."""
        ...

    def outcomes(self, user_id: str | None = None) -> OutcomeStore:
        """Return what became of the signals somebody sees."""
        ...

    def runs(self) -> RunStore:
        """Return the execution runs."""
        ...

    def agents(self) -> Agents:
        """Return the agents."""
        ...

    def venues(self) -> VenueStore:
        """Return the venues."""
        ...

    def books(self, user_id: str | None = None) -> BookStore:
        """Return the books as somebody sees them."""
        ...

    def alerts(self, user_id: str | None = None) -> AlertStore:
        """Return the alerts as somebody sees them."""
        ...

    def outbox(self) -> Outbox:
        """Return the outbox."""
        ...

    def deliveries(self) -> Deliveries:
        """Return the deliveries."""
        ...

    def channels(self) -> ChannelStore:
        """Return everybody's channels."""
        ...

    def intelligence(self, user_id: str | None = None) -> IntelligenceStore:
        """Return what sources think, as somebody sees it."""
        ...

    def proposals(self, user_id: str | None = None) -> ProposalStore:
        """Return the proposals as somebody sees them."""
        ...

    def monitor(self) -> MonitorStore:
        """Return the monitor's record."""
        ...

    def states(self) -> DeskStates:
        """Return the trading states."""
        ...

    def instruments(self) -> InstrumentStore:
        """Return the instruments."""
        ...

    def intents(self) -> IntentStore:
        """Return the trade intents."""
        ...

    def orders(self) -> OrderStore:
        """Return the orders."""
        ...

    def ledger(self) -> Ledger:
        """Return the ledger."""
        ...

    def reads(self, user_id: str | None = None) -> TradingReads:
        """Return what somebody reads of trading."""
        ...

    def status(self) -> StatusReads:
        """Return what the desk tells of itself."""
        ...


@dataclass(slots=True)
class MemoryStores:
    """Stores of one in-memory database."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    monitor_tables: MonitorTables = field(default_factory=MonitorTables)

    def enrol(self, *user_ids: str, role: str = "trader", tier: str = "elite") -> None:
        self.database.people.enrol(*user_ids, role=PersonRole(role), tier=tier)

    def traders(self, user_id: str | None = None) -> TraderStore:
        return MemoryTraderStore(self.database, user_id)

    def signals(self, user_id: str | None = None) -> SignalStore:
        return MemorySignalStore(self.database, user_id)

    def outcomes(self, user_id: str | None = None) -> OutcomeStore:
        return MemoryOutcomeStore(self.database, user_id)

    def runs(self) -> RunStore:
        return MemoryRunStore(self.database)

    def agents(self) -> Agents:
        return MemoryAgentStore(self.database)

    def venues(self) -> VenueStore:
        return MemoryVenueStore(self.database)

    def books(self, user_id: str | None = None) -> BookStore:
        return MemoryBookStore(self.database, user_id)

    def alerts(self, user_id: str | None = None) -> AlertStore:
        return MemoryAlertStore(self.database, user_id)

    def outbox(self) -> Outbox:
        return MemoryOutbox(self.database)

    def deliveries(self) -> Deliveries:
        return MemoryDeliveries(self.database)

    def channels(self) -> ChannelStore:
        return MemoryChannelStore(self.database)

    def intelligence(self, user_id: str | None = None) -> IntelligenceStore:
        return MemoryIntelligenceStore(self.database, user_id)

    def proposals(self, user_id: str | None = None) -> ProposalStore:
        return MemoryProposalStore(self.database, user_id)

    def monitor(self) -> MonitorStore:
        return MemoryMonitorStore(self.database, self.monitor_tables)

    def states(self) -> DeskStates:
        return MemoryDeskStates(self.database)

    def instruments(self) -> InstrumentStore:
        return MemoryInstrumentStore(self.database)

    def intents(self) -> IntentStore:
        return MemoryIntentStore(self.database)

    def orders(self) -> OrderStore:
        return MemoryOrderStore(self.database)

    def ledger(self) -> Ledger:
        return MemoryLedger(self.database)

    def reads(self, user_id: str | None = None) -> TradingReads:
        return MemoryTradingReads(self.database, user_id)

    def status(self) -> StatusReads:
        return MemoryStatusReads(self.database)


@dataclass(slots=True)
class SupabaseStores:
    """Stores of one Supabase; people come with a token and the publishable key."""

    supabase: SupabaseLite

    def enrol(self, *user_ids: str, role: str = "trader", tier: str = "elite") -> None:
        self.supabase.enrol(*user_ids, role=role, tier=tier)

    def traders(self, user_id: str | None = None) -> TraderStore:
        return SupabaseTraderStore(self._client(user_id))

    def signals(self, user_id: str | None = None) -> SignalStore:
        return SupabaseSignalStore(self._client(user_id))

    def outcomes(self, user_id: str | None = None) -> OutcomeStore:
        return SupabaseOutcomeStore(self._client(user_id))

    def runs(self) -> RunStore:
        return SupabaseRunStore(self._client(None))

    def agents(self) -> Agents:
        return SupabaseAgentStore(self._client(None))

    def venues(self) -> VenueStore:
        return SupabaseVenueStore(self._client(None))

    def books(self, user_id: str | None = None) -> BookStore:
        return SupabaseBookStore(self._client(user_id))

    def alerts(self, user_id: str | None = None) -> AlertStore:
        return SupabaseAlertStore(self._client(user_id))

    def outbox(self) -> Outbox:
        return SupabaseOutbox(self._client(None))

    def deliveries(self) -> Deliveries:
        return SupabaseDeliveries(self._client(None))

    def channels(self) -> ChannelStore:
        return SupabaseChannelStore(self._client(None))

    def intelligence(self, user_id: str | None = None) -> IntelligenceStore:
        return SupabaseIntelligenceStore(self._client(user_id))

    def proposals(self, user_id: str | None = None) -> ProposalStore:
        return SupabaseProposalStore(self._client(user_id))

    def monitor(self) -> MonitorStore:
        return SupabaseMonitorStore(self._client(None))

    def states(self) -> DeskStates:
        return SupabaseDeskStates(self._client(None))

    def instruments(self) -> InstrumentStore:
        return SupabaseInstrumentStore(self._client(None))

    def intents(self) -> IntentStore:
        return SupabaseIntentStore(self._client(None))

    def orders(self) -> OrderStore:
        return SupabaseOrderStore(self._client(None))

    def ledger(self) -> Ledger:
        return SupabaseLedger(self._client(None))

    def reads(self, user_id: str | None = None) -> TradingReads:
        return SupabaseTradingReads(self._client(user_id))

    def status(self) -> StatusReads:
        return SupabaseStatusReads(self._client(None))

    def _client(self, user_id: str | None) -> SyncPostgrestClient:
        if user_id is None:
            return connect(self.supabase.url, self.supabase.secret_key)
        return connect(self.supabase.url, self.supabase.publishable_key, token=self.supabase.sign_token(user_id))


def boundary(minute: int = 0, *, timeframe: Timeframe = Timeframe.M1) -> ClosedBoundary:
    """Return a boundary some minutes after the first."""
    return ClosedBoundary(venue="binance", timeframe=timeframe, close_time=CLOSE + minute * 60_000)


def a_trader(owner_id: str | None = None, *, trader_id: str | None = None, **changes: object) -> Trader:
    """Return a trader that is not stored yet."""
    values: dict[str, object] = {
        "name": "Dip buyer",
        "description": "Buys what fell too far",
        "rule": "rsi(14) < 30",
        "timeframe": Timeframe.M1,
    }
    return Trader(trader_id=trader_id or f"t-{uuid4().hex}", owner_id=owner_id, **(values | changes))  # type: ignore[arg-type]


def a_signal(trader_id: str, *, symbol: str = "BTC/USDT", minute: int = 0) -> Signal:
    """Return a signal of a trader at a boundary of the 1m timeframe."""
    return Signal(
        trader_id=trader_id,
        symbol=symbol,
        timeframe=Timeframe.M1,
        close_time=CLOSE + minute * 60_000,
        side=PositionSide.LONG,
        price=0.00001234,
        rule_hash="c0ffee",
        values={"rsi(14)": 29.123456789012345},
    )
