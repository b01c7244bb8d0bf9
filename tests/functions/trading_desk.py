"""The API in front of a trading desk in memory: Alice's book and Bob's, the desk's own, and an operator."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import jwt

from functions.api import app
from shared.domain.people import PersonRole
from shared.domain.trading.instruments import Instrument
from shared.runtime.config import Settings
from shared.runtime.wiring import Deps, process_deps
from tests.fakes.agents import MemoryAgentStore
from tests.fakes.alerts import MemoryAlertStore
from tests.fakes.books import MemoryBookStore
from tests.fakes.intelligence import MemoryIntelligenceStore, MemoryProposalStore
from tests.fakes.monitor import MemoryMonitorStore
from tests.fakes.outbox import MemoryAddresses, MemoryChannelStore, MemoryDeliveries, MemoryOutbox
from tests.fakes.people import MemoryProfiles
from tests.fakes.queue import MemoryQueue
from tests.fakes.status import MemoryDepths, MemoryStatusReads, MemoryUsage
from tests.fakes.stores import MemoryVenueStore
from tests.fakes.trading_reads import MemoryTradingReads
from tests.functions.api_client import ALICE, BOB, SUPABASE, Answer, Guards, call
from tests.usecases.trading_in_memory import INSTRUMENT, SYMBOL, TradingInMemory

OPERATOR = "cccccccc-0000-4000-8000-000000000003"
SECRET = "the-service-secret"
INTENT: dict[str, Any] = {"instrument": SYMBOL, "direction": "long", "size_usd": 1000, "confidence": 0.7}
TRADE = "/api/v1/engine/trade-intent"


class TradingDeps(Deps):
    """The runtime's parts of a trading desk, in memory."""

    def __init__(self, desk: TradingInMemory, **settings: str) -> None:
        super().__init__(Settings.from_env(SUPABASE | {"SERVICE_SECRET": SECRET} | settings))
        self.desk = desk
        self.agents = MemoryAgentStore(desk.database)
        self.clock = self.wall_clock = desk.clock
        self.candle_log, self.ticker_board = desk.risk.market.candles, desk.risk.market.tickers
        self.venues = MemoryVenueStore(desk.database)
        self.intents, self.orders, self.ledger = desk.intents, desk.orders, desk.ledger
        self.books, self.instruments, self.desk_states = desk.books, desk.instruments, desk.states
        self.intents_queue, self.orders_queue = desk.raised, desk.decided
        self.floor, self.switch = desk.floor, desk.switch
        self.notifications, self.addresses = MemoryQueue(), MemoryAddresses()
        self.kept_alerts, self.channels = MemoryAlertStore(desk.database), MemoryChannelStore(desk.database)
        self.outbox, self.deliveries = MemoryOutbox(desk.database), MemoryDeliveries(desk.database)
        self.intelligence = MemoryIntelligenceStore(desk.database)
        self.proposals = MemoryProposalStore(desk.database)
        self.status_reads, self.redis_usage = MemoryStatusReads(desk.database), MemoryUsage()
        self.queue_depths = MemoryDepths()
        self.monitor_runs = MemoryMonitorStore(desk.database)
        self.signals_queue = MemoryQueue()
        self.reads, self.profiles = MemoryTradingReads(desk.database), MemoryProfiles(desk.database)

    def alerts_of(self, token: str) -> MemoryAlertStore:
        """Return what row security would let the person see."""
        return MemoryAlertStore(self.desk.database, _subject(token))

    def books_of(self, token: str) -> MemoryBookStore:
        """Return what row security would let the person see."""
        return MemoryBookStore(self.desk.database, _subject(token))

    def reads_of(self, token: str) -> MemoryTradingReads:
        """Return what row security would let the person see."""
        return MemoryTradingReads(self.desk.database, _subject(token))

    def intelligence_of(self, token: str) -> MemoryIntelligenceStore:
        """Return what row security would let the person see."""
        return MemoryIntelligenceStore(self.desk.database, _subject(token))

    def proposals_of(self, token: str) -> MemoryProposalStore:
        """Return what row security would let the person see."""
        return MemoryProposalStore(self.desk.database, _subject(token))


def trading_desk(instrument: Instrument = INSTRUMENT) -> TradingInMemory:
    """Return a desk on which Alice and Bob have a book each, beside the desk's own."""
    desk = TradingInMemory(instrument=instrument)
    desk.database.people.enrol(ALICE, BOB)
    for owner, name in ((ALICE, "Hers"), (BOB, "His")):
        desk.books.create(replace(desk.book, book_id=f"book-of-{owner[:4]}", owner_id=owner, name=name))
    desk.database.people.enrol(OPERATOR, role=PersonRole.OPERATOR)
    return desk


HERS, HIS = f"book-of-{ALICE[:4]}", f"book-of-{BOB[:4]}"


@contextmanager
def trading_api(desk: TradingInMemory, **settings: str) -> Iterator[Guards]:
    """Put a trading desk behind the API."""
    guards, before = Guards(), dict(app.dependency_overrides)
    app.dependency_overrides[process_deps] = lambda: guards.give(TradingDeps(desk, **settings))
    try:
        yield guards
    finally:
        app.dependency_overrides = before


def trade(desk: TradingInMemory, *, user: str = ALICE, **change: Any) -> str:
    """Raise an intent over the API and let the desk work it; return its id."""
    answer = call("POST", TRADE, INTENT | change, user=user)
    assert answer.status == 202, answer.body
    desk.run()
    return str(answer.body["intent_id"])


def told(answer: Answer) -> dict[str, str]:
    """Return the problems of a refusal by field."""
    return {error["field"]: error["problem"] for error in answer.body["errors"]}


def number(text: str) -> Decimal:
    """Read a decimal from the wire, where it is a text."""
    assert isinstance(text, str)
    return Decimal(text)


def _subject(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["sub"])
