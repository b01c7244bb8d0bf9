"""A thousand rows are PostgREST's silent limit (`max_rows`): the stores return everything all the same."""

from desk.local.supabase_lite import SupabaseLite
from shared.adapters.supabase.client import connect, once, rows
from shared.domain.timeframe import Timeframe
from tests.contract.stores import RESULT, SupabaseStores, a_signal, boundary

MANY = 1_203


def create_traders(supabase: SupabaseLite) -> list[str]:
    ids = [f"trader-{n:05}" for n in range(MANY)]
    values = [{"trader_id": trader_id, "name": "n", "rule": "close > 1", "timeframe": "1m"} for trader_id in ids]
    client = connect(supabase.url, supabase.secret_key)
    once(client.from_("traders").insert(values))
    assert len(rows(once(client.from_("traders").select("trader_id")))) == 1_000  # the trap is set
    return ids


def test_no_trader_and_no_signal_is_cut_off(clean_supabase: SupabaseLite) -> None:
    ids = create_traders(clean_supabase)
    stores = SupabaseStores(clean_supabase)
    traders = stores.traders()

    changed = traders.changed_since(0)
    assert [t.trader_id for t in traders.list(limit=5_000)] == ids
    assert sorted(t.trader_id for t in changed) == ids
    assert [t.updated_at_ms for t in changed] == sorted(t.updated_at_ms for t in changed)
    assert traders.count_enabled("binance", Timeframe.M1) == MANY

    stores.runs().claim(boundary(), shards=1_100, source="test", correlation_id="c")
    taken = stores.runs().take_overdue(older_than_ms=0, limit=5_000)
    assert len(taken) == 1_100
    signals = [a_signal(trader_id) for trader_id in ids]
    assert stores.runs().finish(taken[0][0], result=RESULT, signals=signals).new == MANY
    assert sorted(row.signal.trader_id for row in stores.signals().list(limit=5_000)) == ids


def test_changes_in_the_same_millisecond_are_not_lost_between_pages(clean_supabase: SupabaseLite) -> None:
    ids = create_traders(clean_supabase)
    moment = "2026-01-01T00:00:00.123Z"
    client = connect(clean_supabase.url, clean_supabase.secret_key)
    once(client.from_("traders").delete().neq("trader_id", ""))
    once(
        client.from_("traders").insert(
            [
                {"trader_id": trader_id, "name": "n", "rule": "close > 1", "timeframe": "1m", "updated_at": moment}
                for trader_id in ids
            ]
        )
    )
    assert [t.trader_id for t in SupabaseStores(clean_supabase).traders().changed_since(0)] == ids
