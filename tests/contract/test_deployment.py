"""`osls deploy`, against moto's AWS, twice: what is created is wired as declared, and an update changes it in place.

moto's CloudFormation knows no alarms, no API Gateway v2 and no configuration of asynchronous invocations: of these
tests/architecture/test_policies.py looks at the template.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from desk.deployed_secrets import chosen, put, remove, secrets_of_deployment
from desk.lambda_host.spec import read_spec
from desk.local.process import HOST, PROJECT, Child, accepts, claim_port
from shared.domain.errors import FatalError, InvalidMessageError
from shared.runtime import redaction
from shared.runtime.config import Settings
from tests.architecture.packaging import OPEN, VARIABLES, osls, project_in

SPEC = read_spec(PROJECT / "serverless.yml", VARIABLES)
REGION = "eu-central-1"
MEMORY_MB = 1_536
"""What the second deployment gives execution-agent."""


class Cloud:
    """An account after the desk has been deployed to it, and again with a change."""

    def __init__(self, env: Mapping[str, str], first: Mapping[str, Any]) -> None:
        self.env = env
        self.first = first

    def client(self, service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.env["AWS_ENDPOINT_URL"],
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    def functions(self) -> dict[str, Any]:
        listed = self.client("lambda").list_functions()["Functions"]
        return {function["FunctionName"].removeprefix(SPEC.prefix): function for function in listed}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The stack after its creation and one update."""
    home = tmp_path_factory.mktemp("cloud")
    port = claim_port(None, "AWS (moto)")
    argv = [sys.executable, "-m", "tests.contract.aws_server", str(port)]
    server = Child(name="AWS (moto)", argv=argv, log=home / "aws.log").start()
    try:
        server.wait_ready(lambda: accepts(port))
        env = {
            "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        folder = project_in(_folder(home))
        osls("deploy", folder, env)
        first = Cloud(env, {}).functions()
        _change(folder / "serverless.yml")
        osls("deploy", folder, env)
        yield Cloud(env, first)
    finally:
        server.stop()


def _folder(home: Path) -> Path:
    folder = home / "project"
    folder.mkdir()
    return folder


def _change(path: Path) -> None:
    text = path.read_text()
    assert text.count("memorySize: 1024 # ccxt") == 1
    path.write_text(text.replace("memorySize: 1024 # ccxt", f"memorySize: {MEMORY_MB} # ccxt"))


def test_every_function_is_there_with_its_time_and_memory(cloud: Cloud) -> None:
    made = cloud.functions()
    assert set(made) == set(SPEC.functions)
    for function in SPEC.functions.values():
        memory_mb = MEMORY_MB if function.name == "execution-agent" else function.memory_mb
        assert made[function.name]["MemorySize"] == memory_mb, "the update changed one, and that one alone"
        assert made[function.name]["Timeout"] == function.timeout_s
        assert made[function.name]["FunctionArn"] == cloud.first[function.name]["FunctionArn"]


def test_a_deployment_is_seen_by_every_process(cloud: Cloud) -> None:
    """Else a warm process would go on with the secrets it read before."""
    for name, function in cloud.functions().items():
        before = cloud.first[name]["Environment"]["Variables"]["DEPLOYMENT"]
        assert function["Environment"]["Variables"]["DEPLOYMENT"] not in {"", before}


def test_nothing_secret_is_in_the_account_but_in_its_parameters(cloud: Cloud) -> None:
    secret = {value for name, value in VARIABLES.items() if name not in OPEN}
    stored = json.dumps([function["Environment"] for function in cloud.functions().values()])
    template = json.dumps(cloud.client("cloudformation").get_template(StackName="nightdesk-dev")["TemplateBody"])
    assert not [value for value in secret if value in stored + template]


def test_queues_wake_their_functions_in_batches_and_so_many_at_once(cloud: Cloud) -> None:
    mappings = cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    made = {
        (mapping["FunctionArn"].rpartition(SPEC.prefix)[2], mapping["EventSourceArn"].rpartition(":")[2]): mapping
        for mapping in mappings
    }
    declared = {(f.name, SPEC.queues[e.queue].name): e for f in SPEC.functions.values() for e in f.queues}
    assert set(made) == set(declared)
    assert len(mappings) == len(declared)
    for key, event in declared.items():
        assert made[key]["BatchSize"] == event.batch_size
        assert made[key]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert made[key]["ScalingConfig"]["MaximumConcurrency"] >= 2


def test_queues_give_up_into_their_dead_letters(cloud: Cloud) -> None:
    client = cloud.client("sqs")
    urls = {url.rpartition("/")[2]: url for url in client.list_queues()["QueueUrls"]}
    assert set(urls) == {queue.name for queue in SPEC.queues.values()}
    for queue in SPEC.queues.values():
        found = client.get_queue_attributes(QueueUrl=urls[queue.name], AttributeNames=["All"])["Attributes"]
        assert int(found["VisibilityTimeout"]) == queue.visibility_timeout_s
        if queue.dead_letter is not None:
            redrive = json.loads(found["RedrivePolicy"])
            assert redrive["deadLetterTargetArn"].rpartition(":")[2] == SPEC.queues[queue.dead_letter].name
            assert int(redrive["maxReceiveCount"]) == queue.max_receives


def test_schedules_wake_their_functions(cloud: Cloud) -> None:
    client, woken = cloud.client("events"), list[tuple[str, str]]()
    for rule in client.list_rules()["Rules"]:
        (target,) = client.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        woken.append((target["Arn"].rpartition(SPEC.prefix)[2], rule["ScheduleExpression"]))
    assert sorted(woken) == sorted((f.name, rate) for f in SPEC.functions.values() for rate in f.schedules)


def test_each_function_has_its_own_role_with_its_own_parameters(cloud: Cloud) -> None:
    client, roles = cloud.client("iam"), set[str]()
    for function in cloud.functions().values():
        role = function["Role"].rpartition("/")[2]
        roles.add(role)
        assert client.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        document = client.get_role_policy(RoleName=role, PolicyName="own")["PolicyDocument"]
        text = json.dumps(document)
        variables = function["Environment"]["Variables"].values()
        for reference in (value for value in variables if value.startswith("ssm")):
            assert f":123456789012:parameter{reference.partition(':')[2]}" in text
        assert "${" not in text, "every reference is resolved"
    assert len(roles) == len(SPEC.functions)


def test_logs_are_kept_for_a_month_and_alarms_have_a_topic(cloud: Cloud) -> None:
    groups = cloud.client("logs").describe_log_groups()["logGroups"]
    assert {group["logGroupName"]: group["retentionInDays"] for group in groups} == {
        f"/aws/lambda/{SPEC.prefix}{name}": 30 for name in SPEC.functions
    }
    (topic,) = cloud.client("sns").list_topics()["Topics"]
    assert topic["TopicArn"].endswith(":nightdesk-dev-alarms")


def test_a_deployed_function_finds_its_secrets(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `desk secrets put` writes is what the variables of a deployed function lead to."""
    variables = cloud.functions()["execution-agent"]["Environment"]["Variables"]
    for name in (Settings.variables() | set(cloud.env)) & set(os.environ):
        monkeypatch.delenv(name)
    for name, value in {**variables, **cloud.env}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(FatalError, match="no parameter for SERVICE_SECRET"):
        Settings.of_process()
    put(chosen(VARIABLES | {"OKX_API_KEY": "of-the-venue-1"}), stage="dev")
    try:
        settings = Settings.of_process()
    finally:
        redaction._learned.clear()
        redaction._own_secrets.cache_clear()
    assert settings.need("service_secret") == VARIABLES["SERVICE_SECRET"]
    assert settings.need("supabase_service_role_key") == VARIABLES["SUPABASE_SERVICE_ROLE_KEY"]
    assert settings.venue_access["okx"].api_key is not None
    assert settings.venue_access["okx"].api_secret is None
    assert settings.need("orders_queue_url").endswith("/nightdesk-dev-orders")
    assert remove(["OKX_API_KEY", "OKX_API_SECRET"], stage="dev") == ["OKX_API_KEY"], "the other never was there"


def test_secrets_are_those_functions_refer_to() -> None:
    listed = {secret.name: secret.is_optional for secret in secrets_of_deployment()}
    assert {name for name, optional in listed.items() if not optional} == set(VARIABLES) - set(OPEN)
    assert listed["TRIGGER_SECRET_PREVIOUS"]
    assert listed["HYPERLIQUID_API_SECRET"]


@pytest.mark.parametrize(
    ("env", "names", "problem"),
    [
        (
            {"SERVICE_SECRET": "x", "TRIGGER_SECRET": ""},
            [],
            "SUPABASE_JWT_SECRET: is not set.*; TRIGGER_SECRET: is not",
        ),
        ({"SERVICE_SECRET": "x"}, ["LOG_LEVEL"], "LOG_LEVEL: is no secret"),
        ({"SERVICE_SECRET": "x"}, ["TRIGGER_SECRET"], "TRIGGER_SECRET: is not set"),
    ],
)
def test_what_cannot_be_put_is_named(env: dict[str, str], names: list[str], problem: str) -> None:
    with pytest.raises(InvalidMessageError, match=problem):
        chosen(env, names)
