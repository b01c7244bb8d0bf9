"""Invoke a function of the desk that runs on this machine, as `aws lambda invoke` would."""

import json
from pathlib import Path

import httpx

from desk.up import ADDRESSES, HOME
from shared.domain.errors import FatalError, InvalidMessageError, NotFoundError

_TIMEOUT_S = 60.0


def invoke_function(function: str, payload: str, *, home: Path = HOME) -> str:
    """Return a function's answer as JSON text.

    Raises `InvalidMessageError` for a payload that is no JSON, `NotFoundError` when no desk runs or it has no such
    function, `FatalError` with the function's own error.
    """
    try:
        json.loads(payload)
    except ValueError as error:
        raise InvalidMessageError("JSON", f"expected the event as JSON: {error}") from error
    try:
        api_url = json.loads((home / ADDRESSES).read_text())["api_url"]
        answer = httpx.post(
            f"{api_url}/2015-03-31/functions/{function}/invocations", content=payload, timeout=_TIMEOUT_S
        )
    except (FileNotFoundError, httpx.ConnectError) as error:
        raise NotFoundError("no desk is running here, start one with `desk up`") from error
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise NotFoundError(answer.json()["Message"])
    if "X-Amz-Function-Error" in answer.headers:
        problem = answer.json()
        raise FatalError(f"{function} failed: {problem.get('errorType')}: {problem.get('errorMessage')}")
    return json.dumps(answer.json(), indent=2)
