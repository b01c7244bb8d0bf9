"""A venue with a dead-man timer: when its clock has passed what the timer was set to, everything that rests is gone."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from shared.adapters.paper_exchange import PaperExchange
from shared.domain.trading.accounts import Capabilities, Timer
from shared.domain.trading.orders import OrderReport, OrderRequest
from shared.venue_ports import Exchange
from tests.fakes.clock import ManualClock


@dataclass
class TimedVenue:
    """Stand before an account; `sets` are all the settings of its timers, `before` is called before each."""

    inner: PaperExchange
    clock: ManualClock
    timer: Timer
    sets: list[tuple[str | None, int]] = field(default_factory=list)
    before: Callable[[int], None] = lambda _: None
    before_place: Callable[[], None] = lambda: None
    _ends_ms: dict[str | None, int] = field(default_factory=dict)

    def capabilities(self) -> Capabilities:
        return replace(self.inner.capabilities(), timer=self.timer)

    def cancel_all_after(self, timeout_ms: int, *, symbol: str | None) -> None:
        assert (symbol is not None) is self.timer.per_symbol
        assert timeout_ms <= self.timer.longest_ms
        self.before(timeout_ms)
        self._run_out()
        self.sets.append((symbol, timeout_ms))
        self._ends_ms.pop(symbol, None)
        if timeout_ms:
            self._ends_ms[symbol] = self.clock.now_ms() + timeout_ms

    def place(self, request: OrderRequest) -> OrderReport:
        self.before_place()
        self._run_out()
        return self.inner.place(request)

    @property
    def runs(self) -> bool:
        """Tell whether a timer will go off."""
        self._run_out()
        return bool(self._ends_ms)

    def __getattr__(self, name: str) -> Any:
        self._run_out()
        return getattr(self.inner, name)

    def _run_out(self) -> None:
        for symbol, ends_ms in list(self._ends_ms.items()):
            if ends_ms <= self.clock.now_ms():
                del self._ends_ms[symbol]
                for report in self.inner.open_orders(symbol):
                    self.inner.cancel(report.symbol, report.client_order_id)


def as_exchange(venue: TimedVenue) -> Exchange:
    """Return the venue as what it stands for."""
    stands_for: Any = venue
    exchange: Exchange = stands_for
    return exchange
