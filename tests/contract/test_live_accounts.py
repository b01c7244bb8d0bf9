"""What every live venue tells of an account, and what its key and its timer do."""

from contextlib import ExitStack

import pytest

from shared.adapters.ccxt_dialect import Keys
from shared.adapters.ccxt_exchange import CcxtExchange
from shared.domain.errors import FatalError, OutcomeUnknownError
from shared.domain.trading.accounts import Balance, VenuePosition
from shared.domain.trading.instruments import InstrumentKind, Side
from tests.contract.live_venues import MAIN_ADDRESS, MAIN_WALLET, VENUES, Live, a_request, account
from tests.fakes.clock import ManualClock
from tests.fakes.live_venues.ledger import NOW_MS, PRICE, D
from tests.fakes.live_venues.server import VenueServer


def test_the_instrument_has_the_venues_grid_in_base_units(live: Live) -> None:
    (listed,) = [one for one in live.exchange.instruments() if one.symbol == live.symbol]
    assert listed.kind is (InstrumentKind.SWAP if live.facts.is_swap else InstrumentKind.SPOT)
    assert (listed.step_size, listed.tick_size) == (live.facts.step, live.facts.tick)
    assert (listed.contract_size, listed.base) == (live.facts.size, "BTC")
    assert 0 < listed.taker_fee_rate < D("0.01")


def test_balances_have_no_unrealised_gains(live: Live) -> None:
    if live.facts.is_swap:
        live.exchange.place(a_request(live))
    held = {balance.asset: balance for balance in live.exchange.balances()}
    expected = {
        "kraken": {"USD": "25435.21", "BTC": "1.2435"},
        "hyperliquid": {"USDC": "1000"},
        "coinbase": {"USD": "1000", "BTC": "1.5"},
        "binance_usdm": {"USDT": "1000.5"},
    }.get(live.name, {"USDT": "1000.5", "BTC": "1.5"})
    assert {asset: balance.total for asset, balance in held.items()} == {a: D(q) for a, q in expected.items()}
    if not live.facts.is_swap:
        assert isinstance(held["BTC"], Balance)
        assert 0 < held["BTC"].locked < held["BTC"].total


def test_funding_is_told_as_what_it_did_to_the_balance(live: Live) -> None:
    paid = [live.ledger.pay(qty, after_ms=3_600_000) for qty in ("-1.25", "0.5", "-0.00000075")]
    live.clock.advance(3 * 3_600_000)
    told_of = live.exchange.funding(since_ms=NOW_MS)
    if not live.facts.is_swap:
        assert list(told_of) == []
        return
    assert [(each.qty, each.event_time) for each in told_of] == [(each.qty, each.at_ms) for each in paid]
    assert len({each.payment_id for each in told_of}) == 3
    asset = live.symbol.partition(":")[2]
    assert {(each.symbol, each.asset) for each in told_of} == {(live.symbol, asset)}
    later = live.exchange.funding(since_ms=paid[1].at_ms)
    assert list(later) == list(told_of[1:])
    assert list(live.exchange.funding(since_ms=paid[-1].at_ms + 1)) == []


def test_much_funding_comes_in_pages(live: Live) -> None:
    if not live.facts.is_swap:
        return
    for _ in range(1_100):
        live.ledger.pay("-0.01", after_ms=600_000)
    live.clock.advance(1_100 * 600_000)
    told_of = live.exchange.funding(since_ms=NOW_MS + 1)
    assert [each.event_time for each in told_of] == [each.at_ms for each in live.ledger.payments]


@pytest.mark.parametrize("side", list(Side))
def test_positions_are_signed_base_units(live: Live, side: Side) -> None:
    live.exchange.place(a_request(live, side))
    wanted = [VenuePosition(symbol=live.symbol, qty=side.sign * D("0.2"), entry_price=PRICE)]
    assert list(live.exchange.positions()) == (wanted if live.facts.is_swap else [])


def test_the_book_is_in_base_units(live: Live) -> None:
    depth = live.exchange.depth(live.symbol)
    assert (depth.bids[0].price, depth.asks[0].price) == (PRICE - 1, PRICE)
    assert depth.asks[0].qty in (4 * live.facts.size, D("4.5"), D("5.0"))


def test_a_key_that_may_withdraw_is_refused(live: Live) -> None:
    live.ledger.may_withdraw = True
    keys = Keys(api_key=MAIN_ADDRESS, secret=MAIN_WALLET) if live.name == "hyperliquid" else live.facts.keys
    with pytest.raises(FatalError, match="may withdraw"):
        account(live.name, live.server, live.clock, keys=keys).balances()


def test_nothing_of_the_keys_is_told(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    keys = live.facts.keys
    live.exchange.instruments()
    live.server.refuse_with(live.facts.order_path, 503)
    with caplog.at_level("DEBUG"), pytest.raises(OutcomeUnknownError) as caught:
        live.exchange.place(a_request(live))
    for secret in filter(None, (keys.secret, keys.password)):
        assert secret not in str(caught.value)
        assert secret not in repr(keys)
        assert not [record for record in caplog.records if secret in record.getMessage()]


def test_the_dead_man_timer_is_set_and_stopped_where_there_is_one(live: Live) -> None:
    timer = live.exchange.capabilities().timer
    symbol = live.symbol if timer is not None and timer.per_symbol else None
    if timer is None:
        with pytest.raises(FatalError, match="no dead-man timer"):
            live.exchange.cancel_all_after(60_000, symbol=None)
        return
    wanted_ms = min(timer.longest_ms, 180_000)
    live.exchange.cancel_all_after(wanted_ms, symbol=symbol)
    assert live.ledger.timers == {"BTCUSDT" if timer.per_symbol else "account": wanted_ms}
    live.exchange.cancel_all_after(0, symbol=symbol)
    assert not any(live.ledger.timers.values())
    with pytest.raises(FatalError, match="the dead-man timer of"):
        live.exchange.cancel_all_after(wanted_ms, symbol=None if symbol else live.symbol)


def test_which_venues_have_timers_and_stops() -> None:
    with ExitStack() as stack:
        offers = {}
        for name, facts in VENUES.items():
            server = stack.enter_context(VenueServer(facts.speaks()))
            offers[name] = account(name, server, ManualClock()).capabilities()
    assert {name for name, each in offers.items() if each.timer} == {"kraken", "okx", "okx_swap", "binance_usdm"}
    assert {name for name, each in offers.items() if each.stop_orders} == {"kraken"}
    assert {name for name, each in offers.items() if each.shorts} == {name for name in VENUES if VENUES[name].is_swap}


@pytest.mark.parametrize("venue", ["gate", "kucoin", "bitstamp"])
def test_a_venue_nobody_knows_how_to_ask_is_refused(venue: str) -> None:
    with pytest.raises(FatalError, match=f"{venue} is not traded at: the desk cannot ask it for an order"):
        CcxtExchange(venue, Keys(api_key="a", secret="b"), ManualClock())
