"""What every Exchange does: paper, spot and futures, on a store in memory and on Supabase, and ccxt against the
simulated venue."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from typing import Protocol
from uuid import uuid4

import pytest

from desk.local.supabase_lite import SupabaseLite
from shared.adapters.ccxt_dialect import Keys
from shared.adapters.ccxt_exchange import CcxtExchange
from shared.adapters.paper_exchange import PaperExchange
from shared.adapters.supabase.client import connect
from shared.adapters.supabase.paper import SupabasePaperStore
from shared.domain.errors import FatalError, RejectedError
from shared.domain.trading.instruments import Instrument, InstrumentKind, Side
from shared.domain.trading.ledger import fold
from shared.domain.trading.orders import Fill, OrderKind, OrderReport, OrderRequest, TimeInForce, client_order_id
from shared.domain.trading.positions import Position
from shared.domain.trading.states import OrderState
from shared.venue_ports import Exchange, PaperStore
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
    def instrument(self) -> Instrument:
        """What is traded."""

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
    instrument: Instrument

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
    def instrument(self) -> Instrument:
        return INSTRUMENT

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


FUTURE = replace(
    INSTRUMENT, venue="okx_swap", symbol="BTC/USDT:USDT", kind=InstrumentKind.SWAP, contract_size=D("0.01")
)
OPENINGS = {InstrumentKind.SPOT: OPENING, InstrumentKind.SWAP: {"USDT": D(1_000_000)}}


def paper(store: PaperStore, instrument: Instrument = INSTRUMENT) -> PaperVenue:
    market = HandMarket()
    exchange = PaperExchange(
        instrument.venue,
        f"book-{uuid4().hex}",
        opening=OPENINGS[instrument.kind],
        store=store,
        instruments=lambda: [INSTRUMENT, FUTURE],
        market_of=market,
        clock=market.clock,
        kind=instrument.kind,
        pause=market.clock.advance,
    )
    return PaperVenue(exchange, market, instrument)


@pytest.fixture(scope="module")
def simulated() -> Iterator[SimulatedVenue]:
    with SimulatedVenue() as venue:
        yield venue


SPOT = ["paper-memory", "paper-supabase", "ccxt-simulator"]
FUTURES = ["futures-memory", "futures-supabase"]


def opened(request: pytest.FixtureRequest) -> Venue:
    instrument = FUTURE if request.param in FUTURES else INSTRUMENT
    if request.param.endswith("memory"):
        return paper(MemoryPaperStore(), instrument)
    if request.param.endswith("supabase"):
        lite: SupabaseLite = request.getfixturevalue("supabase")
        return paper(SupabasePaperStore(connect(lite.url, lite.secret_key)), instrument)
    simulated: SimulatedVenue = request.getfixturevalue("simulated")
    simulated.open_account(balances={asset: str(qty) for asset, qty in OPENING.items()}, maker_rate="0.0008")
    keys = Keys(api_key=KEY, secret=SECRET)
    return SimulatedBinance(CcxtExchange("binance", keys, simulated.clock, url=simulated.url), simulated)


@pytest.fixture(params=SPOT + FUTURES)
def venue(request: pytest.FixtureRequest) -> Venue:
    return opened(request)


@pytest.fixture(params=SPOT)
def spot(request: pytest.FixtureRequest) -> Venue:
    return opened(request)


@pytest.fixture(params=FUTURES)
def futures(request: pytest.FixtureRequest) -> Venue:
    return opened(request)


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


def asked(venue: Venue, side: Side = Side.BUY, qty: str = "0.1", **changes: object) -> OrderRequest:
    """Return an order at the market of what a venue trades."""
    return a_request(side, qty, **({"symbol": venue.instrument.symbol} | changes))


def a_limit(venue: Venue, side: Side, away: str, qty: str = "0.1", **changes: object) -> OrderRequest:
    """Return a limit order so much (quote units) on the passive side of the best price."""
    depth = venue.exchange.depth(venue.instrument.symbol)
    best = depth.bids[0].price if side is Side.BUY else depth.asks[0].price
    return asked(venue, side, qty, kind=OrderKind.LIMIT, limit_price=best - side.sign * D(away), **changes)


def holdings(venue: Venue) -> dict[str, Decimal]:
    return {balance.asset: balance.total for balance in venue.exchange.balances()}


def opening_and(venue: Venue, fills: Sequence[Fill]) -> dict[str, Decimal]:
    """Return what an account holds that began with the opening balances and had these fills."""
    held = dict(OPENINGS[venue.instrument.kind])
    if venue.instrument.kind is InstrumentKind.SWAP:
        earned = fold(Position(book_id="", venue="", symbol=venue.instrument.symbol), fills).position
        held["USDT"] += earned.realised - earned.fees
        return held
    for fill in fills:
        held["BTC"] += fill.side.sign * fill.qty
        held["USDT"] -= fill.side.sign * fill.price * fill.qty
        held[fill.fee_asset] -= fill.fee_qty
    return held


def fills_of(venue: Venue, report: OrderReport) -> list[Fill]:
    found = venue.exchange.fills(venue.instrument.symbol, since_ms=0)
    return [fill for fill in found if fill.client_order_id == report.client_order_id]


def test_the_instrument_is_the_venues(spot: Venue) -> None:
    (listed,) = [one for one in spot.exchange.instruments() if one.symbol == spot.instrument.symbol]
    assert (listed.kind, listed.base, listed.quote) == (InstrumentKind.SPOT, "BTC", "USDT")
    assert (listed.tick_size, listed.step_size, listed.min_qty) == (D("0.01"), D("0.00001"), D("0.00001"))
    assert (listed.min_notional, listed.taker_fee_rate) == (D(5), D("0.001"))


def test_the_book_is_sorted_and_on_the_grid(venue: Venue) -> None:
    depth = venue.exchange.depth(venue.instrument.symbol, levels=5)
    assert len(depth.bids) == len(depth.asks) == 5
    assert all(level.price % D("0.01") == 0 and level.qty % D("0.00001") == 0 for level in depth.bids + depth.asks)


@pytest.mark.parametrize("side", list(Side))
def test_a_market_order_fills_and_its_fills_say_the_same(venue: Venue, side: Side) -> None:
    depth = venue.exchange.depth(venue.instrument.symbol)
    request = asked(venue, side, "2.5")
    report = venue.exchange.place(request)
    assert (report.state, report.filled_qty) == (OrderState.FILLED, D("2.5"))

    fills = fills_of(venue, report)
    assert sum(fill.qty for fill in fills) == D("2.5")
    assert report.average_price == pytest.approx(sum(fill.notional for fill in fills) / D("2.5"), abs=D("1e-9"))
    assert all(fill.side is side and not fill.is_maker for fill in fills)
    assert all(side.sign * (fill.price - depth.against(side)[0].price) >= 0 for fill in fills)
    assert len(fills) > 1, "a large order walks the book"
    assert venue.exchange.order(venue.instrument.symbol, request.client_order_id) == report


def test_balances_move_by_exactly_the_fills_and_fees(venue: Venue) -> None:
    taken = asked(venue, qty="1.23457"), asked(venue, Side.SELL, "3.00001")
    for request in (*taken, a_limit(venue, Side.BUY, "-50", "0.7")):
        assert venue.exchange.place(request).state is OrderState.FILLED
    fills = venue.exchange.fills(venue.instrument.symbol, since_ms=0)
    assert sum(fill.qty for fill in fills) == D("4.93458")
    assert all(fill.fee_qty > 0 for fill in fills)
    assert holdings(venue) == opening_and(venue, fills)


def test_a_fee_in_the_base_asset_is_worth_its_price(venue: Venue) -> None:
    report = venue.exchange.place(asked(venue, qty="0.5"))
    for fill in fills_of(venue, report):
        worth = fill.fee_qty * (fill.price if fill.fee_asset == "BTC" else 1)
        assert fill.fee_notional == worth
        assert fill.fee_notional == pytest.approx(fill.notional * D("0.001"), rel=D("0.01"))


def test_a_limit_order_rests_locks_and_is_cancelled(venue: Venue) -> None:
    request = a_limit(venue, Side.BUY, "500")
    report = venue.exchange.place(request)
    assert (report.state, report.filled_qty, report.average_price) == (OrderState.OPEN, D(0), None)
    assert list(venue.exchange.open_orders()) == list(venue.exchange.open_orders(venue.instrument.symbol)) == [report]
    (locked,) = [one.locked for one in venue.exchange.balances() if one.asset == "USDT"]
    assert request.limit_price is not None
    rate = 1 if venue.instrument.kind is InstrumentKind.SPOT else D("0.051")  # a twentieth, and the fee
    assert locked == pytest.approx(request.limit_price * request.qty * rate, rel=D("0.002"))

    assert venue.exchange.cancel(venue.instrument.symbol, request.client_order_id).state is OrderState.CANCELLED
    assert list(venue.exchange.open_orders()) == []
    again = venue.exchange.cancel(venue.instrument.symbol, request.client_order_id)
    assert (again.state, again.filled_qty) == (OrderState.CANCELLED, D(0))
    assert holdings(venue) == opening_and(venue, [])
    assert all(one.locked == 0 for one in venue.exchange.balances())


def test_a_resting_order_fills_as_a_maker_at_its_price(venue: Venue) -> None:
    request = a_limit(venue, Side.BUY, "3")
    venue.exchange.place(request)
    assert request.limit_price is not None
    venue.until_traded_at(request.limit_price - 1)
    report = venue.exchange.order(venue.instrument.symbol, request.client_order_id)
    assert report is not None
    assert (report.state, report.average_price) == (OrderState.FILLED, request.limit_price)
    fills = fills_of(venue, report)
    assert all(fill.is_maker and fill.price == request.limit_price for fill in fills)
    assert holdings(venue) == opening_and(venue, fills)
    assert all(fill.fee_notional == pytest.approx(fill.notional * D("0.0008"), rel=D("0.01")) for fill in fills), (
        "makers pay less"
    )


def test_a_cancel_of_a_filled_order_returns_it_filled(venue: Venue) -> None:
    request = asked(venue)
    placed = venue.exchange.place(request)
    assert venue.exchange.cancel(venue.instrument.symbol, request.client_order_id) == placed
    assert placed.state is OrderState.FILLED


def test_immediate_or_cancel_fills_what_there_is_and_ends(venue: Venue) -> None:
    depth = venue.exchange.depth(venue.instrument.symbol)
    request = a_limit(venue, Side.BUY, "0", "4", time_in_force=TimeInForce.IOC)
    crossing = OrderRequest(**{**_values(request), "limit_price": depth.asks[0].price})  # type: ignore[arg-type]
    report = venue.exchange.place(crossing)
    assert report.state is OrderState.CANCELLED
    assert 0 < report.filled_qty < 4
    assert holdings(venue) == opening_and(venue, fills_of(venue, report))


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


def test_an_id_is_one_order_while_it_rests(venue: Venue) -> None:
    request = a_limit(venue, Side.BUY, "400")
    first = venue.exchange.place(request)
    with pytest.raises(RejectedError, match=r"[Dd]uplicate"):
        venue.exchange.place(request)
    assert venue.exchange.order(venue.instrument.symbol, request.client_order_id) == first
    assert len(venue.exchange.open_orders()) == 1


def test_an_unknown_order_is_none_and_cannot_be_cancelled(venue: Venue) -> None:
    assert venue.exchange.order(venue.instrument.symbol, asked(venue).client_order_id) is None
    with pytest.raises(RejectedError, match="order_not_found"):
        venue.exchange.cancel(venue.instrument.symbol, asked(venue).client_order_id)


def test_what_a_venue_refuses_leaves_nothing_behind(venue: Venue) -> None:
    cases = {
        "invalid_order|bad_request": [asked(venue, qty="0.00001"), asked(venue, qty="0.000015"), asked(venue, qty="0")],
        "invalid_order": [
            asked(venue, kind=OrderKind.LIMIT, limit_price=D("39000.001")),
            asked(venue, kind=OrderKind.STOP_MARKET, side=Side.SELL, trigger_price=D("39000.001")),
        ],
        "bad_symbol": [asked(venue, symbol="NOPE/USDT")],
    }
    for reason, requests in cases.items():
        for request in requests:
            with pytest.raises(RejectedError, match=reason):
                venue.exchange.place(request)
    assert list(venue.exchange.open_orders()) == []
    assert holdings(venue) == opening_and(venue, [])


def test_what_cannot_be_paid_is_refused(spot: Venue) -> None:
    for request in (asked(spot, qty="90"), asked(spot, Side.SELL, "5.00001")):
        with pytest.raises(RejectedError, match="insufficient_funds"):
            spot.exchange.place(request)
    assert holdings(spot) == OPENING


def test_what_is_locked_cannot_be_spent_twice(spot: Venue) -> None:
    spot.exchange.place(a_limit(spot, Side.SELL, "400", "4.5"))
    with pytest.raises(RejectedError, match="insufficient_funds"):
        spot.exchange.place(asked(spot, Side.SELL, "0.6"))
    assert spot.exchange.place(asked(spot, Side.SELL, "0.5")).state is OrderState.FILLED


def test_a_stop_waits_for_its_trigger_and_then_takes(venue: Venue) -> None:
    bid = venue.exchange.depth(venue.instrument.symbol).bids[0].price
    with pytest.raises(RejectedError, match="order_immediately_fillable"):
        venue.exchange.place(asked(venue, Side.SELL, kind=OrderKind.STOP_MARKET, trigger_price=bid + 20))
    request = asked(venue, Side.SELL, kind=OrderKind.STOP_MARKET, trigger_price=bid - 3)
    assert venue.exchange.place(request).state is OrderState.OPEN
    venue.until_traded_at(bid - 4)
    report = venue.exchange.order(venue.instrument.symbol, request.client_order_id)
    assert report is not None
    assert report.state is OrderState.FILLED
    assert all(not fill.is_maker for fill in fills_of(venue, report))
    assert holdings(venue) == opening_and(venue, fills_of(venue, report))


def test_of_a_pair_one_cancels_the_other(spot: Venue) -> None:
    assert spot.exchange.capabilities().oco
    bid = spot.exchange.depth(spot.instrument.symbol).bids[0].price
    stop = asked(spot, Side.SELL, "4", kind=OrderKind.STOP_MARKET, trigger_price=bid - 300)
    profit = asked(spot, Side.SELL, "4", kind=OrderKind.LIMIT, limit_price=bid + 4)
    placed = spot.exchange.place_oco(stop, profit)
    assert [one.client_order_id for one in placed] == [stop.client_order_id, profit.client_order_id]
    assert [one.state for one in placed] == [OrderState.OPEN] * 2
    spot.until_traded_at(bid + 6)
    states = [spot.exchange.order(spot.instrument.symbol, one.client_order_id) for one in (stop, profit)]
    assert [one and one.state for one in states] == [OrderState.CANCELLED, OrderState.FILLED]
    assert holdings(spot) == opening_and(spot, spot.exchange.fills(spot.instrument.symbol, since_ms=0))


def test_cancelling_one_of_a_pair_cancels_both(spot: Venue) -> None:
    bid = spot.exchange.depth(spot.instrument.symbol).bids[0].price
    stop = asked(spot, Side.SELL, kind=OrderKind.STOP_MARKET, trigger_price=bid - 300)
    profit = asked(spot, Side.SELL, kind=OrderKind.LIMIT, limit_price=bid + 300)
    spot.exchange.place_oco(stop, profit)
    spot.exchange.cancel(spot.instrument.symbol, profit.client_order_id)
    assert list(spot.exchange.open_orders()) == []


def test_fills_since_a_time_are_complete_and_in_order(venue: Venue) -> None:
    venue.exchange.place(asked(venue, qty="0.3"))
    first = venue.exchange.fills(venue.instrument.symbol, since_ms=0)
    later_ms = venue.clock.advance(1_000)
    venue.exchange.place(asked(venue, Side.SELL, "0.2"))
    later = venue.exchange.fills(venue.instrument.symbol, since_ms=later_ms)
    everything = venue.exchange.fills(venue.instrument.symbol, since_ms=0)
    assert list(everything) == [*first, *later]
    assert {fill.side for fill in later} == {Side.SELL}
    assert len({fill.trade_id for fill in everything}) == len(everything)
    assert [fill.event_time for fill in everything] == sorted(fill.event_time for fill in everything)


def test_spot_has_no_positions_and_no_shorts(spot: Venue) -> None:
    assert list(spot.exchange.positions()) == []
    assert not spot.exchange.capabilities().shorts


def _values(request: OrderRequest) -> dict[str, object]:
    return {name: getattr(request, name) for name in OrderRequest.__slots__}


def position(venue: Venue) -> Decimal:
    return sum((one.qty for one in venue.exchange.positions()), start=D(0))


def test_a_future_is_listed_with_its_contract(futures: Venue) -> None:
    (listed,) = futures.exchange.instruments()
    assert (listed.symbol, listed.kind, listed.contract_size) == ("BTC/USDT:USDT", InstrumentKind.SWAP, D("0.01"))
    offers = futures.exchange.capabilities()
    assert (offers.shorts, offers.reduce_only, offers.oco, offers.stop_orders) == (True, True, False, True)
    with pytest.raises(FatalError, match="order lists"):
        futures.exchange.place_oco(asked(futures), asked(futures))


def test_futures_go_long_short_and_turn_and_the_balance_is_what_was_realised(futures: Venue) -> None:
    """Quantities are base units, whatever a contract is."""
    steps = ((Side.BUY, "0.5", "0.5"), (Side.SELL, "0.2", "0.3"), (Side.SELL, "1", "-0.7"), (Side.BUY, "0.3", "-0.4"),
             (Side.BUY, "0.9", "0.5"), (Side.SELL, "0.5", "0"))  # fmt: skip
    for number, (side, qty, left) in enumerate(steps):
        futures.until_traded_at(D(40_000 + (-1) ** number * 50 * number))
        assert futures.exchange.place(asked(futures, side, qty)).state is OrderState.FILLED
        assert position(futures) == D(left)
        fills = futures.exchange.fills(FUTURE.symbol, since_ms=0)
        assert holdings(futures) == opening_and(futures, fills)
    cash = sum((-fill.side.sign * fill.notional - fill.fee_qty for fill in fills), start=D(0))
    assert holdings(futures) == {"USDT": D(1_000_000) + cash}, "flat: what was received less what was paid"
    assert futures.exchange.balances()[0].locked == 0


def test_a_short_earns_when_the_price_falls_and_only_when_it_is_closed(futures: Venue) -> None:
    futures.exchange.place(asked(futures, Side.SELL, "1"))
    (short,) = futures.exchange.positions()
    assert short.qty == -1
    assert short.entry_price == pytest.approx(D(39_990), rel=D("0.001"))
    before = holdings(futures)["USDT"]
    futures.until_traded_at(D(38_000))
    assert holdings(futures)["USDT"] == before
    futures.exchange.place(asked(futures, Side.BUY, "1"))
    assert holdings(futures)["USDT"] == pytest.approx(before + 2_000, abs=D(150))


def test_an_order_that_only_reduces_never_opens(futures: Venue) -> None:
    for side in Side:
        with pytest.raises(RejectedError, match=r"invalid_order.*reduce_only"):
            futures.exchange.place(asked(futures, side, reduce_only=True))
    futures.exchange.place(asked(futures, Side.SELL, "1"))
    with pytest.raises(RejectedError, match="reduce_only"):
        futures.exchange.place(asked(futures, Side.SELL, "0.1", reduce_only=True))
    with pytest.raises(RejectedError, match="reduce_only"):
        futures.exchange.place(a_limit(futures, Side.BUY, "500", "1.1", reduce_only=True))
    assert position(futures) == -1
    part = futures.exchange.place(asked(futures, Side.BUY, "0.4", reduce_only=True))
    assert (part.state, position(futures)) == (OrderState.FILLED, D("-0.6"))
    rest = futures.exchange.place(asked(futures, Side.BUY, "5", reduce_only=True))
    assert (rest.state, rest.filled_qty, rest.qty) == (OrderState.CANCELLED, D("0.6"), D(5))
    assert position(futures) == 0


def test_what_rests_to_reduce_a_position_ends_with_it(futures: Venue) -> None:
    futures.exchange.place(asked(futures, Side.SELL, "1"))
    target = a_limit(futures, Side.BUY, "400", "1", reduce_only=True)
    stop = asked(futures, Side.BUY, "1", kind=OrderKind.STOP_MARKET, trigger_price=D(41_000), reduce_only=True)
    free = futures.exchange.balances()[0]
    for request in (target, stop):
        assert futures.exchange.place(request).state is OrderState.OPEN
    assert futures.exchange.balances()[0] == free, "they hold nothing back"
    futures.exchange.place(asked(futures, Side.BUY, "0.4"))
    assert len(futures.exchange.open_orders()) == 2
    futures.exchange.place(asked(futures, Side.BUY, "2"))
    assert position(futures) == D("1.4")
    states = [futures.exchange.order(FUTURE.symbol, one.client_order_id) for one in (target, stop)]
    assert [one and one.state for one in states] == [OrderState.CANCELLED] * 2


@pytest.mark.parametrize("side", list(Side))
def test_a_stop_closes_what_is_left_of_a_future_and_no_more(futures: Venue, side: Side) -> None:
    futures.exchange.place(asked(futures, side.opposite, "1"))
    trigger = D(40_000 + side.sign * 500)
    stop = asked(futures, side, "1", kind=OrderKind.STOP_MARKET, trigger_price=trigger, reduce_only=True)
    futures.exchange.place(stop)
    futures.exchange.place(asked(futures, side, "0.25", reduce_only=True))
    futures.until_traded_at(trigger)
    report = futures.exchange.order(FUTURE.symbol, stop.client_order_id)
    assert report is not None
    assert (report.state, report.filled_qty) == (OrderState.CANCELLED, D("0.75"))
    assert list(futures.exchange.positions()) == []
    assert holdings(futures) == opening_and(futures, futures.exchange.fills(FUTURE.symbol, since_ms=0))


def test_margin_limits_what_may_be_opened_never_what_closes(futures: Venue) -> None:
    """A million at twenty to one is 500 BTC at 40,000, less the fees."""
    with pytest.raises(RejectedError, match=r"insufficient_funds.*margin"):
        futures.exchange.place(a_limit(futures, Side.SELL, "10", "500"))
    first = a_limit(futures, Side.SELL, "5000", "300")
    futures.exchange.place(first)
    with pytest.raises(RejectedError, match="insufficient_funds"):
        futures.exchange.place(a_limit(futures, Side.SELL, "5000", "300"))
    other_side = a_limit(futures, Side.BUY, "500", "100")
    assert futures.exchange.place(other_side).state is OrderState.OPEN, "only one of the sides can come to be"
    for request in (first, other_side):
        futures.exchange.cancel(FUTURE.symbol, request.client_order_id)
    futures.exchange.place(asked(futures, Side.BUY, "100"))
    held = position(futures)
    assert held > 0
    (balance,) = futures.exchange.balances()
    assert balance.locked == pytest.approx(held * 40_000 / 20, rel=D("0.02"))
    assert futures.exchange.place(asked(futures, Side.SELL, f"{held:f}")).filled_qty > 0


def test_an_inverse_future_is_refused(futures: Venue) -> None:
    with pytest.raises(RejectedError, match=r"bad_symbol.*settled in 'BTC'"):
        futures.exchange.place(asked(futures, symbol="BTC/USD:BTC"))
