"""Ask the API of a desk: the one that runs on this machine, or any other by its address and a person's token."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from desk.up import ADDRESSES, HOME
from shared.domain.errors import FatalError, InvalidMessageError, NotFoundError, TransientError

_TIMEOUT_S: Final = 60.0

Address = Annotated[
    str | None,
    typer.Option("--api", envvar="NIGHTDESK_API_URL", help="Address of the API; the local desk's if absent."),
]
Token = Annotated[
    str | None, typer.Option("--token", envvar="NIGHTDESK_TOKEN", help="A person's token; the local desk's if absent.")
]


@dataclass(frozen=True, slots=True)
class DeskApi:
    """The API as one person uses it."""

    client: httpx.Client

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> Any:
        """Return what the API answers to GET; raise the desk's errors."""
        return self._ask("GET", path, params=params)

    def send(self, method: str, path: str, body: Any) -> Any:
        """Return what the API answers to a JSON body; raise the desk's errors."""
        return self._ask(method, path, json=body)

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        try:
            answer = self.client.request(method, path, **request)
        except httpx.TransportError as error:
            raise TransientError(f"the API does not answer: {error!r}") from error
        if answer.is_success:
            return answer.json() if answer.content else None
        raise _problem(answer)


def connect(address: str | None, token: str | None, *, home: Path = HOME) -> DeskApi:
    """Return the API at an address; what is not given is that of the desk running here.

    Raises `NotFoundError` when something is missing and no desk runs.
    """
    if address is None or token is None:
        try:
            known = json.loads((home / ADDRESSES).read_text())
        except FileNotFoundError as error:
            raise NotFoundError(
                "no desk is running here: start one with `desk up`, or give --api and --token"
            ) from error
        address, token = address or known["api_url"], token or known["token"]
    headers = {"Authorization": f"Bearer {token}"}
    return DeskApi(httpx.Client(base_url=address, headers=headers, timeout=_TIMEOUT_S))


def _problem(answer: httpx.Response) -> Exception:
    """Return the error an answer stands for."""
    try:
        problem = answer.json()
        detail, errors = str(problem["detail"]), problem.get("errors", [])
    except (ValueError, KeyError, TypeError):
        return FatalError(f"the API answers {answer.status_code}: {answer.text[:200]}")
    if answer.status_code == httpx.codes.NOT_FOUND:
        return NotFoundError(detail)
    if answer.status_code == httpx.codes.BAD_REQUEST and errors:
        return InvalidMessageError(errors[0]["field"], errors[0]["problem"])
    return (TransientError if answer.status_code >= 500 else FatalError)(detail)
