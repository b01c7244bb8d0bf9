"""The secrets of a deployment: which there are by `serverless.yml`, and putting them into the Parameter Store."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from desk.doctor_settings import SERVERLESS
from shared.domain.errors import FatalError, RefusedError

_REFERENCE: Final = re.compile(r"^ssm(-optional)?:\$\{self:custom\.parameters\}/(\w+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One secret of a deployment; `is_optional` when functions do without it."""

    name: str
    is_optional: bool


def secrets_of_deployment(path: Path = SERVERLESS) -> Sequence[Secret]:
    """Return every secret a function refers to, by name."""
    raw: dict[str, Any] = yaml.safe_load(path.read_text())
    environments = [
        raw["provider"]["environment"],
        *(body.get("environment") or {} for body in raw["functions"].values()),
    ]
    texts = [value for each in environments for value in each.values() if isinstance(value, str)]
    found = {match[2]: match[1] is not None for text in texts if (match := _REFERENCE.match(text))}
    return [Secret(name=name, is_optional=optional) for name, optional in sorted(found.items())]


def chosen(env: Mapping[str, str], names: Sequence[str] = ()) -> dict[str, str]:
    """Return every secret an environment has, or those named; raise `RefusedError` for all it must have and has not."""
    known = {secret.name: secret.is_optional for secret in secrets_of_deployment()}
    asked = names or [name for name, is_optional in known.items() if not is_optional]
    no_secret = f"is no secret of a function; expected one of {', '.join(sorted(known))}"
    wrong = [(name, no_secret) for name in asked if name not in known]
    wrong += [(name, "is not set in this environment") for name in asked if name in known and not env.get(name)]
    if wrong:
        raise RefusedError(wrong)
    return {name: env[name] for name in (names or sorted(known)) if env.get(name)}


def put(values: Mapping[str, str], *, stage: str) -> None:
    """Write secrets to a stage's parameters, encrypted, over what was there; raise `FatalError` when AWS refuses."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client = boto3.client("ssm")
        for name, value in values.items():
            client.put_parameter(Name=parameter(name, stage), Value=value, Type="SecureString", Overwrite=True)
    except (BotoCoreError, ClientError) as error:
        raise FatalError(f"the secrets of stage {stage} cannot be written: {error}") from error


def remove(names: Sequence[str], *, stage: str) -> list[str]:
    """Remove secrets from a stage's parameters and return which there were; raise `FatalError` when AWS refuses."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    paths = {parameter(name, stage): name for name in names}
    try:
        gone = boto3.client("ssm").delete_parameters(Names=list(paths))["DeletedParameters"]
    except (BotoCoreError, ClientError) as error:
        raise FatalError(f"the secrets of stage {stage} cannot be removed: {error}") from error
    return sorted(paths[path] for path in gone)


def parameter(name: str, stage: str) -> str:
    """Return where a secret is in the Parameter Store."""
    service = yaml.safe_load(SERVERLESS.read_text())["service"]
    return f"/{service}/{stage}/{name}"
