"""The live `Exchange`: one account at any venue ccxt knows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from shared.adapters import ccxt_parsing as parsing
from shared.adapters.ccxt_session import CcxtSession
from shared.adapters.ccxt_venues import Dialect, Keys, dialect_of
from shared.domain.errors import FatalError, NotFoundError, OutcomeUnknownError, RejectedError, TransientError
from shared.domain.trading.accounts import Balance, Capabilities, VenuePosition
from shared.domain.trading.depth import Depth
from shared.domain.trading.instruments import Instrument
from shared.domain.trading.orders import Fill, OrderKind, OrderReport, OrderRequest, TimeInForce
from shared.ports import Clock

TIMEOUT_MS: Final = 5_000
_PAGE: Final = 1_000
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
    the venue's clock and at what the key may do, and raises `FatalError` when it may withdraw.
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
        self._clock, self._timeout_ms, self._price_of = clock, timeout_ms, price_of
        self._session = CcxtSession(venue, self._dialect, keys, clock, url=url, sandbox=sandbox, timeout_ms=timeout_ms)
        self._client_ids: dict[str, str] = {}

    def capabilities(self) -> Capabilities:
        """Return what the venue offers beyond plain orders."""
        return Capabilities(
            shorts=self._dialect.is_swap,
            stop_orders=self._dialect.stop_orders,
            oco=self._dialect.oco,
            reduce_only=self._dialect.is_swap,
            cancel_all_after=self._session.has("cancelAllOrdersAfter"),
            accepts_for_ms=self._dialect.window_ms + self._timeout_ms + _MARGIN_MS,
        )

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

        A venue that takes an id again after its order has ended is asked first. Quantities and prices that are not on
        the venue's grid are refused here: ccxt would round them.
        """
        market = self._checked(request)
        self._refuse_known(request)
        contracts = request.qty / parsing.size_of(market)
        order = self._session.write(
            lambda client: client.create_order(
                request.symbol,
                "limit" if request.kind is OrderKind.LIMIT else "market",
                request.side.value,
                contracts,
                request.limit_price if request.kind is OrderKind.LIMIT else None,
                self._parameters(request),
            )
        )
        return self._told(order, request.symbol, request.client_order_id)

    def place_oco(self, stop: OrderRequest, take_profit: OrderRequest) -> Sequence[OrderReport]:
        """Send a stop and a limit order of which one cancels the other, where `capabilities` has it."""
        if not self._dialect.oco:
            raise FatalError(f"{self.venue} has no order lists")
        market = self._checked(stop)
        self._checked(take_profit)
        for leg in (stop, take_profit):
            self._refuse_known(leg)
        above, below = (stop, take_profit) if stop.side.sign > 0 else (take_profit, stop)
        sent = {"symbol": market["id"], "side": stop.side.value.upper(), "quantity": f"{stop.qty:f}"}
        sent |= _oco_leg("above", above) | _oco_leg("below", below)
        answer = self._session.write(lambda client: client.privatePostOrderListOco(sent))
        orders = self._session.parsed(lambda client: client.parse_orders(answer["orderReports"], market))
        by_id = {order["clientOrderId"]: order for order in orders}
        return [parsing.report(by_id[leg.client_order_id], market) for leg in (stop, take_profit)]

    def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        """Cancel an order and return what it is afterwards; raise `RejectedError` when there never was one."""
        self._market(symbol)
        try:
            order = self._session.write(
                lambda client: client.cancel_order(None, symbol, {"clientOrderId": client_order_id})
            )
        except RejectedError as refusal:  # it has ended, or never was
            if (ended := self.order(symbol, client_order_id)) is None:
                raise refusal from refusal.__cause__
            return ended
        return self._told(order, symbol, client_order_id)

    def order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Return an order by the id the desk gave it, None when the venue has never seen it."""
        market = self._market(symbol)
        try:
            order = self._session.read(
                lambda client: client.fetch_order(None, symbol, {"clientOrderId": client_order_id})
            )
        except NotFoundError:
            return None
        return parsing.report(order, market, client_order_id=client_order_id)

    def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        """Return all orders that may fill, also those the desk did not send."""
        orders = self._session.read(lambda client: client.fetch_open_orders(symbol))
        return [parsing.report(order, self._market(order["symbol"])) for order in orders]

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
        return parsing.balances(self._session.read(lambda client: client.fetch_balance()))

    def positions(self) -> Sequence[VenuePosition]:
        """Return open futures positions; nothing at a spot venue."""
        if not self._dialect.is_swap:
            return []
        rows = self._session.read(lambda client: client.fetch_positions())
        found = [parsing.position(row, self._market(row["symbol"])) for row in rows]
        return [one for one in found if one is not None]

    def cancel_all_after(self, timeout_ms: int) -> None:
        """Arm the venue's dead-man timer, 0 disarms it; where `capabilities` has it."""
        if not self.capabilities().cancel_all_after:
            raise FatalError(f"{self.venue} has no dead-man timer")
        self._session.write(lambda client: client.cancel_all_orders_after(timeout_ms))

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
        return market

    def _refuse_known(self, request: OrderRequest) -> None:
        """Raise `RejectedError` when a venue that would take an id again has it."""
        if self._dialect.reuses_ids and self.order(request.symbol, request.client_order_id) is not None:
            raise RejectedError("duplicate_order_id", f"{self.venue} has {request.client_order_id} already")

    def _parameters(self, request: OrderRequest) -> dict[str, Any]:
        parameters: dict[str, Any] = {"clientOrderId": request.client_order_id}
        if request.kind is OrderKind.STOP_MARKET:
            parameters["stopLossPrice"] = f"{request.trigger_price:f}"
        if request.kind is OrderKind.LIMIT and request.time_in_force is TimeInForce.POST_ONLY:
            parameters["postOnly"] = True
        elif request.kind is OrderKind.LIMIT:
            parameters["timeInForce"] = request.time_in_force.value.upper()
        if request.reduce_only and self._dialect.is_swap:
            parameters["reduceOnly"] = True
        return parameters

    def _told(self, order: Mapping[str, Any], symbol: str, client_order_id: str) -> OrderReport:
        """Return what the answer to a write says of its order; where it says little, the order is asked for."""
        if order["status"] is not None and order["amount"] is not None:
            return parsing.report(order, self._market(symbol), client_order_id=client_order_id)
        try:
            found = self.order(symbol, client_order_id)
        except TransientError as error:
            raise OutcomeUnknownError(f"{client_order_id} was taken, and not seen since: {error}") from error
        if found is None:
            raise OutcomeUnknownError(f"{client_order_id} was taken, and is not there yet")
        return found

    def _trades(self, symbol: str, since_ms: int) -> Sequence[Mapping[str, Any]]:
        """Return all trades from a time on, each once: page by page, until one brings nothing new."""
        found: dict[str, Mapping[str, Any]] = {}
        asked: tuple[int | None, dict[str, int]] = (since_ms, {})
        while True:
            page = self._page(symbol, *asked)
            new = {str(trade["id"]): trade for trade in page if str(trade["id"]) not in found}
            found |= new
            if len(page) < _PAGE or not new:
                return [trade for trade in found.values() if trade["timestamp"] >= since_ms]
            if self._dialect.pages_by_id:
                asked = (None, {"fromId": max(int(trade_id) for trade_id in found) + 1})
            else:
                asked = (max(int(trade["timestamp"]) for trade in page), {})

    def _page(self, symbol: str, since_ms: int | None, parameters: dict[str, int]) -> Sequence[Mapping[str, Any]]:
        page: Sequence[Mapping[str, Any]] = self._session.read(
            lambda client: client.fetch_my_trades(symbol, since_ms, _PAGE, parameters)
        )
        return page

    def _client_id(self, symbol: str, trade: Mapping[str, Any]) -> str:
        """Return the desk's id of the order a trade belongs to, which venues do not tell with the trade."""
        order_id = str(trade["order"])
        if order_id not in self._client_ids:
            order = self._session.read(lambda client: client.fetch_order(order_id, symbol))
            self._client_ids[order_id] = order["clientOrderId"] or ""
        return self._client_ids[order_id]


def _oco_leg(where: str, leg: OrderRequest) -> dict[str, str]:
    """Return one leg of a Binance order list: a stop at the market, or a limit order that only makes."""
    names = {f"{where}ClientOrderId": leg.client_order_id}
    if leg.kind is OrderKind.STOP_MARKET:
        return names | {f"{where}Type": "STOP_LOSS", f"{where}StopPrice": f"{leg.trigger_price:f}"}
    return names | {f"{where}Type": "LIMIT_MAKER", f"{where}Price": f"{leg.limit_price:f}"}


def _listed(venue: str, session: CcxtSession, dialect: Dialect) -> Sequence[Instrument]:
    """Return the instruments of the kind a venue is for."""
    markets = [market for market in session.markets.values() if bool(market["swap"]) is dialect.is_swap]
    found = [parsing.instrument(venue, market) for market in markets]
    return [one for one in found if one is not None]
