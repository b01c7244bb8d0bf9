"""The queue port over SQS, against moto's server."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from desk.lambda_host.spec import DeskSpec, QueueSpec
from desk.local.aws import LocalSqs
from shared.adapters.sqs import MAX_BATCH_BYTES, SqsQueue
from shared.adapters.sqs_depths import SqsDepths
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.status import QueueDepth

QUEUES = {
    "Jobs": QueueSpec(logical_id="Jobs", name="jobs", visibility_timeout_s=7, max_receives=5, dead_letter="Dead"),
    "Dead": QueueSpec(logical_id="Dead", name="dead"),
}


@pytest.fixture(scope="module")
def sqs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSqs]:
    spec = DeskSpec(service="tested", stage="dev", region="eu-central-1", functions={}, queues=QUEUES)
    with LocalSqs(spec=spec, log_dir=tmp_path_factory.mktemp("sqs")) as queues:
        yield queues


@pytest.fixture
def queue(sqs: LocalSqs, monkeypatch: pytest.MonkeyPatch) -> SqsQueue:
    for name, value in sqs.env.items():
        monkeypatch.setenv(name, value)
    return SqsQueue(sqs.queue_urls["Jobs"])


def received(sqs: LocalSqs) -> list[str]:
    """Take everything that waits."""
    client, url, bodies = sqs.client(), sqs.queue_urls["Jobs"], list[str]()
    while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [message["Body"] for message in messages]
        for message in messages:
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    client.close()
    return bodies


def test_every_body_arrives_more_than_one_batch_of_them(sqs: LocalSqs, queue: SqsQueue) -> None:
    bodies = [json.dumps({"number": number, "text": "Zürich"}) for number in range(23)]
    queue.send(bodies)
    assert sorted(received(sqs)) == sorted(bodies)


def test_whoever_cannot_wait_is_told_at_once_that_a_queue_is_away(
    queue: SqsQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    url = "http://127.0.0.1:9/123456789012/jobs"
    began = time.perf_counter()
    for ask in (SqsDepths({"jobs": url}).depths, lambda: SqsQueue(url, hasty=True).send(["a"])):
        with pytest.raises(TransientError) as away:
            ask()
        assert away.value.source == "queues"
    assert time.perf_counter() - began < 10


def test_nothing_is_no_message(sqs: LocalSqs, queue: SqsQueue) -> None:
    queue.send([])
    assert received(sqs) == []


def test_large_bodies_are_split_by_size(sqs: LocalSqs, queue: SqsQueue) -> None:
    bodies = [character * (MAX_BATCH_BYTES // 3) for character in "abcde"]
    queue.send(bodies)
    assert sorted(received(sqs)) == bodies


@pytest.mark.parametrize("body", ["", "x" * (MAX_BATCH_BYTES + 1)])
def test_a_body_sqs_cannot_carry_is_refused_before_anything_is_sent(sqs: LocalSqs, queue: SqsQueue, body: str) -> None:
    with pytest.raises(InvalidMessageError, match="body"):
        queue.send(["good", body])
    assert received(sqs) == []


def test_an_absent_queue_is_an_error(queue: SqsQueue, sqs: LocalSqs) -> None:
    with pytest.raises(TransientError, match="nowhere"):
        SqsQueue(f"{sqs.url}/123456789012/nowhere").send(["lost"])


def test_the_declared_queues_are_there(sqs: LocalSqs) -> None:
    client = sqs.client()
    found = client.get_queue_attributes(QueueUrl=sqs.queue_urls["Jobs"], AttributeNames=["All"])["Attributes"]
    client.close()
    assert found["VisibilityTimeout"] == "7"
    redrive = json.loads(found["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"] == sqs.spec.queue_arn("Dead")
    assert int(redrive["maxReceiveCount"]) == 5


class RefusingClient:
    """An SQS that refuses some entries of each call, as it may under load; it takes one more each time."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.accepted: list[str] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        refused, self.refusals = Entries[: self.refusals], max(self.refusals - 1, 0)
        self.accepted += [entry["MessageBody"] for entry in Entries[len(refused) :]]
        return {"Failed": [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in refused]}


def test_refused_entries_are_sent_again_and_only_they() -> None:
    client = RefusingClient(refusals=2)
    queue = SqsQueue("https://sqs.example/jobs")
    queue.__dict__["_client"] = client
    queue.send(["a", "b", "c"])
    assert sorted(client.accepted) == ["a", "b", "c"]


def test_entries_refused_again_and_again_are_an_error() -> None:
    queue = SqsQueue("https://sqs.example/jobs")
    queue.__dict__["_client"] = RefusingClient(refusals=9)
    with pytest.raises(TransientError, match="3 of 3 messages were not accepted: InternalError"):
        queue.send(["a", "b", "c"])


def test_depths_tell_what_waits_is_handled_held_back_and_dead(sqs: LocalSqs, queue: SqsQueue) -> None:
    received(sqs)
    queue.send(["a", "b", "c"])
    queue.send(["later"], delay_s=600)
    client = sqs.client()
    client.receive_message(QueueUrl=sqs.queue_urls["Jobs"], MaxNumberOfMessages=1)
    client.send_message(QueueUrl=sqs.queue_urls["Dead"], MessageBody="lost")
    client.close()
    jobs, dead = SqsDepths({"jobs": sqs.queue_urls["Jobs"], "dead": sqs.queue_urls["Dead"]}).depths()[::-1]
    assert jobs == QueueDepth(queue="jobs", waiting=2, in_flight=1, delayed=1, dead=1)
    assert (dead.waiting, dead.dead) == (1, None)


def test_depths_of_an_absent_queue_are_an_error(sqs: LocalSqs, queue: SqsQueue) -> None:
    with pytest.raises(TransientError, match="nowhere") as failure:
        SqsDepths({"lost": f"{sqs.url}/123456789012/nowhere"}).depths()
    assert failure.value.source == "queues"
