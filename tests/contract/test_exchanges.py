"""What every Exchange does: paper on a store in memory and on Supabase, and ccxt against the simulated venue."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Protocol
from uuid import uuid4

import pytest

from desk.local.supabase_lite import SupabaseLite
from shared.adapters.ccxt_exchange import CcxtExchange
from shared.adapters.ccxt_venues import Keys
from shared.adapters.paper_exchange import PaperExchange
from shared.adapters.supabase.client import connect
from shared.adapters.supabase.paper import SupabasePaperStore
from shared.domain.errors import RejectedError
from shared.domain.trading.instruments import Instrument, InstrumentKind, Side
from shared.domain.trading.orders import Fill, OrderKind, OrderReport, OrderRequest, TimeInForce, client_order_id
from shared.domain.trading.states import OrderState
from shared.trading_ports import Exchange, PaperStore
from tests.contract.simulated_venue import KEY, SECRET, SimulatedVenue
from tests.fakes.clock import ManualClock
from tests.fakes.hand_market import HandMarket
from tests.fakes.paper import MemoryPaperStore

SYMBOL = "BTC/USDT"
OPENING = {"USDT": Decimal(1_000_000), "BTC": Decimal(5)}
D = Decimal


class Venue(Protocol):
    """A venue whose market is moved by hand."""

    @property
    def exchange(self) -> Exchange:
        """The account."""

    @property
    def clock(self) -> ManualClock:
        """The market's clock."""

    def until_traded_at(self, price: Decimal) -> None:
        """Let the market go through a price near its own."""


@dataclass
class PaperVenue:
    """The paper exchange on a market moved by hand."""

    exchange: PaperExchange
    market: HandMarket

    @property
    def clock(self) -> ManualClock:
        return self.market.clock

    def until_traded_at(self, price: Decimal) -> None:
        side = 1 if price > self.market.price else -1
        self.market.move(price + side)


@dataclass
class SimulatedBinance:
    """ccxt's Binance against the simulated venue, whose market is its tape."""

    exchange: CcxtExchange
    venue: SimulatedVenue

    @property
    def clock(self) -> ManualClock:
        return self.venue.clock

    def until_traded_at(self, price: Decimal) -> None:
        above = self._price() < price
        for _ in range(2_000):
            self.venue.clock.advance(5_000)
            if (self._price() > price) == above:
                return
        pytest.fail(f"the tape never comes to {price}")

    def _price(self) -> Decimal:
        answer = self.venue.http.get("/api/v3/ticker/price", params={"symbol": "BTCUSDT"}).json()
        return D(answer["price"])


INSTRUMENT = Instrument(
    venue="binance",
    symbol=SYMBOL,
    kind=InstrumentKind.SPOT,
    base="BTC",
    quote="USDT",
    tick_size=D("0.01"),
    step_size=D("0.00001"),
    min_qty=D("0.00001"),
    min_notional=D(5),
    maker_fee_rate=D("0.0008"),
    taker_fee_rate=D("0.001"),
)


def paper(store: PaperStore) -> PaperVenue:
    market = HandMarket()
    exchange = PaperExchange(
        "binance",
        f"book-{uuid4().hex}",
        opening=OPENING,
        store=store,
        instruments=lambda: [INSTRUMENT],
        market_of=market,
        clock=market.clock,
        pause=market.clock.advance,
    )
    return PaperVenue(exchange, market)


@pytest.fixture(scope="module")
def simulated() -> Iterator[SimulatedVenue]:
    with SimulatedVenue() as venue:
        yield venue


@pytest.fixture(params=["paper-memory", "paper-supabase", "ccxt-simulator"])
def venue(request: pytest.FixtureRequest) -> Venue:
    if request.param == "paper-memory":
        return paper(MemoryPaperStore())
    if request.param == "paper-supabase":
        lite: SupabaseLite = request.getfixturevalue("supabase")
        return paper(SupabasePaperStore(connect(lite.url, lite.secret_key)))
    simulated: SimulatedVenue = request.getfixturevalue("simulated")
    simulated.open_account(balances={asset: str(qty) for asset, qty in OPENING.items()}, maker_rate="0.0008")
    keys = Keys(api_key=KEY, secret=SECRET)
    return SimulatedBinance(CcxtExchange("binance", keys, simulated.clock, url=simulated.url), simulated)


_numbers = count()


def a_request(side: Side = Side.BUY, qty: str = "0.1", **changes: object) -> OrderRequest:
    values: dict[str, object] = {
        "client_order_id": client_order_id(f"intent-{next(_numbers)}", 0, 1),
        "symbol": SYMBOL,
        "side": side,
        "kind": OrderKind.MARKET,
        "qty": D(qty),
    }
    return OrderRequest(**(values | changes))  # type: ignore[arg-type]


def a_limit(venue: Venue, side: Side, away: str, qty: str = "0.1", **changes: object) -> OrderRequest:
    """Return a limit order so much (quote units) on the passive side of the best price."""
    depth = venue.exchange.depth(SYMBOL)
    best = depth.bids[0].price if side is Side.BUY else depth.asks[0].price
    return a_request(side, qty, kind=OrderKind.LIMIT, limit_price=best - side.sign * D(away), **changes)


def holdings(venue: Venue) -> dict[str, Decimal]:
    return {balance.asset: balance.total for balance in venue.exchange.balances()}


def opening_and(fills: Sequence[Fill]) -> dict[str, Decimal]:
    """Return what an account holds that began with the opening balances and had these fills."""
    held = dict(OPENING)
    for fill in fills:
        held["BTC"] += fill.side.sign * fill.qty
        held["USDT"] -= fill.side.sign * fill.price * fill.qty
        held[fill.fee_asset] -= fill.fee_qty
    return held


def fills_of(venue: Venue, report: OrderReport) -> list[Fill]:
    found = venue.exchange.fills(SYMBOL, since_ms=0)
    return [fill for fill in found if fill.client_order_id == report.client_order_id]


def test_the_instrument_is_the_venues(venue: Venue) -> None:
    (listed,) = [one for one in venue.exchange.instruments() if one.symbol == SYMBOL]
    assert (listed.kind, listed.base, listed.quote) == (InstrumentKind.SPOT, "BTC", "USDT")
    assert (listed.tick_size, listed.step_size, listed.min_qty) == (D("0.01"), D("0.00001"), D("0.00001"))
    assert (listed.min_notional, listed.taker_fee_rate) == (D(5), D("0.001"))


def test_the_book_is_sorted_and_on_the_grid(venue: Venue) -> None:
    depth = venue.exchange.depth(SYMBOL, levels=5)
    assert len(depth.bids) == len(depth.asks) == 5
    assert all(level.price % D("0.01") == 0 and level.qty % D("0.00001") == 0 for level in depth.bids + depth.asks)


@pytest.mark.parametrize("side", list(Side))
def test_a_market_order_fills_and_its_fills_say_the_same(venue: Venue, side: Side) -> None:
    depth = venue.exchange.depth(SYMBOL)
    request = a_request(side, "2.5")
    report = venue.exchange.place(request)
    assert (report.state, report.filled_qty) == (OrderState.FILLED, D("2.5"))

    fills = fills_of(venue, report)
    assert sum(fill.qty for fill in fills) == D("2.5")
    assert report.average_price == pytest.approx(sum(fill.notional for fill in fills) / D("2.5"), abs=D("1e-9"))
    assert all(fill.side is side and not fill.is_maker for fill in fills)
    assert all(side.sign * (fill.price - depth.against(side)[0].price) >= 0 for fill in fills)
    assert len(fills) > 1, "a large order walks the book"
    assert venue.exchange.order(SYMBOL, request.client_order_id) == report


def test_balances_move_by_exactly_the_fills_and_fees(venue: Venue) -> None:
    for request in (a_request(qty="1.23457"), a_request(Side.SELL, "3.00001"), a_limit(venue, Side.BUY, "-50", "0.7")):
        assert venue.exchange.place(request).state is OrderState.FILLED
    fills = venue.exchange.fills(SYMBOL, since_ms=0)
    assert sum(fill.qty for fill in fills) == D("4.93458")
    assert all(fill.fee_qty > 0 for fill in fills)
    assert holdings(venue) == opening_and(fills)


def test_a_fee_in_the_base_asset_is_worth_its_price(venue: Venue) -> None:
    report = venue.exchange.place(a_request(qty="0.5"))
    for fill in fills_of(venue, report):
        worth = fill.fee_qty * (fill.price if fill.fee_asset == "BTC" else 1)
        assert fill.fee_notional == worth
        assert fill.fee_notional == pytest.approx(fill.notional * D("0.001"), rel=D("0.01"))


def test_a_limit_order_rests_locks_and_is_cancelled(venue: Venue) -> None:
    request = a_limit(venue, Side.BUY, "500")
    report = venue.exchange.place(request)
    assert (report.state, report.filled_qty, report.average_price) == (OrderState.OPEN, D(0), None)
    assert list(venue.exchange.open_orders()) == list(venue.exchange.open_orders(SYMBOL)) == [report]
    (locked,) = [one.locked for one in venue.exchange.balances() if one.asset == "USDT"]
    assert request.limit_price is not None
    assert locked == pytest.approx(request.limit_price * request.qty, rel=D("0.002"))

    assert venue.exchange.cancel(SYMBOL, request.client_order_id).state is OrderState.CANCELLED
    assert list(venue.exchange.open_orders()) == []
    again = venue.exchange.cancel(SYMBOL, request.client_order_id)
    assert (again.state, again.filled_qty) == (OrderState.CANCELLED, D(0))
    assert holdings(venue) == OPENING
    assert all(one.locked == 0 for one in venue.exchange.balances())


def test_a_resting_order_fills_as_a_maker_at_its_price(venue: Venue) -> None:
    request = a_limit(venue, Side.BUY, "3")
    venue.exchange.place(request)
    assert request.limit_price is not None
    venue.until_traded_at(request.limit_price - 1)
    report = venue.exchange.order(SYMBOL, request.client_order_id)
    assert report is not None
    assert (report.state, report.average_price) == (OrderState.FILLED, request.limit_price)
    fills = fills_of(venue, report)
    assert all(fill.is_maker and fill.price == request.limit_price for fill in fills)
    assert holdings(venue) == opening_and(fills)
    assert all(fill.fee_notional == pytest.approx(fill.notional * D("0.0008"), rel=D("0.01")) for fill in fills), (
        "makers pay less"
    )


def test_a_cancel_of_a_filled_order_returns_it_filled(venue: Venue) -> None:
    request = a_request()
    placed = venue.exchange.place(request)
    assert venue.exchange.cancel(SYMBOL, request.client_order_id) == placed
    assert placed.state is OrderState.FILLED


def test_immediate_or_cancel_fills_what_there_is_and_ends(venue: Venue) -> None:
    depth = venue.exchange.depth(SYMBOL)
    request = a_limit(venue, Side.BUY, "0", "4", time_in_force=TimeInForce.IOC)
    crossing = OrderRequest(**{**_values(request), "limit_price": depth.asks[0].price})  # type: ignore[arg-type]
    report = venue.exchange.place(crossing)
    assert report.state is OrderState.CANCELLED
    assert 0 < report.filled_qty < 4
    assert holdings(venue) == opening_and(fills_of(venue, report))


def test_fill_or_kill_does_nothing_unless_all_of_it_can_be_filled(venue: Venue) -> None:
    killed = venue.exchange.place(a_limit(venue, Side.SELL, "0", "4", time_in_force=TimeInForce.FOK))
    assert (killed.state, killed.filled_qty) == (OrderState.CANCELLED, D(0))
    filled = venue.exchange.place(a_limit(venue, Side.SELL, "-100", "0.01", time_in_force=TimeInForce.FOK))
    assert (filled.state, filled.filled_qty) == (OrderState.FILLED, D("0.01"))


def test_post_only_rests_or_is_refused(venue: Venue) -> None:
    with pytest.raises(RejectedError, match="order_immediately_fillable"):
        venue.exchange.place(a_limit(venue, Side.BUY, "-50", time_in_force=TimeInForce.POST_ONLY))
    resting = venue.exchange.place(a_limit(venue, Side.BUY, "50", time_in_force=TimeInForce.POST_ONLY))
    assert resting.state is OrderState.OPEN


@pytest.mark.parametrize("kind", [OrderKind.MARKET, OrderKind.LIMIT])
def test_an_id_is_one_order_for_ever(venue: Venue, kind: OrderKind) -> None:
    request = a_request() if kind is OrderKind.MARKET else a_limit(venue, Side.BUY, "400")
    first = venue.exchange.place(request)
    with pytest.raises(RejectedError, match="duplicate"):
        venue.exchange.place(request)
    assert venue.exchange.order(SYMBOL, request.client_order_id) == first
    assert sum(fill.qty for fill in venue.exchange.fills(SYMBOL, since_ms=0)) == first.filled_qty
    assert len(venue.exchange.open_orders()) == (kind is OrderKind.LIMIT)


def test_an_unknown_order_is_none_and_cannot_be_cancelled(venue: Venue) -> None:
    assert venue.exchange.order(SYMBOL, a_request().client_order_id) is None
    with pytest.raises(RejectedError, match="order_not_found"):
        venue.exchange.cancel(SYMBOL, a_request().client_order_id)


def test_what_a_venue_refuses_leaves_nothing_behind(venue: Venue) -> None:
    cases = {
        "insufficient_funds": [a_request(qty="90"), a_request(Side.SELL, "5.00001")],
        "invalid_order|bad_request": [a_request(qty="0.00001"), a_request(qty="0.000015"), a_request(qty="0")],
        "invalid_order": [
            a_request(kind=OrderKind.LIMIT, limit_price=D("39000.001")),
            a_request(kind=OrderKind.STOP_MARKET, side=Side.SELL, trigger_price=D("39000.001")),
        ],
        "bad_symbol": [a_request(symbol="NOPE/USDT")],
    }
    for reason, requests in cases.items():
        for request in requests:
            with pytest.raises(RejectedError, match=reason):
                venue.exchange.place(request)
    assert list(venue.exchange.open_orders()) == []
    assert holdings(venue) == OPENING


def test_what_is_locked_cannot_be_spent_twice(venue: Venue) -> None:
    venue.exchange.place(a_limit(venue, Side.SELL, "400", "4.5"))
    with pytest.raises(RejectedError, match="insufficient_funds"):
        venue.exchange.place(a_request(Side.SELL, "0.6"))
    assert venue.exchange.place(a_request(Side.SELL, "0.5")).state is OrderState.FILLED


def test_a_stop_waits_for_its_trigger_and_then_takes(venue: Venue) -> None:
    bid = venue.exchange.depth(SYMBOL).bids[0].price
    with pytest.raises(RejectedError, match="order_immediately_fillable"):
        venue.exchange.place(a_request(Side.SELL, kind=OrderKind.STOP_MARKET, trigger_price=bid + 20))
    request = a_request(Side.SELL, kind=OrderKind.STOP_MARKET, trigger_price=bid - 3)
    assert venue.exchange.place(request).state is OrderState.OPEN
    venue.until_traded_at(bid - 4)
    report = venue.exchange.order(SYMBOL, request.client_order_id)
    assert report is not None
    assert report.state is OrderState.FILLED
    assert all(not fill.is_maker for fill in fills_of(venue, report))
    assert holdings(venue) == opening_and(fills_of(venue, report))


def test_of_a_pair_one_cancels_the_other(venue: Venue) -> None:
    assert venue.exchange.capabilities().oco
    bid = venue.exchange.depth(SYMBOL).bids[0].price
    stop = a_request(Side.SELL, "4", kind=OrderKind.STOP_MARKET, trigger_price=bid - 300)
    profit = a_request(Side.SELL, "4", kind=OrderKind.LIMIT, limit_price=bid + 4)
    placed = venue.exchange.place_oco(stop, profit)
    assert [one.client_order_id for one in placed] == [stop.client_order_id, profit.client_order_id]
    assert [one.state for one in placed] == [OrderState.OPEN] * 2
    venue.until_traded_at(bid + 6)
    states = [venue.exchange.order(SYMBOL, one.client_order_id) for one in (stop, profit)]
    assert [one and one.state for one in states] == [OrderState.CANCELLED, OrderState.FILLED]
    assert holdings(venue) == opening_and(venue.exchange.fills(SYMBOL, since_ms=0))


def test_cancelling_one_of_a_pair_cancels_both(venue: Venue) -> None:
    bid = venue.exchange.depth(SYMBOL).bids[0].price
    stop = a_request(Side.SELL, kind=OrderKind.STOP_MARKET, trigger_price=bid - 300)
    profit = a_request(Side.SELL, kind=OrderKind.LIMIT, limit_price=bid + 300)
    venue.exchange.place_oco(stop, profit)
    venue.exchange.cancel(SYMBOL, profit.client_order_id)
    assert list(venue.exchange.open_orders()) == []


def test_fills_since_a_time_are_complete_and_in_order(venue: Venue) -> None:
    venue.exchange.place(a_request(qty="0.3"))
    first = venue.exchange.fills(SYMBOL, since_ms=0)
    later_ms = venue.clock.advance(1_000)
    venue.exchange.place(a_request(Side.SELL, "0.2"))
    later = venue.exchange.fills(SYMBOL, since_ms=later_ms)
    everything = venue.exchange.fills(SYMBOL, since_ms=0)
    assert list(everything) == [*first, *later]
    assert {fill.side for fill in later} == {Side.SELL}
    assert len({fill.trade_id for fill in everything}) == len(everything)
    assert [fill.event_time for fill in everything] == sorted(fill.event_time for fill in everything)


def test_spot_has_no_positions_and_no_shorts(venue: Venue) -> None:
    assert list(venue.exchange.positions()) == []
    assert not venue.exchange.capabilities().shorts


def _values(request: OrderRequest) -> dict[str, object]:
    return {name: getattr(request, name) for name in OrderRequest.__slots__}
