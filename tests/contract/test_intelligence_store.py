"""What every IntelligenceStore keeps, in memory and in Supabase."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

import pytest

from desk.local.supabase_lite import SupabaseLite
from shared.adapters.supabase.client import connect, once
from shared.domain.errors import InvalidMessageError, NightdeskError
from shared.domain.intelligence import Direction, IntelligenceSignal, Provenance, View
from shared.domain.runs import Recorded
from shared.domain.timeframe import Timeframe
from shared.domain.traders import PositionSide, Visibility
from shared.domain.trading.states import TradingState
from tests.contract.stores import CLOSE, Stores, a_signal, a_trader

ALICE, BOB = str(uuid4()), str(uuid4())
BTC = "BTC/USDT"


def intelligence(source: str = "coingecko", **changes: object) -> IntelligenceSignal:
    values: dict[str, object] = {
        "kind": "sentiment", "instrument": BTC, "direction": Direction.LONG, "confidence": 0.8,
        "observed_at_ms": CLOSE, "expires_at_ms": CLOSE + 600_000, "provenance": Provenance.MEASURED,
        "data_quality": 0.9, "correlation_id": "c", "details": {"score": 71, "of": ["a", None]},
    }  # fmt: skip
    return IntelligenceSignal(source=source, **(values | changes))  # type: ignore[arg-type]


def views(
    stores: Stores,
    user_id: str | None = None,
    *,
    now_ms: int = CLOSE + 60_000,
    person: str | None = None,
    **asked: object,
) -> Sequence[View]:
    wanted: dict[str, object] = {"since_ms": CLOSE - 3_600_000, "min_data_quality": 0.5}
    found = stores.intelligence(user_id).views(now_ms=now_ms, person=person, **(wanted | asked))  # type: ignore[arg-type]
    return [view for view in found if view.instrument == BTC]


def test_the_same_signal_is_stored_once_and_stays_as_it_was(stores: Stores) -> None:
    source = f"s{uuid4().hex}"
    store, first = stores.intelligence(), intelligence(source)
    assert store.record([first]) == Recorded(new=1, duplicate=0)
    assert store.record([replace(first, confidence=0.1), intelligence(source, kind="trend")]) == Recorded(
        new=1, duplicate=1
    )
    assert store.record([]) == Recorded(new=0, duplicate=0)
    found = [view for view in views(stores) if view.source == source]
    assert [(view.kind, view.confidence) for view in found] == [("sentiment", 0.8), ("trend", 0.8)]
    assert found[0] == View(
        source=source, kind="sentiment", instrument=BTC, direction=Direction.LONG, confidence=0.8,
        observed_at_ms=CLOSE, expires_at_ms=CLOSE + 600_000, data_quality=0.9, label=source,
    )  # fmt: skip


def test_the_newest_views_of_a_source_are_told_and_what_is_made_up_hides_none(stores: Stores) -> None:
    source = f"s{uuid4().hex}"
    stores.intelligence().record(
        [
            intelligence(source, observed_at_ms=CLOSE - 120_000),
            intelligence(source, observed_at_ms=CLOSE - 60_000, direction=Direction.SHORT),
            intelligence(source, observed_at_ms=CLOSE - 30_000, provenance=Provenance.SIMULATED),
            intelligence(source, observed_at_ms=CLOSE - 20_000, data_quality=0.1, direction=Direction.NEUTRAL),
            intelligence(source, observed_at_ms=CLOSE + 120_000),
            intelligence(source, observed_at_ms=CLOSE - 90_000, instrument="ETH/USDT"),
        ]
    )
    found = [view for view in views(stores) if view.source == source]
    assert {(view.observed_at_ms - CLOSE, view.direction) for view in found} == {
        (-60_000, Direction.SHORT), (-30_000, Direction.LONG), (-20_000, Direction.NEUTRAL)
    }  # fmt: skip
    assert [view for view in views(stores, since_ms=CLOSE - 10_000) if view.source == source] == []
    assert [view for view in views(stores, instruments=["ETH/USDT"]) if view.source == source] == []
    assert [view for view in views(stores, instruments=[BTC]) if view.source == source] == found


def test_traders_of_one_rule_are_one_source(stores: Stores) -> None:
    traders = stores.traders()
    built_in = [traders.create(a_trader(name=name)).trader_id for name in ("Second", "First")]
    other = traders.create(a_trader(name="Other", timeframe=Timeframe.M5)).trader_id
    stores.signals().record("binance", "c", [a_signal(trader_id) for trader_id in built_in])
    stores.signals().record("binance", "c", [a_signal(built_in[0], minute=-1)])
    stores.signals().record("binance", "c", [a_signal(other, minute=-5)._replace(rule_hash="beef")])
    found = [view for view in views(stores) if view.kind == "trader"]
    assert [(view.source, view.label, view.observed_at_ms) for view in found] == [
        ("trader:beef", "Other", CLOSE - 300_000),
        ("trader:c0ffee", "First", CLOSE),
    ]
    assert {(view.confidence, view.expires_at_ms, view.data_quality) for view in found} == {(None, None, 1.0)}
    stores.signals().record("binance", "c", [a_signal(other)._replace(rule_hash="c0ffee", side=PositionSide.SHORT)])
    both = [view.direction for view in views(stores) if view.source == "trader:c0ffee"]
    assert both == [Direction.LONG, Direction.SHORT]  # which they make of it is the consensus' to say


def test_only_those_traders_speak_that_one_asks_for_and_that_are_on(stores: Stores) -> None:
    traders = stores.traders()
    of = {
        "desk": traders.create(a_trader(name="desk")),
        "alice": traders.create(a_trader(ALICE, name="alice")),
        "bob": traders.create(a_trader(BOB, name="bob", visibility=Visibility.PUBLIC)),
        "off": traders.create(a_trader(name="off")),
        "gone": traders.create(a_trader(name="gone")),
        "halted": traders.create(a_trader(name="halted")),
    }
    for name, trader in of.items():
        stores.signals().record("binance", "c", [a_signal(trader.trader_id)._replace(rule_hash=name)])
    traders.update(replace(of["off"], enabled=False), expected_updated_at_ms=of["off"].updated_at_ms)
    traders.delete(of["gone"].trader_id)
    stores.states().set("trader", of["halted"].trader_id, TradingState.HALTED, actor="test", reason="")

    def names(user_id: str | None, person: str | None) -> list[str]:
        return [view.label for view in views(stores, user_id, person=person) if view.kind == "trader"]

    assert names(None, None) == ["desk"]
    assert names(None, ALICE) == ["alice", "desk"]
    assert names(ALICE, ALICE) == ["alice", "desk"]
    assert names(ALICE, BOB) == ["bob", "desk"]  # his is public: it is there for her to read
    assert names(BOB, ALICE) == ["desk"]


@pytest.mark.parametrize(
    "change",
    [
        {"confidence": 1.01}, {"confidence": float("nan")}, {"data_quality": -0.1}, {"kind": "trader"},
        {"source": "trader:c0ffee"}, {"source": "Coin Gecko"}, {"instrument": "BTC"}, {"expires_at_ms": CLOSE},
        {"correlation_id": ""},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_recorded_is_named(change: dict[str, object]) -> None:
    with pytest.raises(InvalidMessageError) as refused:
        intelligence(**change)  # type: ignore[arg-type]
    assert refused.value.field in change


@pytest.mark.parametrize(
    "change",
    [{"confidence": 1.5}, {"source": "trader:x"}, {"kind": "trader"}, {"expires_at_ms": 1}, {"provenance": "guessed"}],
    ids=str,
)
def test_the_database_refuses_it_too(supabase: SupabaseLite, change: dict[str, object]) -> None:
    client = connect(supabase.url, supabase.secret_key)
    row = {
        "source": f"s{uuid4().hex}", "kind": "sentiment", "instrument": BTC, "direction": "long", "confidence": 0.5,
        "observed_at_ms": CLOSE, "expires_at_ms": CLOSE + 1, "provenance": "measured", "data_quality": 1,
        "correlation_id": "c",
    }  # fmt: skip
    with pytest.raises(NightdeskError):
        once(client.from_("intelligence_signals").insert(row | change))
    once(client.from_("intelligence_signals").insert(row))
