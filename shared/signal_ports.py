"""What signal-agent needs from the outside: what sources think, and what was proposed because of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.domain.intelligence import IntelligenceSignal, View
from shared.domain.proposals import Proposal, ProposalState
from shared.domain.runs import Recorded
from shared.domain.trading.intents import Intent


class IntelligenceStore(Protocol):
    """What sources of intelligence and traders think of instruments."""

    def record(self, signals: Sequence[IntelligenceSignal]) -> Recorded:
        """Store the signals of intelligence that are new; one of the same identity stays as it was stored first."""
        ...

    def views(
        self,
        *,
        now_ms: int,
        since_ms: int,
        min_data_quality: float,
        person: str | None,
        instruments: Collection[str] = (),
    ) -> Sequence[View]:
        """Return the newest views of every source from a time on, of these instruments, or of all when there are none.

        Traders that speak are the built-in ones and, with a `person`, that person's own, as far as they are on, live
        and active; those of one rule are one source. Simulated views, and those of poorer data, are there beside the
        others and hide none of them.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """The proposal that stands for a consensus, whether it is new, and the outbox row that tells of a new one."""

    proposal: Proposal
    is_new: bool
    told: str | None = None


class ProposalStore(Protocol):
    """Proposals and what became of them. Whose are seen is decided by the credentials the store was made with."""

    def propose(self, proposal: Proposal, *, cooldown_ms: int, asks: bool, actor: str, reason: str) -> Proposed:
        """Store a proposal, unless one of its book, instrument and direction was made in the same window or within the
        cool-down: that one is returned. Open ones for the other direction expire: the sources say otherwise by now.

        In the same transaction whoever the book is of is told of a new one, also when it does not ask them (`asks`).
        """
        ...

    def get(self, proposal_id: str) -> Proposal:
        """Return a proposal; raise `NotFoundError`."""
        ...

    def list(
        self,
        *,
        limit: int,
        before: tuple[int, str] | None = None,
        state: ProposalState | None = None,
        book_id: str | None = None,
    ) -> Sequence[Proposal]:
        """Return proposals by (created at, id), newest first, those before a cursor of the same pair."""
        ...

    def approve(self, proposal: Proposal, intent: Intent, *, actor: str, reason: str, now_ms: int) -> Proposal:
        """Approve a proposal and raise its intent in the same transaction; one approved before is returned as it is.

        Raise `ConflictError` for one that has ended otherwise, whose time is over at `now_ms`, or that moved,
        `HaltedError` while the desk or its book does not enter positions.
        """
        ...

    def dismiss(self, proposal: Proposal, *, actor: str, reason: str) -> Proposal:
        """Dismiss a proposal; one dismissed before is returned as it is. Raise `ConflictError` for any other."""
        ...

    def expire(self, *, now_ms: int) -> int:
        """Expire the open proposals whose time is over; return how many."""
        ...
