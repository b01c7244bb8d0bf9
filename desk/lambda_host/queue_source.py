"""Wake a function with the messages of a queue, as Lambda's event source mapping does."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import msgspec

from desk.lambda_host.pool import FunctionPool, Outcome
from desk.lambda_host.spec import SqsEvent

WAIT_S: Final = 10
_PAUSE_S: Final = 0.5
_log = logging.getLogger(__name__)

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSource:
    """A poller of one queue: receive, invoke, delete what succeeded. What failed comes back by its visibility timeout.

    It speaks SQS' JSON protocol itself, because a long poll must end at once when the desk stops.
    """

    session: aiohttp.ClientSession
    queue_url: str
    queue_arn: str
    region: str
    event: SqsEvent
    pool: FunctionPool

    async def run(self) -> None:
        """Poll until cancelled; a queue that does not answer is asked again."""
        while True:
            try:
                await self.poll()
            except (aiohttp.ClientError, TimeoutError) as error:
                _log.warning("%s: %r", self.queue_url, error)
                await asyncio.sleep(_PAUSE_S)

    async def poll(self) -> None:
        """Wait for messages and handle one batch."""
        answer = await self._call(
            "ReceiveMessage",
            {"MaxNumberOfMessages": self.event.batch_size, "WaitTimeSeconds": WAIT_S, "AttributeNames": ["All"]},
        )
        messages: Sequence[Message] = answer.get("Messages") or ()
        if not messages:
            return
        records = [record_of(message, self.queue_arn, self.region) for message in messages]
        outcome = await self.pool.invoke({"Records": records})
        failed = failures(outcome, [message["MessageId"] for message in messages], partial=self.event.reports_failures)
        done = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
            for number, message in enumerate(messages)
            if message["MessageId"] not in failed
        ]
        if done:
            await self._call("DeleteMessageBatch", {"Entries": done})

    async def _call(self, action: str, body: Mapping[str, Any]) -> dict[str, Any]:
        headers = {
            "X-Amz-Target": f"AmazonSQS.{action}",
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": f"AWS4-HMAC-SHA256 Credential=local/20260101/{self.region}/sqs/aws4_request, Signature=0",
        }
        data = msgspec.json.encode({"QueueUrl": self.queue_url, **body})
        async with self.session.post(self.queue_url, data=data, headers=headers) as response:
            response.raise_for_status()
            answer: dict[str, Any] = msgspec.json.decode(await response.read() or b"{}")
            return answer


def record_of(message: Message, queue_arn: str, region: str) -> dict[str, Any]:
    """Return a message as a record of the event a function gets."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes") or {}),
        "messageAttributes": dict(message.get("MessageAttributes") or {}),
        "md5OfBody": message.get("MD5OfBody", ""),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": region,
    }


def failures(outcome: Outcome, message_ids: Sequence[str], *, partial: bool) -> frozenset[str]:
    """Return the ids of the messages to keep.

    An error keeps all; so does a report of failures that is malformed or names a message that was not in the batch.
    Source: AWS Lambda developer guide, "Handling errors for an SQS event source", success and failure conditions.
    """
    everything = frozenset(message_ids)
    if outcome.error is not None:
        return everything
    if not partial or not outcome.result:
        return frozenset()
    reported = outcome.result.get("batchItemFailures") if isinstance(outcome.result, dict) else everything
    if reported is None:
        return frozenset()
    if not isinstance(reported, list) or not all(isinstance(item, dict) for item in reported):
        return everything
    named = {item.get("itemIdentifier") for item in reported}
    return frozenset(named) if named <= everything else everything
