"""What the API answers about intelligence: votes, and what they come to."""

from pydantic import Field

from functions.routes.schemas import EXAMPLE_TIME, Schema
from shared.domain.consensus import Consensus, SignalAgentSettings, Validity, Verdict, Vote
from shared.domain.consensus_words import sentence_of, sentence_of_vote
from shared.domain.intelligence import Direction


class VoteOut(Schema):
    """What one independent source says of an instrument."""

    source: str = Field(description="The provider, or `trader:` and the hash of a rule.", examples=["coingecko"])
    kind: str = Field(description="What it looks at; `trader` for traders.", examples=["sentiment"])
    label: str = Field(description="What people call it.", examples=["coingecko"])
    direction: Direction = Field(description="Where it expects the instrument to go.", examples=["long"])
    validity: Validity = Field(description="`counted`, or why it does not count.", examples=["counted"])
    confidence: float = Field(description="How sure it is, 0 to 1.", examples=[0.8])
    freshness: float = Field(description="A half for every half-life of its age.", examples=[0.76])
    weight: float = Field(description="Confidence x freshness; 0 where it does not count.", examples=[0.61])
    observed_at_ms: int = Field(description="When it looked (epoch ms).", examples=[EXAMPLE_TIME])
    sentence: str = Field(description="The same in words.", examples=["long, 0.80 sure, 12 min old: weighs 0.61"])

    @classmethod
    def of(cls, vote: Vote, now_ms: int) -> "VoteOut":
        """Describe a vote."""
        return cls(
            source=vote.source,
            kind=vote.kind,
            label=vote.label,
            direction=vote.direction,
            validity=vote.validity,
            confidence=round(vote.confidence, 4),
            freshness=round(vote.freshness, 4),
            weight=round(vote.weight, 4),
            observed_at_ms=vote.observed_at_ms,
            sentence=sentence_of_vote(vote, now_ms=now_ms),
        )


class ConsensusOut(Schema):
    """What the sources make of one instrument now."""

    instrument: str = Field(description="Unified symbol.", examples=["BTC/USDT"])
    verdict: Verdict = Field(description="Whether they agree; the others say why not.", examples=["consensus"])
    direction: Direction | None = Field(description="The side that weighs more; null where none.", examples=["long"])
    share: float = Field(description="Its part of the weight, 0 to 1.", examples=[0.83])
    agreeing: int = Field(description="Independent sources on that side.", examples=[4])
    sources: int = Field(description="Independent sources that count.", examples=[5])
    sentence: str = Field(
        description="The same in words.",
        examples=["long: 4 of 5 sources agree, with 83.0 % of the weight (3 and 70 % are asked for)"],
    )
    votes: list[VoteOut] = Field(description="Every source's vote, the heaviest first.")

    @classmethod
    def of(cls, consensus: Consensus, settings: SignalAgentSettings) -> "ConsensusOut":
        """Describe a consensus, or why there is none."""
        return cls(
            instrument=consensus.instrument,
            verdict=consensus.verdict,
            direction=consensus.direction,
            share=round(consensus.share, 4),
            agreeing=consensus.agreeing,
            sources=consensus.sources,
            sentence=sentence_of(consensus, settings),
            votes=[VoteOut.of(vote, consensus.at_ms) for vote in consensus.votes],
        )


class IntelligenceSummaryOut(Schema):
    """What all sources make of all instruments now, and what it takes to agree."""

    timestamp: int = Field(description="The desk's now (epoch ms).", examples=[EXAMPLE_TIME])
    min_sources: int = Field(description="Independent sources that must agree.", examples=[3])
    min_share: float = Field(description="Part of the weight they must have.", examples=[0.7])
    instruments: list[ConsensusOut] = Field(description="By instrument; those nobody speaks of are not among them.")
