"""What is wrong with a value is told in the desk's words."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from shared.domain.errors import InvalidMessageError
from shared.validation import problem_in_words


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


def even(value: int) -> int:
    if value % 2:
        raise InvalidMessageError("even", "expected an even number")
    return value


def short(value: str) -> str:
    if len(value) > 3:
        raise ValueError("expected at most 3 letters")
    return value


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = "a"
    colour: Colour = Colour.RED
    size: Decimal = Decimal(1)
    count: Annotated[int, Field(gt=0)] = 1
    pairs: Annotated[int, AfterValidator(even)] = 2
    word: Annotated[str, AfterValidator(short)] = ""
    at: Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] = "00:00"
    code: Annotated[str, StringConstraints(pattern="^x+$")] = "x"
    many: Annotated[list[int], Field(max_length=1)] = []


class Needy(BaseModel):
    name: str


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": 5}, "expected a text"),
        ({"colour": "pink"}, "expected 'red' or 'blue'"),
        ({"size": "two"}, "expected a number"),
        ({"count": "x"}, "expected a whole number"),
        ({"count": 0}, "expected greater than 0"),
        ({"pairs": 1}, "expected an even number"),
        ({"word": "long"}, "expected at most 3 letters"),
        ({"at": "25:00"}, "expected a time of the day such as 22:00"),
        ({"code": "y"}, "expected a text of the form ^x+$"),
        ({"many": [1, 2]}, "expected at most 1 item after validation, not 2"),
        ({"sice": 1}, "unknown"),
    ],
)
def test_what_is_wrong_is_told_in_the_desks_words(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Asked.model_validate(given)
    assert [problem_in_words(each) for each in caught.value.errors()] == [said]


def test_what_is_missing_is_told_so() -> None:
    with pytest.raises(ValidationError) as caught:
        Needy.model_validate({})
    assert [problem_in_words(each) for each in caught.value.errors()] == ["missing"]
    with pytest.raises(ValidationError) as caught:
        Needy.model_validate("text")
    assert [problem_in_words(each) for each in caught.value.errors()] == ["expected names with values"]
