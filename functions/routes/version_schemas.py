"""What the API reads and answers about versions and clones of traders."""

from pydantic import Field

from functions.routes.schemas import Schema, TraderName
from functions.routes.trader_schemas import TraderBody, stored_fields
from shared.domain.traders import TraderVersion


class TraderVersionOut(TraderBody):
    """A definition a trader had."""

    version: int = Field(description="Its number, counted from 1.", examples=[3])
    recorded_at_ms: int = Field(
        description="When it was saved (epoch ms, database clock).", examples=[1_640_995_260_000]
    )
    rule_hash: str | None = Field(
        description="Identity of its rule, as signals carry it; null when the rule no longer compiles.",
        examples=["5f0c6d1b9a3e7c42"],
    )

    @classmethod
    def of(cls, found: TraderVersion, rule_hash: str | None) -> "TraderVersionOut":
        """Describe a stored version."""
        return cls.model_construct(
            version=found.version,
            recorded_at_ms=found.recorded_at_ms,
            rule_hash=rule_hash,
            **stored_fields(found.trader, set(TraderBody.model_fields)),
        )


class TraderVersionPage(Schema):
    """Versions of a trader, newest first."""

    items: list[TraderVersionOut] = Field(description="The versions.")
    next: int | None = Field(description="Pass as `before` for the next page; null on the last.", examples=[3])


class CloneBody(Schema):
    """What a clone has of its own."""

    name: TraderName | None = Field(None, description="Its name; absent takes the original's.", examples=["My dips"])
