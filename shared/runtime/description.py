"""The OpenAPI description of an application: every route, who may ask it, and how it says that something is wrong."""

from collections.abc import Sequence
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.models import Schema
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from shared.runtime.door import PUBLIC
from shared.runtime.problems import SCHEMAS

_REFUSED: Final = "422"
"""What FastAPI answers a body with that is wrong; this application's answer is a problem, and 400."""


class ErrorField(BaseModel):
    """One thing wrong with a request."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(description="Where.", examples=["rule"])
    problem: str = Field(description="What was expected.", examples=["unknown function 'rsl', did you mean 'rsi'?"])


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="Kind of problem.", examples=["about:blank"])
    title: str = Field(description="What the status means.", examples=["Bad Request"])
    status: int = Field(description="HTTP status.", examples=[400])
    detail: str = Field(description="What happened.", examples=["rule: unknown function 'rsl', did you mean 'rsi'?"])
    errors: list[ErrorField] = Field(
        default_factory=list, description="The fields at fault.", examples=[[{"field": "rule", "problem": "…"}]]
    )


def describe(app: FastAPI, routes: Sequence[APIRoute]) -> dict[str, Any]:
    """Return the description of routes, as the application serves them."""
    spec = get_openapi(title=app.title, version=app.version, description=app.description, routes=routes)
    for methods in spec["paths"].values():
        for operation in methods.values():
            operation["responses"].pop(_REFUSED, None)
    schemas = spec["components"]["schemas"] | _problem_schemas()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    spec["components"] = {"schemas": dict(sorted(schemas.items())), "securitySchemes": {"supabase": scheme}}
    spec["security"] = [{"supabase": []}]
    for path in PUBLIC & spec["paths"].keys():
        spec["paths"][path]["get"]["security"] = []
    return spec


def _problem_schemas() -> dict[str, Any]:
    """Return the schema of a problem and of its parts, by name, as FastAPI writes those of answers."""
    problem = Problem.model_json_schema(mode="serialization", ref_template=SCHEMAS + "{model}")
    found = problem.pop("$defs") | {Problem.__name__: problem}
    return {
        name: Schema.model_validate(each).model_dump(mode="json", by_alias=True, exclude_none=True)
        for name, each in found.items()
    }
