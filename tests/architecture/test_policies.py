"""What each function may do in AWS, what is limited, what is watched: read from the stack that would be deployed."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from desk.deployed_secrets import secrets_of_deployment
from desk.lambda_host.spec import FunctionSpec, read_spec
from desk.local.process import PROJECT
from shared.runtime.agent_config import SPECS
from shared.runtime.config import TRADED_VENUES
from shared.runtime.metrics import METRICS, NAMESPACE
from tests.architecture.packaging import VARIABLES, osls, project_in
from tests.architecture.reach import settings_of

SOURCE = PROJECT / "serverless.yml"
SPEC = read_spec(SOURCE, VARIABLES)
FUNCTIONS = sorted(SPEC.functions.values(), key=lambda function: function.name)
each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
Template = dict[str, Any]
Statement = dict[str, Any]

TRACED = {"trigger-executions", "execute-trader", "risk-agent", "execution-agent"}
WITHOUT_RESOURCES = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
"""Actions IAM cannot narrow to a resource (Service Authorization Reference)."""
VENUE_KEY = re.compile(rf"^({'|'.join(TRADED_VENUES)})_api_(key|secret|password)$".upper().replace("(?:", "("))


def of_kind(template: Template, kind: str) -> Iterator[dict[str, Any]]:
    for resource in template["Resources"].values():
        if resource["Type"] == kind:
            yield resource["Properties"]


def deployed(template: Template, function: FunctionSpec) -> dict[str, Any]:
    (found,) = [
        p for p in of_kind(template, "AWS::Lambda::Function") if p["FunctionName"] == SPEC.prefix + function.name
    ]
    return found


def statements(template: Template, function: FunctionSpec) -> list[Statement]:
    role = template["Resources"][deployed(template, function)["Role"]["Fn::GetAtt"][0]]["Properties"]
    assert "ManagedPolicyArns" not in role
    return [each for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"]]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed(template: Template, function: FunctionSpec, action: str) -> set[str]:
    """Return the resources a function may do something to: logical ids, or the text of an ARN."""
    found = [
        resource
        for statement in statements(template, function)
        if action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    ]
    return {each["Fn::GetAtt"][0] if "Fn::GetAtt" in each else each["Fn::Sub"] for each in found}


def environment(template: Template, function: FunctionSpec) -> dict[str, Any]:
    found: dict[str, Any] = deployed(template, function)["Environment"]["Variables"]
    return found


def parameters(template: Template, function: FunctionSpec) -> set[str]:
    """Return the parameters a function's variables refer to."""
    values = [value for value in environment(template, function).values() if isinstance(value, str)]
    return {value.partition(":")[2] for value in values if value.startswith(("ssm:", "ssm-optional:"))}


def test_every_function_has_a_role_of_its_own(template: Template) -> None:
    roles = {function.name: deployed(template, function)["Role"]["Fn::GetAtt"][0] for function in FUNCTIONS}
    assert len(set(roles.values())) == len(FUNCTIONS) == len(list(of_kind(template, "AWS::IAM::Role")))
    for role in of_kind(template, "AWS::IAM::Role"):
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


@each_function
def test_a_statement_names_what_it_allows(template: Template, function: FunctionSpec) -> None:
    for statement in statements(template, function):
        assert set(statement) == {"Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        actions = set(as_list(statement["Action"]))
        assert not [action for action in actions if "*" in action]
        for resource in as_list(statement["Resource"]):
            if resource == "*":
                assert actions <= WITHOUT_RESOURCES, "only what has no resources may name all of them"
            elif "Fn::Sub" in resource:  # a log group's streams are its own; no other ARN ends in a pattern
                own_log = f":log-group:/aws/lambda/{SPEC.prefix}{function.name}:*"
                assert "*" not in resource["Fn::Sub"] or resource["Fn::Sub"].endswith(own_log)
            else:
                assert resource["Fn::GetAtt"][1] == "Arn"


def test_a_star_has_its_reason_beside_it() -> None:
    stars = [line for line in SOURCE.read_text().splitlines() if re.search(r"(Action|Resource):.*\*(?!\w)", line)]
    assert stars, "X-Ray's, and the logs'"
    for line in stars:
        assert "# " in line or (":*" in line and "logArn" in line), line


@each_function
def test_a_function_sends_only_to_the_queues_it_is_told_of(template: Template, function: FunctionSpec) -> None:
    told = {value["Ref"] for value in environment(template, function).values() if isinstance(value, dict)}
    may = allowed(template, function, "sqs:SendMessage")
    asked_about = {"ExecutionsQueue"} if function.name == "api" else set()
    assert may - {"FailedInvocationsQueue"} == told - asked_about


@each_function
def test_a_function_takes_only_from_the_queue_that_wakes_it(template: Template, function: FunctionSpec) -> None:
    wakes = {event.queue for event in function.queues}
    for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage"):
        assert allowed(template, function, action) == wakes
    dead = {queue.dead_letter for queue in SPEC.queues.values() if queue.dead_letter}
    read = {event.queue for each in FUNCTIONS for event in each.queues}
    looks = {"api": read | dead, "scheduled-monitor": {"ExecutionsQueue", "ExecutionsDeadLetterQueue"}}
    assert allowed(template, function, "sqs:GetQueueAttributes") == looks.get(function.name, wakes)


@each_function
def test_a_function_reads_its_own_parameters(template: Template, function: FunctionSpec) -> None:
    prefix = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter"
    may = {arn.removeprefix(prefix) for arn in allowed(template, function, "ssm:GetParameters")}
    assert may == parameters(template, function)
    assert all(name.startswith("/nightdesk/dev/") for name in may)


@each_function
def test_a_function_knows_no_store_it_does_not_use(template: Template, function: FunctionSpec) -> None:
    stores = {"SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_KEY", "UPSTASH_REDIS_REST_TOKEN", "NOTIFICATIONS_QUEUE_URL"}
    needed = {name.upper() for name in settings_of(function.handler)}
    assert stores & environment(template, function).keys() == stores & needed


def test_only_execution_reads_the_keys_of_venues(template: Template) -> None:
    readers = {
        function.name
        for function in FUNCTIONS
        for arn in allowed(template, function, "ssm:GetParameters")
        if VENUE_KEY.match(arn.rpartition("/")[2])
    }
    assert readers == {"execution-agent"}


@each_function
def test_a_variable_names_its_own_parameter(template: Template, function: FunctionSpec) -> None:
    for name, value in environment(template, function).items():
        if isinstance(value, str) and value.startswith("ssm"):
            assert value.rpartition("/")[2] == name


@each_function
def test_no_secret_is_in_what_is_deployed(template: Template, function: FunctionSpec) -> None:
    for name, value in environment(template, function).items():
        if re.search(r"(_KEY|_SECRET|_TOKEN|_PASSWORD|_PREVIOUS|_URLS)$", name):
            assert value.startswith(("ssm:/", "ssm-optional:/"))
        if name.endswith("_PREVIOUS"):
            assert value.startswith("ssm-optional:"), "there is one only while it is rotated"


@each_function
def test_variables_fit_into_what_lambda_takes(template: Template, function: FunctionSpec) -> None:
    """Lambda takes 4 KB of variables; queue URLs are about 90 bytes."""
    variables = environment(template, function)
    assert sum(len(name) + (len(value) if isinstance(value, str) else 90) for name, value in variables.items()) < 4_096


def test_functions_start_none_but_those_an_agent_runs_by(template: Template) -> None:
    errands = {errand.function for spec in SPECS.values() for errand in (spec.errand, *spec.asked.values())}
    for function in FUNCTIONS:
        arns = allowed(template, function, "lambda:InvokeFunction")
        started = {arn.partition(f":function:{SPEC.prefix}")[2] for arn in arns}
        assert started == (errands if function.name == "api" else set())


def test_what_nobody_waits_for_is_kept_when_it_fails(template: Template) -> None:
    """EventBridge and the API's errands start functions without waiting; SQS and HTTP have ways of their own."""
    errands = {errand.function for spec in SPECS.values() for errand in (spec.errand, *spec.asked.values())}
    unwaited = {function.name for function in FUNCTIONS if function.schedules} | errands
    kept = {"Fn::GetAtt": ["FailedInvocationsQueue", "Arn"]}
    destinations = defaultdict(list)
    for config in of_kind(template, "AWS::Lambda::EventInvokeConfig"):
        logical_id = config["FunctionName"]["Ref"]
        name = template["Resources"][logical_id]["Properties"]["FunctionName"].removeprefix(SPEC.prefix)
        destinations[name].append(config["DestinationConfig"]["OnFailure"]["Destination"])
    assert dict(destinations) == {name: [kept] for name in unwaited}
    for function in FUNCTIONS:
        keeps = "FailedInvocationsQueue" in allowed(template, function, "sqs:SendMessage")
        assert keeps == (function.name in unwaited)


def test_the_monitor_alone_is_not_tried_again(template: Template) -> None:
    """Its next run is a minute away; another's event may be all there is of what somebody asked for."""
    configs = [*of_kind(template, "AWS::Lambda::EventInvokeConfig")]
    retries = {config["FunctionName"]["Ref"]: config.get("MaximumRetryAttempts") for config in configs}
    given = {name: attempts for name, attempts in retries.items() if attempts is not None}
    assert given == {"ScheduledDashmonitorLambdaFunction": 0}


def test_a_route_and_a_schedule_lead_to_their_function_and_may_start_it(template: Template) -> None:
    names = {
        logical_id: each["Properties"]["FunctionName"].removeprefix(SPEC.prefix)
        for logical_id, each in template["Resources"].items()
        if each["Type"] == "AWS::Lambda::Function"
    }
    led = set()
    for route in of_kind(template, "AWS::ApiGatewayV2::Route"):
        integration = template["Resources"][route["Target"]["Fn::Join"][1][1]["Ref"]]["Properties"]
        assert (integration["IntegrationType"], integration["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")
        led.add((route["RouteKey"], names[integration["IntegrationUri"]["Fn::GetAtt"][0]]))
    assert led == {(f"{route.method} {route.path}", f.name) for f in FUNCTIONS for route in f.routes}
    may = defaultdict(set)
    for permission in of_kind(template, "AWS::Lambda::Permission"):
        assert permission["SourceArn"], "from this desk's API and rules alone"
        may[permission["Principal"]].add(names[permission["FunctionName"]["Fn::GetAtt"][0]])
    assert may == {
        "apigateway.amazonaws.com": {function.name for function in FUNCTIONS if function.routes},
        "events.amazonaws.com": {function.name for function in FUNCTIONS if function.schedules},
    }


def test_queues_start_only_so_many_at_once(template: Template) -> None:
    for mapping in of_kind(template, "AWS::Lambda::EventSourceMapping"):
        assert 2 <= mapping["ScalingConfig"]["MaximumConcurrency"] <= 10


def test_execution_can_be_given_processes_of_its_own(tmp_path: Path, template: Template) -> None:
    execution = SPEC.functions["execution-agent"]
    assert "ReservedConcurrentExecutions" not in deployed(template, execution), "a new account has too few"
    osls("package", project_in(tmp_path), {"EXECUTION_RESERVED_CONCURRENCY": "7"})
    given = json.loads((tmp_path / ".serverless" / "cloudformation-template-update-stack.json").read_text())
    assert deployed(given, execution)["ReservedConcurrentExecutions"] == 7


def test_the_example_of_settings_has_what_the_file_takes() -> None:
    example = (PROJECT / ".env.example").read_text()
    assigned = set(re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE))
    taken = set(re.findall(r"\$\{env:(\w+)", SOURCE.read_text()))
    kept = {secret.name for secret in secrets_of_deployment() if not VENUE_KEY.match(secret.name)}
    assert assigned == taken | kept
    required = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
    assert required == set(VARIABLES) | {"AWS_REGION"}


def test_callers_of_the_http_api_are_throttled_before_they_cost(template: Template) -> None:
    (stage,) = of_kind(template, "AWS::ApiGatewayV2::Stage")
    settings = stage["DefaultRouteSettings"]
    assert 0 < settings["ThrottlingRateLimit"] <= settings["ThrottlingBurstLimit"] <= 1_000


@each_function
def test_the_way_from_a_close_to_its_fills_is_traced_and_nothing_else(
    template: Template, function: FunctionSpec
) -> None:
    """A trace costs as much as 25 invocations: one is recorded where somebody would ask what took so long."""
    is_traced = function.name in TRACED
    tracing = deployed(template, function).get("TracingConfig")
    assert tracing == ({"Mode": "Active"} if is_traced else None)
    assert environment(template, function)["TRACING"] == ("Active" if is_traced else "PassThrough")
    may_trace = {"xray:PutTraceSegments"} <= {a for s in statements(template, function) for a in as_list(s["Action"])}
    assert may_trace == is_traced


@each_function
def test_a_function_is_tagged_and_its_log_forgotten(template: Template, function: FunctionSpec) -> None:
    made = deployed(template, function)
    assert {"Key": "project", "Value": "nightdesk"} in made["Tags"]
    logs = {group["LogGroupName"]: group["RetentionInDays"] for group in of_kind(template, "AWS::Logs::LogGroup")}
    assert logs[f"/aws/lambda/{SPEC.prefix}{function.name}"] == 30


def alarms(template: Template) -> dict[str, dict[str, Any]]:
    return {p["AlarmName"].removeprefix(SPEC.prefix): p for p in of_kind(template, "AWS::CloudWatch::Alarm")}


@each_function
def test_errors_and_throttles_of_a_function_are_told(template: Template, function: FunctionSpec) -> None:
    for kind in ("errors", "throttles"):
        name = (
            "monitor-errors" if (function.name, kind) == ("scheduled-monitor", "errors") else f"{function.name}-{kind}"
        )
        alarm = alarms(template)[name]
        assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Lambda", kind.title())
        assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": SPEC.prefix + function.name}]


def test_somebody_outside_watches_the_monitor_and_the_data(template: Template) -> None:
    """Silence is no good news: where the desk tells of itself, nothing told is an alarm."""
    for name, metric, comparison in (
        ("monitor-dead", "MonitorRuns", "LessThanThreshold"),
        ("data-age", "DataAge", "GreaterThanThreshold"),
    ):
        alarm = alarms(template)[name]
        assert (alarm["Namespace"], alarm["MetricName"]) == ("nightdesk", metric)
        assert alarm["Dimensions"] == [{"Name": "service", "Value": "scheduled-monitor"}]
        assert (alarm["TreatMissingData"], alarm["ComparisonOperator"]) == ("breaching", comparison)


def test_cloudwatch_is_told_what_its_alarms_read_and_nothing_more(template: Template) -> None:
    """It bills every metric it is told; an alarm on one that nobody publishes would watch nothing."""
    read = {alarm["MetricName"] for alarm in alarms(template).values() if alarm["Namespace"] == NAMESPACE}
    assert read == {metric.name for metric in METRICS.values() if metric.is_watched}


def test_every_queue_nobody_reads_is_watched(template: Template) -> None:
    read = {event.queue for function in FUNCTIONS for event in function.queues}
    values = [dimension["Value"] for alarm in alarms(template).values() for dimension in alarm["Dimensions"]]
    watched = {value["Fn::GetAtt"][0] for value in values if isinstance(value, dict)}
    assert watched == set(SPEC.queues) - read
    for alarm in (each for each in alarms(template).values() if each["Namespace"] == "AWS/SQS"):
        assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
        assert (alarm["Statistic"], alarm["Threshold"]) == ("Maximum", 1), "one is enough"
        assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"


def test_alarms_lead_somewhere(template: Template) -> None:
    assert all(alarm["AlarmActions"] == [{"Ref": "AlarmsTopic"}] for alarm in alarms(template).values())
    assert template["Resources"]["AlarmsEmail"]["Condition"] == "HasAlarmEmail"


def test_the_stack_is_one_cloudformation_accepts(template: Template) -> None:
    """Warnings of cfn-lint are about what osls writes twice; errors would be refused by AWS."""
    from cfnlint.api import lint
    from cfnlint.core import get_rules

    found = lint(json.dumps(template), get_rules([], [], []), ["eu-central-1"])
    assert [str(match) for match in found if match.rule.severity == "error"] == []
