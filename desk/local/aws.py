"""Amazon SQS on this machine: moto's server, with the queues `serverless.yml` declares."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from desk.lambda_host.spec import DeskSpec, QueueSpec
from desk.local.process import HOST, Child, accepts, claim_port

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

PART: Final = "SQS (moto)"


@dataclass(slots=True, kw_only=True)
class LocalSqs:
    """Queues on this machine, gone when it stops; a context manager.

    `queue_urls` maps the logical ids of `serverless.yml` to queue URLs. `visibility_timeout_s` overrides what is
    declared, so that a test need not wait minutes for a redelivery.
    """

    spec: DeskSpec
    log_dir: Path
    port: int | None = None
    visibility_timeout_s: int | None = None
    queue_urls: dict[str, str] = field(default_factory=dict, init=False)
    _child: Child | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Return what AWS_ENDPOINT_URL is set to."""
        return f"http://{HOST}:{self.port}"

    @property
    def env(self) -> Mapping[str, str]:
        """Return the variables with which boto3 speaks to it; the credentials open nothing."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": self.spec.region,
            "AWS_DEFAULT_REGION": self.spec.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(self) -> Self:
        """Start serving and create the queues; raise `LocalPartError` when the port is taken."""
        self.port = port = claim_port(self.port, PART)
        argv = [sys.executable, "-m", "desk.local.moto_server", str(port)]
        self._child = Child(name=PART, argv=argv, log=self.log_dir / "sqs.log").start()
        self._child.wait_ready(lambda: accepts(port))
        client = self.client()
        for queue in sorted(self.spec.queues.values(), key=lambda queue: queue.dead_letter is not None):
            created = client.create_queue(QueueName=queue.name, Attributes=self._attributes(queue))
            self.queue_urls[queue.logical_id] = created["QueueUrl"]
        client.close()
        return self

    def client(self) -> "SQSClient":
        """Return a boto3 client of it; close it after use."""
        import boto3

        return boto3.client(
            "sqs",
            endpoint_url=self.url,
            region_name=self.spec.region,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - opens nothing
        )

    def depth(self, logical_id: str) -> tuple[int, int]:
        """Return how many messages of a queue wait, and how many are being handled."""
        client = self.client()
        found = client.get_queue_attributes(QueueUrl=self.queue_urls[logical_id], AttributeNames=["All"])["Attributes"]
        client.close()
        return int(found["ApproximateNumberOfMessages"]), int(found["ApproximateNumberOfMessagesNotVisible"])

    def stop(self) -> None:
        """Stop serving; messages are gone."""
        if self._child is not None:
            self._child.stop()

    def __enter__(self) -> Self:
        """Start serving."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self.stop()

    def _attributes(self, queue: QueueSpec) -> "dict[QueueAttributeNameType, str]":
        visibility_s = self.visibility_timeout_s or queue.visibility_timeout_s
        attributes: dict[QueueAttributeNameType, str] = {"VisibilityTimeout": str(visibility_s)}
        if queue.dead_letter is not None:
            target = self.spec.queue_arn(queue.dead_letter)
            redrive = {"deadLetterTargetArn": target, "maxReceiveCount": queue.max_receives}
            attributes["RedrivePolicy"] = json.dumps(redrive)
        return attributes
