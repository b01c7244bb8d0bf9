"""Where the routes of an application are: each module of them is imported at the first request for one of its paths.

See docs/adr/0111.
"""

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from threading import Lock
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from shared.runtime.visits import KnownRoute

_READS: Final = "x-nightdesk-reads"
READS: Final[dict[str, Any]] = {_READS: True}
"""What a route says in `openapi_extra` that is sent with POST and changes nothing."""

Prefixes = Mapping[str, Iterable[str]]
"""What the paths of a module's routes begin with, by the module; `*` stands for any one part: `/traders/*/why`."""


class Routers:
    """The routers of an application, one a module, in the order they are described in.

    No path may be a route's of two modules: they are served in the order they are first asked for.
    """

    def __init__(self, app: FastAPI, prefixes: Prefixes) -> None:
        self._app = app
        self._prefixes = {module: [_parts(prefix) for prefix in each] for module, each in prefixes.items()}
        self._served: dict[str, tuple[KnownRoute, ...]] = {}
        self._lock = Lock()

    def serve(self, path: str) -> list[KnownRoute]:
        """Have the application serve every route that may be at a path; return them."""
        return [route for module in self.modules_at(path) for route in self._serve(module)]

    def modules_at(self, path: str) -> list[str]:
        """Return the modules whose prefixes a path begins with, whatever slashes it ends with."""
        asked = _parts(path)
        return [
            module for module, prefixes in self._prefixes.items() if any(_begins(asked, prefix) for prefix in prefixes)
        ]

    def routes(self) -> Iterator[APIRoute]:
        """Return every route of every module, importing what no request has asked for yet."""
        for module in self._prefixes:
            yield from _routes_of(_router_of(module))

    def _serve(self, module: str) -> tuple[KnownRoute, ...]:
        with self._lock:
            if module not in self._served:
                router = _router_of(module)
                self._app.include_router(router)
                self._served[module] = tuple(_known(route) for route in _routes_of(router))
            return self._served[module]


def _router_of(module: str) -> APIRouter:
    router: APIRouter = import_module(module).router
    return router


def _routes_of(router: APIRouter) -> list[APIRoute]:
    return [route for route in router.routes if isinstance(route, APIRoute)]


def _known(route: APIRoute) -> KnownRoute:
    reads = bool((route.openapi_extra or {}).get(_READS))
    return KnownRoute(route.path_format, route.path_regex, frozenset(route.methods or ()), reads)


def _parts(path: str) -> list[str]:
    return path.strip("/").split("/")


def _begins(asked: list[str], prefix: list[str]) -> bool:
    return len(asked) >= len(prefix) and all(part in {"*", given} for part, given in zip(prefix, asked, strict=False))
