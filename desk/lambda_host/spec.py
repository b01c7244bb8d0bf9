"""Read from `serverless.yml` what the desk runs: functions, what wakes them, queues.

Understood are the parts the desk uses; anything else that would change how a function is woken is an error, so that the
desk on one machine and the one in the cloud cannot drift apart unnoticed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from desk.local.process import LocalPartError
from shared.domain.errors import InvalidMessageError
from shared.runtime.parameters import REQUIRED, parameter_of

_VARIABLE: Final = re.compile(r"\$\{(env|opt|self|sls):([\w.-]+)(?:,\s*(?:'([^']*)'|([\w.-]+)))?\}")
ACCOUNT: Final = "123456789012"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSpec:
    """An SQS queue; after `max_receives` deliveries a message goes to `dead_letter` (a logical id)."""

    logical_id: str
    name: str
    visibility_timeout_s: int = 30
    max_receives: int | None = None
    dead_letter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsEvent:
    """Messages of a queue (a logical id) wake a function, up to `batch_size` at once."""

    queue: str
    batch_size: int = 10
    reports_failures: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route of the HTTP API: method or `ANY`; a path with `{name}` or, at its end, `{name+}`, or `$default`."""

    method: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSpec:
    """One function: its handler as a dotted name and what wakes it."""

    name: str
    handler: str
    timeout_s: float = 6.0
    memory_mb: int = 1_024
    environment: Mapping[str, Any] = field(default_factory=dict)
    schedules: tuple[str, ...] = ()
    queues: tuple[SqsEvent, ...] = ()
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskSpec:
    """Everything `serverless.yml` says about running."""

    service: str
    stage: str
    region: str
    functions: Mapping[str, FunctionSpec]
    queues: Mapping[str, QueueSpec]

    @property
    def prefix(self) -> str:
        """Return what the names of functions begin with in the cloud."""
        return f"{self.service}-{self.stage}-"

    def queue_arn(self, logical_id: str) -> str:
        """Return the ARN of a queue."""
        return f"arn:aws:sqs:{self.region}:{ACCOUNT}:{self.queues[logical_id].name}"


def read_spec(path: Path, env: Mapping[str, str]) -> DeskSpec:
    """Read a serverless file, its `${env:…}` from `env`; raise `LocalPartError` that names what is wrong."""
    try:
        raw = yaml.safe_load(path.read_text())
        return _desk(_Variables(raw, env).resolve(raw))
    except (yaml.YAMLError, InvalidMessageError, KeyError, TypeError) as error:
        raise LocalPartError(f"{path.name}: {error!r}") from error


class _Variables:
    def __init__(self, root: Any, env: Mapping[str, str]) -> None:
        self._root, self._env = root, env

    def resolve(self, node: Any) -> Any:
        if isinstance(node, dict):
            return {key: self.resolve(value) for key, value in node.items()}
        if isinstance(node, list):
            return [self.resolve(item) for item in node]
        if not isinstance(node, str) or "${" not in node:
            return node
        return self._secret(_VARIABLE.sub(self._value, node))

    def _secret(self, text: str) -> str:
        """Return what the deployer's environment has for a reference to the Parameter Store: there is none here."""
        parameter = parameter_of(text)
        if parameter is None:
            return text
        name = parameter.rpartition("/")[2]
        if name not in self._env and text.startswith(REQUIRED):
            raise InvalidMessageError(name, "is not set, and it must be")
        return self._env.get(name, "")

    def _value(self, match: re.Match[str]) -> str:
        source, name, quoted, bare = match.groups()
        value = self._env.get(name) if source == "env" else None
        if source == "sls" and name == "stage":
            value = str(self.resolve(self._root["provider"].get("stage", "dev")))
        if source == "sls" and name == "instanceId":
            value = "local"
        if source == "self":
            value = self._root
            for part in name.split("."):
                value = value[part]
            value = str(self.resolve(value))
        default = quoted if quoted is not None else bare
        if value is None and default is None:
            raise InvalidMessageError(f"${{{source}:{name}}}", "is not set and has no default")
        return str(default if value is None else value)


def _desk(raw: Mapping[str, Any]) -> DeskSpec:
    provider = raw["provider"]
    resources: Mapping[str, Any] = (raw.get("resources") or {}).get("Resources") or {}
    queues = {
        name: _queue(name, resource.get("Properties") or {})
        for name, resource in resources.items()
        if resource["Type"] == "AWS::SQS::Queue"
    }
    functions = {name: _function(name, body, provider) for name, body in raw["functions"].items()}
    for function in functions.values():
        for event in function.queues:
            if event.queue not in queues:
                raise InvalidMessageError(f"functions.{function.name}", f"there is no queue {event.queue}")
    return DeskSpec(
        service=raw["service"],
        stage=str(provider.get("stage", "dev")),
        region=str(provider.get("region", "us-east-1")),
        functions=functions,
        queues=queues,
    )


def _queue(logical_id: str, properties: Mapping[str, Any]) -> QueueSpec:
    redrive = properties.get("RedrivePolicy") or {}
    return QueueSpec(
        logical_id=logical_id,
        name=properties["QueueName"],
        visibility_timeout_s=int(properties.get("VisibilityTimeout", 30)),
        max_receives=int(redrive["maxReceiveCount"]) if redrive else None,
        dead_letter=_arn_of(redrive["deadLetterTargetArn"]) if redrive else None,
    )


def _function(name: str, raw: Mapping[str, Any], provider: Mapping[str, Any]) -> FunctionSpec:
    events = [event.popitem() if isinstance(event, dict) else (event, None) for event in raw.get("events") or []]
    for kind, _ in events:
        if kind not in {"schedule", "sqs", "httpApi"}:
            raise InvalidMessageError(f"functions.{name}.events", f"the Lambda host does not know {kind!r}")
    return FunctionSpec(
        name=name,
        handler=raw["handler"].replace("/", "."),
        timeout_s=float(raw.get("timeout", provider.get("timeout", 6))),
        memory_mb=int(raw.get("memorySize", provider.get("memorySize", 1_024))),
        environment={**(provider.get("environment") or {}), **(raw.get("environment") or {})},
        schedules=tuple(_schedule(body) for kind, body in events if kind == "schedule"),
        queues=tuple(_sqs(body or {}) for kind, body in events if kind == "sqs"),
        routes=tuple(_route(body) for kind, body in events if kind == "httpApi"),
    )


def _schedule(body: Any) -> str:
    return str(body["rate"] if isinstance(body, dict) else body)


def _sqs(body: Mapping[str, Any]) -> SqsEvent:
    return SqsEvent(
        queue=_arn_of(body["arn"]),
        batch_size=int(body.get("batchSize", 10)),
        reports_failures=body.get("functionResponseType") == "ReportBatchItemFailures",
    )


def _route(body: Any) -> Route:
    text = body if isinstance(body, str) else f"{body.get('method', '*')} {body['path']}"
    method, _, path = text.partition(" ")
    if method == "*" and not path:
        return Route(method="ANY", path="$default")
    return Route(method="ANY" if method == "*" else method.upper(), path=path)


def _arn_of(node: Mapping[str, Any]) -> str:
    logical_id, attribute = node["Fn::GetAtt"]
    if attribute != "Arn":
        raise InvalidMessageError("Fn::GetAtt", f"expected Arn, got {attribute}")
    return str(logical_id)
