"""Public traders, clones and versions, as people use them through the API."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.rules import compile_rule
from shared.domain.traders import Universe, Visibility
from shared.domain.trading.books import Book
from shared.domain.trading.states import Mode, TradingState
from tests.functions.api_client import ALICE, BOB, api_of, call
from tests.usecases.desk_in_memory import DeskInMemory, make_trader, trader_id

BODY: dict[str, Any] = {"name": "Above a hundred", "rule": "close > 100", "timeframe": "1m", "edge": "level"}
PATH = "/api/v1/traders"


@pytest.fixture
def desk() -> Iterator[DeskInMemory]:
    desk = DeskInMemory(traders_per_shard=1_000)
    with api_of(desk):
        yield desk


def save(user: str = ALICE, **change: Any) -> dict[str, Any]:
    answer = call("POST", PATH, BODY | change, user=user)
    assert answer.status == 201, answer.body
    trader: dict[str, Any] = answer.body["trader"]
    return trader


def listed(query: str, user: str = ALICE) -> list[str]:
    return [item["trader_id"] for item in call("GET", PATH, user=user, query=query).body["items"]]


def test_a_trader_is_private_until_its_owner_publishes_it(desk: DeskInMemory) -> None:
    trader = save()
    path = f"{PATH}/{trader['trader_id']}"
    assert trader["visibility"] == "private"
    assert call("GET", path, user=BOB).status == 404

    assert call("PATCH", path, {"visibility": "public"}).body["trader"]["visibility"] == "public"

    desk.announce(desk.minute(BTC=101.0))
    desk.work()
    assert call("GET", path, user=BOB).body["owner_id"] == ALICE
    assert call("GET", "/api/v1/signals", user=BOB).body["items"] == []
    for query in ("others=true", f"trader_id={trader['trader_id']}"):
        assert len(call("GET", "/api/v1/signals", user=BOB, query=query).body["items"]) == 1
    assert call("POST", f"{path}/history", {}, user=BOB).status == 200
    for method, sub, body in (
        ("PATCH", "", {"visibility": "private"}),
        ("DELETE", "", None),
        ("POST", "/run", None),
        ("GET", "/versions", None),
        ("POST", "/versions/1/restore", None),
    ):
        assert call(method, path + sub, body, user=BOB).status == 404, (method, sub)


def test_lists_say_whose_traders_they_are(desk: DeskInMemory) -> None:
    desk.traders.create(make_trader(1, "close > 100"))
    mine, hidden = save()["trader_id"], save(BOB)["trader_id"]
    public = save(BOB, visibility="public")["trader_id"]

    assert listed("owner=me") == [mine]
    assert listed("owner=desk") == [trader_id(1)]
    assert listed("owner=others") == [public]
    assert listed("") == sorted([trader_id(1), mine, public])
    assert listed("owner=me", BOB) == sorted([hidden, public])
    assert listed("owner=others", BOB) == []
    assert call("GET", PATH, query="owner=everybody").status == 400


def test_an_owners_list_pages(desk: DeskInMemory) -> None:
    ids = sorted(save(name=f"Mine {n}")["trader_id"] for n in range(5))
    save(BOB, visibility="public")
    first = call("GET", PATH, query="owner=me&limit=3").body
    rest = call("GET", PATH, query=f"owner=me&limit=3&after={first['next']}").body
    assert [item["trader_id"] for page in (first, rest) for item in page["items"]] == ids
    assert rest["next"] is None


def test_an_odd_public_trader_does_not_break_everybodys_list(desk: DeskInMemory) -> None:
    """The database, which people may write to past the API, has wider limits than a body."""
    odd = make_trader(1, "close > 100", owner_id=BOB, name="n" * 100, visibility=Visibility.PUBLIC)
    desk.traders.create(replace(odd, universe=Universe(quote="usdt", include=("no symbol",))))
    (item,) = call("GET", PATH).body["items"]
    assert (item["universe"]["include"], item["universe"]["quote"], len(item["name"])) == (["no symbol"], "usdt", 100)
    assert call("GET", f"{PATH}/{trader_id(1)}/versions", user=BOB).body["items"][0]["name"] == "n" * 100


@pytest.mark.parametrize("owner", [None, ALICE, BOB], ids=["built-in", "own", "public"])
def test_a_clone_is_a_private_trader_of_the_callers(desk: DeskInMemory, owner: str | None) -> None:
    desk.traders.create(
        make_trader(1, "close > 100", owner_id=owner, cooldown_bars=3, visibility=Visibility.PUBLIC, enabled=False)
    )
    original = call("GET", f"{PATH}/{trader_id(1)}").body
    desk.minute(BTC=101.0)

    answer = call("POST", f"{PATH}/{trader_id(1)}/clone")

    assert (answer.status, answer.body["check"]["symbols"]) == (201, 1)
    clone = answer.body["trader"]
    assert (clone["owner_id"], clone["visibility"]) == (ALICE, "private")
    own = {"trader_id", "owner_id", "visibility", "created_at_ms", "updated_at_ms"}
    assert {k: v for k, v in clone.items() if k not in own} == {k: v for k, v in original.items() if k not in own}
    assert clone["trader_id"] != trader_id(1)
    assert clone["created_at_ms"] > original["created_at_ms"]
    assert call("GET", f"{PATH}/{clone['trader_id']}", user=BOB).status == 404
    assert [v["version"] for v in call("GET", f"{PATH}/{clone['trader_id']}/versions").body["items"]] == [1]


def test_a_clone_may_have_a_name_of_its_own(desk: DeskInMemory) -> None:
    path = f"{PATH}/{save()['trader_id']}/clone"
    assert call("POST", path, {"name": " Mine "}).body["trader"]["name"] == "Mine"
    for bad in ({"name": ""}, {"name": "x" * 81}, {"rule": "close > 1"}):
        assert call("POST", path, bad).status == 400
    assert len(desk.database.traders) == 2


def test_a_clone_is_checked_and_what_one_may_not_see_is_not_there(desk: DeskInMemory) -> None:
    desk.traders.create(make_trader(1, "rsl(14) > 1", visibility=Visibility.PUBLIC, owner_id=BOB))
    refused = call("POST", f"{PATH}/{trader_id(1)}/clone")
    assert (refused.status, refused.body["errors"][0]["field"]) == (400, "rule")
    assert call("POST", f"{PATH}/{save(BOB)['trader_id']}/clone").status == 404
    assert call("POST", f"{PATH}/{trader_id(9)}/clone").status == 404
    assert len(desk.database.traders) == 2


def test_every_definition_is_listed_newest_first(desk: DeskInMemory) -> None:
    trader = save()
    path = f"{PATH}/{trader['trader_id']}"
    for change in ({"rule": "close > 200"}, {"name": "Renamed"}, {"name": "Renamed"}):
        assert call("PATCH", path, change).status == 200

    page = call("GET", f"{path}/versions").body

    assert [(v["version"], v["rule"], v["name"]) for v in page["items"]] == [
        (3, "close > 200", "Renamed"),
        (2, "close > 200", BODY["name"]),
        (1, "close > 100", BODY["name"]),
    ]
    assert page["items"][2]["rule_hash"] == compile_rule("close > 100").rule_hash
    assert page["items"][2]["recorded_at_ms"] == trader["updated_at_ms"]
    assert page["next"] is None
    first = call("GET", f"{path}/versions", query="limit=2").body
    assert first["next"] == 2
    rest = call("GET", f"{path}/versions", query=f"limit=2&before={first['next']}").body
    assert ([v["version"] for v in rest["items"]], rest["next"]) == ([1], None)
    for bad in ("limit=0", "before=0", f"before={2**31}"):
        assert call("GET", f"{path}/versions", query=bad).status == 400


def test_a_version_whose_rule_no_longer_compiles_is_shown_and_not_restored(desk: DeskInMemory) -> None:
    broken = desk.traders.create(make_trader(1, "gone(14) > 1", owner_id=ALICE))
    mended = replace(broken, rule="close > 1")
    desk.traders.update(mended, expected_updated_at_ms=broken.updated_at_ms)
    items = call("GET", f"{PATH}/{trader_id(1)}/versions").body["items"]
    assert [item["rule_hash"] is None for item in items] == [False, True]
    refused = call("POST", f"{PATH}/{trader_id(1)}/versions/1/restore")
    assert (refused.status, refused.body["errors"][0]["field"]) == (400, "rule")
    assert call("GET", f"{PATH}/{trader_id(1)}").body["rule"] == "close > 1"


def test_restoring_saves_an_earlier_definition_as_a_new_version(desk: DeskInMemory) -> None:
    trader = save(universe={"include": ["BTC/USDT"]}, cooldown_bars=2)
    path = f"{PATH}/{trader['trader_id']}"
    changes = {"rule": "close > 200", "universe": {}, "cooldown_bars": 0, "side": "short", "visibility": "public"}
    assert call("PATCH", path, changes).status == 200

    restored = call("POST", f"{path}/versions/1/restore").body["trader"]

    assert {k: v for k, v in restored.items() if k != "updated_at_ms"} == {
        k: v for k, v in trader.items() if k != "updated_at_ms"
    }
    assert [v["version"] for v in call("GET", f"{path}/versions").body["items"]] == [3, 2, 1]
    assert call("POST", f"{path}/versions/1/restore").status == 200  # nothing changes, so there is no fourth
    assert [v["version"] for v in call("GET", f"{path}/versions").body["items"]] == [3, 2, 1]
    assert call("POST", f"{path}/versions/4/restore").status == 404
    assert call("POST", f"{path}/versions/0/restore").status == 400
    assert call("POST", f"{path}/versions/{2**31}/restore").status == 400


def test_the_history_of_a_built_in_trader_is_everybodys_to_read(desk: DeskInMemory) -> None:
    desk.traders.create(make_trader(1, "close > 100"))
    assert len(call("GET", f"{PATH}/{trader_id(1)}/versions").body["items"]) == 1
    assert call("POST", f"{PATH}/{trader_id(1)}/versions/1/restore").status == 404


def test_a_person_runs_only_their_own_and_the_built_in_traders(desk: DeskInMemory) -> None:
    desk.traders.create(make_trader(1, "close > 100"))
    desk.minute(BTC=101.0)
    public = save(BOB, visibility="public", enabled=False)["trader_id"]
    assert call("POST", f"{PATH}/{public}/run").status == 404
    assert desk.database.signals == {}
    for runnable, user in ((trader_id(1), ALICE), (public, BOB)):
        assert call("POST", f"{PATH}/{runnable}/run", user=user).body["signals"] == 1


TRADE = {"sizing": {"method": "notional", "value": "10"}, "guard": {"stop_rate": "0.02"}}


def test_a_trader_is_saved_with_its_terms_and_a_clone_trades_for_nobody(desk: DeskInMemory) -> None:
    book = Book(
        book_id="alices",
        owner_id=ALICE,
        name="Main",
        mode=Mode.PAPER,
        quote="USDT",
        capital=Decimal(1_000),
        state=TradingState.ACTIVE,
        venues=("binance",),
    )
    desk.database.trading.books[book.book_id] = book
    trader = save(mode="paper", book_id="alices", trade=TRADE)
    assert (trader["mode"], trader["book_id"]) == ("paper", "alices")
    assert trader["trade"]["sizing"]["value"] == "10"
    assert trader["trade"]["algorithm"]["name"] == "market"
    path = f"{PATH}/{trader['trader_id']}"
    clone = call("POST", f"{path}/clone").body["trader"]
    assert (clone["mode"], clone["book_id"], clone["trade"]) == ("signals", None, trader["trade"])
    for change, field in (
        ({"book_id": "bobs"}, "book_id"),
        ({"book_id": None}, "book_id"),
        ({"mode": "live"}, "mode"),
        ({"trade": None}, "trade"),
        ({"trade": TRADE | {"guard": {"stop_rate": "1.5"}}}, "trade.guard.stop_rate"),
        ({"trade": TRADE | {"sizing": {"method": "notional", "value": "NaN"}}}, "trade.sizing.value"),
    ):
        refused = call("PATCH", path, change)
        assert (refused.status, refused.body["errors"][0]["field"]) == (400, field), change
    assert call("GET", path).body == trader
