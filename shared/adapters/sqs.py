"""A queue over Amazon SQS."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from shared.adapters.aws import aws_client
from shared.domain.errors import InvalidMessageError, TransientError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

MAX_BATCH: Final = 10
MAX_BATCH_BYTES: Final = 262_144
_ATTEMPTS: Final = 3
SOURCE: Final = "queues"


class SqsQueue:
    """One SQS queue, by its URL; region, credentials and endpoint are botocore's own settings."""

    def __init__(self, queue_url: str, *, hasty: bool = False) -> None:
        """`hasty` is for whoever cannot wait: one attempt of two seconds."""
        self._queue_url = queue_url
        self._hasty = hasty

    def send(self, bodies: Sequence[str], *, delay_s: int = 0) -> None:
        """Send message bodies, ten a call; raise `TransientError` unless SQS has accepted every one.

        They arrive no sooner than after a delay of up to 900 s.

        After an error some may have been accepted: receivers see them twice when the caller sends again. Raise
        `InvalidMessageError` before anything is sent when a body is more than SQS carries.
        """
        for body in bodies:
            if not 0 < len(body.encode()) <= MAX_BATCH_BYTES:
                raise InvalidMessageError("body", f"expected 1 to {MAX_BATCH_BYTES} bytes, got {len(body.encode())}")
        for batch in _batches(bodies):
            self._send_batch(batch, delay_s)

    def _send_batch(self, batch: Sequence[str], delay_s: int) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        left: list[SendMessageBatchRequestEntryTypeDef] = [
            {"Id": str(number), "MessageBody": body, "DelaySeconds": delay_s} for number, body in enumerate(batch)
        ]
        problem = ""
        for _ in range(_ATTEMPTS):
            try:
                answer = self._client.send_message_batch(QueueUrl=self._queue_url, Entries=left)
            except (BotoCoreError, ClientError) as error:  # botocore has retried what is worth it
                raise TransientError(f"{self._queue_url}: {error}", source=SOURCE) from error
            refused = {failure["Id"]: failure.get("Message", failure["Code"]) for failure in answer.get("Failed", [])}
            left = [entry for entry in left if entry["Id"] in refused]
            if not left:
                return
            problem = "; ".join(refused.values())
        refusal = f"{self._queue_url}: {len(left)} of {len(batch)} messages were not accepted: {problem}"
        raise TransientError(refusal, source=SOURCE)

    @cached_property
    def _client(self) -> "SQSClient":
        connect_s, read_s, attempts = (1, 2, 1) if self._hasty else (2, 5, _ATTEMPTS)
        client: SQSClient = aws_client("sqs", connect_s=connect_s, read_s=read_s, attempts=attempts)
        return client


def _batches(bodies: Sequence[str]) -> Iterator[list[str]]:
    """Yield the bodies in order, in parts SQS takes in one call."""
    batch: list[str] = []
    size = 0
    for body in bodies:
        length = len(body.encode())
        if batch and (len(batch) == MAX_BATCH or size + length > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += length
    if batch:
        yield batch
