"""What is known of an agent before it runs: what may be set of it, what starts it, what a pause of it means."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Final, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from shared.domain.agents import AgentConfig, Autonomy
from shared.domain.errors import InvalidMessageError, RefusedError
from shared.messages import Message
from shared.validation import problem_in_words

Problem = tuple[str, str]
_COMMON: Final = ("enabled", "autonomy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A function, what gives what reads the messages it is sent (an agent that runs reads only its own), and what is
    always in them."""

    function: str
    messages: Callable[[], TypeAdapter[Any]]
    message: Mapping[str, object] = field(default_factory=dict)

    def read(self, params: Mapping[str, object]) -> Mapping[str, object]:
        """Return the message of parameters; raise `InvalidMessageError` naming what is wrong with them."""
        try:
            read: Message = self.messages().validate_python({**self.message, **params})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise InvalidMessageError(f"params.{_place(first['loc'][1:])}", problem_in_words(first)) from error
        return read.model_dump(mode="json")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """An agent: its settings class, the levels of autonomy it has (the first where none is set), what it is capable of.

    `run_now` starts `errand`; with one of the parameters in `asked` that errand, with the parameter in its message. A
    `watchman` runs on when it cannot be read whether it may: what it watches must not stop it.
    """

    settings: type[Any]
    autonomies: tuple[Autonomy, ...]
    capabilities: tuple[str, ...]
    errand: Errand
    asked: Mapping[str, Errand] = field(default_factory=dict)
    paused_means: str
    watchman: bool = False


def config_of(spec: AgentSpec, given: Mapping[str, object], *, place: str) -> AgentConfig:
    """Return what settings say of an agent; raise `RefusedError` with everything that is wrong, below a `place`.

    Unknown names are refused, with those that were expected; what is absent is as the settings class has it.
    """
    names = {each.name for each in fields(spec.settings)}
    problems = list(_unknown(spec.settings, given, place, also=_COMMON))
    enabled = given.get("enabled", True)
    if not isinstance(enabled, bool):
        problems.append((f"{place}.enabled", f"expected true or false, got {enabled!r}"))
    autonomy = given.get("autonomy", spec.autonomies[0].value)
    if autonomy not in [each.value for each in spec.autonomies]:
        problems.append((f"{place}.autonomy", f"expected {_either(spec.autonomies)}, got {autonomy!r}"))
    own = {name: value for name, value in {**given, "autonomy": autonomy}.items() if name in names}
    settings = None
    if not problems:
        try:
            # As JSON, so that a text is no number and true is none either.
            settings = TypeAdapter(spec.settings).validate_json(json.dumps(own), strict=True)
        except ValidationError as error:
            problems += [_problem(place, each) for each in error.errors(include_url=False, include_input=False)]
        except TypeError as error:
            problems.append((place, f"expected what JSON can say: {error}"))
    if problems:
        raise RefusedError(problems)
    return AgentConfig(enabled=bool(enabled), autonomy=Autonomy(str(autonomy)), settings=settings)


def settings_json(spec: AgentSpec, config: AgentConfig) -> dict[str, object]:
    """Return all that holds for an agent as JSON."""
    own: dict[str, object] = TypeAdapter(spec.settings).dump_python(config.settings, mode="json")
    return {"enabled": config.enabled, "autonomy": config.autonomy.value, **own}


def _unknown(kind: type[Any], given: object, place: str, *, also: tuple[str, ...] = ()) -> Iterator[Problem]:
    """Yield every name a settings class does not have, in what it holds as well."""
    if not isinstance(given, Mapping):
        yield place, f"expected names with values, got {given!r}"
        return
    known = dict.fromkeys((*also, *(each.name for each in fields(kind))))
    hints = get_type_hints(kind)
    for name, value in given.items():
        if name not in known:
            yield f"{place}.{name}", f"unknown, expected one of {', '.join(known)}"
        elif is_dataclass(inner := hints.get(name)) and isinstance(inner, type):
            yield from _unknown(inner, value, f"{place}.{name}")


def _either(autonomies: tuple[Autonomy, ...]) -> str:
    return " or ".join(each.value for each in autonomies)


def _place(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc)


def _problem(place: str, error: ErrorDetails) -> Problem:
    """Return what is wrong and where; what a settings class itself refuses names the field."""
    cause = error.get("ctx", {}).get("error")
    where = [place, *(str(part) for part in error["loc"])]
    if isinstance(cause, InvalidMessageError):
        return ".".join([*where, cause.field]), cause.problem
    return ".".join(where), problem_in_words(error)
