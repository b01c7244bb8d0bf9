"""Routes are imported when they are first asked for: wherever a path leads, all that may answer it is there."""

import json

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from desk.local.process import PROJECT
from functions.api import PREFIXES
from shared.runtime.config import Settings
from shared.runtime.http import create_app
from shared.runtime.routers import Routers
from shared.runtime.visits import Visit, recognise
from shared.runtime.wiring import process_deps
from tests.functions.api_client import ALICE, Guards, MemoryDeps, token_of
from tests.usecases.desk_in_memory import DeskInMemory


def fresh_routers() -> Routers:
    """Return the routers of an application that has served nothing yet."""
    return Routers(FastAPI(), PREFIXES)


def routes_of(module: str) -> list[APIRoute]:
    return list(Routers(FastAPI(), {module: []}).routes())


ROUTES = [(module, route) for module in PREFIXES for route in routes_of(module)]
each_route = pytest.mark.parametrize(
    ("module", "route"), ROUTES, ids=[f"{min(route.methods or ())} {route.path}" for _, route in ROUTES]
)


def path_of(route: APIRoute) -> str:
    """Return a path of a route; what it names is called like no prefix."""
    return route.path_format.replace("{", "some-").replace("}", "")


def is_overlapping(one: str, other: str) -> bool:
    """Tell whether one path may be of both templates."""
    parts = list(zip(one.split("/"), other.split("/"), strict=False))
    return one.count("/") == other.count("/") and all(a == b or "{" in f"{a[:1]}{b[:1]}" for a, b in parts)


def test_every_module_with_routes_has_its_prefixes() -> None:
    found = {
        f"functions.routes.{path.stem}"
        for path in (PROJECT / "functions" / "routes").glob("*.py")
        if "\nrouter = " in path.read_text(encoding="utf-8")
    }
    assert found == PREFIXES.keys()


@each_route
@pytest.mark.parametrize("end", ["", "/", "//"])
def test_a_path_has_the_routes_it_always_had(module: str, route: APIRoute, end: str) -> None:
    assert module in fresh_routers().modules_at(path_of(route) + end)


@each_route
def test_a_path_imports_no_other_module(module: str, route: APIRoute) -> None:
    under_traders = module in {"functions.routes.why", "functions.routes.performance"}
    expected = {module, "functions.routes.traders"} if under_traders else {module}
    assert set(fresh_routers().modules_at(path_of(route))) == expected


def test_every_place_has_a_route() -> None:
    empty = [
        prefix
        for module, prefixes in PREFIXES.items()
        for prefix in prefixes
        if not any(Routers(FastAPI(), {module: [prefix]}).modules_at(path_of(route)) for route in routes_of(module))
    ]
    assert empty == []


def test_no_path_is_a_routes_of_two_modules() -> None:
    shared = [
        (one.path, other.path)
        for index, (module, one) in enumerate(ROUTES)
        for other_module, other in ROUTES[index + 1 :]
        if module != other_module and is_overlapping(one.path_format, other.path_format)
    ]
    assert shared == []
    assert is_overlapping("/traders/{trader_id}", "/traders/{id}")
    assert is_overlapping("/traders/{trader_id}", "/traders/validate")
    assert not is_overlapping("/traders/{trader_id}", "/traders/{id}/why")


@pytest.mark.parametrize("path", ["/", "", "/api", "/api/v1", "/healthy", "/api/v1/tradersx", "/api//v1/traders"])
def test_a_path_without_a_prefix_imports_nothing(path: str) -> None:
    assert fresh_routers().modules_at(path) == []


def test_routes_are_served_once_however_often_they_are_asked_for() -> None:
    routers = fresh_routers()
    first = routers.serve("/api/v1/rules/functions")
    before = list(routers._app.routes)
    assert routers.serve("/api/v1/rules") == first
    assert routers._app.routes == before
    assert [route.template for route in first] == ["/api/v1/rules/functions"]


def test_a_module_that_cannot_be_imported_is_tried_again() -> None:
    routers = Routers(FastAPI(), {"functions.routes.nowhere": ["/nowhere"]})
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError):
            routers.serve("/nowhere")
    assert routers.serve("/elsewhere") == []


def test_a_request_is_recognised_by_the_first_route_with_its_method() -> None:
    visit = Visit(method="POST", path="/api/v1/traders/validate", address="", authorization=None)
    recognise(visit, fresh_routers().serve(visit.path))
    assert (visit.route and visit.route.template, visit.changes) == ("/api/v1/traders/validate", False)


@pytest.fixture
def fresh() -> FastAPI:
    """Return an application that has served nothing yet, with a desk in memory behind it."""
    desk, guards = DeskInMemory(), Guards()
    desk.database.people.enrol(ALICE)
    app = create_app(PREFIXES, Settings())
    app.dependency_overrides[process_deps] = lambda: guards.give(MemoryDeps(desk))
    return app


async def asked(app: FastAPI, method: str, path: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {token_of(ALICE)}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.test") as client:
        return await client.request(method, path, headers=headers)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/api/v1/traders/a/b/c", 404),
        ("PATCH", "/health", 405),
        ("PUT", "/api/v1/traders", 405),
        ("POST", "/api/v1/traders/7b1f6a52-0f7e-5b38-9d5c-1d2f3a4b5c6d/why", 405),
        ("GET", "/api/v1/notifications/", 307),
    ],
)
async def test_a_first_request_is_answered_as_when_all_is_there(
    fresh: FastAPI, method: str, path: str, status: int
) -> None:
    first = await asked(fresh, method, path)
    for prefix in [prefix for prefixes in PREFIXES.values() for prefix in prefixes]:
        fresh.state.routers.serve(prefix)
    again = await asked(fresh, method, path)
    assert (first.status_code, again.status_code) == (status, status)
    assert (first.content, first.headers.get("location")) == (again.content, again.headers.get("location"))


async def test_the_description_is_the_same_whatever_was_asked_before(fresh: FastAPI) -> None:
    await asked(fresh, "GET", "/api/v1/traders")
    spec = fresh.openapi()
    assert json.dumps(spec) == json.dumps(create_app(PREFIXES, Settings()).openapi())
    assert list(spec["paths"]) == list(dict.fromkeys(route.path_format for _, route in ROUTES))
