"""Ask the API of a desk: the one that runs on this machine, or any other by its address and a person's token."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from desk.up import ADDRESSES, HOME
from shared.domain.errors import FatalError, InvalidMessageError, NotFoundError, RefusedError, TransientError

_TIMEOUT_S: Final = 60.0

Address = Annotated[
    str | None,
    typer.Option(
        "--api", envvar="NIGHTDESK_API_URL", metavar="URL", help="The API's address; the local desk's if absent."
    ),
]
Token = Annotated[
    str | None,
    typer.Option("--token", envvar="NIGHTDESK_TOKEN", help="A person's token there; of the local desk's if absent."),
]


@dataclass(frozen=True, slots=True)
class DeskApi:
    """The API as one person uses it."""

    client: httpx.Client

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
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
        if not answer.is_success:
            raise _problem(answer)
        try:
            return answer.json() if answer.content else None
        except ValueError as error:
            raise FatalError(f"what answers at {self.client.base_url} is no desk: {answer.text[:200]}") from error


def connect(address: str | None, token: str | None, *, home: Path = HOME) -> DeskApi:
    """Return the API at an address, or of the desk running here, whose own token is sent to no other address.

    Raises `NotFoundError` when something is missing and no desk runs, `InvalidMessageError` for what cannot be sent.
    """
    if address is None:
        here = running(home, instead="--api and --token")
        address, token = here["api_url"], token or here["token"]
    if not token:
        raise InvalidMessageError("token", "expected a token of the desk at --api, in NIGHTDESK_TOKEN or --token")
    if not address.startswith(("http://", "https://")):
        raise InvalidMessageError("api", f"expected an address such as http://localhost:8787, got {address!r}")
    headers = {"Authorization": f"Bearer {token.strip()}"}
    try:
        return DeskApi(httpx.Client(base_url=address, headers=headers, timeout=_TIMEOUT_S))
    except (httpx.InvalidURL, UnicodeEncodeError) as error:
        raise InvalidMessageError("api", f"expected an address and a token one can send: {error}") from error


def connect_operator(address: str | None, token: str | None, *, home: Path = HOME) -> DeskApi:
    """Return the API for what operators do: with the secret of the desk running here, or a token given."""
    if address is None and token is None:
        here = running(home, instead="--api and --token")
        address, token = here["api_url"], here["service_secret"]
    return connect(address, token, home=home)


def running(home: Path = HOME, *, instead: str) -> dict[str, str]:
    """Return the addresses of the desk that runs here; raise `NotFoundError` that names the options to give instead."""
    try:
        found: dict[str, str] = json.loads((home / ADDRESSES).read_text())
    except FileNotFoundError as error:
        raise NotFoundError(f"no desk is running here: start one with `desk up`, or give {instead}") from error
    return found


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
        return RefusedError([(error["field"], error["problem"]) for error in errors])
    return (TransientError if answer.status_code >= 500 else FatalError)(detail)
