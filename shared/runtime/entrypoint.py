"""What makes a use-case a Lambda: read the event, call, map errors to the reaction they need, report.

One decorator serves every way AWS wakes a function. An SQS batch answers with the messages to retry; an HTTP request
with JSON or problem+json (RFC 9457); a schedule and a direct invocation with the result, or the exception. The function
of a paused agent is not called: its messages are acknowledged, and the answer says why.
"""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from shared.domain.errors import InvalidMessageError, NightdeskError
from shared.messages import Skipped, new_id
from shared.runtime.agent_run import AgentRun
from shared.runtime.auditing import event_of_machine
from shared.runtime.auth import require_machine
from shared.runtime.problems import problem_of
from shared.runtime.redaction import redact
from shared.runtime.telemetry import Invocation, invocation, start_logging
from shared.runtime.wiring import Deps, process_deps
from shared.validation import problem_in_words

MAX_BODY_BYTES: Final = 65_536

M = TypeVar("M", bound=BaseModel)
Event = dict[str, Any]


class LambdaHandler(Protocol):
    """A function as AWS calls it; tests pass `deps`."""

    def __call__(self, event: Event, context: Any, *, deps: Deps | None = None) -> Any:
        """Handle one event."""
        ...


def entrypoint(
    messages: TypeAdapter[M],
    *,
    service: str,
    agent: str | None = None,
    while_paused: Callable[[M, Deps, str], BaseModel] | None = None,
) -> Callable[[Callable[[M, Deps], BaseModel]], LambdaHandler]:
    """Make a Lambda handler of `function(message, deps)`; `agent` is whose pause stops it, and whose run is recorded.

    `while_paused(message, deps, why)` does what even a pause must not stop.
    """

    def decorate(function: Callable[[M, Deps], BaseModel]) -> LambdaHandler:
        def handle(event: Event, context: Any, *, deps: Deps | None = None) -> Any:
            deps, log = deps or process_deps(), start_logging(service)
            request_id = getattr(context, "aws_request_id", new_id())
            run = AgentRun(agent, deps, log)
            with invocation(service, request_id, deps.settings.metrics_published) as measures:
                call = _Call(
                    messages=messages,
                    function=function,
                    while_paused=while_paused,
                    deps=deps,
                    log=log,
                    request_id=request_id,
                    run=run,
                    measures=measures,
                    correlation_id=request_id,
                )
                try:
                    return call.dispatch(event)
                finally:
                    run.beat()

        return handle

    return decorate


@dataclass(slots=True, kw_only=True)
class _Call:
    """One invocation; `correlation_id` is that of the message at hand."""

    messages: TypeAdapter[Any]
    function: Callable[[Any, Deps], BaseModel]
    while_paused: Callable[[Any, Deps, str], BaseModel] | None
    deps: Deps
    log: Any
    request_id: str
    run: AgentRun
    measures: Invocation
    correlation_id: str

    def dispatch(self, event: Event) -> Any:
        if "Records" in event:
            failed = [record["messageId"] for record in event["Records"] if not self._queued(record)]
            return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
        if "requestContext" in event:
            return self._requested(event)
        payload = {"trigger": "cron"} if event.get("source") == "aws.events" else event
        try:
            return self._run(payload).model_dump(mode="json")
        except Exception as error:
            self.run.failed(error)  # what is measured counts it where it ends
            raise

    def _queued(self, record: Event) -> bool:
        """Handle one queue message; True acknowledges it."""
        try:
            self._run(_parse_json(record["body"]))
        except InvalidMessageError as error:
            self._failed(error)
            self._log_failure(error, "message can never succeed, moved to the dead-letter queue")
            return self._buried(record)
        except Exception as error:  # noqa: BLE001 - one message must not take the batch down; the queue retries it
            self._failed(error)
            self._log_failure(error, "message failed, left to the queue to retry")
            return False
        return True

    def _buried(self, record: Event) -> bool:
        try:
            self.deps.dead_letters.send([record["body"]])
        except NightdeskError as error:
            self._log_failure(error, "the dead-letter queue refused the message, left to the queue to retry")
            return False
        return True

    def _requested(self, event: Event) -> Event:
        answer = self._answer(event)
        if (audited := event_of_machine(event, answer, request_id=self.request_id)) is not None:
            self.deps.trail.leave(audited)
        return answer

    def _answer(self, event: Event) -> Event:
        try:
            body = _body(event)
            headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
            require_machine(headers, body, self.deps.settings, now_ms=time.time_ns() // 1_000_000)
            result = self._run(_parse_json(body))
            return {
                "statusCode": 200,
                "headers": {"content-type": "application/json"},
                "body": result.model_dump_json(),
            }
        except NightdeskError as error:
            self._log_failure(error, "request refused")
            return self._refused(error)
        except Exception as error:  # noqa: BLE001 - the caller gets an answer, the log gets the trace
            self._log_failure(error, "request failed")
            return self._refused(error)

    def _refused(self, error: Exception) -> Event:
        """Answer with what went wrong; what is the caller's fault is no failure of the agent."""
        refusal = _refusal(error, self.request_id)
        if refusal["statusCode"] >= 500:
            self._failed(error)
        return refusal

    def _failed(self, error: Exception) -> None:
        self.run.failed(error)
        self.measures.failed()

    def _run(self, payload: Any) -> BaseModel:
        self.correlation_id = _claimed_id(payload) or self.request_id
        message = read_message(self.messages, payload)
        self.correlation_id = getattr(message, "correlation_id", self.request_id)
        with self.log.append_context_keys(correlation_id=self.correlation_id, request_id=self.request_id):
            if (why := self.run.stopped()) is not None:
                return self._passed_over(message, why)
            began = time.perf_counter()
            result = self.function(message, self.deps)
            duration_ms = round((time.perf_counter() - began) * 1_000, 3)
            self.log.info(type(message).__name__, took_ms=duration_ms, result=result.model_dump(mode="json"))
        self.run.did(result)
        self.measures.answered(message, result, now_ms=self.deps.clock.now_ms())
        return result

    def _passed_over(self, message: Any, why: str) -> BaseModel:
        """Do nothing but what a pause must not stop, and say why."""
        if self.while_paused is None:
            self.run.skipped()
            result: BaseModel = Skipped(skipped=why)
        else:
            result = self.while_paused(message, self.deps, why)
            self.run.did(result)
        self.log.info("passed over", message_type=type(message).__name__, result=result.model_dump(mode="json"))
        return result

    def _log_failure(self, error: Exception, what: str) -> None:
        expected = isinstance(error, NightdeskError)
        self.log.error(
            what,
            error=redact(f"{type(error).__name__}: {error}"),
            correlation_id=self.correlation_id,
            request_id=self.request_id,
            exc_info=not expected,
        )


def read_message(messages: TypeAdapter[M], payload: Any) -> M:
    """Validate a payload against tagged messages; raise `InvalidMessageError` naming the first wrong field."""
    try:
        return messages.validate_python(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"][1:])  # the first part is the tag of the message
        raise InvalidMessageError(place or "body", problem_in_words(first)) from error


def _claimed_id(payload: Any) -> str | None:
    """Return the correlation id a payload names, though the rest of it may be wrong."""
    found = payload.get("correlation_id") if isinstance(payload, dict) else None
    return found[:64] if isinstance(found, str) else None


def _refusal(error: Exception, request_id: str) -> Event:
    status, body, headers = problem_of(error, request_id)
    return {"statusCode": status, "headers": headers, "body": json.dumps(body)}


def _body(event: Event) -> str:
    body = event.get("body") or ""
    if len(body) > MAX_BODY_BYTES:
        raise InvalidMessageError("body", f"expected at most {MAX_BODY_BYTES} bytes, got {len(body)}")
    if event.get("isBase64Encoded"):
        try:
            return base64.b64decode(body, validate=True).decode()
        except ValueError as error:
            raise InvalidMessageError("body", "expected UTF-8 text") from error
    return str(body)


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidMessageError("body", f"expected JSON: {error}") from error
