"""What an error is as an HTTP answer."""

import pytest

from shared.domain.errors import ConflictError, ForbiddenError, HaltedError, InvalidMessageError, NotFoundError
from shared.runtime.problems import problem_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidMessageError("qty", "expected a number"), 400),
        (ForbiddenError("book b is not yours"), 403),
        (NotFoundError("no book"), 404),
        (ConflictError("at version 2"), 409),
        (HaltedError("halted: desk"), 423),
        (RuntimeError("secret"), 500),
    ],
)
def test_each_kind_has_its_status(error: Exception, status: int) -> None:
    answer = problem_of(error, "r-1")
    assert (answer.status, answer.body["status"]) == (status, status)
    assert ("secret" in answer.body["detail"]) is False
