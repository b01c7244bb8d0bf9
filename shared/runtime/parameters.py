"""Secrets by reference: variables whose value says where in the Parameter Store it is.

`ssm:/nightdesk/dev/SERVICE_SECRET` must be there; `ssm-optional:/nightdesk/dev/OKX_API_KEY` may be missing, and its
variable is not set then. Any other value is itself, so what runs without AWS needs no Parameter Store.
"""

from collections.abc import Mapping
from typing import Final

from shared.domain.errors import FatalError
from shared.runtime.redaction import learn

REQUIRED: Final = "ssm:"
OPTIONAL: Final = "ssm-optional:"


def with_secrets(env: Mapping[str, str]) -> Mapping[str, str]:
    """Return an environment with its references replaced by what they lead to.

    Raise `FatalError` that names every variable whose parameter is missing, `TransientError` when none can be read.
    """
    named = {variable: path for variable, value in env.items() if (path := parameter_of(value)) is not None}
    if not named:
        return env
    from shared.adapters.ssm_parameters import read_parameters  # noqa: PLC0415 - only in the cloud

    found = read_parameters(sorted(set(named.values())), env)
    missing = sorted(name for name, path in named.items() if path not in found and env[name].startswith(REQUIRED))
    if missing:
        raise FatalError(f"there is no parameter for {', '.join(missing)}: expected {named[missing[0]]}")
    values = {variable: found[path] for variable, path in named.items() if path in found}
    learn(values)
    return {name: value for name, value in env.items() if name not in named} | values


def parameter_of(value: str) -> str | None:
    """Return the parameter that a variable's value refers to, if it is a reference."""
    for prefix in (REQUIRED, OPTIONAL):
        if value.startswith(prefix):
            return value.removeprefix(prefix)
    return None
