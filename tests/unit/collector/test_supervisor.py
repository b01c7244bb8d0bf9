"""The supervisor: one run after another, except after a fatal error."""

import pytest
from aws_lambda_powertools import Logger

from collector.supervisor import supervise
from shared.domain.errors import FatalError, FencedError, TransientError

LOG = Logger(service="supervisor-test", level="CRITICAL")


async def test_a_failed_run_is_followed_by_another() -> None:
    errors: list[Exception] = [
        TransientError("log away"),
        ExceptionGroup("tasks", [KeyError("bug")]),
        FencedError("deposed"),
    ]

    async def run() -> None:
        if errors:
            raise errors.pop(0)

    await supervise(run, log=LOG, backoff_s=(0.001, 0.002))
    assert errors == []


@pytest.mark.parametrize(
    "error", [FatalError("bad key"), ExceptionGroup("tasks", [ExceptionGroup("inner", [FatalError("bad key")])])]
)
async def test_a_fatal_error_ends_it_however_deep_it_lies(error: Exception) -> None:
    async def run() -> None:
        raise error

    with pytest.raises(FatalError, match="bad key"):
        await supervise(run, log=LOG, backoff_s=(0.001, 0.002))
