"""What the API answers about the rule language."""

from pydantic import Field

from functions.routes.schemas import Schema


class ArgumentOut(Schema):
    """One parameter of a function."""

    name: str = Field(description="Its name, for passing it by name.", examples=["length"])
    kind: str = Field(
        description="`whole number`, `number`, `series`, `condition`, `choice` or `symbol`.", examples=["whole number"]
    )
    default: str | None = Field(description="What it is when left out; null when it must be given.", examples=["14"])
    low: float | None = Field(description="Least number allowed, null for anything else.", examples=[1])
    high: float | None = Field(description="Largest number allowed, null for anything else.", examples=[1000])
    choices: tuple[str, ...] = Field(description="The texts allowed; empty takes any.", examples=[["london", "tokyo"]])


class FunctionOut(Schema):
    """One word of the rule language."""

    name: str = Field(description="What to write.", examples=["rsi"])
    family: str = Field(description="What it belongs to.", examples=["momentum"])
    signature: str = Field(
        description="The call with its parameters; what is in brackets may be left out.",
        examples=["rsi([close, ]length=14)"],
    )
    doc: str = Field(description="What it means, in one line.", examples=["relative strength index, 0 to 100"])
    formula: str = Field(description="How it is computed, and where that comes from.", examples=["Wilder 1978: …"])
    gives: str = Field(description="`number`, `condition`, or what its expression gives.", examples=["number"])
    arguments: tuple[ArgumentOut, ...] = Field(description="Its parameters, in order.", examples=[[]])
    outputs: tuple[str, ...] = Field(
        description="The values it has, told apart by attribute; empty when it has one.", examples=[["k", "d"]]
    )
    example: str = Field(description="A call that compiles; empty for forms.", examples=["rsi()"])
    lookback: int = Field(description="How many candles the example reads.", examples=[194])
    cost: int = Field(description="How many numbers the example looks at per symbol and candle.", examples=[388])


class FunctionsOut(Schema):
    """The whole language."""

    items: list[FunctionOut] = Field(description="Every word, in reading order.", examples=[[]])
