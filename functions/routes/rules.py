"""GET /api/v1/rules/functions: every word of the rule language, made from what the compiler uses."""

from dataclasses import asdict

from fastapi import APIRouter

from functions.routes.common import PROBLEMS, UserOf
from functions.routes.rule_schemas import FunctionOut, FunctionsOut
from shared.domain.rules import reference

router = APIRouter(prefix="/api/v1/rules", tags=["rules"], responses=PROBLEMS)


@router.get("/functions")
def list_functions(user: UserOf) -> FunctionsOut:  # noqa: ARG001 - only signed-in people use the API
    """List every series, function and form of the rule language, in reading order."""
    return FunctionsOut(items=[FunctionOut.model_validate(asdict(entry)) for entry in reference()])
