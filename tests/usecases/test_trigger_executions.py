"""A boundary becomes work exactly once, however often and by whomever it is announced."""

import json

import pytest

from shared.domain.errors import TransientError
from shared.domain.traders import shard_of
from tests.usecases.desk_in_memory import LEASE_MS, M1, DeskInMemory, make_trader


@pytest.fixture
def desk() -> DeskInMemory:
    desk = DeskInMemory()
    for number in range(5):
        desk.traders.create(make_trader(number, "close > 100"))
    return desk


def test_a_boundary_is_cut_into_shards_that_hold_every_trader_once(desk: DeskInMemory) -> None:
    triggered = desk.announce(desk.minute(BTC=101.0))
    assert (triggered.claimed, triggered.shards) == (True, 3)
    assert [message.shard for message in desk.messages()] == [0, 1, 2]
    homes = [shard_of(f"00000000-0000-4000-8000-{number:012d}", 3) for number in range(5)]
    assert all(0 <= home < 3 for home in homes)


def test_calling_the_trigger_three_times_changes_nothing(desk: DeskInMemory) -> None:
    event = desk.minute(BTC=101.0)
    assert [desk.announce(event).claimed for _ in range(3)] == [True, False, False]
    results = desk.work()
    assert sum(result.signals for result in results) == 5
    desk.clock.advance(10_000)
    assert desk.sweep().claimed == []
    assert desk.work() == []


def test_the_correlation_id_goes_with_the_boundary(desk: DeskInMemory) -> None:
    event = desk.minute(BTC=101.0)
    desk.announce(event)
    assert {json.loads(body)["correlation_id"] for body in desk.queue.bodies} == {event.correlation_id}
    desk.work()
    assert {row.correlation_id for row in desk.database.signals.values()} == {event.correlation_id}


def test_a_lost_announcement_is_repaired_by_the_sweep(desk: DeskInMemory) -> None:
    desk.announce(desk.minute(BTC=101.0))
    lost = desk.minute(BTC=102.0)
    desk.clock.advance(10_000)
    swept = desk.sweep()
    assert [claimed.close_time for claimed in swept.claimed] == [lost.close_time]
    desk.work()
    assert len(desk.recorded()) == 10


def test_the_sweep_leaves_a_fresh_boundary_to_the_collector(desk: DeskInMemory) -> None:
    desk.minute(BTC=101.0)
    desk.clock.advance(9_000)
    assert desk.sweep().claimed == []


def test_a_boundary_without_candles_is_reported_not_evaluated(desk: DeskInMemory) -> None:
    desk.announce(desk.minute(BTC=101.0))
    desk.clock.advance(M1.ms)
    hole = desk.clock.now_ms()
    later = desk.minute(BTC=103.0)
    desk.clock.advance(10_000)
    swept = desk.sweep()
    assert hole in [event.close_time for event in swept.missing if event.timeframe is M1]
    assert [claimed.close_time for claimed in swept.claimed] == [later.close_time]


def test_a_crash_between_claim_and_dispatch_loses_nothing(desk: DeskInMemory) -> None:
    event = desk.minute(BTC=101.0)
    desk.queue.broken = True
    with pytest.raises(TransientError):
        desk.announce(event)
    desk.queue.broken = False
    desk.clock.advance(60_000)
    assert desk.sweep().redispatched == 3
    desk.work()
    assert len(desk.recorded()) == 5


def test_a_run_whose_host_died_is_dispatched_again_after_its_lease(desk: DeskInMemory) -> None:
    desk.announce(desk.minute(BTC=101.0))
    died, *others = desk.messages()
    assert desk.runs.start(died.run, lease_ms=LEASE_MS)
    for message in others:
        desk.execute(message)
    before = len(desk.recorded())
    assert desk.execute(died).skipped == "finished before, or running elsewhere"
    desk.clock.advance(LEASE_MS - 1)
    assert desk.sweep().redispatched == 0
    desk.clock.advance(1)
    assert desk.sweep().redispatched == 1
    desk.work()
    assert before < len(desk.recorded()) == 5


def test_a_desk_without_traders_still_closes_its_boundaries() -> None:
    desk = DeskInMemory()
    desk.announce(desk.minute(BTC=101.0))
    assert [result.traders for result in desk.work()] == [0]
