"""Whatever is asked of a run store, in whatever order, Supabase answers as the in-memory store does."""

from collections.abc import Callable

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from desk.local.supabase_lite import SupabaseLite
from shared.adapters.supabase.client import connect, once
from shared.domain.errors import NotFoundError
from shared.domain.runs import Recorded, Shard
from shared.ports import RunStore
from tests.contract.stores import RESULT, MemoryStores, Stores, SupabaseStores, a_signal, a_trader, boundary

HOUR_MS = 3_600_000
Answer = bool | Recorded | list[tuple[Shard, str]] | str | None
Question = Callable[[RunStore], Answer]
minutes = st.sampled_from([0, 0, 0, 1])  # few runs, so that each lives long
shards = st.builds(
    lambda minute, shard: Shard(boundary=boundary(minute), shard=shard, shards=2), minutes, st.integers(0, 1)
)
leases = st.sampled_from([0, HOUR_MS])  # expired at once, or not during this test


def answer(ask: Question, runs: RunStore) -> Answer:
    """Ask, and take an unknown run for an answer."""
    try:
        return ask(runs)
    except NotFoundError:
        return "unknown"


def test_the_life_of_runs_is_the_same_in_memory_and_in_supabase(clean_supabase: SupabaseLite) -> None:
    class RunLife(RuleBasedStateMachine):
        @initialize()
        def start_empty(self) -> None:
            client = connect(clean_supabase.url, clean_supabase.secret_key)
            for table, key in (("signals", "symbol"), ("execution_runs", "source"), ("traders", "rule")):
                once(client.from_(table).delete().neq(key, ""))
            self.both: tuple[Stores, Stores] = (MemoryStores(), SupabaseStores(clean_supabase))
            for stores in self.both:
                stores.traders().create(a_trader(trader_id="t"))
            self.claim(0)

        @rule(minute=minutes)
        def claim(self, minute: int) -> None:
            self.same(lambda runs: runs.claim(boundary(minute), shards=2, source="test", correlation_id=f"c{minute}"))

        @rule(shard=shards, lease_ms=leases)
        def start(self, shard: Shard, lease_ms: int) -> None:
            self.same(lambda runs: runs.start(shard, lease_ms=lease_ms))

        @rule(shard=shards)
        def crash(self, shard: Shard) -> None:
            self.start(shard, lease_ms=0)
            self.take_overdue(older_than_ms=HOUR_MS, limit=6)

        @rule(shard=shards, symbols=st.sets(st.sampled_from(["A/USDT", "B/USDT", "C/USDT"])))
        def finish(self, shard: Shard, symbols: set[str]) -> None:
            minute = (shard.boundary.close_time - boundary().close_time) // 60_000
            signals = [a_signal("t", symbol=symbol, minute=minute) for symbol in sorted(symbols)]
            self.same(lambda runs: runs.finish(shard, result=RESULT, signals=signals))

        @rule(shard=shards)
        def fail(self, shard: Shard) -> None:
            self.same(lambda runs: runs.fail(shard, error="no candles"))

        @rule(older_than_ms=leases, limit=st.integers(1, 6))
        def take_overdue(self, older_than_ms: int, limit: int) -> None:
            self.same(lambda runs: list(runs.take_overdue(older_than_ms=older_than_ms, limit=limit)))

        @invariant()
        def signals_are_the_same(self) -> None:
            if hasattr(self, "both"):
                memory, supabase = (
                    {(row.signal.symbol, row.signal.close_time) for row in stores.signals().list(limit=100)}
                    for stores in self.both
                )
                assert memory == supabase

        def same(self, ask: Question) -> None:
            memory, supabase = (answer(ask, stores.runs()) for stores in self.both)
            assert memory == supabase

    run_state_machine_as_test(
        RunLife,
        settings=settings(
            max_examples=6,
            stateful_step_count=30,
            deadline=None,
            phases=[Phase.generate],  # shrinking takes minutes
        ),
    )
