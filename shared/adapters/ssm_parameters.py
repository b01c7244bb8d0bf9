"""Secrets in the Parameter Store of AWS Systems Manager.

The request is signed here, with the standard library: boto3 and its client of Systems Manager would take longer to load
than everything else a function does at its first invocation.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from shared.domain.errors import FatalError, TransientError

MAX_NAMES: Final = 10
SOURCE: Final = "parameters"
_TARGET: Final = "AmazonSSM.GetParameters"
_TIMEOUT_S: Final = 2.0
_PAUSES_S: Final = (0.1, 0.4, 1.0)
"""Before each further attempt: many functions that start at once share 40 requests a second."""


def read_parameters(names: Sequence[str], env: Mapping[str, str]) -> Mapping[str, str]:
    """Return the values of those parameters that exist, decrypted, by name; `env` is what Lambda says of itself.

    Raise `FatalError` when they may not be read, `TransientError` when Systems Manager does not answer.
    """
    found: dict[str, str] = {}
    for first in range(0, len(names), MAX_NAMES):
        answer = _ask({"Names": list(names[first : first + MAX_NAMES]), "WithDecryption": True}, env)
        found |= {each["Name"]: each["Value"] for each in answer["Parameters"]}
    return found


def signed_headers(body: str, *, host: str, env: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Return the headers of a request for parameters.

    Source: AWS General Reference, "Signature Version 4 signing process".
    """
    stamp, region = now.strftime("%Y%m%dT%H%M%SZ"), _need(env, "AWS_REGION")
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": host,
        "x-amz-date": stamp,
        "x-amz-target": _TARGET,
    }
    if token := env.get("AWS_SESSION_TOKEN"):
        headers["x-amz-security-token"] = token
    names = ";".join(sorted(headers))
    listed = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"POST\n/\n\n{listed}\n{names}\n{_digest(body)}"
    scope = f"{stamp[:8]}/{region}/ssm/aws4_request"
    key = f"AWS4{_need(env, 'AWS_SECRET_ACCESS_KEY')}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{_digest(request)}".encode(), "sha256").hex()
    credential = f"{_need(env, 'AWS_ACCESS_KEY_ID')}/{scope}"
    proof = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return headers | {"authorization": proof}


def _ask(question: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    import httpx  # noqa: PLC0415 - only where a secret is a reference

    url = env.get("AWS_ENDPOINT_URL") or f"https://ssm.{_need(env, 'AWS_REGION')}.amazonaws.com"
    body, problem = json.dumps(question), ""
    for _ in _attempts():
        headers = signed_headers(body, host=httpx.URL(url).netloc.decode(), env=env, now=datetime.now(UTC))
        try:
            response = httpx.post(url, content=body, headers=headers, timeout=_TIMEOUT_S)
        except httpx.HTTPError as error:
            problem = repr(error)
            continue
        if response.status_code == httpx.codes.OK:
            answer: dict[str, Any] = response.json()
            return answer
        problem = f"{response.status_code} {response.text[:300]}"
        if response.status_code < httpx.codes.INTERNAL_SERVER_ERROR and "Throttling" not in problem:
            raise FatalError(f"secrets cannot be read from Systems Manager: {problem}")
    raise TransientError(f"Systems Manager: {problem}", source=SOURCE)


def _attempts() -> Iterator[None]:
    yield
    for pause_s in _PAUSES_S:
        time.sleep(pause_s)
        yield


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _need(env: Mapping[str, str], name: str) -> str:
    if value := env.get(name):
        return value
    raise FatalError(f"{name} is not set, so no secret can be read from Systems Manager")
