"""The messages that wake signal-agent, and what it answers."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag, TypeAdapter

from shared.domain.agents import Memory
from shared.messages import READ_LATE, CorrelationId, CronTick, Message, new_id

InstrumentName = Annotated[str, StringConstraints(pattern=r"^[^/\s]{1,32}/[^/\s]{1,32}$")]


class SignalsRecorded(Message):
    """A run has stored new signals of these instruments."""

    schema_version: Literal[1] = 1
    event_id: CorrelationId = Field(default_factory=new_id)
    instruments: list[InstrumentName] = Field(min_length=1, max_length=2_000)
    correlation_id: CorrelationId


class SignalAgentCommanded(Message):
    """Somebody has asked for a run now, of these instruments or of all."""

    trigger: Literal["command"]
    instruments: list[InstrumentName] = Field(default_factory=list, max_length=2_000)
    correlation_id: CorrelationId = Field(default_factory=new_id)


class SignalAgentResult(Message):
    """What the agent found and did, by instrument.

    `idle` is why it did nothing at all, `verdicts` how often which was found, `proposed` are ids of new proposals,
    `raised` of intents, `skipped` why nothing came of a consensus, `expired` how many proposals ran out.
    """

    idle: str | None = None
    verdicts: dict[str, int] = Field(default_factory=dict)
    proposed: dict[str, str] = Field(default_factory=dict)
    raised: dict[str, str] = Field(default_factory=dict)
    skipped: dict[str, str] = Field(default_factory=dict)
    expired: int = 0
    errors: dict[str, str] = Field(default_factory=dict)

    def memories(self) -> Sequence[Memory]:
        """Return what the agent is to remember: what it proposed and raised."""
        proposed = [
            Memory(event_type="proposed", data={"instrument": instrument, "proposal_id": proposal_id})
            for instrument, proposal_id in self.proposed.items()
        ]
        raised = [
            Memory(event_type="raised", data={"instrument": instrument, "intent_id": intent_id})
            for instrument, intent_id in self.raised.items()
        ]
        return [*proposed, *raised]


def _kind(payload: object) -> str:
    if not isinstance(payload, dict) or "trigger" not in payload:
        return "signals"
    return "command" if payload["trigger"] == "command" else "cron"


SignalRequest: TypeAdapter[CronTick | SignalAgentCommanded | SignalsRecorded] = TypeAdapter(
    Annotated[
        Annotated[CronTick, Tag("cron")]
        | Annotated[SignalAgentCommanded, Tag("command")]
        | Annotated[SignalsRecorded, Tag("signals")],
        Discriminator(_kind),
    ],
    config=READ_LATE,
)
