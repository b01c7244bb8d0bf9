"""The live `Exchange`: one account at a venue ccxt knows and the desk can ask for an order by its own id."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from shared.adapters import ccxt_parsing as parsing
from shared.adapters.ccxt_dialect import Dialect, Keys, Sent
from shared.adapters.ccxt_ids import ClientIds, own_id
from shared.adapters.ccxt_session import CcxtSession
from shared.adapters.ccxt_venues import dialect_of
from shared.domain.errors import FatalError, NotFoundError, OutcomeUnknownError, RejectedError, TransientError
from shared.domain.trading.accounts import Balance, Capabilities, VenuePosition
from shared.domain.trading.depth import Depth
from shared.domain.trading.flows import FundingPayment
from shared.domain.trading.instruments import Instrument
from shared.domain.trading.orders import Fill, OrderKind, OrderReport, OrderRequest, TimeInForce
from shared.ports import Clock

TIMEOUT_MS: Final = 5_000
_MARGIN_MS: Final = 5_000  # what the venue's clock and the network may add to the time a request is good for


def list_instruments(
    venue: str, clock: Clock, *, url: str | None = None, sandbox: bool = False, timeout_ms: int = TIMEOUT_MS
) -> Sequence[Instrument]:
    """Return what a venue lists and is trading, with the fees it tells everybody; no key is needed.

    Raise `TransientError` when it does not answer.
    """
    dialect = replace(dialect_of(venue), may_withdraw=None)
    nobody = Keys(api_key="", secret="")
    session = CcxtSession(venue, dialect, nobody, clock, url=url, sandbox=sandbox, timeout_ms=timeout_ms)
    return _listed(venue, session, dialect)


class CcxtExchange:
    """One account at one venue through ccxt; nothing is sent before the first method is called.

    `url` stands for scheme and host of the venue, `price_of` values fees paid in a third asset. The first use looks at
    the venue's clock and at what the key may do, and raises `FatalError` when it may withdraw. A venue the desk does
    not know how to ask for an order by its own id is a `FatalError` at once: what became of an order whose answer was
    lost could never be told.
    """

    def __init__(
        self,
        venue: str,
        keys: Keys,
        clock: Clock,
        *,
        url: str | None = None,
        sandbox: bool = False,
        timeout_ms: int = TIMEOUT_MS,
        price_of: parsing.PriceOf = parsing.unpriced,
    ) -> None:
        self.venue = venue
        self._dialect = dialect_of(venue)
        if self._dialect.find is None or self._dialect.trades is None:
            raise FatalError(f"{venue} is not traded at: the desk cannot ask it for an order by its own id")
        self._find, self._trades_of = self._dialect.find, self._dialect.trades
        self._clock, self._timeout_ms, self._price_of = clock, timeout_ms, price_of
        self._session = CcxtSession(venue, self._dialect, keys, clock, url=url, sandbox=sandbox, timeout_ms=timeout_ms)
        self._client_ids = ClientIds()

    def capabilities(self) -> Capabilities:
        """Return what the venue offers beyond plain orders."""
        return Capabilities(
            shorts=self._dialect.is_swap,
            stop_orders=self._dialect.stop_orders,
            oco=self._dialect.place_oco is not None,
            reduce_only=self._dialect.is_swap,
            timer=self._dialect.timer,
            accepts_for_ms=self._dialect.window_ms + self._timeout_ms + _MARGIN_MS,
        )

    def prepare(self) -> None:
        """Look at the venue's clock, at what the key may do and at the markets, unless that was done before."""
        _ = self._session.markets

    def instruments(self) -> Sequence[Instrument]:
        """Return what the venue lists and is trading, of the kind this venue is for."""
        return _listed(self.venue, self._session, self._dialect)

    def depth(self, symbol: str, *, levels: int = 20) -> Depth:
        """Return the best levels of the order book."""
        market = self._market(symbol)
        answer = self._session.read(lambda client: client.fetch_order_book(symbol, levels))
        return parsing.depth(answer, market, now_ms=self._clock.now_ms())

    def place(self, request: OrderRequest) -> OrderReport:
        """Send an order once.

        Quantities and prices that are not on the venue's grid are refused here: ccxt would round them.
        """
        market = self._checked(request)
        is_limit = request.kind is OrderKind.LIMIT
        price = request.limit_price if is_limit else self._market_price(request)
        sent = Sent(
            symbol=request.symbol,
            type="limit" if is_limit else "market",
            side=request.side.value,
            contracts=f"{request.qty / parsing.size_of(market):f}",
            price=None if price is None else f"{price:f}",
            parameters=self._parameters(request),
        )
        order = self._session.write(lambda client: self._dialect.place(client, sent))
        return self._told(order, request.symbol, request.client_order_id)

    def place_oco(self, stop: OrderRequest, take_profit: OrderRequest) -> Sequence[OrderReport]:
        """Send a stop and a limit order of which one cancels the other, where `capabilities` has it."""
        if (place_oco := self._dialect.place_oco) is None:
            raise FatalError(f"{self.venue} has no order lists")
        market = self._checked(stop)
        self._checked(take_profit)
        orders = self._session.write(lambda client: place_oco(client, market, stop, take_profit))
        by_id = {order["clientOrderId"]: order for order in orders}
        return [self._report(by_id[leg.client_order_id], market, leg.client_order_id) for leg in (stop, take_profit)]

    def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        """Cancel an order and return what it is afterwards; raise `RejectedError` when there never was one."""
        market = self._market(symbol)
        wire_id = self._dialect.id_prefix + client_order_id
        try:
            order = self._session.write(lambda client: self._dialect.cancel(client, market, wire_id))
        except RejectedError as refusal:  # it has ended, or never was
            if (ended := self.order(symbol, client_order_id)) is None:
                raise refusal from refusal.__cause__
            return ended
        if order is None:
            raise RejectedError("order_not_found", f"{self.venue} does not know {client_order_id}")
        return self._told(order, symbol, client_order_id)

    def order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Return an order by the id the desk gave it, None when the venue has never seen it."""
        market = self._market(symbol)
        try:
            order = self._session.read(
                lambda client: self._find(client, market, self._dialect.id_prefix + client_order_id)
            )
        except NotFoundError:
            return None
        return None if order is None else self._report(order, market, client_order_id)

    def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        """Return all orders that may fill, also those the desk did not send."""
        market = None if symbol is None else self._market(symbol)
        orders = self._session.read(lambda client: self._dialect.open_orders(client, market))
        return [
            self._report(order, self._market(order["symbol"]), own_id(order["clientOrderId"] or "")) for order in orders
        ]

    def fills(self, symbol: str, *, since_ms: int) -> Sequence[Fill]:
        """Return the account's executions of a symbol from a time on (epoch ms), oldest first, without a cap."""
        market = self._market(symbol)
        trades = self._trades(symbol, since_ms)
        fills = [
            parsing.fill(trade, market, client_order_id=self._client_id(symbol, trade), price_of=self._price_of)
            for trade in trades
        ]
        return sorted(fills, key=lambda fill: (fill.event_time, len(fill.trade_id), fill.trade_id))

    def balances(self) -> Sequence[Balance]:
        """Return what the account holds of every asset, zeros left out."""
        return parsing.balances(self._session.read(self._dialect.balances))

    def positions(self) -> Sequence[VenuePosition]:
        """Return open futures positions; nothing at a spot venue."""
        if not self._dialect.is_swap:
            return []
        rows = self._session.read(self._dialect.positions)
        found = [parsing.position(row, self._market(row["symbol"])) for row in rows]
        return [one for one in found if one is not None]

    def funding(self, *, since_ms: int) -> Sequence[FundingPayment]:
        """Return the account's funding payments from a time on (epoch ms), each once; nothing where none are paid."""
        if (funding := self._dialect.funding) is None:
            return []
        rows = self._session.read(lambda client: funding(client, since_ms))
        once = {str(row["id"]): parsing.funding(row) for row in rows if row["timestamp"] >= since_ms}
        return sorted(once.values(), key=lambda payment: (payment.event_time, payment.payment_id))

    def cancel_all_after(self, timeout_ms: int, *, symbol: str | None) -> None:
        """Set the venue's dead-man timer, 0 stops it: a symbol's where `capabilities` says so, else the account's."""
        arm, timer = self._dialect.arm, self._dialect.timer
        if arm is None or timer is None:
            raise FatalError(f"{self.venue} has no dead-man timer")
        if (symbol is not None) is not timer.per_symbol:
            whose = "a symbol's" if timer.per_symbol else "the account's"
            raise FatalError(f"the dead-man timer of {self.venue} is {whose}")
        market = None if symbol is None else self._market(symbol)
        self._session.write(lambda client: arm(client, market, timeout_ms))

    def _market(self, symbol: str) -> Mapping[str, Any]:
        market: Mapping[str, Any] | None = self._session.markets.get(symbol)
        if market is None:
            raise RejectedError("bad_symbol", f"{self.venue} does not list {symbol[:40]!r}")
        return market

    def _checked(self, request: OrderRequest) -> Mapping[str, Any]:
        """Return the market of a request whose numbers are the venue's own; raise `RejectedError`."""
        market = self._market(request.symbol)
        listed = parsing.instrument(self.venue, market)
        if listed is None:
            raise RejectedError("market_closed", f"{request.symbol} is not trading")
        if listed.fit_qty(request.qty) != request.qty or request.qty <= 0:
            raise RejectedError("invalid_order", f"qty: {request.qty} is not on the grid of {listed.step_size}")
        for name, price in (("limit_price", request.limit_price), ("trigger_price", request.trigger_price)):
            if price is not None and (listed.fit_price(price, request.side) != price or price <= 0):
                raise RejectedError("invalid_order", f"{name}: {price} is not on the grid of {listed.tick_size}")
            if price is not None and self._session.priced(request.symbol, price) != price:
                raise RejectedError("invalid_order", f"{name}: {price} has more digits than {self.venue} takes")
        if request.kind is OrderKind.LIMIT and request.time_in_force not in self._dialect.times_in_force:
            raise RejectedError("invalid_order", f"time_in_force: {self.venue} has no {request.time_in_force}")
        if request.kind is OrderKind.STOP_MARKET and not self._dialect.stop_orders:
            raise RejectedError("invalid_order", f"kind: the desk places no stops at {self.venue}")
        return market

    def _parameters(self, request: OrderRequest) -> dict[str, Any]:
        parameters: dict[str, Any] = {"clientOrderId": self._dialect.id_prefix + request.client_order_id}
        if request.kind is OrderKind.STOP_MARKET:
            parameters["stopLossPrice"] = f"{request.trigger_price:f}"
        if request.kind is OrderKind.LIMIT and request.time_in_force is TimeInForce.POST_ONLY:
            parameters["postOnly"] = True
        elif request.kind is OrderKind.LIMIT:
            parameters["timeInForce"] = request.time_in_force.value.upper()
        if request.reduce_only and self._dialect.is_swap:
            parameters["reduceOnly"] = True
        return parameters

    def _market_price(self, request: OrderRequest) -> Decimal | None:
        """Return the price an order at the market is made of, where the venue has no such orders: the best one there
        is, of which ccxt goes five percent away."""
        if not self._dialect.prices_market_orders:
            return None
        against = self.depth(request.symbol, levels=1).against(request.side)
        if not against:
            raise RejectedError("no_liquidity", f"nobody trades against a {request.side} of {request.symbol}")
        return against[0].price

    def _told(self, order: Mapping[str, Any], symbol: str, client_order_id: str) -> OrderReport:
        """Return what the answer to a write says of its order; where it says little, the order is asked for."""
        if order["status"] is not None and order["amount"] is not None:
            return self._report(order, self._market(symbol), client_order_id)
        try:
            found = self.order(symbol, client_order_id)
        except TransientError as error:
            raise OutcomeUnknownError(f"{client_order_id} was taken, and not seen since: {error}") from error
        if found is None:
            raise OutcomeUnknownError(f"{client_order_id} was taken, and is not there yet")
        return found

    def _report(self, order: Mapping[str, Any], market: Mapping[str, Any], client_order_id: str) -> OrderReport:
        """Return an order as the desk knows it, and remember whose it is."""
        report = parsing.report(order, market, client_order_id=client_order_id)
        self._client_ids.keep(report.symbol, report.venue_order_id, report.client_order_id)
        return report

    def _trades(self, symbol: str, since_ms: int) -> Sequence[Mapping[str, Any]]:
        """Return all trades from a time on, each once."""
        market = self._market(symbol)
        trades = self._session.read(lambda client: self._trades_of(client, market, since_ms))
        once = {str(trade["id"]): trade for trade in trades if trade["timestamp"] >= since_ms}
        return list(once.values())

    def _client_id(self, symbol: str, trade: Mapping[str, Any]) -> str:
        """Return the desk's id of the order a trade belongs to, empty where the venue has forgotten that.

        Where a trade does not tell, the order is asked for, unless it was placed or told of here.
        """
        told = trade["info"].get(self._dialect.names_id)
        if told is not None:
            return own_id(told)
        order_id = str(trade["order"])
        known = self._client_ids.get(symbol, order_id)
        if known is not None:
            return known
        try:
            order = self._session.read(lambda client: client.fetch_order(order_id, symbol))
        except NotFoundError:
            return ""
        found = own_id(order["clientOrderId"] or "")
        self._client_ids.keep(symbol, order_id, found)
        return found


def _listed(venue: str, session: CcxtSession, dialect: Dialect) -> Sequence[Instrument]:
    """Return the instruments of the kind a venue is for."""
    markets = [market for market in session.markets.values() if bool(market["swap"]) is dialect.is_swap]
    found = [parsing.instrument(venue, market) for market in markets]
    return [one for one in found if one is not None]
