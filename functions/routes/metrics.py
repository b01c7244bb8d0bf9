"""GET /api/metrics: everything the desk can say of itself, for operators and for Prometheus."""

from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import PlainTextResponse

from functions.routes.callers import FORBIDDEN, OperatorOf
from functions.routes.common import PROBLEMS, DepsOf
from functions.routes.metrics_schemas import MetricsOut
from functions.routes.metrics_text import MEDIA_TYPE, exposition
from shared.runtime.telemetry import VERSION
from shared.usecases.metrics import read_metrics

router = APIRouter(tags=["metrics"], responses=PROBLEMS)


@router.get(
    "/api/metrics",
    response_model=MetricsOut,
    responses=FORBIDDEN | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(
    operator: OperatorOf,  # noqa: ARG001 - an operator
    deps: DepsOf,
    *,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> MetricsOut | PlainTextResponse:
    """Tell how the desk is: agents, boundaries, queues, alerts, books, venues, what Redis costs; for operators.

    JSON, or Prometheus' text format where `Accept` asks for text/plain. A part that cannot be read is null, and
    `unreadable` says why.
    """
    told = MetricsOut.of(read_metrics(desk=deps.metrics_desk), version=VERSION)
    if "text/plain" in accept and "json" not in accept:
        return PlainTextResponse(exposition(told), media_type=MEDIA_TYPE)
    return told
