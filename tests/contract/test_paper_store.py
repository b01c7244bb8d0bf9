"""What every PaperStore keeps, and that two who place at once make one order."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from desk.local.supabase_lite import SupabaseLite
from shared.adapters.supabase.client import call, connect
from shared.adapters.supabase.paper import SupabasePaperStore
from shared.domain.errors import ConflictError, RejectedError
from shared.domain.trading.instruments import Side
from shared.domain.trading.orders import Fill
from shared.domain.trading.paper import PaperOrder, new_order
from shared.domain.trading.paper_accounts import PaperAccount, PaperChange
from shared.domain.trading.positions import Position
from shared.domain.trading.states import OrderState
from shared.venue_ports import PaperStore
from tests.contract.test_exchanges import SYMBOL, a_request, paper
from tests.fakes.paper import MemoryPaperStore

D = Decimal
SWAP = "BTC/USDT:USDT"


@pytest.fixture(params=["memory", "supabase"])
def store(request: pytest.FixtureRequest) -> PaperStore:
    if request.param == "memory":
        return MemoryPaperStore()
    lite: SupabaseLite = request.getfixturevalue("supabase")
    return SupabasePaperStore(connect(lite.url, lite.secret_key))


@pytest.fixture
def account(store: PaperStore) -> PaperAccount:
    return store.open("binance", uuid4().hex, {"USDT": D("1000.000000000000000000001")})


def a_fill(order: PaperOrder, number: int) -> Fill:
    return Fill(
        trade_id=f"{order.request.client_order_id}-{number}",
        client_order_id=order.request.client_order_id,
        venue_order_id=order.venue_order_id,
        symbol=SYMBOL,
        side=Side.BUY,
        qty=D("0.00000001"),
        price=D("43210.12345678"),
        fee_qty=D("0.000000432101234567891"),
        fee_asset="USDT",
        fee_notional=D("0.000000432101234567891"),
        is_maker=True,
        event_time=7 + number // 3,
    )


def test_what_is_stored_comes_back_to_the_last_digit(store: PaperStore, account: PaperAccount) -> None:
    order = replace(
        new_order(a_request(qty="0.12345"), 5, linked_id="other"),
        state=OrderState.PARTIALLY_FILLED,
        filled_qty=D("0.00000001"),
        filled_notional=D("0.0004321012345678"),
        fills=1,
        is_triggered=True,
        book_until_ms=9,
    )
    balances = {"USDT": D("-0.000000000000000000001"), "BTC": D("123456789012.12345678")}
    fill = a_fill(order, 1)
    held = Position(
        book_id=account.account, venue="binance", symbol=SWAP, qty=D("-0.00000001"), cost=D("-0.000432101234567891")
    )
    changed = replace(
        account, balances=balances, orders=(order,), positions={SWAP: held}, trades=2**40, last_fill_ms=2**41
    )
    saved = store.save(PaperChange(changed, (order,), (fill,)))
    assert saved == replace(changed, version=1)
    assert store.open("binance", account.account, {"USDT": D(5)}) == saved, "the opening is of the first time only"
    assert store.order("binance", account.account, SYMBOL, order.request.client_order_id) == order
    assert list(store.fills("binance", account.account, SYMBOL, since_ms=0)) == [fill]
    assert store.order("binance", account.account, SYMBOL, "another") is None
    assert store.order("okx", account.account, SYMBOL, order.request.client_order_id) is None


def test_an_account_that_has_moved_takes_nothing(store: PaperStore, account: PaperAccount) -> None:
    order = new_order(a_request(), 5)
    moved = store.save(PaperChange(replace(account, orders=(order,)), (order,)))
    late = replace(order, state=OrderState.CANCELLED)
    with pytest.raises(ConflictError):
        store.save(PaperChange(replace(account, balances={}), (late,), (a_fill(order, 1),)))
    assert store.open("binance", account.account, {}) == moved
    store.save(PaperChange(moved, (order,), (a_fill(order, 1),)))
    with pytest.raises(ConflictError):
        store.save(PaperChange(replace(moved, version=2), (order,), (a_fill(order, 1),)))
    assert len(store.fills("binance", account.account, SYMBOL, since_ms=0)) == 1


def test_orders_that_have_ended_are_no_longer_working(store: PaperStore, account: PaperAccount) -> None:
    first, second = (new_order(a_request(), 5) for _ in range(2))
    account = store.save(PaperChange(replace(account, orders=(first, second)), (first, second)))
    ended = replace(first, state=OrderState.CANCELLED)
    store.save(PaperChange(replace(account, orders=(second,)), (ended,)))
    assert store.open("binance", account.account, {}).orders == (second,)
    assert store.order("binance", account.account, SYMBOL, first.request.client_order_id) == ended


def test_fills_of_many_pages_are_all_there_once(store: PaperStore, account: PaperAccount) -> None:
    order = new_order(a_request(), 5)
    fills = tuple(a_fill(order, number) for number in range(2_345))
    store.save(PaperChange(replace(account, orders=(order,)), (order,), fills))
    assert tuple(store.fills("binance", account.account, SYMBOL, since_ms=0)) == fills
    assert tuple(store.fills("binance", account.account, SYMBOL, since_ms=100)) == fills[279:]


def test_a_change_whose_answer_was_lost_is_known_when_it_is_repeated(supabase: SupabaseLite) -> None:
    client = connect(supabase.url, supabase.secret_key)
    account = SupabasePaperStore(client).open("binance", uuid4().hex, {})
    values = {
        "p_venue": "binance",
        "p_account": account.account,
        "p_version": 0,
        "p_save_id": str(uuid4()),
        "p_balances": {},
        "p_positions": {},
        "p_trades": 0,
        "p_last_fill_ms": 0,
        "p_orders": [],
        "p_fills": [],
    }
    assert [call(client, "paper_save", values) for _ in range(2)] == [True, True]
    assert call(client, "paper_save", values | {"p_save_id": str(uuid4())}) is False


def test_two_who_place_the_same_order_at_once_make_one(supabase: SupabaseLite) -> None:
    venue = paper(SupabasePaperStore(connect(supabase.url, supabase.secret_key)))
    requests = [a_request(qty="0.1") for _ in range(4)]

    def place(number: int) -> bool:
        try:
            venue.exchange.place(requests[number % 4])
        except RejectedError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        placed = list(pool.map(place, range(8)))
    assert sum(placed) == 4
    fills = venue.exchange.fills(SYMBOL, since_ms=0)
    assert sum(fill.qty for fill in fills) == D("0.4")
    held = {balance.asset: balance.total for balance in venue.exchange.balances()}
    assert held["BTC"] == D("5.4")
