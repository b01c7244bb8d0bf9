"""Intelligence and proposals in memory; pass the same contract suite as the Supabase adapters."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter

from shared.domain.alerts import Severity
from shared.domain.errors import ConflictError, InvalidMessageError, NotFoundError
from shared.domain.intelligence import TRADER, Direction, IntelligenceSignal, Provenance, View
from shared.domain.proposals import Proposal, ProposalState, check_proposal_step
from shared.domain.runs import Recorded
from shared.domain.trading.intents import Intent
from shared.domain.trading.states import TradingState
from shared.signal_ports import Proposed
from tests.fakes.intents import MemoryIntentStore
from tests.fakes.stores import MemoryDatabase, may_see
from tests.fakes.telling_tables import OutboxRow
from tests.fakes.trading_tables import check_version, require_trading

_PROPOSAL = TypeAdapter(Proposal)


@dataclass(slots=True)
class MemoryIntelligenceStore:
    """Intelligence of a database, seen by the desk (`user_id` None) or by one person."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    user_id: str | None = None

    def record(self, signals: Sequence[IntelligenceSignal]) -> Recorded:
        """Store the signals of intelligence that are new."""
        known, new = self.database.intelligence, 0
        for signal in signals:
            key = (signal.source, signal.kind, signal.instrument, signal.observed_at_ms)
            new += key not in known
            known.setdefault(key, signal)
        return Recorded(new=new, duplicate=len(signals) - new)

    def views(
        self,
        *,
        now_ms: int,
        since_ms: int,
        min_data_quality: float,
        person: str | None,
        instruments: Collection[str] = (),
    ) -> Sequence[View]:
        """Return the newest views of every source from a time on, of these instruments, or of all."""
        groups: dict[tuple[str, str, bool, bool], list[View]] = {}
        for view in [*self._said(), *self._fired(person)]:
            simulated, poor = view.provenance is Provenance.SIMULATED, view.data_quality < min_data_quality
            wanted = not instruments or view.instrument in instruments
            if wanted and since_ms <= view.observed_at_ms <= now_ms:
                groups.setdefault((view.instrument, view.source, simulated, poor), []).append(view)
        found: set[View] = set()
        for group in groups.values():
            newest = max(view.observed_at_ms for view in group)
            found |= {view for view in group if view.observed_at_ms == newest}
        return sorted(_one_of_each(found), key=lambda view: (view.instrument, view.source, view.kind, view.direction))

    def _said(self) -> list[View]:
        return [
            View(
                source=signal.source,
                kind=signal.kind,
                instrument=signal.instrument,
                direction=signal.direction,
                confidence=signal.confidence,
                observed_at_ms=signal.observed_at_ms,
                expires_at_ms=signal.expires_at_ms,
                provenance=signal.provenance,
                data_quality=signal.data_quality,
                label=signal.source,
            )
            for signal in self.database.intelligence.values()
        ]

    def _fired(self, person: str | None) -> list[View]:
        database = self.database
        views = []
        for row in database.signals.values():
            signal, trader = row.signal, database.traders.get(row.signal.trader_id)
            state = database.trading.states.get(("trader", signal.trader_id), TradingState.ACTIVE)
            if trader is None or not trader.enabled or state is not TradingState.ACTIVE:
                continue
            if trader.owner_id not in {None, person} or not may_see(self.user_id, trader):
                continue
            views.append(
                View(
                    source=f"{TRADER}:{signal.rule_hash}",
                    kind=TRADER,
                    instrument=signal.symbol,
                    direction=Direction(signal.side.value),
                    confidence=None,
                    observed_at_ms=signal.close_time,
                    label=trader.name,
                )
            )
        return views


@dataclass(slots=True)
class MemoryProposalStore:
    """Proposals of a database, seen by the desk (`user_id` None) or by one person."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    user_id: str | None = None

    def propose(self, proposal: Proposal, *, cooldown_ms: int, asks: bool, actor: str, reason: str) -> Proposed:
        """Store a proposal and have its book's people told, or return the one that stands for the consensus."""
        tables = self.database.trading
        mine = [
            each
            for each in tables.proposals.values()
            if (each.book_id, each.instrument) == (proposal.book_id, proposal.instrument)
        ]
        for each in mine:
            if each.direction is not proposal.direction and each.state is ProposalState.OPEN:
                self._step(each, ProposalState.EXPIRED, actor, "the sources say otherwise by now")
        standing = [
            each
            for each in mine
            if each.direction is proposal.direction
            and (
                each.window_start_ms == proposal.window_start_ms
                or each.created_at_ms > proposal.created_at_ms - cooldown_ms
            )
        ]
        if standing:
            return Proposed(proposal=max(standing, key=_place), is_new=False)
        book = tables.books.get(proposal.book_id)
        if book is None or book.mode is not proposal.mode:
            raise InvalidMessageError("mode", f"book {proposal.book_id} is not a {proposal.mode} book")
        if proposal.state is not ProposalState.OPEN:
            raise ConflictError(f"a proposal begins as open, not {proposal.state}")
        stored = replace(proposal, actor=actor, reason=reason)
        tables.proposals[stored.proposal_id] = stored
        self._note(stored, None)
        return Proposed(proposal=stored, is_new=True, told=self._tell(stored, book.owner_id, asks=asks))

    def get(self, proposal_id: str) -> Proposal:
        """Return a proposal; raise `NotFoundError`."""
        found = self.database.trading.proposals.get(proposal_id)
        if found is None or not self._sees(found):
            raise NotFoundError(f"no proposal {proposal_id!r}")
        return found

    def list(
        self,
        *,
        limit: int,
        before: tuple[int, str] | None = None,
        state: ProposalState | None = None,
        book_id: str | None = None,
    ) -> Sequence[Proposal]:
        """Return proposals, newest first, those before a cursor."""
        found = [
            each
            for each in self.database.trading.proposals.values()
            if self._sees(each)
            and state in {None, each.state}
            and book_id in {None, each.book_id}
            and (before is None or _place(each) < before)
        ]
        return sorted(found, key=_place, reverse=True)[:limit]

    def approve(self, proposal: Proposal, intent: Intent, *, actor: str, reason: str, now_ms: int) -> Proposal:
        """Approve a proposal and raise its intent in the same transaction."""
        stored = self.get(proposal.proposal_id)
        if stored.state is ProposalState.APPROVED:
            return stored
        check_proposal_step(stored, ProposalState.APPROVED)
        check_version("the proposal", stored.version, proposal.version)
        if now_ms >= stored.expires_at_ms:
            raise ConflictError("its time is over")
        asked = (stored.book_id, stored.mode, stored.instrument, stored.direction, stored.notional)
        if (intent.book_id, intent.mode, intent.symbol, intent.direction, intent.sizing.value) != asked:
            raise InvalidMessageError("intent", "it is not what the proposal asks for")
        require_trading(self.database.states_of(stored.book_id), reduces=False)
        MemoryIntentStore(self.database).raise_intent(intent, actor=actor)
        return self._step(stored, ProposalState.APPROVED, actor, reason, intent_id=intent.intent_id)

    def dismiss(self, proposal: Proposal, *, actor: str, reason: str) -> Proposal:
        """Dismiss a proposal."""
        stored = self.get(proposal.proposal_id)
        if stored.state is ProposalState.DISMISSED:
            return stored
        check_proposal_step(stored, ProposalState.DISMISSED)
        check_version("the proposal", stored.version, proposal.version)
        return self._step(stored, ProposalState.DISMISSED, actor, reason)

    def expire(self, *, now_ms: int) -> int:
        """Expire the open proposals whose time is over; return how many."""
        over = [
            each
            for each in self.database.trading.proposals.values()
            if each.state is ProposalState.OPEN and each.expires_at_ms <= now_ms
        ]
        for each in over:
            self._step(each, ProposalState.EXPIRED, "sweep", "nobody decided in time")
        return len(over)

    def _step(
        self, stored: Proposal, after: ProposalState, actor: str, reason: str, *, intent_id: str | None = None
    ) -> Proposal:
        check_proposal_step(stored, after)
        moved = replace(
            stored, state=after, version=stored.version + 1, actor=actor, reason=reason, intent_id=intent_id
        )
        self.database.trading.proposals[stored.proposal_id] = moved
        self._note(moved, stored.state)
        return moved

    def _tell(self, row: Proposal, owner_id: str | None, *, asks: bool) -> str:
        told = _PROPOSAL.dump_python(row, mode="json", exclude={"votes"})
        now_ms = self.database.clock.now_ms()
        return self.database.telling.tell(
            OutboxRow(
                kind="proposal", severity=Severity.INFO, person_id=owner_id, to_desk=owner_id is None,
                subject=f"proposal:{row.proposal_id}", data=told | {"sentence": row.reason, "asks": asks},
                created_at_ms=now_ms, due_at_ms=now_ms, correlation_id=row.correlation_id,
            )
        )  # fmt: skip

    def _note(self, row: Proposal, before: ProposalState | None) -> None:
        self.database.trading.steps.append(
            {
                "subject": "proposal",
                "id": row.proposal_id,
                "book_id": row.book_id,
                "before": before and before.value,
                "after": row.state.value,
                "actor": row.actor,
                "reason": row.reason,
                "correlation_id": row.correlation_id,
                "details": None
                if before
                else {"instrument": row.instrument, "direction": row.direction.value} | {"notional": str(row.notional)},
            }
        )

    def _sees(self, proposal: Proposal) -> bool:
        owner_id = self.database.trading.books[proposal.book_id].owner_id
        return self.user_id is None or owner_id in {None, self.user_id}


def _place(proposal: Proposal) -> tuple[int, str]:
    return proposal.created_at_ms, proposal.proposal_id


def _one_of_each(views: Collection[View]) -> list[View]:
    """Return one view of each source, kind, direction and moment: that of the trader first in the alphabet."""
    chosen: dict[tuple[object, ...], View] = {}
    for view in sorted(views, key=lambda each: each.label):
        key = (view.instrument, view.source, view.kind, view.direction, view.observed_at_ms)
        chosen.setdefault((*key, view.provenance, view.data_quality), view)
    return list(chosen.values())
