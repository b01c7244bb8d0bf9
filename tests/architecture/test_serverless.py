"""`serverless.yml`, `functions/` and the event samples are one thing said three times; the packager agrees."""

import json
import tomllib
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from desk.lambda_host.host import LambdaHost
from desk.lambda_host.schedule import is_due
from desk.lambda_host.spec import DeskSpec, FunctionSpec, read_spec
from desk.local.process import PROJECT
from desk.packaging.build import artifacts
from desk.packaging.cold import ENVIRONMENT
from desk.packaging.wheels import LAMBDA
from shared.adapters.venues.registry import VENUES
from shared.domain.errors import FatalError
from shared.domain.monitoring import MonitorSettings
from shared.messages import ExecuteRequest, TriggerRequest
from shared.monitor_messages import MonitorRequest
from shared.notification_messages import NotifyRequest
from shared.runtime.agent_config import AGENTS_FILE, SPECS
from shared.runtime.config import TRADED_VENUES, Settings
from shared.signal_messages import SignalRequest
from shared.trading_messages import ExecutionRequest, RiskRequest
from tests.architecture.packaging import VARIABLES

SPEC = read_spec(PROJECT / "serverless.yml", VARIABLES)
FUNCTIONS = sorted(SPEC.functions.values(), key=lambda function: function.name)
each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)


def test_every_function_is_a_file_and_every_file_a_function() -> None:
    files = {path.stem for path in (PROJECT / "functions").glob("*.py")} - {"__init__"}
    assert {function.handler for function in FUNCTIONS} == {f"functions.{name}.handler" for name in files}


@each_function
def test_a_function_is_named_as_its_file(function: FunctionSpec) -> None:
    assert function.handler == f"functions.{function.name.replace('-', '_')}.handler"
    source = (PROJECT / "functions" / f"{function.handler.split('.')[1]}.py").read_text()
    assert "\nhandler = " in source or "\ndef handler(" in source


@each_function
def test_something_wakes_every_function(function: FunctionSpec) -> None:
    assert function.schedules or function.queues or function.routes
    for schedule in function.schedules:
        is_due(schedule)


@each_function
def test_a_function_reads_the_variables_it_is_given(function: FunctionSpec) -> None:
    known = Settings.variables() | {
        "LOG_LEVEL",
        "TRACING",
        "PYDANTIC_DISABLE_PLUGINS",
        "DEPLOYMENT",
    }
    assert set(function.environment) <= known, "nobody reads these"


def test_cold_imports_are_measured_with_what_every_function_is_given() -> None:
    assert all(function.environment.items() >= ENVIRONMENT.items() for function in FUNCTIONS)


def test_no_secret_is_written_in_the_file() -> None:
    for function in FUNCTIONS:
        for name, value in function.environment.items():
            if name.endswith(("_KEY", "_SECRET", "_TOKEN", "_PASSWORD", "_PREVIOUS")):
                assert value == VARIABLES.get(name, "")


@each_function
def test_a_secret_of_machines_may_be_rotated_wherever_it_is_known(function: FunctionSpec) -> None:
    for name in {"TRIGGER_SECRET", "SERVICE_SECRET"} & set(function.environment):
        assert function.environment[f"{name}_PREVIOUS"] == "", "while it is rotated, the one before it"


def test_keys_of_venues_are_one_functions_alone() -> None:
    keys = {f"{venue}_{name}".upper() for venue in TRADED_VENUES for name in ("api_key", "api_secret", "api_password")}
    has = {function.name: keys & set(function.environment) for function in FUNCTIONS}
    assert [name for name, found in has.items() if found] == ["execution-agent"]
    assert {"BINANCE_API_KEY", "BINANCE_API_SECRET", "OKX_API_PASSWORD"} <= has["execution-agent"]


def test_venues_that_can_be_traded_are_those_that_can_be_collected() -> None:
    assert set(TRADED_VENUES) == set(VENUES)


def test_nothing_trades_live_unless_somebody_says_so() -> None:
    assert {function.environment.get("AGENT_MODE", "paper") for function in FUNCTIONS} == {"paper"}


@each_function
def test_queues_give_a_function_the_time_it_needs(function: FunctionSpec) -> None:
    """AWS asks for a visibility timeout of six times the function's, and five tries before the dead-letter queue."""
    for event in function.queues:
        queue = SPEC.queues[event.queue]
        assert event.reports_failures
        assert queue.visibility_timeout_s >= 6 * function.timeout_s
        assert queue.max_receives == 5
        assert queue.dead_letter in SPEC.queues


def test_the_api_is_told_of_every_queue() -> None:
    """`GET /api/metrics` finds the dead letters of a queue by its redrive policy, so it need not be told of those."""
    read = {event.queue for function in FUNCTIONS for event in function.queues}
    told = {value["Ref"] for value in SPEC.functions["api"].environment.values() if isinstance(value, dict)}
    assert told == read


@each_function
def test_an_http_function_answers_before_the_gateway_gives_up(function: FunctionSpec) -> None:
    assert not function.routes or function.timeout_s < 30


def test_routes_are_the_callers_paths() -> None:
    """Paths an existing frontend and pg_cron call; they stay as they are."""
    routes = {(route.method, route.path) for function in FUNCTIONS for route in function.routes}
    assert routes >= {
        ("POST", "/functions/v1/trigger-executions"),
        ("POST", "/functions/v1/execute-trader"),
        ("POST", "/functions/v1/execution-agent"),
        ("POST", "/functions/v1/scheduled-monitor"),
        ("GET", "/health"),
        ("ANY", "/api/{proxy+}"),
    }


def test_every_function_has_an_event_sample() -> None:
    samples = {path.stem for path in (PROJECT / "tests" / "events").glob("*.json")}
    assert {function.name for function in FUNCTIONS} <= samples


def test_the_samples_are_messages_the_functions_read() -> None:
    for name, queue, messages in (
        ("execute-trader", "ExecutionsQueue", ExecuteRequest),
        ("risk-agent", "IntentsQueue", RiskRequest),
        ("execution-agent", "OrdersQueue", ExecutionRequest),
        ("notify", "NotificationsQueue", NotifyRequest),
        ("signal-agent", "SignalsQueue", SignalRequest),
    ):
        for record in sample(name)["Records"]:
            assert record["eventSourceARN"] == SPEC.queue_arn(queue)
            messages.validate_json(record["body"])
    TriggerRequest.validate_json(sample("trigger-executions")["body"])
    MonitorRequest.validate_json(sample("scheduled-monitor")["body"])
    for name in ("trigger-executions", "scheduled-monitor", "api"):
        assert sample(name)["routeKey"] in {f"{r.method} {r.path}" for r in SPEC.functions[name].routes}


def test_the_desk_on_this_machine_knows_every_event(tmp_path: Path) -> None:
    """The Lambda host refuses what it does not understand; here it understands all of the file."""
    assert isinstance(SPEC, DeskSpec)
    assert LambdaHost(spec=SPEC, log_dir=tmp_path).spec is SPEC


def test_every_function_is_an_artifact_called_as_a_group_of_dependencies(packaged: Path) -> None:
    """osls itself packs nothing; which is in which is tried in tests/contract/test_packages.py."""
    assert not list(packaged.glob("*.zip"))
    groups = tomllib.loads((PROJECT / "pyproject.toml").read_text())["dependency-groups"]
    for path in set(artifacts().values()):
        assert path.parent.as_posix() == "dist/lambda"
        assert path.suffix == ".zip"
        assert path.stem in groups
        assert (PROJECT / "requirements" / f"{path.stem}.txt").is_file()
    assert artifacts().keys() == SPEC.functions.keys()


def test_artifacts_have_the_code_and_the_settings_of_agents(packaged: Path) -> None:
    for path in set(artifacts().values()):
        names = set(zipfile.ZipFile(packaged.parent / path).namelist())
        assert AGENTS_FILE.relative_to(PROJECT).as_posix() in names
        assert {name.split("/")[0] for name in names} == {"functions", "shared", "config"}
        assert {f"{function.handler.replace('.', '/').removesuffix('/handler')}.py" for function in FUNCTIONS} <= names


def test_a_function_without_an_artifact_is_refused(tmp_path: Path) -> None:
    (tmp_path / "serverless.yml").write_text("functions: {api: {handler: functions/api.handler}}")
    with pytest.raises(FatalError, match=r"no package\.artifact of api"):
        artifacts(tmp_path / "serverless.yml")


def test_packages_are_for_the_machine_the_file_names() -> None:
    provider = yaml.safe_load((PROJECT / "serverless.yml").read_text())["provider"]
    assert provider["runtime"] == f"python{LAMBDA.python_version}"
    assert (provider["architecture"], (LAMBDA.platform or "").partition("-")[0]) == ("arm64", "aarch64")


def test_what_runs_an_agent_now_is_deployed() -> None:
    errands = [errand for spec in SPECS.values() for errand in (spec.errand, *spec.asked.values())]
    assert {errand.function for errand in errands} <= set(SPEC.functions)
    for spec in SPECS.values():
        assert spec.errand.read({})


def test_the_package_has_every_function_queue_and_schedule(template: dict[str, Any]) -> None:
    kinds = defaultdict(list)
    for resource in template["Resources"].values():
        kinds[resource["Type"]].append(resource["Properties"])
    assert {p["FunctionName"] for p in kinds["AWS::Lambda::Function"]} == {
        f"nightdesk-dev-{function.name}" for function in FUNCTIONS
    }
    assert {p["Architectures"][0] for p in kinds["AWS::Lambda::Function"]} == {"arm64"}
    assert {p["QueueName"] for p in kinds["AWS::SQS::Queue"]} == {queue.name for queue in SPEC.queues.values()}
    assert SPEC.functions["api"].environment["FUNCTION_PREFIX"] == SPEC.prefix == "nightdesk-dev-"
    assert len(kinds["AWS::Events::Rule"]) == sum(len(function.schedules) for function in FUNCTIONS)
    assert {p["RouteKey"] for p in kinds["AWS::ApiGatewayV2::Route"]} == {
        f"{route.method} {route.path}" for function in FUNCTIONS for route in function.routes
    }
    mappings = kinds["AWS::Lambda::EventSourceMapping"]
    assert len(mappings) == sum(len(function.queues) for function in FUNCTIONS)
    assert all(mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for mapping in mappings)


def test_the_monitor_has_the_time_its_checks_may_take_and_its_lease_outlives_it() -> None:
    settings, timeout_ms = MonitorSettings(), SPEC.functions["scheduled-monitor"].timeout_s * 1_000
    assert settings.task_limit_ms * 2 < timeout_ms < settings.lease_ms < 60_000


def sample(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((PROJECT / "tests" / "events" / f"{name}.json").read_text())
    return loaded
