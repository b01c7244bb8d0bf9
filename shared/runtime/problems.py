"""Errors as HTTP answers: problem+json (RFC 9457), each kind of error with the status its reaction needs."""

from typing import Any, Final, NamedTuple

from shared.domain.errors import (
    ConflictError,
    ForbiddenError,
    HaltedError,
    InvalidMessageError,
    NightdeskError,
    NotFoundError,
    TransientError,
)
from shared.domain.signing import SignatureError
from shared.runtime.auth import UnauthorizedError
from shared.runtime.limits import LimitedError
from shared.runtime.redaction import redact

MEDIA_TYPE: Final = "application/problem+json"
SCHEMAS: Final = "#/components/schemas/"
"""Where an OpenAPI description has its schemas."""
_STATUS: Final[tuple[tuple[type[NightdeskError], int, str], ...]] = (
    (InvalidMessageError, 400, "Bad Request"),
    (SignatureError, 401, "Unauthorized"),
    (UnauthorizedError, 401, "Unauthorized"),
    (ForbiddenError, 403, "Forbidden"),
    (NotFoundError, 404, "Not Found"),
    (ConflictError, 409, "Conflict"),
    (HaltedError, 423, "Locked"),
    (LimitedError, 429, "Too Many Requests"),
    (TransientError, 503, "Service Unavailable"),
)


def answers(status: int, description: str) -> dict[int | str, dict[str, Any]]:
    """Describe an answer of a route that is a problem.

    FastAPI would build a validator for each, several a route, if it were given a model.
    """
    content = {MEDIA_TYPE: {"schema": {"$ref": f"{SCHEMAS}Problem"}}}
    return {status: {"description": description, "content": content}}


class Problem(NamedTuple):
    """An answer that says what went wrong."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]


def problem_of(error: Exception, request_id: str) -> Problem:
    """Describe an error; an unexpected one says only under which request the log has the reason."""
    for kind, status, title in _STATUS:
        if isinstance(error, kind):
            return _expected(error, status, title)
    detail = f"the desk failed; its log has the reason under request {request_id}"
    return problem(500, "Internal Server Error", detail)


def problem(
    status: int,
    title: str,
    detail: str,
    *,
    errors: list[dict[str, str]] | None = None,
    retry_after_s: float | None = None,
) -> Problem:
    """Make a problem+json answer."""
    wrong = [{"field": redact(each["field"]), "problem": redact(each["problem"])} for each in errors or ()]
    body = {"type": "about:blank", "title": title, "status": status, "detail": redact(detail), "errors": wrong}
    headers = {"content-type": MEDIA_TYPE}
    if retry_after_s is not None:
        headers["retry-after"] = str(max(round(retry_after_s), 1))
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    return Problem(status, body, headers)


def _expected(error: NightdeskError, status: int, title: str) -> Problem:
    wrong = error.errors if isinstance(error, InvalidMessageError) else ()
    errors = [{"field": field, "problem": problem} for field, problem in wrong]
    return problem(status, title, str(error), errors=errors, retry_after_s=getattr(error, "retry_after_s", None))
