"""What trading needs of venues: accounts to trade on, what they list, how they answer, and what paper keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shared.domain.trading.accounts import Balance, Capabilities, VenuePosition
    from shared.domain.trading.depth import Depth
    from shared.domain.trading.flows import FundingPayment
    from shared.domain.trading.instruments import Instrument
    from shared.domain.trading.measures import VenueMeasure
    from shared.domain.trading.orders import Fill, OrderReport, OrderRequest
    from shared.domain.trading.paper import PaperOrder
    from shared.domain.trading.paper_accounts import PaperAccount, PaperChange
    from shared.domain.trading.states import Mode


class Exchange(Protocol):
    """One account at one venue.

    Reads raise `TransientError` when they may be tried again. A write raises `OutcomeUnknownError` when it may have
    happened, `RejectedError` with the venue's words when it has certainly not, `TransientError` when the venue did not
    look at it. `FatalError` is a bad key, a wrong clock, a right that must not be there.
    """

    venue: str

    def capabilities(self) -> Capabilities:
        """Return what the venue offers beyond plain orders."""
        ...

    def prepare(self) -> None:
        """Connect and learn what sending takes, so that the next order leaves at once; raise as a read does."""
        ...

    def instruments(self) -> Sequence[Instrument]:
        """Return what the venue lists and is trading."""
        ...

    def depth(self, symbol: str, *, levels: int = 20) -> Depth:
        """Return the best levels of the order book."""
        ...

    def place(self, request: OrderRequest) -> OrderReport:
        """Send an order. Whoever calls it sends a client order id once, ever: not every venue refuses one whose order
        has ended."""
        ...

    def place_oco(self, stop: OrderRequest, take_profit: OrderRequest) -> Sequence[OrderReport]:
        """Send a stop and a limit order of which one cancels the other, where `capabilities` has it."""
        ...

    def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        """Cancel an order and return what it is afterwards; one that has ended is returned as it ended."""
        ...

    def order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Return an order by the id the desk gave it, None when the venue has never seen it."""
        ...

    def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        """Return all orders that may fill, also those the desk did not send."""
        ...

    def fills(self, symbol: str, *, since_ms: int) -> Sequence[Fill]:
        """Return the account's executions of a symbol from a time on (epoch ms), oldest first, without a cap."""
        ...

    def balances(self) -> Sequence[Balance]:
        """Return what the account holds of every asset, zeros left out."""
        ...

    def positions(self) -> Sequence[VenuePosition]:
        """Return open futures positions; nothing at a spot venue."""
        ...

    def funding(self, *, since_ms: int) -> Sequence[FundingPayment]:
        """Return the account's funding payments from a time on (epoch ms), each once; nothing where none are paid."""
        ...

    def cancel_all_after(self, timeout_ms: int, *, symbol: str | None) -> None:
        """Set the venue's dead-man timer, 0 stops it: a symbol's where `capabilities` says so, else the account's."""
        ...


class PaperStore(Protocol):
    """What the paper exchange keeps: accounts, orders and fills."""

    def open(self, venue: str, account: str, opening: Mapping[str, Decimal]) -> PaperAccount:
        """Return an account with its working orders, oldest first; one that is new holds the opening balances."""
        ...

    def save(self, change: PaperChange) -> PaperAccount:
        """Store a change in one transaction and return the account with its new version.

        Raise `ConflictError`, with nothing stored, when the account is no longer at the change's version or one of its
        fills is known.
        """
        ...

    def order(self, venue: str, account: str, symbol: str, client_order_id: str) -> PaperOrder | None:
        """Return an order, ended or not; None when there never was one."""
        ...

    def fills(self, venue: str, account: str, symbol: str, *, since_ms: int) -> Sequence[Fill]:
        """Return fills from a time on (epoch ms), oldest first, without a cap."""
        ...


class InstrumentStore(Protocol):
    """What venues list, with fees and grids. An instrument that was never recorded cannot be traded: it is halted."""

    def record(self, instruments: Sequence[Instrument]) -> None:
        """Store instruments, or what is new about them; their trading states stay."""
        ...

    def list(self, *, venue: str | None = None, symbol: str | None = None) -> Sequence[Instrument]:
        """Return what is traded at a venue, or of a symbol at every venue, by venue and symbol."""
        ...


class Measures(Protocol):
    """How venues have lately answered the desk's orders."""

    def of(self, mode: Mode) -> Mapping[str, VenueMeasure]:
        """Return the measures of a mode by venue; a venue that has answered nothing is not among them."""
        ...
