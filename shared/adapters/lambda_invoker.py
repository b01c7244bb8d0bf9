"""Start functions of the desk through AWS Lambda's own API.

Source: Lambda API reference, Invoke (`InvocationType=Event` answers 202 once the event is queued, at most 1 MB).
"""

import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from shared.adapters.aws import aws_client
from shared.domain.errors import FatalError, NotFoundError, TransientError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_ACCEPTED: Final = 202
_FATAL: Final = frozenset({"AccessDeniedException", "UnrecognizedClientException", "InvalidRequestContentException"})


class LambdaInvoker:
    """Functions of one service and stage, whose names begin with a prefix; region, credentials and endpoint are
    botocore's own settings."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def invoke(self, function: str, message: Mapping[str, object]) -> None:
        """Have a function handle a message, and do not wait for it.

        Raise `NotFoundError` for a function that is not deployed, `FatalError` when it may not be started,
        `TransientError` when nobody knows whether it will be.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        name = f"{self._prefix}{function}"
        try:
            answer = self._client.invoke(
                FunctionName=name, InvocationType="Event", Payload=json.dumps(dict(message)).encode()
            )
        except ClientError as error:
            raise _named(name, error) from error
        except BotoCoreError as error:
            raise TransientError(f"{name} was not started: {error}") from error
        if answer["StatusCode"] != _ACCEPTED:
            raise TransientError(f"{name} was not started: Lambda answers {answer['StatusCode']}")

    @cached_property
    def _client(self) -> Any:
        return aws_client("lambda", connect_s=2, read_s=5, attempts=3)


def _named(name: str, error: "ClientError") -> Exception:
    code = error.response.get("Error", {}).get("Code", "")
    if code == "ResourceNotFoundException":
        return NotFoundError(f"there is no function {name}")
    return (FatalError if code in _FATAL else TransientError)(f"{name} was not started: {error}")
