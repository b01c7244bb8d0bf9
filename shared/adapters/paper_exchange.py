"""The paper `Exchange`: real markets, invented money.

Orders meet the tickers and candles the collector writes. Nothing runs in between: resting orders are matched whenever
somebody looks, with all bars since the last look.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from shared.domain.errors import ConflictError, FatalError, RejectedError, TransientError
from shared.domain.trading import paper_accounts as accounts
from shared.domain.trading import paper_venue
from shared.domain.trading.accounts import Balance, Capabilities, VenuePosition
from shared.domain.trading.depth import Depth
from shared.domain.trading.flows import FundingPayment
from shared.domain.trading.instruments import Instrument, InstrumentKind
from shared.domain.trading.orders import Fill, OrderReport, OrderRequest
from shared.domain.trading.paper import PaperMarket, new_order
from shared.domain.trading.paper_accounts import PaperAccount, PaperChange
from shared.ports import Clock
from shared.venue_ports import PaperStore

LATENCY_MS: Final = 40
MOMENT_MS: Final = 250
"""How old a look at the market may be for fills to be listed as of then."""
_ATTEMPTS: Final = 8

MarketOf = Callable[[Instrument, int], PaperMarket]
"""The market of an instrument with its bars since a time (epoch ms); raises `TransientError` when it is not known."""


def sleep_ms(duration_ms: int) -> None:
    """Let real time pass."""
    time.sleep(duration_ms / 1_000)


class PaperExchange:
    """One paper account at one venue. `latency_ms` passes between an order and the market it meets; `instruments` is
    asked often, so it remembers.

    A venue trades one `kind`: spot, where what is not held cannot be sold, or futures that are settled in what they are
    quoted in, long or short, at a margin.
    """

    def __init__(
        self,
        venue: str,
        account: str,
        *,
        opening: Mapping[str, Decimal],
        store: PaperStore,
        instruments: Callable[[], Sequence[Instrument]],
        market_of: MarketOf,
        clock: Clock,
        kind: InstrumentKind = InstrumentKind.SPOT,
        latency_ms: int = LATENCY_MS,
        pause: Callable[[int], object] = sleep_ms,
    ) -> None:
        self.venue = venue
        self._account, self._opening, self._store = account, opening, store
        self._list_instruments, self._market_of, self._clock = instruments, market_of, clock
        self._kind, self._latency_ms, self._pause = kind, latency_ms, pause
        self._looked_ms = -MOMENT_MS

    def capabilities(self) -> Capabilities:
        """Return what the paper exchange offers: stops; of spot also pairs, of futures shorts and reduce-only orders.

        An order is there at once or never.
        """
        is_swap = self._kind is InstrumentKind.SWAP
        return Capabilities(
            shorts=is_swap,
            stop_orders=True,
            oco=not is_swap,
            reduce_only=is_swap,
            timer=None,
            accepts_for_ms=self._latency_ms + 10_000,
        )

    def prepare(self) -> None:
        """Do nothing: it is always there."""

    def instruments(self) -> Sequence[Instrument]:
        """Return what the venue lists and can be traded on paper."""
        listed = self._list_instruments()
        return [one for one in listed if one.venue == self.venue and one.kind is self._kind]

    def depth(self, symbol: str, *, levels: int = 20) -> Depth:
        """Return the book an order would meet now."""
        depth = self._market_of(self._instrument(symbol), self._clock.now_ms()).depth
        return Depth(time_ms=depth.time_ms, bids=depth.bids[:levels], asks=depth.asks[:levels])

    def place(self, request: OrderRequest) -> OrderReport:
        """Place an order; it meets the market once the latency has passed."""
        return self._place({request: None})[0]

    def place_oco(self, stop: OrderRequest, take_profit: OrderRequest) -> Sequence[OrderReport]:
        """Place a stop and a limit order of which one cancels the other, where `capabilities` has it."""
        if not self.capabilities().oco:
            raise FatalError(f"futures at {self.venue} have no order lists")
        if (stop.symbol, stop.side) != (take_profit.symbol, take_profit.side):
            raise RejectedError("invalid_order", "both orders of a pair are of one symbol and side")
        return self._place({stop: take_profit.client_order_id, take_profit: stop.client_order_id})

    def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        """Cancel an order and return what it is afterwards; raise `RejectedError` when there was never one."""

        def decide(account: PaperAccount) -> PaperChange:
            looked = self._matched(account)  # what the market has reached before was filled before
            order = looked.account.find(symbol, client_order_id)
            if order is None:
                return looked
            return looked.then(paper_venue.cancel(looked.account, order, self._clock.now_ms()))

        self._change(decide)
        found = self._store.order(self.venue, self._account, symbol, client_order_id)
        if found is None:
            raise RejectedError("order_not_found", f"{self.venue} has no order {client_order_id} of {symbol}")
        return found.report()

    def order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Return an order by the id the desk gave it, None when there never was one."""
        self._look()
        found = self._store.order(self.venue, self._account, symbol, client_order_id)
        return None if found is None else found.report()

    def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        """Return all orders that may fill."""
        return [order.report() for order in self._look().orders if symbol in (None, order.request.symbol)]

    def fills(self, symbol: str, *, since_ms: int) -> Sequence[Fill]:
        """Return the account's executions of a symbol from a time on (epoch ms), oldest first, without a cap."""
        if self._clock.now_ms() - self._looked_ms >= MOMENT_MS:  # whoever asks has mostly just seen that there are some
            self._look()
        return self._store.fills(self.venue, self._account, symbol, since_ms=since_ms)

    def balances(self) -> Sequence[Balance]:
        """Return what the account holds of every asset, zeros left out; margin is locked."""
        return accounts.balances(self._look(), self._known)

    def positions(self) -> Sequence[VenuePosition]:
        """Return open futures positions."""
        return accounts.positions(self._look())

    def funding(self, *, since_ms: int) -> Sequence[FundingPayment]:  # noqa: ARG002 - as every account is asked
        """Return nothing: paper charges no funding."""
        return ()

    def cancel_all_after(self, timeout_ms: int, *, symbol: str | None) -> None:
        """Refuse: nothing runs between two looks, so no timer would go off."""
        raise FatalError(
            f"the paper exchange has no dead-man timer to set to {timeout_ms} ms for {symbol or self.venue}"
        )

    def _place(self, requests: Mapping[OrderRequest, str | None]) -> Sequence[OrderReport]:
        """Place orders, each with the id of the one it is paired with."""
        self._pause(self._latency_ms)
        now_ms = self._clock.now_ms()
        orders = [new_order(request, now_ms, linked_id=linked_id) for request, linked_id in requests.items()]
        symbol = orders[0].request.symbol
        market = self._market_of(self._instrument(symbol), now_ms)

        def decide(account: PaperAccount) -> PaperChange:
            looked = self._matched(account)  # what rests has the older claim on the money
            for order in orders:
                client_order_id = order.request.client_order_id
                if self._store.order(self.venue, self._account, symbol, client_order_id) is not None:
                    raise RejectedError("duplicate_order_id", f"{self.venue} has {client_order_id} already")
            markets = {held: self._market_of(self._instrument(held), now_ms) for held in looked.account.positions}
            return looked.then(paper_venue.place(looked.account, orders, {**markets, symbol: market}, self._known))

        change = self._change(decide)
        placed = {order.request.client_order_id: order for order in change.orders}
        return [placed[order.request.client_order_id].report() for order in orders]

    def _look(self) -> PaperAccount:
        """Match working orders with their markets; one whose market is not known now is matched later."""
        return self._change(self._matched).account

    def _matched(self, account: PaperAccount) -> PaperChange:
        self._looked_ms = self._clock.now_ms()
        since_ms = dict.fromkeys(account.positions, self._clock.now_ms())  # of these the price alone matters
        for order in account.orders:
            symbol = order.request.symbol
            since_ms[symbol] = min(order.bars_until_ms, since_ms.get(symbol, order.bars_until_ms))
        markets = {symbol: self._market_if_known(symbol, since) for symbol, since in since_ms.items()}
        known = {symbol: market for symbol, market in markets.items() if market is not None}
        return paper_venue.look(account, known, self._clock.now_ms())

    def _market_if_known(self, symbol: str, since_ms: int) -> PaperMarket | None:
        instrument = self._known(symbol)
        try:
            return None if instrument is None else self._market_of(instrument, since_ms)
        except TransientError:
            return None

    def _change(self, decide: Callable[[PaperAccount], PaperChange]) -> PaperChange:
        """Load, decide, store; again when somebody else was quicker."""
        for _ in range(_ATTEMPTS):
            change = decide(self._store.open(self.venue, self._account, self._opening))
            if not change.orders and not change.fills:
                return change
            try:
                return change._replace(account=self._store.save(change))
            except ConflictError:
                continue
        raise TransientError(f"the paper account {self._account} at {self.venue} is changed too often")

    def _instrument(self, symbol: str) -> Instrument:
        pair, _, settle = symbol.partition(":")
        if settle and pair.partition("/")[2] != settle:
            raise RejectedError("bad_symbol", f"{symbol[:40]!r} is settled in {settle[:10]!r}: only linear is traded")
        if (known := self._known(symbol)) is None:
            raise RejectedError("bad_symbol", f"{self.venue} does not list {symbol[:40]!r} for paper")
        return known

    def _known(self, symbol: str) -> Instrument | None:
        return next((one for one in self.instruments() if one.symbol == symbol), None)
