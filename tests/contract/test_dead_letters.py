"""`desk dead-letters` against moto's server, with the queues `serverless.yml` declares."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from desk.cli import app
from desk.dead_letters import MESSAGES, DeadLetters
from desk.dead_letters_cli import LOCAL_STAGE, SERVICE
from desk.lambda_host.spec import read_spec
from desk.local.aws import LocalSqs
from desk.local.process import PROJECT
from tests.architecture.packaging import VARIABLES

SPEC = read_spec(PROJECT / "serverless.yml", VARIABLES)
INTENT = {"intent_id": "6f1d3f0a-0c5e-4a57-9d0b-3c2f3f7f4e11", "correlation_id": "0123456789abcdef"}


def test_every_queue_with_dead_letters_is_known_by_its_name() -> None:
    ours = {queue.name for queue in SPEC.queues.values() if queue.dead_letter is not None}
    assert ours == {f"{SERVICE}-{LOCAL_STAGE}-{name}" for name in MESSAGES}
    assert {SPEC.queues[q.dead_letter].name for q in SPEC.queues.values() if q.dead_letter} == {
        f"{n}-dead" for n in ours
    }


@pytest.fixture(scope="module")
def sqs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSqs]:
    with LocalSqs(spec=SPEC, log_dir=tmp_path_factory.mktemp("sqs")) as queues:
        yield queues


@pytest.fixture
def intents(sqs: LocalSqs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalSqs:
    """The queues of a desk that runs here, empty."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".desk").mkdir()
    (tmp_path / ".desk" / "desk.json").write_text(json.dumps({"sqs_url": sqs.url}))
    for logical_id in sqs.queue_urls:
        waiting(sqs, logical_id)
    return sqs


def bury(sqs: LocalSqs, *bodies: str) -> None:
    client = sqs.client()
    for body in bodies:
        client.send_message(QueueUrl=sqs.queue_urls["IntentsDeadLetterQueue"], MessageBody=body)
    client.close()


def tire(sqs: LocalSqs, body: str) -> None:
    """Have a message fail until SQS gives it up."""
    client, url = sqs.client(), sqs.queue_urls["IntentsQueue"]
    client.send_message(QueueUrl=url, MessageBody=body)
    while received := client.receive_message(QueueUrl=url, VisibilityTimeout=0).get("Messages"):
        assert received[0]["Body"] == body
    client.close()


def waiting(sqs: LocalSqs, logical_id: str) -> list[str]:
    """Take what waits in a queue."""
    client, url, bodies = sqs.client(), sqs.queue_urls[logical_id], list[str]()
    while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [message["Body"] for message in messages]
        for message in messages:
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    client.close()
    return bodies


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["dead-letters", *arguments], catch_exceptions=False)


def listed() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(run("list", "intents", "--json").stdout)
    return found


def test_letters_are_listed_with_why_and_stay_where_they_are(intents: LocalSqs) -> None:
    tired, refused = json.dumps(INTENT), json.dumps(INTENT | {"correlation_id": "fedcba9876543210"})
    tire(intents, tired)
    bury(intents, refused, json.dumps(INTENT | {"intent_id": "no"}), "{")
    for _ in range(2):
        whys = {str(letter["body"]): letter["why"] for letter in listed()}
        assert len(whys) == 4
        assert whys[tired] == whys[refused] == "its function failed, or refused it: its log has the correlation id"
        assert "can never be read: intent_id" in str(whys[json.dumps(INTENT | {"intent_id": "no"})])
        assert "can never be read" in str(whys["{"])
    told = run("list", "intents")
    assert (told.exit_code, "fedcba9876543210" in told.stdout) == (1, True)
    assert "4 dead letters in intents" in told.stderr


def test_what_can_succeed_is_sent_back_once_and_the_rest_is_left(intents: LocalSqs) -> None:
    good = [json.dumps(INTENT | {"correlation_id": f"{n:016x}"}) for n in range(13)]  # more than a batch
    bury(intents, *good, "{")
    again = run("replay", "intents")
    assert (again.exit_code, again.stdout) == (1, "13 sent back to intents\n")
    assert "is left, it can never be read" in again.stderr
    assert sorted(waiting(intents, "IntentsQueue")) == sorted(good)
    assert [letter["body"] for letter in listed()] == ["{"]
    assert run("replay", "intents").stdout == "0 sent back to intents\n"
    assert waiting(intents, "IntentsQueue") == []


def test_what_sqs_itself_moved_failed_every_time() -> None:
    """moto does not tell where a message was before; SQS does."""
    moved = DeadLetters(Nothing(), "intents", "dead", "source")._read({  # type: ignore[arg-type]
        "MessageId": "m", "Body": json.dumps(INTENT), "ReceiptHandle": "r",
        "Attributes": {"DeadLetterQueueSourceArn": "arn:…", "SentTimestamp": "7", "ApproximateReceiveCount": "6"},
    })  # fmt: skip
    assert moved.why.startswith("its function failed every time")
    assert (moved.sent_ms, moved.receives, moved.is_readable) == (7, 6, True)


class Nothing:
    """A client nobody asks."""


def ids_of(bodies: Sequence[str]) -> list[str]:
    return [str(letter["message_id"])[:8] for letter in listed() if letter["body"] in bodies]


def test_one_is_chosen_by_how_its_id_begins(intents: LocalSqs) -> None:
    one, other = json.dumps(INTENT), json.dumps(INTENT | {"correlation_id": "fedcba9876543210"})
    bury(intents, one, other)
    assert run("replay", "intents", "--id", *ids_of([one])).stdout == "1 sent back to intents\n"
    assert waiting(intents, "IntentsQueue") == [one]
    assert run("drop", "intents", "--id", *ids_of([other])).stdout == "1 dropped from intents\n"
    assert (run("list", "intents").exit_code, listed()) == (0, [])


def test_nothing_is_dropped_by_accident(intents: LocalSqs) -> None:
    bury(intents, "{")
    for arguments in ((), ("--all", "--id", "x")):
        refused = run("drop", "intents", *arguments)
        assert (refused.exit_code, "expected --id ID, once or more, or --all" in refused.stderr) == (1, True)
    unknown = run("drop", "intents", "--id", "nobody's")
    assert (unknown.exit_code, "no message here" in unknown.stderr) == (1, True)
    assert len(listed()) == 1
    assert run("drop", "intents", "--all").stdout == "1 dropped from intents\n"
    assert listed() == []


def test_a_queue_that_is_not_there_is_named(intents: LocalSqs, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there are executions, intents, orders" in run("list", "letters").stderr
    for name, value in intents.env.items():
        monkeypatch.setenv(name, value)
    assert "there is no queue nightdesk-prod-intents-dead" in run("list", "intents", "--stage", "prod").stderr
    assert run("list", "intents", "--stage", "dev").exit_code == 0
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert "SQS: Could not connect" in run("list", "intents", "--stage", "dev").stderr


def test_without_a_desk_it_says_what_to_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "or give --stage" in run("list", "intents").stderr
