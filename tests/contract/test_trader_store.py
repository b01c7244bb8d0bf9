"""What every TraderStore keeps, in memory and in Supabase."""

from dataclasses import replace
from uuid import uuid4

import pytest

from shared.domain.errors import ConflictError, InvalidMessageError, NotFoundError
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Edge, Owner, PositionSide, Trader, Universe, Visibility
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
        visibility=Visibility.PUBLIC,
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


def test_a_public_trader_is_everybodys_to_read_and_its_owners_to_write(stores: Stores) -> None:
    public = stores.traders().create(a_trader(BOB, visibility=Visibility.PUBLIC))

    assert stores.traders(ALICE).get(public.trader_id) == public
    assert list(stores.traders(ALICE).list(limit=10)) == [public]
    with pytest.raises(NotFoundError):
        stores.traders(ALICE).update(replace(public, name="Mine"), expected_updated_at_ms=public.updated_at_ms)
    with pytest.raises(NotFoundError):
        stores.traders(ALICE).delete(public.trader_id)

    private = replace(public, visibility=Visibility.PRIVATE)
    stores.traders(BOB).update(private, expected_updated_at_ms=public.updated_at_ms)
    with pytest.raises(NotFoundError):
        stores.traders(ALICE).get(public.trader_id)


def test_deleting_a_public_trader_withdraws_it(stores: Stores) -> None:
    public = stores.traders().create(a_trader(BOB, visibility=Visibility.PUBLIC))
    stores.traders(BOB).delete(public.trader_id)
    assert list(stores.traders(ALICE).list(limit=10)) == []
    assert list(stores.traders(ALICE).deleted_since(0)) == []
    assert list(stores.traders(BOB).deleted_since(0)) == [public.trader_id]


def test_traders_are_listed_by_owner_in_pages(stores: Stores) -> None:
    owned = {
        owner: sorted(stores.traders().create(a_trader(owner, **fields)).trader_id for _ in range(3))
        for owner, fields in ((None, {}), (ALICE, {}), (BOB, {"visibility": Visibility.PUBLIC}))
    }
    stores.traders().create(a_trader(BOB))

    for store in (stores.traders(ALICE), stores.traders()):  # the desk itself may ask for somebody's view too
        for owner, user_id in ((Owner.ME, ALICE), (Owner.DESK, None), (Owner.OTHERS, BOB)):
            first = store.list(limit=2, owner=owner, user_id=ALICE)
            rest = store.list(limit=2, after=first[-1].trader_id, owner=owner, user_id=ALICE)
            assert [trader.trader_id for trader in (*first, *rest)] == owned[user_id]
    assert len(stores.traders(ALICE).list(limit=20)) == 9
    for owner in (Owner.ME, Owner.OTHERS):
        with pytest.raises(InvalidMessageError, match="user_id"):
            stores.traders().list(limit=2, owner=owner)


def test_every_definition_is_kept_newest_first(stores: Stores) -> None:
    traders = stores.traders(ALICE)
    first = traders.create(a_trader(ALICE, universe=Universe(include=("BTC/USDT",), min_quote_volume_24h=0.1)))
    kept = [first]
    for change in ({"rule": "close > 1"}, {"visibility": Visibility.PUBLIC}, {"universe": Universe(quote="USDC")}):
        kept.append(traders.update(replace(kept[-1], **change), expected_updated_at_ms=kept[-1].updated_at_ms))

    versions = traders.versions(first.trader_id, limit=10)

    assert [version.version for version in versions] == [4, 3, 2, 1]
    assert [version.trader for version in versions] == kept[::-1]
    assert [version.recorded_at_ms for version in versions] == [trader.updated_at_ms for trader in kept[::-1]]
    assert [version.version for version in traders.versions(first.trader_id, limit=2)] == [4, 3]
    assert [version.version for version in traders.versions(first.trader_id, limit=2, before=3)] == [2, 1]
    assert list(traders.versions(first.trader_id, limit=2, before=1)) == []


def test_saving_what_is_there_already_is_no_version(stores: Stores) -> None:
    traders = stores.traders()
    trader = traders.create(a_trader())
    again = traders.update(trader, expected_updated_at_ms=trader.updated_at_ms)
    assert again.updated_at_ms > trader.updated_at_ms
    (version,) = traders.versions(trader.trader_id, limit=10)
    assert (version.version, version.recorded_at_ms) == (1, trader.updated_at_ms)


def test_the_history_is_the_owners_and_of_built_in_traders_everybodys(stores: Stores) -> None:
    built_in, hers, public = (
        stores.traders().create(a_trader(owner, visibility=visibility)).trader_id
        for owner, visibility in (
            (None, Visibility.PRIVATE),
            (ALICE, Visibility.PRIVATE),
            (BOB, Visibility.PUBLIC),
        )
    )

    for trader_id in (built_in, hers):
        assert len(stores.traders(ALICE).versions(trader_id, limit=10)) == 1
    assert len(stores.traders(BOB).versions(public, limit=10)) == 1
    for trader_id in (public, "nobody"):
        for before in (None, 5):
            with pytest.raises(NotFoundError):
                stores.traders(ALICE).versions(trader_id, limit=10, before=before)
    stores.traders(ALICE).delete(hers)
    with pytest.raises(NotFoundError):
        stores.traders(ALICE).versions(hers, limit=10)


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
