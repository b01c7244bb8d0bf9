"""What every TraderStore keeps, in memory and in Supabase."""

from dataclasses import replace
from uuid import uuid4

import pytest

from shared.domain.errors import ConflictError, InvalidMessageError, NotFoundError
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Edge, PositionSide, Trader, Universe
from tests.contract.stores import Stores, a_trader

ALICE, BOB = str(uuid4()), str(uuid4())


def test_a_trader_comes_back_as_it_was_stored(stores: Stores) -> None:
    trader = a_trader(
        ALICE,
        description="quotes \"' and \\ and 多",
        timeframe=Timeframe.H4,
        universe=Universe(
            quote="USDC", min_quote_volume_24h=1234567.891, include=("BTC/USDC", 'odd,"{}', ""), exclude=("X/USDC",)
        ),
        side=PositionSide.SHORT,
        edge=Edge.LEVEL,
        cooldown_bars=7,
        enabled=False,
    )

    stored = stores.traders().create(trader)

    assert stored.created_at_ms == stored.updated_at_ms > 0
    assert replace(stored, created_at_ms=0, updated_at_ms=0) == trader
    assert stores.traders().get(trader.trader_id) == stored


def test_an_id_is_given_once_even_after_a_delete(stores: Stores) -> None:
    trader = stores.traders().create(a_trader())
    with pytest.raises(ConflictError):
        stores.traders().create(trader)
    stores.traders().delete(trader.trader_id)
    with pytest.raises(ConflictError):
        stores.traders().create(trader)


def test_an_update_needs_the_version_it_was_made_from(stores: Stores) -> None:
    first = stores.traders().create(a_trader(ALICE))

    second = stores.traders().update(replace(first, rule="close > 1"), expected_updated_at_ms=first.updated_at_ms)

    assert second.rule == "close > 1"
    assert second.updated_at_ms > first.updated_at_ms  # also within one millisecond
    assert second.created_at_ms == first.created_at_ms
    with pytest.raises(ConflictError):
        stores.traders().update(first, expected_updated_at_ms=first.updated_at_ms)
    with pytest.raises(NotFoundError):
        stores.traders().update(a_trader(), expected_updated_at_ms=first.updated_at_ms)


def test_an_update_cannot_hand_a_trader_to_somebody_else(stores: Stores) -> None:
    trader = stores.traders().create(a_trader(ALICE))
    changed = stores.traders(ALICE).update(replace(trader, owner_id=BOB), expected_updated_at_ms=trader.updated_at_ms)
    assert changed.owner_id == ALICE


def test_a_cache_learns_of_edits_disables_and_deletes(stores: Stores) -> None:
    traders = stores.traders()
    kept, edited, dropped = (traders.create(a_trader()) for _ in range(3))
    assert list(traders.changed_since(0)) == [kept, edited, dropped]

    edited = traders.update(replace(edited, enabled=False), expected_updated_at_ms=edited.updated_at_ms)
    traders.delete(dropped.trader_id)

    assert list(traders.changed_since(edited.updated_at_ms)) == [edited]
    assert list(traders.changed_since(0)) == [kept, edited]  # oldest change first, without the deleted one
    assert list(traders.deleted_since(edited.updated_at_ms)) == [dropped.trader_id]
    assert list(traders.deleted_since(edited.updated_at_ms + 3_600_000)) == []


def test_a_deleted_trader_is_gone(stores: Stores) -> None:
    trader = stores.traders().create(a_trader())
    stores.traders().delete(trader.trader_id)

    with pytest.raises(NotFoundError):
        stores.traders().get(trader.trader_id)
    with pytest.raises(NotFoundError):
        stores.traders().delete(trader.trader_id)
    with pytest.raises(NotFoundError):
        stores.traders().update(trader, expected_updated_at_ms=trader.updated_at_ms)
    assert list(stores.traders().list(limit=10)) == []


def test_only_enabled_traders_of_the_timeframe_are_counted(stores: Stores) -> None:
    traders = stores.traders()
    for trader in (a_trader(), a_trader(), a_trader(enabled=False), a_trader(timeframe=Timeframe.H1)):
        traders.create(trader)
    traders.delete(traders.create(a_trader()).trader_id)

    assert traders.count_enabled("binance", Timeframe.M1) == 2
    assert traders.count_enabled("binance", Timeframe.H1) == 1
    assert traders.count_enabled("kraken", Timeframe.M1) == 0


def test_traders_are_listed_in_pages_by_id(stores: Stores) -> None:
    ids = ["B", "a", "Z", "_", "-", "1"]
    for trader_id in ids:
        stores.traders().create(a_trader(trader_id=trader_id))

    first = stores.traders().list(limit=4)
    rest = stores.traders().list(limit=4, after=first[-1].trader_id)

    assert [t.trader_id for t in (*first, *rest)] == sorted(ids)  # byte order, the same in Python and Postgres


def test_a_person_sees_their_own_traders_and_the_built_in_ones(stores: Stores) -> None:
    built_in, hers, his = (stores.traders().create(a_trader(owner)) for owner in (None, ALICE, BOB))

    assert {t.trader_id for t in stores.traders(ALICE).list(limit=10)} == {built_in.trader_id, hers.trader_id}
    assert stores.traders(ALICE).get(hers.trader_id) == hers
    with pytest.raises(NotFoundError):
        stores.traders(ALICE).get(his.trader_id)
    for not_hers in (built_in, his):
        with pytest.raises(NotFoundError):
            stores.traders(ALICE).update(not_hers, expected_updated_at_ms=not_hers.updated_at_ms)
        with pytest.raises(NotFoundError):
            stores.traders(ALICE).delete(not_hers.trader_id)
    stores.traders(ALICE).delete(hers.trader_id)
    assert [t.trader_id for t in stores.traders(ALICE).list(limit=10)] == [built_in.trader_id]


def test_a_person_creates_traders_only_as_their_own(stores: Stores) -> None:
    mine = stores.traders(ALICE).create(a_trader(ALICE))
    assert mine.owner_id == ALICE
    for owner in (BOB, None):
        with pytest.raises(InvalidMessageError, match="owner_id"):
            stores.traders(ALICE).create(a_trader(owner))


@pytest.mark.parametrize(
    ("field", "trader"),
    [
        ("venue", a_trader(venue="nowhere")),
        ("rule", a_trader(rule="x" * 2_001)),
        ("name", a_trader(name="")),
        ("cooldown_bars", a_trader(cooldown_bars=-1)),
    ],
)
def test_bad_traders_are_refused_by_name(stores: Stores, field: str, trader: Trader) -> None:
    with pytest.raises(InvalidMessageError) as refused:
        stores.traders().create(trader)
    assert refused.value.field == field
    assert list(stores.traders().list(limit=10)) == []
