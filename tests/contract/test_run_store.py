"""What every RunStore keeps, in memory and in Supabase."""

from dataclasses import replace

import pytest

from shared.domain.errors import InvalidMessageError, NotFoundError
from shared.domain.runs import ClosedBoundary, Recorded, Shard
from shared.domain.timeframe import Timeframe
from tests.contract.stores import CLOSE, RESULT, Stores, a_signal, a_trader, boundary

LONG_MS = 3_600_000


def claim(stores: Stores, of: ClosedBoundary, *, shards: int = 1, correlation_id: str = "corr") -> bool:
    return stores.runs().claim(of, shards=shards, source="collector", correlation_id=correlation_id)


def the_shard(of: ClosedBoundary, shard: int = 0, shards: int = 1) -> Shard:
    return Shard(boundary=of, shard=shard, shards=shards)


def test_a_boundary_is_claimed_once(stores: Stores) -> None:
    assert claim(stores, boundary(), shards=2)
    assert not claim(stores, boundary(), shards=2)
    assert not claim(stores, boundary(), shards=5)  # another count of traders is no other boundary
    assert claim(stores, boundary(1))
    assert claim(stores, replace(boundary(), timeframe=Timeframe.M3, close_time=1_700_000_100_000))


def test_claimed_boundaries_are_told_from_others(stores: Stores) -> None:
    for minute in (0, 2):
        claim(stores, boundary(minute), shards=2)
    asked = [boundary(minute) for minute in range(2_000)]
    assert stores.runs().claimed(asked) == {boundary(0), boundary(2)}
    assert stores.runs().claimed([]) == frozenset()


def test_a_run_is_leased_to_one_holder(stores: Stores) -> None:
    shard = the_shard(boundary())
    assert not stores.runs().start(shard, lease_ms=LONG_MS)  # unknown
    claim(stores, boundary())

    assert stores.runs().start(shard, lease_ms=LONG_MS)
    assert not stores.runs().start(shard, lease_ms=LONG_MS)


def test_an_expired_lease_can_be_taken(stores: Stores) -> None:
    claim(stores, boundary())
    assert stores.runs().start(the_shard(boundary()), lease_ms=0)
    assert stores.runs().start(the_shard(boundary()), lease_ms=LONG_MS)


def test_finishing_stores_signals_and_the_run_together(stores: Stores) -> None:
    trader = stores.traders().create(a_trader())
    claim(stores, boundary(), correlation_id="from-announcement-to-row")
    shard = the_shard(boundary())
    stores.runs().start(shard, lease_ms=LONG_MS)

    signals = [a_signal(trader.trader_id), a_signal(trader.trader_id, symbol="ETH/USDT")]
    assert stores.runs().finish(shard, result=RESULT, signals=signals) == Recorded(new=2, duplicate=0)

    assert {row.correlation_id for row in stores.signals().list(limit=10)} == {"from-announcement-to-row"}
    assert not stores.runs().start(shard, lease_ms=LONG_MS)
    assert list(stores.runs().take_overdue(older_than_ms=0, limit=10)) == []


def test_finishing_twice_changes_nothing(stores: Stores) -> None:
    trader = stores.traders().create(a_trader())
    claim(stores, boundary())
    shard = the_shard(boundary())
    first = stores.runs().finish(shard, result=RESULT, signals=[a_signal(trader.trader_id)])

    again = stores.runs().finish(shard, result=RESULT, signals=[a_signal(trader.trader_id, symbol="ETH/USDT")])

    assert again == first == Recorded(new=1, duplicate=0)
    assert len(stores.signals().list(limit=10)) == 1
    stores.runs().fail(shard, error="too late")
    assert list(stores.runs().take_overdue(older_than_ms=0, limit=10)) == []


def test_signals_recorded_before_count_as_duplicates(stores: Stores) -> None:
    trader = stores.traders().create(a_trader())
    claim(stores, boundary())
    stores.signals().record("binance", "run now", [a_signal(trader.trader_id)])
    result = stores.runs().finish(the_shard(boundary()), result=RESULT, signals=[a_signal(trader.trader_id)])
    assert result == Recorded(new=0, duplicate=1)


def test_a_bad_signal_leaves_the_run_and_the_table_untouched(stores: Stores) -> None:
    trader = stores.traders().create(a_trader())
    claim(stores, boundary())
    shard = the_shard(boundary())
    good = a_signal(trader.trader_id)
    for bad in (a_signal(trader.trader_id, minute=1), a_signal("nobody")):
        with pytest.raises(InvalidMessageError):
            stores.runs().finish(shard, result=RESULT, signals=[bad, good])
    # the in-memory store has no transactions to roll back, so only the run is compared
    assert stores.runs().start(shard, lease_ms=LONG_MS)


def test_unknown_runs(stores: Stores) -> None:
    with pytest.raises(NotFoundError):
        stores.runs().finish(the_shard(boundary()), result=RESULT, signals=[])
    with pytest.raises(NotFoundError):
        stores.runs().fail(the_shard(boundary()), error="?")


def test_a_claim_needs_a_known_venue_and_a_real_boundary(stores: Stores) -> None:
    with pytest.raises(InvalidMessageError):
        claim(stores, replace(boundary(), venue="nowhere"))
    with pytest.raises(InvalidMessageError):
        claim(stores, replace(boundary(), close_time=CLOSE + 1))


def test_failed_expired_and_forgotten_runs_are_taken_for_a_new_dispatch(stores: Stores) -> None:
    runs = stores.runs()
    for minute, correlation_id in enumerate(("waits", "failed", "expired", "running")):
        claim(stores, boundary(minute), correlation_id=correlation_id)
    runs.start(the_shard(boundary(1)), lease_ms=LONG_MS)
    runs.fail(the_shard(boundary(1)), error="no candles")
    runs.start(the_shard(boundary(2)), lease_ms=0)
    runs.start(the_shard(boundary(3)), lease_ms=LONG_MS)

    assert [taken[1] for taken in runs.take_overdue(older_than_ms=LONG_MS, limit=10)] == ["failed", "expired"]
    assert list(runs.take_overdue(older_than_ms=LONG_MS, limit=10)) == []  # dispatched just now
    again = runs.take_overdue(older_than_ms=0, limit=2)
    assert list(again) == [(the_shard(boundary(0)), "waits"), (the_shard(boundary(1)), "failed")]  # oldest first


def test_shards_of_a_boundary_are_separate_runs(stores: Stores) -> None:
    claim(stores, boundary(), shards=3)
    stores.runs().finish(the_shard(boundary(), 1, 3), result=RESULT, signals=[])
    taken = stores.runs().take_overdue(older_than_ms=0, limit=10)
    assert [shard for shard, _ in taken] == [the_shard(boundary(), 0, 3), the_shard(boundary(), 2, 3)]


def test_a_run_is_given_up_after_five_attempts(stores: Stores) -> None:
    claim(stores, boundary())
    shard = the_shard(boundary())
    for _ in range(5):
        assert len(stores.runs().take_overdue(older_than_ms=0, limit=10)) == 1
        assert stores.runs().start(shard, lease_ms=0)
    assert list(stores.runs().take_overdue(older_than_ms=0, limit=10)) == []
    assert stores.runs().start(shard, lease_ms=LONG_MS)  # but a person may still run it


def test_a_failed_run_can_still_finish(stores: Stores) -> None:
    claim(stores, boundary())
    shard = the_shard(boundary())
    stores.runs().start(shard, lease_ms=0)
    stores.runs().fail(shard, error="timeout")
    assert stores.runs().finish(shard, result=RESULT, signals=[]) == Recorded(new=0, duplicate=0)


def finish_with(stores: Stores, of: ClosedBoundary, shard: int, shards: int, digests: list[str]) -> None:
    where = the_shard(of, shard, shards)
    stores.runs().start(where, lease_ms=LONG_MS)
    stores.runs().finish(where, result=RESULT, signals=[], digests=digests)


def test_the_digests_of_a_boundary_are_those_of_all_its_runs(stores: Stores) -> None:
    assert stores.runs().digests(boundary()) is None
    claim(stores, boundary(), shards=2)
    assert stores.runs().digests(boundary()) is None  # nobody has decided yet
    finish_with(stores, boundary(), 0, 2, ["aaaaaaa+", "bbbbbbb/"])
    finish_with(stores, boundary(), 1, 2, ["ccccccc0"])
    finish_with(stores, boundary(), 1, 2, ["ddddddd0"])  # delivered again: the first one stays
    assert stores.runs().digests(boundary()) == frozenset({"aaaaaaa+", "bbbbbbb/", "ccccccc0"})
    claim(stores, boundary(1))
    finish_with(stores, boundary(1), 0, 1, [])
    assert stores.runs().digests(boundary(1)) == frozenset()


def test_digests_go_when_the_log_has_outlived_them(stores: Stores) -> None:
    depth = stores.venues().enabled()[0].log_depth
    for minute in (0, 1, depth, depth + 1):
        claim(stores, boundary(minute))
        finish_with(stores, boundary(minute), 0, 1, ["aaaaaaaa"])
    assert stores.runs().digests(boundary(0)) is None
    assert stores.runs().digests(boundary(1)) == frozenset({"aaaaaaaa"})
