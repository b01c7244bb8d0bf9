"""Requests to one venue through ccxt: first use, clock, and every error by the desk's name."""

import decimal
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any, TypeVar

from shared.adapters.ccxt_dialect import Client, Dialect, Keys
from shared.adapters.ccxt_errors import named
from shared.adapters.ccxt_venues import base_error, connect
from shared.domain.errors import FatalError, NightdeskError, NotFoundError, TransientError
from shared.ports import Clock

T = TypeVar("T")


class CcxtSession:
    """One account's connection to one venue.

    The first request is preceded by a look at the venue's clock, at what the key may do, and at the markets; a key that
    may withdraw is a `FatalError`.
    """

    def __init__(
        self,
        venue: str,
        dialect: Dialect,
        keys: Keys,
        clock: Clock,
        *,
        url: str | None,
        sandbox: bool,
        timeout_ms: int,
    ) -> None:
        self._venue, self._dialect, self._keys, self._clock = venue, dialect, keys, clock
        self._url, self._sandbox, self._timeout_ms = url, sandbox, timeout_ms

    @property
    def markets(self) -> Mapping[str, Mapping[str, Any]]:
        """Return ccxt's markets by symbol."""
        markets: Mapping[str, Mapping[str, Any]] = self._client.markets
        return markets

    def read(self, ask: Callable[[Client], Any]) -> Any:
        """Ask for something; raise `TransientError`, `InvalidMessageError`, `FatalError`, or `NotFoundError` when it
        is an order the venue has never seen."""
        client = self._client
        return self._ask(lambda: ask(client), writes=False)

    def write(self, ask: Callable[[Client], Any]) -> Any:
        """Change something; raise `RejectedError`, `OutcomeUnknownError`, `TransientError` or `FatalError`."""
        client = self._client
        return self._ask(lambda: ask(client), writes=True)

    def priced(self, symbol: str, price: Decimal) -> Decimal:
        """Return a price as ccxt would send it: some venues take only so many digits, wherever the point is."""
        with decimal.localcontext():
            return Decimal(self._client.price_to_precision(symbol, f"{price:f}"))

    @cached_property
    def _unready(self) -> Client:
        return connect(
            self._dialect, self._keys, self._clock, timeout_ms=self._timeout_ms, url=self._url, sandbox=self._sandbox
        )

    @cached_property
    def _client(self) -> Client:
        client = self._unready
        if self._dialect.signs_time:
            self._ask(client.load_time_difference, writes=False)
        withdraws = self._dialect.may_withdraw
        if withdraws is not None and not self._sandbox and self._ask(lambda: withdraws(client), writes=False):
            raise FatalError(f"the key of {self._venue} may withdraw: make one that may only read and trade")
        self._ask(client.load_markets, writes=False)
        return client

    def _ask(self, ask: Callable[[], T], *, writes: bool) -> T:
        """Send a request; one the venue finds too old or too early, which it certainly did not act on, is sent once
        more after the clock is set."""
        try:
            return self._once(ask, writes=writes)
        except _ClockError:
            if self._dialect.signs_time:
                self._once(self._unready.load_time_difference, writes=False)
        try:
            return self._once(ask, writes=writes)
        except _ClockError as error:
            if self._dialect.signs_time:
                raise FatalError(f"the clock of {self._venue} cannot be followed: {error}") from error
            raise TransientError(f"others use the key of {self._venue} at the same time: {error}") from error

    def _once(self, ask: Callable[[], T], *, writes: bool) -> T:
        """Send one request and name what goes wrong.

        ccxt changes the rounding and the traps of the thread's decimal context; here it changes a copy.
        """
        client = self._unready
        client.last_response_headers = None
        try:
            with decimal.localcontext():
                return ask()
        except base_error() as error:
            kinds = {kind.__name__ for kind in type(error).__mro__}
            if "OrderNotFound" in kinds and not writes:
                raise NotFoundError(str(error)) from error
            if "InvalidNonce" in kinds:
                raise _ClockError(type(error).__name__) from error
            raise named(error, writes=writes, headers=client.last_response_headers) from error


class _ClockError(NightdeskError):
    """The venue finds a request too old or too early."""
