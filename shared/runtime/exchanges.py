"""Every account at every venue: paper ones of books, and the live ones of this deployment's keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Lock
from typing import TYPE_CHECKING

from pydantic import SecretStr

from shared.adapters.glance import Glance
from shared.domain.errors import FatalError, TransientError
from shared.domain.trading.accounts import LIVE_ACCOUNT, AccountPlace
from shared.domain.trading.instruments import Instrument, InstrumentKind
from shared.domain.trading.market import mark_of
from shared.domain.trading.states import Mode
from shared.runtime.config import TRADED_VENUES, Settings, VenueAccess

if TYPE_CHECKING:
    from shared.book_ports import Books
    from shared.ports import CandleLog, Clock, TickerBoard
    from shared.venue_ports import Exchange, InstrumentStore, PaperStore


@dataclass(slots=True, kw_only=True)
class DeskExchanges:
    """Accounts by venue and name, each opened once in a warm process; `instruments` is asked often, so it remembers.

    A paper account is named by its book. The account `live` needs AGENT_MODE=live and the venue's keys; nothing else
    leads to a venue's private interface.
    """

    settings: Settings
    books: Books
    paper: PaperStore
    instruments: InstrumentStore
    candles: CandleLog
    tickers: TickerBoard
    clock: Clock
    wall_clock: Clock
    _open: dict[AccountPlace, Exchange] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _glance: Glance = field(init=False)

    def __post_init__(self) -> None:
        """Let all paper accounts look at the market through one pair of eyes."""
        self._glance = Glance(candles=self.candles, tickers=self.tickers, wall_clock=self.wall_clock)

    def of(self, venue: str, account: str) -> Exchange:
        """Return an account; raise `FatalError` when the deployment may not use it, `NotFoundError` for no book."""
        with self._lock:
            if (venue, account) not in self._open:
                made = self._live(venue) if account == LIVE_ACCOUNT else self._paper(venue, account)
                self._open[venue, account] = made
            return self._open[venue, account]

    def listed(self, venue: str) -> Sequence[Instrument]:
        """Return what a venue lists and is trading, which it tells everybody."""
        from shared.adapters.ccxt_exchange import list_instruments

        return list_instruments(venue, self.clock, url=self._access(venue).url, sandbox=self.settings.exchange_sandbox)

    def price_of(self, venue: str) -> Callable[[str, str], Decimal]:
        """Return what tells the price of an asset in a quote currency by the venue's own tickers."""

        def price(asset: str, quote: str) -> Decimal:
            tickers = self.tickers.now([venue])[venue].tickers
            ticker = None if tickers is None else tickers.rows.get(f"{asset}/{quote}")
            mark = None if tickers is None or ticker is None else mark_of(ticker, tickers.time_ms)
            if mark is None:
                raise TransientError(f"no current price of {asset} in {quote} at {venue}")
            return mark.price

        return price

    def _access(self, venue: str) -> VenueAccess:
        return self.settings.venue_access.get(venue, VenueAccess())

    def _live(self, venue: str) -> Exchange:
        if self.settings.agent_mode is not Mode.LIVE:
            raise FatalError(f"the live account at {venue} needs AGENT_MODE=live, it is {self.settings.agent_mode}")
        if venue not in TRADED_VENUES:
            raise FatalError(f"{venue} is not traded at: no keys are read for it")
        from shared.adapters.ccxt_dialect import Keys
        from shared.adapters.ccxt_exchange import CcxtExchange

        access = self._access(venue)
        keys = Keys(
            api_key=_needed(access.api_key, f"{venue}_API_KEY"),
            secret=_needed(access.api_secret, f"{venue}_API_SECRET"),
            password="" if access.api_password is None else access.api_password.get_secret_value(),
        )
        return CcxtExchange(
            venue,
            keys,
            self.clock,
            url=access.url,
            sandbox=self.settings.exchange_sandbox,
            price_of=self.price_of(venue),
        )

    def _paper(self, venue: str, book_id: str) -> Exchange:
        from shared.adapters.ccxt_venues import dialect_of
        from shared.adapters.paper_exchange import PaperExchange
        from shared.adapters.paper_market import CollectedMarket

        book = self.books.get(book_id)
        if book.mode is not Mode.PAPER:
            raise FatalError(f"book {book_id} is {book.mode}: it has no paper account")
        return PaperExchange(
            venue,
            book_id,
            opening={book.quote: book.capital},
            store=self.paper,
            instruments=lambda: self.instruments.list(venue=venue),
            market_of=CollectedMarket(venue, self._glance, self._glance, self.clock),
            clock=self.clock,
            kind=InstrumentKind.SWAP if dialect_of(venue).is_swap else InstrumentKind.SPOT,
            pause=self._pause,
        )

    def _pause(self, duration_ms: int) -> None:
        """Let market time pass, which on a tape may be faster than real time; a tape that is held does not wait."""
        from shared.adapters.clock import TapeClock
        from shared.adapters.paper_exchange import sleep_ms

        speed = self.clock.speed if isinstance(self.clock, TapeClock) else 1.0
        if speed > 0:
            sleep_ms(round(duration_ms / speed))


def _needed(secret: SecretStr | None, name: str) -> str:
    if secret is None:
        raise FatalError(f"{name.upper()} is not set")
    return secret.get_secret_value()
