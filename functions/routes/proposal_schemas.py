"""What the API reads and answers about proposals."""

from typing import Any

from pydantic import Field

from functions.routes.book_schemas import Number, Reason
from functions.routes.intent_schemas import GuardOut, picked, shown
from functions.routes.schemas import EXAMPLE_ID, EXAMPLE_TIME, Schema
from shared.domain.proposals import Proposal, ProposalState
from shared.domain.traders import PositionSide
from shared.domain.trading.states import Mode


class VerdictBody(Schema):
    """Why a proposal is approved or dismissed."""

    reason: Reason = Field("", description="Why, for the record.", examples=["the news is priced in"])


class ProposalOut(Schema):
    """What a consensus would trade, and what became of that."""

    proposal_id: str = Field(description="Its id.", examples=[EXAMPLE_ID])
    book_id: str = Field(description="The book it would trade in.", examples=[EXAMPLE_ID])
    mode: Mode = Field(description="`paper` or `live`.", examples=["paper"])
    instrument: str = Field(description="Unified symbol.", examples=["BTC/USDT"])
    direction: PositionSide = Field(description="The side of the position.", examples=["long"])
    notional: Number = Field(description="How much, in the book's quote currency.", examples=["100"])
    guard: GuardOut = Field(description="What is to protect the position.")
    share: Number = Field(description="The side's part of the weight.", examples=["0.8312"])
    confidence: Number = Field(description="What the sources on it weigh on average.", examples=["0.62"])
    votes: list[dict[str, Any]] = Field(
        description="Who said what when it was made.",
        examples=[[{"source": "coingecko", "direction": "long", "validity": "counted", "weight": 0.61}]],
    )
    created_at_ms: int = Field(description="When it was made (epoch ms).", examples=[EXAMPLE_TIME])
    expires_at_ms: int = Field(
        description="Until when it can be approved (epoch ms).", examples=[EXAMPLE_TIME + 900_000]
    )
    state: ProposalState = Field(description="What became of it.", examples=["open"])
    actor: str = Field(description="Who took the last step.", examples=["signal-agent"])
    reason: str = Field(description="Why.", examples=["long: 4 of 5 sources agree, with 83.0 % of the weight"])
    intent_id: str | None = Field(description="The intent its approval raised.", examples=[EXAMPLE_ID])
    correlation_id: str = Field(description="Follows it through everything.", examples=["9f2c4e6a8b0d"])

    @classmethod
    def of(cls, proposal: Proposal) -> "ProposalOut":
        """Describe a proposal."""
        own = shown(cls, proposal) | {"guard": picked(GuardOut, proposal.guard), "votes": [*proposal.votes]}
        return cls.model_construct(**own)


class ProposalPage(Schema):
    """Proposals, newest first."""

    items: list[ProposalOut] = Field(description="The proposals.")
    next: str | None = Field(description="Pass as `cursor` for the next page; null on the last.", examples=["MTY0MDk5"])
