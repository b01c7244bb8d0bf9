"""What every SignalStore keeps, in memory and in Supabase."""

import math
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.errors import InvalidMessageError, NotFoundError
from shared.domain.runs import Recorded
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Visibility
from tests.contract.stores import CLOSE, Stores, a_signal, a_trader

ALICE, BOB = str(uuid4()), str(uuid4())


def test_a_signal_comes_back_as_it_was_recorded(stores: Stores) -> None:
    trader = stores.traders().create(a_trader())
    signal = a_signal(trader.trader_id)

    assert stores.signals().record("binance", "corr-1", [signal]) == Recorded(new=1, duplicate=0)

    (stored,) = stores.signals().list(limit=10)
    assert stored.signal == signal
    assert (stored.venue, stored.correlation_id) == ("binance", "corr-1")
    assert stored.recorded_at_ms > 0


def test_one_signal_is_found_by_its_id_by_who_may_see_it(stores: Stores) -> None:
    hers = stores.traders().create(a_trader(ALICE)).trader_id
    stores.signals().record("binance", "a", [a_signal(hers), a_signal(hers, minute=1)])
    for stored in stores.signals().list(limit=10):
        assert stores.signals(ALICE).get(stored.signal_id) == stored
        with pytest.raises(NotFoundError):
            stores.signals(BOB).get(stored.signal_id)
    with pytest.raises(NotFoundError):
        stores.signals().get(str(uuid4()))


def test_the_same_signal_is_stored_once(stores: Stores) -> None:
    trader = stores.traders().create(a_trader())
    signal = a_signal(trader.trader_id)
    signals = stores.signals()

    assert signals.record("binance", "a", [signal, signal]) == Recorded(new=1, duplicate=1)
    again = signal._replace(price=2.0)  # identity is (trader, symbol, timeframe, close time), the first one stays
    assert signals.record("binance", "b", [again, a_signal(trader.trader_id, minute=1)]) == Recorded(new=1, duplicate=1)
    assert [row.signal.price for row in signals.list(limit=10)] == [signal.price, signal.price]
    assert signals.record("binance", "c", []) == Recorded(new=0, duplicate=0)


def test_a_value_that_is_no_number_is_stored_as_missing(stores: Stores) -> None:
    trader = stores.traders().create(a_trader())
    signal = a_signal(trader.trader_id)._replace(values={"obv()": math.nan, "close": 1.5})
    stores.signals().record("binance", "a", [signal])
    (stored,) = stores.signals().list(limit=1)
    assert math.isnan(stored.signal.values["obv()"])
    assert stored.signal.values["close"] == 1.5


def test_a_signal_without_its_trader_or_price_is_refused(stores: Stores) -> None:
    with pytest.raises(InvalidMessageError, match="trader_id"):
        stores.signals().record("binance", "a", [a_signal("nobody")])
    trader = stores.traders().create(a_trader())
    with pytest.raises(InvalidMessageError, match="price"):
        stores.signals().record("binance", "a", [a_signal(trader.trader_id)._replace(price=math.nan)])
    assert list(stores.signals().list(limit=10)) == []


def test_pages_cover_all_signals_newest_first(stores: Stores) -> None:
    trader = stores.traders().create(a_trader())
    recorded = [a_signal(trader.trader_id, symbol=f"{c}/USDT", minute=m) for m in range(3) for c in "ABC"]
    stores.signals().record("binance", "a", recorded)

    pages, cursor = [], None
    while page := stores.signals().list(limit=4, before=cursor):
        pages.append(page)
        cursor = (page[-1].signal.close_time, page[-1].signal_id)

    seen = [row for page in pages for row in page]
    assert [len(page) for page in pages] == [4, 4, 1]
    assert {(row.signal.symbol, row.signal.close_time) for row in seen} == {(s.symbol, s.close_time) for s in recorded}
    keys = [(row.signal.close_time, row.signal_id) for row in seen]
    assert keys == sorted(keys, reverse=True)


def test_filters(stores: Stores) -> None:
    one, two = (stores.traders().create(a_trader()).trader_id for _ in range(2))
    signals = stores.signals()
    signals.record("binance", "a", [a_signal(one), a_signal(one, symbol="ETH/USDT:USDT", minute=1), a_signal(two)])

    assert len(signals.list(limit=10, trader_id=one)) == 2
    assert [row.signal.symbol for row in signals.list(limit=10, symbol="ETH/USDT:USDT")] == ["ETH/USDT:USDT"]
    assert len(signals.list(limit=10, timeframe=Timeframe.M1)) == 3
    assert len(signals.list(limit=10, timeframe=Timeframe.H1)) == 0
    assert len(signals.list(limit=10, since_ms=CLOSE + 1)) == 1
    assert len(signals.list(limit=10, trader_id=one, since_ms=CLOSE, symbol="BTC/USDT")) == 1


def test_a_person_sees_signals_of_their_traders_and_the_built_in_ones(stores: Stores) -> None:
    built_in, hers, his = (stores.traders().create(a_trader(owner)).trader_id for owner in (None, ALICE, BOB))
    stores.signals().record("binance", "a", [a_signal(trader_id) for trader_id in (built_in, hers, his)])

    def seen_by(user_id: str | None) -> set[str]:
        return {row.signal.trader_id for row in stores.signals(user_id).list(limit=10)}

    assert seen_by(ALICE) == {built_in, hers}
    assert seen_by(BOB) == {built_in, his}
    assert seen_by(None) == {built_in, hers, his}
    stores.traders(ALICE).delete(hers)
    assert seen_by(ALICE) == {built_in, hers}  # a deleted trader keeps its signals


def test_signals_of_a_public_trader_are_everybodys_until_it_is_deleted(stores: Stores) -> None:
    trader_id = stores.traders().create(a_trader(BOB, visibility=Visibility.PUBLIC)).trader_id
    stores.signals().record("binance", "a", [a_signal(trader_id)])

    assert [row.signal.trader_id for row in stores.signals(ALICE).list(limit=10)] == [trader_id]
    own = [stores.traders().create(a_trader(owner)).trader_id for owner in (ALICE, None)]
    stores.signals().record("binance", "a", [a_signal(trader_id) for trader_id in own])
    found = stores.signals(ALICE).list(limit=10, person=ALICE)
    assert {row.signal.trader_id for row in found} == set(own)
    assert len(stores.signals(ALICE).list(limit=10)) == 3
    stores.signals().record("binance", "a", [a_signal(trader_id, minute=minute) for minute in range(1, 5)])
    assert len(stores.signals(ALICE).list(limit=2, person=ALICE)) == 2  # what is filtered out fills no page
    stores.traders(ALICE).delete(own[0])
    assert len(stores.signals(ALICE).list(limit=10, person=ALICE)) == 2
    stores.traders(BOB).delete(trader_id)
    assert trader_id not in {row.signal.trader_id for row in stores.signals(ALICE).list(limit=10)}
    assert trader_id in {row.signal.trader_id for row in stores.signals(BOB).list(limit=10)}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    price=st.floats(min_value=1e-12, max_value=1e12),
    value=st.floats(allow_nan=False, allow_infinity=False),
    symbol=st.from_regex(r"[A-Z0-9]{1,8}/[A-Z0-9]{1,8}(:[A-Z]{1,5})?", fullmatch=True),
)
def test_numbers_survive_the_wire_exactly(stores: Stores, price: float, value: float, symbol: str) -> None:
    trader = stores.traders().create(a_trader())
    signal = a_signal(trader.trader_id, symbol=symbol)._replace(price=price, values={"x": value})
    stores.signals().record("binance", "a", [signal])
    (stored,) = stores.signals().list(limit=1, trader_id=trader.trader_id)
    assert stored.signal == signal
