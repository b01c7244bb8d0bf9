"""The application HTTP functions share: the door, errors as problem+json, a size limit, CORS, audit, one log line."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from shared.domain.errors import NightdeskError
from shared.runtime.auditing import event_of
from shared.runtime.config import Settings
from shared.runtime.door import admit
from shared.runtime.limits import QUOTA_HEADERS, LimitedError, quota_headers
from shared.runtime.problems import MEDIA_TYPE, Problem, problem, problem_of
from shared.runtime.routers import Prefixes, Routers
from shared.runtime.telemetry import VERSION, start_logging
from shared.runtime.visits import Visit, recognise
from shared.runtime.wiring import Deps, process_deps
from shared.validation import problem_in_words

MAX_BODY_BYTES: Final = 262_144
TEXT_TYPES: Final = ["text/", "application/json", MEDIA_TYPE]
REQUEST_ID_HEADER: Final = "x-request-id"

Next = Callable[[Request], Awaitable[Response]]


def create_app(prefixes: Prefixes, settings: Settings | None = None) -> FastAPI:
    """Return the application that serves the routes of the modules, each imported when it is first asked for."""
    app = FastAPI(
        title="nightdesk",
        version=VERSION,
        description="Traders, their signals and the candles behind them. Times are UTC epoch milliseconds.",
        openapi_url="/api/openapi.json",
        docs_url="/api/docs",
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    origins = (settings or Settings.from_env()).cors_origins
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(NightdeskError, _expected)
    app.state.routers = Routers(app, prefixes)
    app.middleware("http")(_observe)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["authorization", "content-type", "idempotency-key"],
        allow_credentials=False,
        expose_headers=[REQUEST_ID_HEADER, "retry-after", *QUOTA_HEADERS],
    )
    app.openapi = lambda: _description(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


def _description(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        from shared.runtime.description import describe  # noqa: PLC0415 - what only who reads the description needs

        app.openapi_schema = describe(app, [*app.state.routers.routes()])
    return app.openapi_schema


async def _observe(request: Request, call_next: Next) -> Response:
    """Let in who may come in, answer errors, say what is left, leave an audit event, log what happened."""
    request_id, log, began = _request_id(request), start_logging("api"), time.perf_counter()
    visit = request.state.visit = _visit(request)
    try:
        response = await _admitted(request, visit, call_next)
    except LimitedError as error:
        visit.quota = error.quota
        response = await _expected(request, error)
    except NightdeskError as error:
        response = await _expected(request, error)
    except Exception as error:
        log.exception("request failed", correlation_id=request_id)
        response = _answer(problem_of(error, request_id))
    took_ms = round((time.perf_counter() - began) * 1_000, 3)
    response.headers[REQUEST_ID_HEADER] = request_id
    if visit.quota is not None:
        response.headers.update(quota_headers(visit.quota, time.time_ns() // 1_000_000))
    if visit.changes:
        event = event_of(
            visit,
            status=response.status_code,
            request_id=request_id,
            took_ms=took_ms,
            detail=getattr(request.state, "refusal", None),
        )
        await run_in_threadpool(_deps(request).trail.leave, event)
    log.info(
        f"{request.method} {request.url.path}",
        status=response.status_code,
        took_ms=took_ms,
        correlation_id=request_id,
    )
    return response


async def _admitted(request: Request, visit: Visit, call_next: Next) -> Response:
    """Pass a request on when it may come in and its body is not too large."""
    recognise(visit, request.app.state.routers.serve(request.scope["path"]))
    await run_in_threadpool(admit, visit, _deps(request))
    refusal = await _oversized(request)
    return _refused(request, refusal) if refusal else await call_next(request)


def _visit(request: Request) -> Visit:
    """Describe a request; the address is API Gateway's word (`requestContext.http.sourceIp`), never a header's."""
    return Visit(
        method=request.method,
        path=request.url.path,
        address=request.client.host if request.client else "",
        authorization=request.headers.get("authorization"),
    )


def _deps(request: Request) -> Deps:
    """Return what routes are given for `process_deps`."""
    found: Deps = request.app.dependency_overrides.get(process_deps, process_deps)()
    return found


async def _oversized(request: Request) -> Problem | None:
    size = len(await request.body())
    if size <= MAX_BODY_BYTES:
        return None
    return problem(
        413,
        "Content Too Large",
        f"body: expected at most {MAX_BODY_BYTES} bytes, got {size}",
        errors=[{"field": "body", "problem": f"expected at most {MAX_BODY_BYTES} bytes"}],
    )


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type alone
    wrong = [
        {"field": ".".join(str(part) for part in e["loc"][1:]) or str(e["loc"][0]), "problem": problem_in_words(e)}
        for e in error.errors()
    ]
    detail = "; ".join(f"{e['field']}: {e['problem']}" for e in wrong[:5])
    return _refused(request, problem(400, "Bad Request", detail, errors=wrong[:50]))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type alone
    told = problem(error.status_code, str(error.detail), f"{request.method} {request.url.path}: {error.detail}")
    return _refused(request, told)


async def _expected(request: Request, error: Exception) -> Response:
    told = problem_of(error, _request_id(request))
    if told.status >= 500:
        start_logging("api").error(
            "request failed", error=f"{type(error).__name__}: {error}", correlation_id=_request_id(request)
        )
    return _refused(request, told)


def _request_id(request: Request) -> str:
    """Return Lambda's request id where there is one, so that the answer leads to the log."""
    if not hasattr(request.state, "request_id"):
        context = request.scope.get("aws.context")
        request.state.request_id = getattr(context, "aws_request_id", None) or _new_id()
    return str(request.state.request_id)


def _new_id() -> str:
    from shared.messages import new_id  # noqa: PLC0415 - Lambda has an id for every request

    return new_id()


def _refused(request: Request, found: Problem) -> JSONResponse:
    """Answer with a problem, and keep for the audit what it said."""
    request.state.refusal = found.body["detail"]
    return _answer(found)


def _answer(found: Problem) -> JSONResponse:
    return JSONResponse(found.body, status_code=found.status, headers=found.headers)
