"""Accounts: a paper book's own, and a live one only where two switches and the keys say so."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.adapters.ccxt_exchange import CcxtExchange
from shared.adapters.ccxt_venues import dialect_of
from shared.adapters.paper_exchange import PaperExchange
from shared.domain.errors import FatalError, NotFoundError, TransientError
from shared.domain.trading.accounts import Balance
from shared.domain.trading.states import Mode
from shared.runtime.config import TRADED_VENUES, Settings
from shared.runtime.exchanges import DeskExchanges
from tests.usecases.trading_in_memory import FUTURE, SYMBOL, VENUE, HandBoard, HandLog, TradingInMemory

KEYS = {"BINANCE_API_KEY": "k", "BINANCE_API_SECRET": "s"}


def exchanges(desk: TradingInMemory, **env: str) -> DeskExchanges:
    return DeskExchanges(
        settings=Settings.from_env(env),
        books=desk.books,
        paper=desk.paper,
        instruments=desk.instruments,
        candles=HandLog(desk.market),
        tickers=HandBoard(desk.market),
        clock=desk.clock,
        wall_clock=desk.clock,
    )


@pytest.fixture
def desk() -> TradingInMemory:
    return TradingInMemory()


def test_a_paper_account_opens_with_the_capital_of_its_book(desk: TradingInMemory) -> None:
    account = exchanges(desk).of(VENUE, desk.book.book_id)
    assert isinstance(account, PaperExchange)
    assert account.balances() == [Balance(asset="USDT", total=Decimal(100_000), locked=Decimal(0))]
    assert [instrument.symbol for instrument in account.instruments()] == [SYMBOL]


@pytest.mark.parametrize("venue", ["binance_usdm", "bybit_linear", "okx_swap", "hyperliquid"])
def test_a_paper_account_at_a_futures_venue_trades_its_futures(venue: str) -> None:
    desk = TradingInMemory(instrument=replace(FUTURE, venue=venue))
    account = exchanges(desk).of(venue, desk.book.book_id)
    assert [instrument.symbol for instrument in account.instruments()] == [FUTURE.symbol]
    offers = account.capabilities()
    assert (offers.shorts, offers.reduce_only, offers.oco) == (True, True, False)
    assert account.balances() == [Balance(asset="USDT", total=Decimal(100_000), locked=Decimal(0))]


def test_an_account_is_opened_once(desk: TradingInMemory) -> None:
    every = exchanges(desk, AGENT_MODE="live", **KEYS)
    for account in (desk.book.book_id, "live"):
        assert every.of(VENUE, account) is every.of(VENUE, account)


def test_there_is_no_paper_account_without_a_paper_book(desk: TradingInMemory) -> None:
    with pytest.raises(NotFoundError):
        exchanges(desk).of(VENUE, "00000000-0000-4000-8000-000000000000")
    other = replace(desk.book, book_id="00000000-0000-4000-8000-000000000001", mode=Mode.LIVE)
    desk.books.create(other)
    with pytest.raises(FatalError, match="no paper account"):
        exchanges(desk, AGENT_MODE="live", **KEYS).of(VENUE, other.book_id)


@pytest.mark.parametrize("env", [KEYS, KEYS | {"AGENT_MODE": "paper"}, KEYS | {"AGENT_MODE": ""}])
def test_keys_alone_open_no_live_account(desk: TradingInMemory, env: dict[str, str]) -> None:
    with pytest.raises(FatalError, match="AGENT_MODE=live"):
        exchanges(desk, **env).of(VENUE, "live")


def test_live_without_its_keys_names_the_one_that_is_missing(desk: TradingInMemory) -> None:
    with pytest.raises(FatalError, match="BINANCE_API_SECRET is not set"):
        exchanges(desk, AGENT_MODE="live", BINANCE_API_KEY="k").of(VENUE, "live")
    with pytest.raises(FatalError, match="KRAKEN_API_KEY is not set"):
        exchanges(desk, AGENT_MODE="live", **KEYS).of("kraken", "live")


def test_a_venue_whose_orders_cannot_be_asked_for_has_no_live_account(desk: TradingInMemory) -> None:
    env = KEYS | {"AGENT_MODE": "live", "GATE_API_KEY": "k", "GATE_API_SECRET": "s"}
    with pytest.raises(FatalError, match="gate is not traded at"):
        exchanges(desk, **env).of("gate", "live")
    assert all(dialect_of(venue).find and dialect_of(venue).trades for venue in TRADED_VENUES)


@pytest.mark.parametrize("venue", TRADED_VENUES)
def test_every_venue_that_is_traded_at_opens_with_its_own_keys(desk: TradingInMemory, venue: str) -> None:
    env = {f"{venue.upper()}_API_KEY": "k", f"{venue.upper()}_API_SECRET": "s", "AGENT_MODE": "live"}
    account = exchanges(desk, **env).of(venue, "live")
    assert account.venue == venue
    assert account.capabilities().accepts_for_ms > 5_000


def test_a_live_account_needs_the_mode_and_the_keys(desk: TradingInMemory) -> None:
    account = exchanges(desk, AGENT_MODE="live", **KEYS).of(VENUE, "live")
    assert isinstance(account, CcxtExchange)


def test_a_third_asset_is_worth_what_the_venue_trades_it_at(desk: TradingInMemory) -> None:
    price = exchanges(desk).price_of(VENUE)
    assert price("BTC", "USDT") == desk.market.price
    with pytest.raises(TransientError, match="BNB"):
        price("BNB", "USDT")
