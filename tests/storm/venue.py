"""A paper account behind a bad line: answers get lost, orders arrive late or never, lists are wrong, callers die."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from shared.adapters.paper_exchange import PaperExchange
from shared.domain.errors import OutcomeUnknownError, RejectedError, TransientError
from shared.domain.trading.accounts import Balance, Capabilities, VenuePosition
from shared.domain.trading.depth import Depth
from shared.domain.trading.flows import FundingPayment
from shared.domain.trading.instruments import Instrument
from shared.domain.trading.orders import Fill, OrderReport, OrderRequest
from shared.domain.trading.states import OrderState, is_final

REMEMBERS_MS: Final = 180_000
"""How long orders that have ended are told of."""


class Killed(BaseException):
    """The process that was working is no more: nothing after this line happens."""


@dataclass
class Dice:
    """What goes wrong when, from a seed; nothing while it is `calm`."""

    draw: random.Random
    hits: Counter[str] = field(default_factory=Counter)
    calm: bool = False

    def roll(self, name: str, share: float) -> bool:
        """Tell whether a mishap happens, and count it."""
        if self.calm or self.draw.random() >= share:
            return False
        self.hits[name] += 1
        return True


@dataclass
class BadLine:
    """One account; `sent` counts orders by the id they were sent with, `late` holds those still on their way."""

    inner: PaperExchange
    dice: Dice
    now_ms: Callable[[], int]
    sent: Counter[str]
    late: list[tuple[int, OrderRequest]] = field(default_factory=list)
    venue: str = field(init=False)

    def __post_init__(self) -> None:
        self.venue = self.inner.venue

    def capabilities(self) -> Capabilities:
        return self.inner.capabilities()

    def instruments(self) -> Sequence[Instrument]:
        return self.inner.instruments()

    def depth(self, symbol: str, *, levels: int = 20) -> Depth:
        self._busy()
        return self.inner.depth(symbol, levels=levels)

    def place(self, request: OrderRequest) -> OrderReport:
        """Send an order, or part of the way."""
        self.sent[request.client_order_id] += 1
        roll = self.dice.roll
        if roll("busy", 0.03):
            raise TransientError("too many requests")
        if roll("rejected", 0.03):
            raise RejectedError("no", "not today")
        if roll("killed_before_call", 0.02):
            raise Killed
        if roll("never_arrived", 0.03):
            raise OutcomeUnknownError("timeout")
        if roll("arrives_late", 0.03):
            window = self.capabilities().accepts_for_ms
            self.late.append((self.now_ms() + self.dice.draw.randint(0, window), request))
            raise OutcomeUnknownError("timeout")
        report = self.inner.place(request)
        if roll("killed_after_call", 0.02):
            raise Killed
        if roll("answer_lost", 0.05):
            raise OutcomeUnknownError("timeout")
        if roll("old_answer", 0.03):
            return replace(report, state=OrderState.OPEN, filled_qty=Decimal(0), average_price=None)
        return report

    def place_oco(self, stop: OrderRequest, take_profit: OrderRequest) -> Sequence[OrderReport]:
        """Send a pair."""
        self.sent.update((stop.client_order_id, take_profit.client_order_id))
        if self.dice.roll("pair_busy", 0.05):
            raise TransientError("too many requests")
        if self.dice.roll("pair_never_arrived", 0.05):
            raise OutcomeUnknownError("timeout")
        reports = self.inner.place_oco(stop, take_profit)
        if self.dice.roll("pair_answer_lost", 0.05):
            raise OutcomeUnknownError("timeout")
        if self.dice.roll("killed_after_pair", 0.03):
            raise Killed
        return reports

    def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        """Cancel, or not."""
        self._busy()
        if self.dice.roll("cancel_lost", 0.05):
            raise OutcomeUnknownError("timeout")
        report = self.inner.cancel(symbol, client_order_id)
        if self.dice.roll("cancel_answer_lost", 0.05):
            raise OutcomeUnknownError("timeout")
        return report

    def order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Tell of an order, unless it ended so long ago that it is forgotten."""
        self._busy()
        report = self.inner.order(symbol, client_order_id)
        if report is None or not is_final(report.state) or self.now_ms() - report.updated_at_ms < REMEMBERS_MS:
            return report
        self.dice.hits["forgotten"] += 1
        return None

    def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        self._busy()
        return self.inner.open_orders(symbol)

    def fills(self, symbol: str, *, since_ms: int) -> Sequence[Fill]:
        """List executions: some twice, in any order, the newest not yet."""
        self._busy()
        fills = list(self.inner.fills(symbol, since_ms=since_ms))
        if fills and self.dice.roll("fills_missing", 0.08):
            fills = fills[: self.dice.draw.randrange(len(fills))]
        if fills and self.dice.roll("fills_twice", 0.1):
            fills += self.dice.draw.sample(fills, self.dice.draw.randint(1, len(fills)))
        if fills and self.dice.roll("fills_shuffled", 0.1):
            self.dice.draw.shuffle(fills)
        return fills

    def balances(self) -> Sequence[Balance]:
        self._busy()
        return self.inner.balances()

    def positions(self) -> Sequence[VenuePosition]:
        return self.inner.positions()

    def prepare(self) -> None:
        """Connect, or not."""
        self._busy()
        self.inner.prepare()

    def funding(self, *, since_ms: int) -> Sequence[FundingPayment]:
        self._busy()
        return self.inner.funding(since_ms=since_ms)

    def cancel_all_after(self, timeout_ms: int, *, symbol: str | None) -> None:
        self.inner.cancel_all_after(timeout_ms, symbol=symbol)

    def deliver_late(self) -> None:
        """Let orders arrive whose time has come; what is refused then, nobody hears of."""
        due = [request for at_ms, request in self.late if at_ms <= self.now_ms()]
        self.late = [(at_ms, request) for at_ms, request in self.late if at_ms > self.now_ms()]
        for request in due:
            try:
                self.inner.place(request)
            except (RejectedError, TransientError):
                continue

    def _busy(self) -> None:
        if self.dice.roll("read_failed", 0.02):
            raise TransientError("the venue is busy")
