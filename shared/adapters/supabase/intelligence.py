"""Intelligence and proposals in Supabase: each method is one SQL function, one transaction, safe to repeat."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from postgrest import SyncPostgrestClient

from shared.adapters.row_type import RowType
from shared.adapters.supabase.client import call
from shared.adapters.supabase.signals import recorded
from shared.adapters.supabase.trading_rows import INTENT, read, write
from shared.domain.intelligence import IntelligenceSignal, View
from shared.domain.proposals import Proposal, ProposalState
from shared.domain.runs import Recorded
from shared.domain.trading.intents import Intent
from shared.signal_ports import Proposed

_SIGNALS: Final = RowType(list[IntelligenceSignal])
_VIEWS: Final = RowType(list[View])
_PROPOSAL: Final = RowType(Proposal)
_PROPOSALS: Final = RowType(list[Proposal])
_PROPOSED: Final = RowType(Proposed)


@dataclass(frozen=True, slots=True)
class SupabaseIntelligenceStore:
    """Intelligence as rows of `intelligence_signals`, views of it and of `signals`."""

    client: SyncPostgrestClient

    def record(self, signals: Sequence[IntelligenceSignal]) -> Recorded:
        """Store the signals of intelligence that are new."""
        rows = _SIGNALS.write([*signals])
        return recorded(call(self.client, "record_intelligence", {"p_signals": rows}))

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
        asked = {
            "p_now_ms": now_ms,
            "p_since_ms": since_ms,
            "p_person": person,
            "p_instruments": sorted(instruments),
            "p_min_data_quality": min_data_quality,
        }
        return read(_VIEWS, call(self.client, "current_views", asked), "no views")


@dataclass(frozen=True, slots=True)
class SupabaseProposalStore:
    """Proposals as rows of `proposals`; sql/ holds them to their states."""

    client: SyncPostgrestClient

    def propose(self, proposal: Proposal, *, cooldown_ms: int, asks: bool, actor: str, reason: str) -> Proposed:
        """Store a proposal and have its book's people told, or return the one that stands for the consensus."""
        asked = {
            "p_proposal": write(_PROPOSAL, proposal),
            "p_cooldown_ms": cooldown_ms,
            "p_asks": asks,
            "p_actor": actor,
            "p_reason": reason,
        }
        return read(_PROPOSED, call(self.client, "propose", asked), "no proposal")

    def get(self, proposal_id: str) -> Proposal:
        """Return a proposal; raise `NotFoundError`."""
        return self._proposal("get_proposal", {}, proposal_id)

    def list(
        self,
        *,
        limit: int,
        before: tuple[int, str] | None = None,
        state: ProposalState | None = None,
        book_id: str | None = None,
    ) -> Sequence[Proposal]:
        """Return proposals, newest first, those before a cursor."""
        at_ms, row_id = before or (None, None)
        asked = {
            "p_limit": limit,
            "p_before_ms": at_ms,
            "p_before_id": row_id,
            "p_state": None if state is None else state.value,
            "p_book_id": book_id,
        }
        return read(_PROPOSALS, call(self.client, "list_proposals", asked), "no proposals")

    def approve(self, proposal: Proposal, intent: Intent, *, actor: str, reason: str, now_ms: int) -> Proposal:
        """Approve a proposal and raise its intent in the same transaction."""
        said = {"p_version": proposal.version, "p_actor": actor, "p_reason": reason, "p_now_ms": now_ms}
        return self._proposal("approve_proposal", said | {"p_intent": write(INTENT, intent)}, proposal.proposal_id)

    def dismiss(self, proposal: Proposal, *, actor: str, reason: str) -> Proposal:
        """Dismiss a proposal."""
        said = {"p_version": proposal.version, "p_actor": actor, "p_reason": reason}
        return self._proposal("dismiss_proposal", said, proposal.proposal_id)

    def expire(self, *, now_ms: int) -> int:
        """Expire the open proposals whose time is over; return how many."""
        return int(call(self.client, "expire_proposals", {"p_now_ms": now_ms}))

    def _proposal(self, function: str, values: dict[str, Any], proposal_id: str) -> Proposal:
        found = call(self.client, function, {"p_proposal_id": proposal_id} | values)
        return read(_PROPOSAL, found, f"no proposal {proposal_id!r}")
