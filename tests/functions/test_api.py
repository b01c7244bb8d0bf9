"""The API as people use it: save a trader, see what it fired, read the candles behind it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from functions.api import app
from tests.fakes.agents import MemoryAgentStore
from tests.fakes.monitor import ran
from tests.functions.api_client import ALICE, BOB, api_of, call, token_of
from tests.usecases.desk_in_memory import M1, DeskInMemory, make_trader

BODY: dict[str, Any] = {"name": "Above a hundred", "rule": "close > 100", "timeframe": "1m", "edge": "level"}


@pytest.fixture
def desk() -> Iterator[DeskInMemory]:
    desk = DeskInMemory(traders_per_shard=1_000)
    with api_of(desk):
        yield desk


def save(**change: Any) -> dict[str, Any]:
    answer = call("POST", "/api/v1/traders", BODY | change)
    assert answer.status == 201, answer.body
    trader: dict[str, Any] = answer.body["trader"]
    return trader


def test_a_saved_trader_was_compiled_and_tried_on_recorded_candles(desk: DeskInMemory) -> None:
    desk.minute(BTC=101.0, ETH=99.0)
    answer = call("POST", "/api/v1/traders", BODY)
    assert answer.status == 201
    assert answer.body["trader"]["owner_id"] == ALICE
    check = answer.body["check"]
    assert (check["normal_form"], check["symbols"], check["matched"]) == ("close > 100", 2, 1)
    assert check["close_time"] == desk.clock.now_ms()


def test_validating_stores_nothing(desk: DeskInMemory) -> None:
    assert call("POST", "/api/v1/traders/validate", BODY).body["close_time"] is None
    assert desk.database.traders == {}


def test_the_signal_of_a_boundary_is_listed_for_its_owner_alone(desk: DeskInMemory) -> None:
    trader = save()
    desk.announce(desk.minute(BTC=101.0, ETH=99.0))
    desk.work()
    (signal,) = call("GET", "/api/v1/signals").body["items"]
    assert (signal["trader_id"], signal["symbol"], signal["price"]) == (trader["trader_id"], "BTC/USDT", 101.0)
    assert signal["values"] == {"close": 101.0}
    assert call("GET", "/api/v1/signals", user=BOB).body["items"] == []


def test_signals_page_by_cursor_without_losing_or_repeating_one(desk: DeskInMemory) -> None:
    save()
    for price in range(101, 108):
        desk.announce(desk.minute(BTC=float(price), ETH=float(price)))
        desk.work()
    seen: list[tuple[int, str]] = []
    query = "limit=3"
    while True:
        page = call("GET", "/api/v1/signals", query=query).body
        seen += [(item["close_time"], item["symbol"]) for item in page["items"]]
        if page["next"] is None:
            break
        query = f"limit=3&cursor={page['next']}"
    assert len(seen) == len(set(seen)) == 14
    assert [close for close, _ in seen] == sorted((close for close, _ in seen), reverse=True)


def test_running_now_and_the_boundary_record_one_signal(desk: DeskInMemory) -> None:
    trader = save()
    event = desk.minute(BTC=101.0)
    path = f"/api/v1/traders/{trader['trader_id']}/run"
    assert call("POST", path).body["signals"] == 1
    again = call("POST", path).body
    assert (again["signals"], again["signals_duplicate"]) == (0, 1)
    desk.announce(event)
    desk.work()
    assert len(desk.recorded()) == 1


def test_nothing_is_run_while_the_agent_that_would_is_paused(desk: DeskInMemory) -> None:
    path = f"/api/v1/traders/{save()['trader_id']}/run"
    desk.minute(BTC=101.0)
    MemoryAgentStore(desk.database).pause("strategy-agent", actor="ann", reason="drill")
    refused = call("POST", path)
    assert (refused.status, refused.body["detail"]) == (409, "strategy-agent is paused by ann: drill")
    assert desk.recorded() == []


def test_a_trader_works_by_an_algorithm_the_desk_allows(desk: DeskInMemory) -> None:
    MemoryAgentStore(desk.database).configure("execution-agent", {"algos": ["limit", "twap"]}, actor="ann")
    trade = {"sizing": {"method": "notional", "value": 1_000}}
    for path in ("", "/validate"):
        refused = call("POST", f"/api/v1/traders{path}", BODY | {"trade": trade})
        assert refused.status == 400
        assert refused.body["errors"] == [
            {
                "field": "trade.algorithm.name",
                "problem": "expected one of those this desk allows: limit, twap; got market",
            }
        ]


def test_history_says_where_it_would_have_fired(desk: DeskInMemory) -> None:
    for price in (99.0, 101.0, 102.0, 98.0, 103.0):
        desk.minute(BTC=price)
    trader = save(edge="rising")
    page = call("POST", f"/api/v1/traders/{trader['trader_id']}/history", {}).body
    assert [firing["price"] for firing in page["items"]] == [103.0, 101.0]
    assert (page["evaluated"], page["insufficient"], page["until"]) == (5, 1, None)


def test_a_patch_changes_only_what_it_names(desk: DeskInMemory) -> None:
    trader = save()
    path = f"/api/v1/traders/{trader['trader_id']}"
    changed = call("PATCH", path, {"rule": "close > 200"}).body["trader"]
    assert (changed["rule"], changed["name"], changed["edge"]) == ("close > 200", BODY["name"], "level")
    assert call("GET", path).body["rule"] == "close > 200"


def test_another_persons_trader_is_not_there(desk: DeskInMemory) -> None:
    path = f"/api/v1/traders/{save()['trader_id']}"
    for method, body in (("GET", None), ("PATCH", {"enabled": False}), ("DELETE", None)):
        assert call(method, path, body, user=BOB).status == 404
    assert call("GET", path).body["enabled"] is True


def test_built_in_traders_are_everybodys_to_read_and_nobodys_to_change(desk: DeskInMemory) -> None:
    desk.traders.create(make_trader(1, "close > 100"))
    path = f"/api/v1/traders/{make_trader(1, '').trader_id}"
    assert call("GET", path).body["owner_id"] is None
    assert call("DELETE", path).status == 404


def test_a_deleted_trader_is_gone_and_its_signals_stay(desk: DeskInMemory) -> None:
    trader = save()
    desk.announce(desk.minute(BTC=101.0))
    desk.work()
    assert call("DELETE", f"/api/v1/traders/{trader['trader_id']}").status == 204
    assert call("GET", f"/api/v1/traders/{trader['trader_id']}").status == 404
    assert len(desk.database.signals) == 1


def test_every_word_of_the_rule_language_is_listed(desk: DeskInMemory) -> None:
    items = {item["name"]: item for item in call("GET", "/api/v1/rules/functions").body["items"]}
    assert items["stochrsi"]["outputs"] == ["k", "d"]
    assert [(a["name"], a["kind"], a["default"]) for a in items["rsi"]["arguments"]] == [
        ("source", "series", "close"),
        ("length", "whole number", "14"),
    ]
    assert items["session"]["gives"] == "condition"
    assert "london" in items["session"]["arguments"][0]["choices"]
    assert items["rsi"]["lookback"] == 194
    assert call("GET", "/api/v1/rules/functions", user=None).status == 401


def test_candles_are_the_newest_ascending(desk: DeskInMemory) -> None:
    for price in (1.0, 2.0, 3.0):
        desk.minute(BTC=price)
    answer = call("GET", "/api/v1/market-data/candles", query="symbol=BTC/USDT&timeframe=1m&limit=2").body
    assert [candle["close"] for candle in answer["candles"]] == [2.0, 3.0]
    assert answer["candles"][-1]["close_time"] == desk.clock.now_ms()


@pytest.mark.parametrize(
    ("change", "field", "problem"),
    [
        ({"rule": "rsl(14) < 30"}, "rule", "rsi"),
        ({"rule": "close >"}, "rule", ""),
        ({"rule": "close"}, "rule", ""),
        ({"rule": "x" * 2_001}, "rule", "2000"),
        ({"rule": "sma(close, 999) > ema(500)"}, "rule", ""),
        ({"timeframe": "7m"}, "timeframe", "'1m'"),
        ({"timeframe": "1d"}, "timeframe", "1d is not collected"),
        ({"venue": "nowhere"}, "venue", "binance"),
        ({"cooldown_bars": -1}, "cooldown_bars", ""),
        ({"universe": {"min_quote_volume_24h": "NaN"}}, "universe.min_quote_volume_24h", "finite"),
        ({"universe": {"include": ["BTCUSDT"]}}, "universe.include.0", "a symbol such as"),
        ({"name": " "}, "name", ""),
        ({"owner_id": BOB}, "owner_id", ""),
    ],
)
def test_a_bad_trader_names_the_field_and_is_not_stored(
    desk: DeskInMemory, change: dict[str, Any], field: str, problem: str
) -> None:
    answer = call("POST", "/api/v1/traders", BODY | change)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["errors"][0]["field"] == field
    assert problem in answer.body["errors"][0]["problem"]
    assert desk.database.traders == {}


def test_an_unknown_symbol_is_said_to_be_unknown(desk: DeskInMemory) -> None:
    desk.minute(BTC=1.0)
    answer = call("GET", "/api/v1/market-data/candles", query="symbol=NOPE/USDT&timeframe=1m")
    assert (answer.status, "NOPE/USDT" in answer.body["detail"]) == (404, True)


def test_a_five_megabyte_body_is_refused(desk: DeskInMemory) -> None:
    answer = call("POST", "/api/v1/traders", json.dumps(BODY | {"description": "x" * 5_000_000}))
    assert answer.status == 413
    assert answer.body["errors"][0]["field"] == "body"
    assert desk.database.traders == {}


@pytest.mark.parametrize("body", ["{", "[]", '"text"', "null"])
def test_a_body_that_is_no_trader_is_refused(desk: DeskInMemory, body: str) -> None:
    assert call("POST", "/api/v1/traders", body).status == 400


@pytest.mark.parametrize("query", ["cursor=abc", "limit=0", "limit=9999", "symbol=btc", "trader_id=1", "since=-5"])
def test_a_bad_question_is_a_400(desk: DeskInMemory, query: str) -> None:
    assert call("GET", "/api/v1/signals", query=query).status == 400


PATHS = [
    (method.upper(), path.replace("{trader_id}", make_trader(1, "").trader_id))
    for path, methods in app.openapi()["paths"].items()
    for method in methods
    if path != "/health"
]


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("bad", [None, "nonsense", token_of(ALICE, exp=1)])
def test_nothing_but_health_answers_without_a_valid_token(
    desk: DeskInMemory, method: str, path: str, bad: str | None
) -> None:
    answer = call(method, path, BODY, user=None, token=bad)
    assert answer.status == 401
    assert answer.body["title"] == "Unauthorized"


def test_health_is_judged_by_the_age_of_the_data(desk: DeskInMemory) -> None:
    assert call("GET", "/health", user=None).status == 503
    desk.clock.advance(5 * M1.ms)
    for timeframe in desk.venues.enabled()[0].timeframes:
        desk.close(timeframe, BTC=1.0)
    unwatched = call("GET", "/health", user=None)
    assert (unwatched.status, unwatched.body["status"], unwatched.body["monitor"]["overdue"]) == (200, "degraded", True)
    MemoryAgentStore(desk.database).beat("ops-agent", version="0.1.0")
    ran(desk.monitor_runs, at_ms=desk.clock.now_ms())
    fresh = call("GET", "/health", user=None)
    assert (fresh.status, fresh.body["status"], fresh.body["collector"]["data_age_ms"]["1m"]) == (200, "healthy", 0)
    desk.clock.advance(M1.ms + 30_001)
    stale = call("GET", "/health", user=None)
    assert (stale.status, stale.body["collector"]["stale"]) == (503, ["1m"])


def test_openapi_describes_and_exemplifies_every_field() -> None:
    spec = app.openapi()
    bare = [
        f"{name}.{field}"
        for name, schema in spec["components"]["schemas"].items()
        for field, described in schema.get("properties", {}).items()
        if not described.get("description")
        or not (described.get("examples") or "$ref" in described or "$ref" in json.dumps(described))
    ]
    parameters = [
        f"{path} {parameter['name']}"
        for path, methods in spec["paths"].items()
        for operation in methods.values()
        for parameter in operation.get("parameters", [])
        if not parameter.get("description")
    ]
    assert (bare, parameters) == ([], [])
