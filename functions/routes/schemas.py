"""What all of the API reads and answers, each field described and exemplified for OpenAPI."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Symbol = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,20}/[A-Z0-9]{1,20}(:[A-Z0-9]{1,20})?$")]
TraderId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
TraderName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
VenueName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,31}$")]
EpochMs = Annotated[int, Field(ge=0, lt=10**14)]

EXAMPLE_ID: Final = "7b1f6a52-0f7e-5b38-9d5c-1d2f3a4b5c6d"
EXAMPLE_TIME: Final = 1_640_995_260_000


class Schema(BaseModel):
    """A body whose unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
