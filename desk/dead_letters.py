"""Dead letters: messages no function could finish, each with why as far as it can be known, sent back or dropped.

SQS can move a whole dead-letter queue back by itself (StartMessageMoveTask). It is not used: it cannot leave behind
what can never succeed, and what a function buried itself has no source it would know.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter

from shared.domain.errors import InvalidMessageError, NotFoundError
from shared.messages import ExecuteRequest
from shared.notification_messages import NotifyRequest
from shared.runtime.entrypoint import read_message
from shared.signal_messages import SignalRequest
from shared.trading_messages import ExecutionRequest, RiskRequest

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

MESSAGES: Final[Mapping[str, TypeAdapter[Any]]] = {
    "executions": ExecuteRequest,
    "intents": RiskRequest,
    "orders": ExecutionRequest,
    "signals": SignalRequest,
    "notifications": NotifyRequest,
}
"""What the function of a queue reads."""
HELD_S: Final = 60
"""How long messages are out of others' sight while they are looked at; they are let go of as soon as that is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message in a dead-letter queue: when it was sent (epoch ms), how often it was received, why it is there.

    `is_readable` is False when its function can never read it.
    """

    message_id: str
    body: str
    sent_ms: int
    receives: int
    why: str
    is_readable: bool
    receipt: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What became of dead letters: those done with, and those left because they can never succeed."""

    done: Sequence[DeadLetter]
    left: Sequence[DeadLetter]


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead-letter queue of one queue of the desk, and that queue."""

    client: "SQSClient"
    name: str
    dead_url: str
    source_url: str

    @classmethod
    def of(cls, client: "SQSClient", name: str, *, service: str) -> "DeadLetters":
        """Find the queues `{service}-{name}` and `…-dead`; raise `NotFoundError` when there is none."""
        if name not in MESSAGES:
            raise NotFoundError(f"there is no queue {name!r}, there are {', '.join(MESSAGES)}")
        urls = []
        for queue in (f"{service}-{name}-dead", f"{service}-{name}"):
            try:
                urls.append(client.get_queue_url(QueueName=queue)["QueueUrl"])
            except client.exceptions.QueueDoesNotExist as error:
                raise NotFoundError(f"there is no queue {queue} in this account and region") from error
        return cls(client, name, *urls)

    def list(self, *, limit: int) -> Sequence[DeadLetter]:
        """Return up to so many, oldest first; they stay where they are."""
        with self._held(limit) as letters:
            return letters

    def replay(self, ids: Sequence[str], *, limit: int) -> Moved:
        """Send messages back to their queue, then delete them here; all, or those whose ids begin with one of `ids`.

        Killed in between, one is in both: whoever receives it twice changes nothing the second time. What can never be
        read is left.
        """
        with self._held(limit) as letters:
            chosen = _chosen(letters, ids)
            for letter in chosen:
                if letter.is_readable:
                    self.client.send_message(QueueUrl=self.source_url, MessageBody=letter.body)
                    self.client.delete_message(QueueUrl=self.dead_url, ReceiptHandle=letter.receipt)
        return Moved(
            done=[letter for letter in chosen if letter.is_readable],
            left=[letter for letter in chosen if not letter.is_readable],
        )

    def drop(self, ids: Sequence[str], *, limit: int) -> Moved:
        """Delete messages for good: all of them, or those whose ids begin with one of `ids`."""
        with self._held(limit) as letters:
            chosen = _chosen(letters, ids)
            for letter in chosen:
                self.client.delete_message(QueueUrl=self.dead_url, ReceiptHandle=letter.receipt)
        return Moved(done=chosen, left=())

    @contextmanager
    def _held(self, limit: int) -> Iterator[Sequence[DeadLetter]]:
        """Yield messages while nobody else receives them; those still there afterwards may be received again."""
        letters: dict[str, DeadLetter] = {}
        try:
            while len(letters) < limit and (batch := self._received(min(10, limit - len(letters)))):
                letters |= {letter.message_id: letter for letter in batch}
            yield sorted(letters.values(), key=lambda letter: (letter.sent_ms, letter.message_id))
        finally:
            for letter in letters.values():
                self._let_go(letter)

    def _received(self, count: int) -> Sequence[DeadLetter]:
        answer = self.client.receive_message(
            QueueUrl=self.dead_url,
            MaxNumberOfMessages=count,
            VisibilityTimeout=HELD_S,
            WaitTimeSeconds=1,  # without waiting, SQS asks some of its servers alone and may find nothing
            MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount", "DeadLetterQueueSourceArn"],
        )
        return [self._read(message) for message in answer.get("Messages", [])]

    def _read(self, message: "MessageTypeDef") -> DeadLetter:
        attributes: Mapping[str, str] = {str(key): value for key, value in message.get("Attributes", {}).items()}
        body, problem = message["Body"], None
        try:
            read_message(MESSAGES[self.name], json.loads(body))
        except (InvalidMessageError, ValueError, RecursionError) as error:
            problem = f"can never be read: {error}"
        tired = "DeadLetterQueueSourceArn" in attributes  # SQS says so of what it moved itself
        unfinished = "its function failed every time" if tired else "its function failed, or refused it"
        return DeadLetter(
            message_id=message["MessageId"],
            body=body,
            sent_ms=int(attributes.get("SentTimestamp", 0)),
            receives=int(attributes.get("ApproximateReceiveCount", 0)),
            why=problem or f"{unfinished}: its log has the correlation id",
            is_readable=problem is None,
            receipt=message["ReceiptHandle"],
        )

    def _let_go(self, letter: DeadLetter) -> None:
        from botocore.exceptions import ClientError

        try:
            self.client.change_message_visibility(
                QueueUrl=self.dead_url, ReceiptHandle=letter.receipt, VisibilityTimeout=0
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in _GONE:
                raise


_GONE: Final = frozenset({
    "InvalidParameterValue",
    "MessageNotInflight",
    "AWS.SimpleQueueService.MessageNotInflight",
    "ReceiptHandleIsInvalid",
})  # fmt: skip
"""What SQS says of a message that was deleted, or can be received again already."""


def _chosen(letters: Sequence[DeadLetter], ids: Sequence[str]) -> Sequence[DeadLetter]:
    """Return those whose id begins with one of some, all for none; raise `NotFoundError` for an id nobody has."""
    for wanted in ids:
        if not any(letter.message_id.startswith(wanted) for letter in letters):
            raise NotFoundError(f"no message here has an id that begins with {wanted!r}")
    return [letter for letter in letters if not ids or letter.message_id.startswith(tuple(ids))]
