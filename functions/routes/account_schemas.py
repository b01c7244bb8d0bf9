"""What the API reads and answers about accounts."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from functions.routes.book_schemas import Number
from functions.routes.intent_schemas import shown
from functions.routes.schemas import EXAMPLE_ID, EXAMPLE_TIME, Schema
from shared.domain.trading.flows import Flow, FlowKind
from shared.messages import AssetName


class AdoptionBody(Schema):
    """What to adopt, and why."""

    asset: AssetName | None = Field(None, description="Only of this asset; null is all that differ.", examples=["USDT"])
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)] = Field(
        description="Why, for the record.", examples=["monthly deposit"]
    )


class AdoptionOut(Schema):
    """A wish that execution will see to."""

    status: Literal["queued"] = Field(description="It will be done within moments.", examples=["queued"])
    event_id: str = Field(description="The ids of what is adopted begin with it.", examples=["0123456789abcdef"])


class FlowOut(Schema):
    """What an account received or paid without a fill, or a book's part of it."""

    flow_id: str = Field(description="Its identity within the account.", examples=["4480321991774044580"])
    kind: FlowKind = Field(description="What it was.", examples=["funding"])
    symbol: str | None = Field(description="The future that funding was for.", examples=["BTC/USDT:USDT"])
    asset: str = Field(description="What moved.", examples=["USDT"])
    qty: Number = Field(description="How much; what was paid is negative.", examples=["-0.1234"])
    event_time: int = Field(description="When (epoch ms).", examples=[EXAMPLE_TIME])
    book_id: str | None = Field(description="Whose; null is nobody's.", examples=[EXAMPLE_ID])
    actor: str = Field(description="Who posted it.", examples=["execution-agent"])
    reason: str = Field(description="Why it was adopted.", examples=[""])

    @classmethod
    def of(cls, flow: Flow) -> "FlowOut":
        """Describe a flow."""
        return cls.model_construct(**shown(cls, flow))


class FlowPage(Schema):
    """Flows of an account, newest first."""

    items: list[FlowOut] = Field(description="The flows.")
