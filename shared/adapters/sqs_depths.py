"""How much waits in SQS queues and in the dead-letter queues behind them."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from shared.adapters.aws import aws_client
from shared.adapters.sqs import SOURCE
from shared.domain.errors import TransientError
from shared.domain.status import QueueDepth

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

_ATTRIBUTES: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "RedrivePolicy",
)


class SqsDepths:
    """Queues by name and URL; where their dead letters go is in their redrive policies."""

    def __init__(self, queue_urls: Mapping[str, str]) -> None:
        self._queue_urls = queue_urls

    def depths(self) -> Sequence[QueueDepth]:
        """Return every queue's depth, by name; SQS calls its numbers approximate."""
        return [self._depth(name, url) for name, url in sorted(self._queue_urls.items())]

    def _depth(self, name: str, url: str) -> QueueDepth:
        found = self._ask(url)
        redrive = json.loads(found.get("RedrivePolicy", "{}"))
        dead = redrive.get("deadLetterTargetArn")
        return QueueDepth(
            queue=name,
            waiting=int(found["ApproximateNumberOfMessages"]),
            in_flight=int(found["ApproximateNumberOfMessagesNotVisible"]),
            delayed=int(found["ApproximateNumberOfMessagesDelayed"]),
            dead=None if dead is None else int(self._ask(_beside(url, dead))["ApproximateNumberOfMessages"]),
        )

    def _ask(self, url: str) -> "Mapping[QueueAttributeNameType, str]":
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self._client.get_queue_attributes(QueueUrl=url, AttributeNames=[*_ATTRIBUTES])["Attributes"]
        except (BotoCoreError, ClientError) as error:
            raise TransientError(f"{url}: {error}", source=SOURCE) from error

    @cached_property
    def _client(self) -> "SQSClient":
        # Whoever asks cannot wait: the monitor, and people who look at the desk.
        client: SQSClient = aws_client("sqs", connect_s=1, read_s=2, attempts=1)
        return client


def _beside(url: str, arn: str) -> str:
    """Return the URL of a queue of the same account and region, by its ARN."""
    return f"{url.rpartition('/')[0]}/{arn.rpartition(':')[2]}"
