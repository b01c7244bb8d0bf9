"""What every Profiles keeps, in memory and in Supabase; and that the tiers of both are the same."""

from dataclasses import replace
from uuid import uuid4

import pytest

from desk.local.supabase_lite import SupabaseLite
from shared.adapters.supabase.client import connect, rows
from shared.adapters.supabase.people import SupabaseProfiles
from shared.domain.errors import ConflictError, ForbiddenError, InvalidMessageError, NotFoundError
from shared.domain.people import TIERS, PersonRole, Used
from shared.domain.timeframe import Timeframe
from shared.people_ports import Profiles
from shared.usecases.watchlist import Watchlist
from tests.contract.stores import MemoryStores, Stores, SupabaseStores, a_trader
from tests.contract.trading import a_book
from tests.fakes.clock import ManualClock
from tests.fakes.people import MemoryProfiles

ADMIN, ALICE = "00000000-0000-4000-8000-0000000000ad", str(uuid4())
FIVE = Timeframe.M5


@pytest.fixture
def profiles(stores: Stores) -> Profiles:
    """People, one of them an admin, and Alice, whose tier is free."""
    stores.enrol(ADMIN, role="admin")
    stores.enrol(ALICE, tier="free")
    if isinstance(stores, MemoryStores):
        return MemoryProfiles(stores.database)
    assert isinstance(stores, SupabaseStores)
    return SupabaseProfiles(connect(stores.supabase.url, stores.supabase.secret_key))


def test_somebody_without_a_profile_is_an_anonymous_trader(profiles: Profiles, stores: Stores) -> None:
    nobody = str(uuid4())
    assert profiles.role(nobody) is PersonRole.TRADER
    assert profiles.tier(nobody) == TIERS["anonymous"]
    with pytest.raises(InvalidMessageError, match="timeframe: your tier `anonymous` has none"):
        stores.traders(nobody).create(a_trader(nobody, timeframe=FIVE))
    with pytest.raises(NotFoundError):
        profiles.change(nobody, actor=ADMIN, tier="pro")


def test_only_admins_change_people_and_one_stays(profiles: Profiles) -> None:
    changed = profiles.change(ALICE, actor=ADMIN, role=PersonRole.OPERATOR, tier="pro")
    assert (changed.user_id, changed.role, changed.tier) == (ALICE, PersonRole.OPERATOR, "pro")
    assert profiles.role(ALICE) is PersonRole.OPERATOR
    assert profiles.tier(ALICE) == TIERS["pro"]
    assert [role.operates for role in PersonRole] == [False, False, True, True]
    assert [role.writes for role in PersonRole] == [False, True, True, True]
    with pytest.raises(ForbiddenError):
        profiles.change(ALICE, actor=ALICE, role=PersonRole.ADMIN)
    with pytest.raises(InvalidMessageError, match="tier: expected one of anonymous, elite, free, pro, got whale"):
        profiles.change(ALICE, actor="operator", tier="whale")


def test_the_last_admin_stays_one(profiles: Profiles, stores: Stores) -> None:
    other = str(uuid4())
    stores.enrol(other)
    for person in profiles.list(limit=1_000):
        if person.role is PersonRole.ADMIN and person.user_id != ADMIN:
            profiles.change(person.user_id, actor="operator", role=PersonRole.TRADER)
    with pytest.raises(ConflictError, match="last admin"):
        profiles.change(ADMIN, actor=ADMIN, role=PersonRole.VIEWER)
    profiles.change(other, actor=ADMIN, role=PersonRole.ADMIN)
    assert profiles.change(ADMIN, actor=ADMIN, role=PersonRole.TRADER).role is PersonRole.TRADER


def test_people_are_listed_by_id(profiles: Profiles) -> None:
    everybody = [person.user_id for person in profiles.list(limit=1_000)]
    assert everybody == sorted(everybody)
    assert {ADMIN, ALICE} <= {*everybody}
    assert [person.user_id for person in profiles.list(limit=1)] == everybody[:1]
    assert [person.user_id for person in profiles.list(limit=1_000, after=everybody[0])] == everybody[1:]


def test_a_viewer_reads_and_writes_nothing(profiles: Profiles, stores: Stores) -> None:
    mine = stores.traders(ALICE).create(a_trader(ALICE, timeframe=FIVE))
    book = stores.books().create(a_book(ALICE))
    profiles.change(ALICE, actor=ADMIN, role=PersonRole.VIEWER)
    store = stores.traders(ALICE)
    mine = store.get(mine.trader_id)
    with pytest.raises(ForbiddenError, match="reads only"):
        store.create(a_trader(ALICE, timeframe=FIVE))
    with pytest.raises(ForbiddenError, match="reads only"):
        store.update(replace(mine, name="Other"), expected_updated_at_ms=mine.updated_at_ms)
    with pytest.raises(ForbiddenError, match="reads only"):
        store.delete(mine.trader_id)
    with pytest.raises(ForbiddenError, match="reads only"):
        stores.books().create(a_book(ALICE))
    with pytest.raises(ForbiddenError, match="reads only"):
        stores.books().update(replace(book, name="Other"), expected_version=book.version)


def test_limits_are_named_with_their_field(profiles: Profiles, stores: Stores) -> None:
    assert profiles.tier(ALICE).max_books == 2
    for _ in range(2):
        stores.books().create(a_book(ALICE))
    with pytest.raises(InvalidMessageError, match=r"^books: your tier `free` has 2$"):
        stores.books().create(a_book(ALICE))
    with pytest.raises(InvalidMessageError, match=r"^timeframe: your tier `free` has 5m, 15m, 30m, 1h, 2h, 4h, 6h"):
        stores.traders(ALICE).create(a_trader(ALICE))
    for _ in range(10):
        stores.traders(ALICE).create(a_trader(ALICE, timeframe=FIVE))
    with pytest.raises(InvalidMessageError, match=r"^enabled: your tier `free` has 10 enabled traders$"):
        stores.traders(ALICE).create(a_trader(ALICE, timeframe=FIVE))
    stores.traders(ALICE).create(a_trader(ALICE, timeframe=FIVE, enabled=False))
    used = Used(traders=10, traders_beyond=0, books=2, channels=0, notifications=0)
    standing = profiles.standing(ALICE)
    assert (standing.role, standing.tier, standing.used) == (PersonRole.TRADER, TIERS["free"], used)


def test_a_downgrade_reaches_a_warm_function(profiles: Profiles, stores: Stores) -> None:
    profiles.change(ALICE, actor=ADMIN, tier="elite")
    older = [stores.traders(ALICE).create(a_trader(ALICE, timeframe=FIVE)) for _ in range(11)]
    fast = stores.traders(ALICE).create(a_trader(ALICE))
    warm = Watchlist(stores.traders(), stores.venues(), ManualClock(0))
    warm.refresh()

    def evaluated(timeframe: Timeframe) -> set[str]:
        warm.refresh()
        compiled, _ = warm.waiting("binance", timeframe, shard=0, shards=1)
        return {each.trader.trader_id for each in compiled}

    everyone = {trader.trader_id for trader in older}
    assert (evaluated(FIVE) & everyone, evaluated(Timeframe.M1) & {fast.trader_id}) == (everyone, {fast.trader_id})
    count = stores.traders().count_enabled("binance", FIVE)

    profiles.change(ALICE, actor=ADMIN, tier="free")

    assert stores.traders().count_enabled("binance", FIVE) == count - 1
    assert evaluated(FIVE) & everyone == everyone - {older[-1].trader_id}  # the oldest stay
    assert fast.trader_id not in evaluated(Timeframe.M1)
    assert stores.traders(ALICE).get(fast.trader_id).beyond_tier

    stores.traders(ALICE).delete(older[0].trader_id)
    assert evaluated(FIVE) & everyone == everyone - {older[0].trader_id}
    profiles.change(ALICE, actor=ADMIN, tier="elite")
    assert fast.trader_id in evaluated(Timeframe.M1)


def test_a_new_desk_has_the_tiers_of_the_domain(supabase: SupabaseLite) -> None:
    client = connect(supabase.url, supabase.secret_key)
    found = {row["tier"]: row for row in rows(client.from_("tiers").select("*").execute())}
    assert found.keys() == TIERS.keys()
    for name, tier in TIERS.items():
        row = found[name]
        assert frozenset(row["timeframes"]) == tier.timeframes
        columns = row.keys() - {"timeframes", "created_at", "updated_at"}
        assert {column: row[column] for column in columns} == {column: getattr(tier, column) for column in columns}
