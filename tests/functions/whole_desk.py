"""Everything the API can reach, in memory: traders, books, intents and orders of two people, and the desk's own."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from uuid import NAMESPACE_OID, uuid5

import jwt

from functions.api import app
from shared.domain.alerts import Alert, Severity
from shared.domain.people import PersonRole
from shared.domain.proposals import Proposal
from shared.domain.trading.accounts import LIVE_ACCOUNT
from shared.domain.trading.instruments import PositionSide
from shared.domain.trading.states import Mode
from shared.runtime.wiring import process_deps
from tests.contract.stores import a_signal
from tests.fakes.agents import MemoryAgentStore
from tests.fakes.alerts import MemoryAlertStore
from tests.fakes.intelligence import MemoryProposalStore
from tests.fakes.outcomes import MemoryOutcomeStore
from tests.fakes.stores import MemoryRunStore, MemorySignalStore, MemoryTraderStore
from tests.functions.api_client import ALICE, BOB, Guards, call
from tests.functions.trading_desk import HERS, HIS, OPERATOR, TradingDeps, trade, trading_api, trading_desk
from tests.usecases.desk_in_memory import make_trader
from tests.usecases.trading_in_memory import SYMBOL, VENUE, TradingInMemory

VIEWER = "dddddddd-0000-4000-8000-000000000004"
ADMIN = "eeeeeeee-0000-4000-8000-000000000005"
HER_TRADER, HIS_TRADER, DESK_TRADER = (make_trader(number, "").trader_id for number in (1, 2, 3))


class WholeDeps(TradingDeps):
    """The runtime's parts of the whole desk, in memory."""

    def __init__(self, desk: TradingInMemory, **settings: str) -> None:
        super().__init__(desk, **settings)
        self.signals, self.runs = MemorySignalStore(desk.database), MemoryRunStore(desk.database)
        self.agents = MemoryAgentStore(desk.database)

    def traders_of(self, token: str) -> MemoryTraderStore:
        """Return what row security would let the person see."""
        return MemoryTraderStore(self.desk.database, user_id=_subject(token))

    def outcomes_of(self, token: str) -> MemoryOutcomeStore:
        """Return what row security would let the person see."""
        return MemoryOutcomeStore(self.desk.database, user_id=_subject(token))

    def signals_of(self, token: str) -> MemorySignalStore:
        """Return what row security would let the person see."""
        return MemorySignalStore(self.desk.database, user_id=_subject(token))


class WholeDesk:
    """A desk with something of everything; `his_intent` waits in Bob's book, `her_intent` in Alice's."""

    def __init__(self) -> None:
        self.trading = desk = trading_desk()
        desk.database.people.enrol(VIEWER, role=PersonRole.VIEWER)
        desk.database.people.enrol(ADMIN, role=PersonRole.ADMIN)
        traders = MemoryTraderStore(desk.database)
        for trader_id, owner in ((HER_TRADER, ALICE), (HIS_TRADER, BOB), (DESK_TRADER, None)):
            made = traders.create(replace(make_trader(1, "close > 1"), trader_id=trader_id, owner_id=owner))
            traders.update(replace(made, rule="close > 2"), expected_updated_at_ms=made.updated_at_ms)
        signals = [a_signal(each) for each in (HER_TRADER, HIS_TRADER, DESK_TRADER)]
        MemorySignalStore(desk.database).record(VENUE, "a-boundary", signals)
        desk.ledger.open_account(VENUE, LIVE_ACCOUNT, {"USDT": Decimal(1_000)})
        self.her_alert, self.his_alert = self._alerts()
        self.her_proposal, self.his_proposal = self._proposals()
        with trading_api(desk):
            trade(desk, user=ALICE)
            hook = {"name": "Hook", "kind": "webhook", "target": "https://example.com/hook"}
            self.her_channel, self.his_channel = (
                str(call("POST", "/api/v1/channels", hook, user=user).body["channel"]["channel_id"])
                for user in (ALICE, BOB)
            )
            for user, book, name in ((ALICE, HERS, "her_intent"), (BOB, HIS, "his_intent")):
                intent = {"instrument": "BTC/USDT", "direction": "long", "size_usd": 100, "confidence": 0.5}
                answer = call("POST", "/api/v1/engine/trade-intent", intent | {"book_id": book}, user=user)
                assert answer.status == 202, answer.body
                setattr(self, name, answer.body["intent_id"])
        self.her_intent: str
        self.his_intent: str

    def _alerts(self) -> tuple[str, str]:
        """Let something be wrong with her book and with his, and return the ids of the alerts."""
        wrong = [
            Alert(dedupe_key=f"x:{book}", kind="reconciliation", severity=Severity.CRITICAL, sentence="!", book_id=book)
            for book in (HERS, HIS)
        ]
        store = MemoryAlertStore(self.trading.database)
        store.settle(["x:"], wrong, at_ms=self.trading.clock.now_ms())
        hers, his = (store.list(limit=1, book_id=book)[0].alert_id for book in (HERS, HIS))
        return hers, his

    def _proposals(self) -> tuple[str, str]:
        """Let sources agree on something for her book and for his, and return the ids of the proposals."""
        store, now_ms = MemoryProposalStore(self.trading.database), self.trading.clock.now_ms()
        hers, his = (
            store.propose(
                Proposal(
                    proposal_id=str(uuid5(NAMESPACE_OID, book)),
                    book_id=book,
                    mode=Mode.PAPER,
                    instrument=SYMBOL,
                    direction=PositionSide.LONG,
                    window_start_ms=now_ms,
                    notional=Decimal(100),
                    share=Decimal(1),
                    confidence=Decimal("0.9"),
                    created_at_ms=now_ms,
                    expires_at_ms=now_ms + 3_600_000,
                    correlation_id="a-consensus",
                ),
                cooldown_ms=0,
                asks=True,
                actor="signal-agent",
                reason="three sources agree",
            ).proposal.proposal_id
            for book in (HERS, HIS)
        )
        return hers, his

    def dump(self) -> str:
        """Return a digest of all that is stored and all that waits, which is the same while nothing has changed."""
        desk = self.trading
        everything = repr((desk.database, desk.paper, desk.raised, desk.decided))
        return hashlib.sha256(everything.encode()).hexdigest()


@contextmanager
def whole_api(desk: WholeDesk, **settings: str) -> Iterator[Guards]:
    """Put the whole desk behind the API."""
    guards, before = Guards(), dict(app.dependency_overrides)
    app.dependency_overrides[process_deps] = lambda: guards.give(WholeDeps(desk.trading, **settings))
    try:
        yield guards
    finally:
        app.dependency_overrides = before


def _subject(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["sub"])


__all__ = ["ADMIN", "HERS", "HIS", "OPERATOR", "VIEWER", "WholeDesk", "whole_api"]
