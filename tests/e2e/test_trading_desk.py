"""An intent goes all the way: decided, worked and held, on paper and, through ccxt, at the simulated venue."""

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from desk.house_book import open_house_book
from desk.local.desk import VENUE, LocalDesk
from desk.up import real_time_tape
from shared.adapters.supabase.client import connect
from shared.adapters.supabase.intents import SupabaseIntentStore
from shared.adapters.supabase.ledger import SupabaseLedger
from shared.adapters.supabase.orders import SupabaseOrderStore
from shared.domain.timeframe import Timeframe
from shared.domain.trading.books import Book
from shared.domain.trading.instruments import PositionSide
from shared.domain.trading.intents import Guard, Intent, Purpose, Sizing, SizingMethod, Source
from shared.domain.trading.records import Role
from shared.domain.trading.states import AT_RISK, IntentState, Mode, is_final
from shared.messages import IntentRaised, new_id

SYMBOL = "BTC/USDT"
NOTIONAL = Decimal(1_000)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDesk]:
    timeframes = (Timeframe.M1,)
    home: Path = tmp_path_factory.mktemp("desk")
    tape = real_time_tape(symbols=3, timeframes=timeframes)
    with LocalDesk(tape=tape, timeframes=timeframes, symbols=3, home=home, live_simulator=True) as running:
        yield running


class Trading:
    """The stores of a running desk, as its functions see them."""

    def __init__(self, desk: LocalDesk, book: Book) -> None:
        database = connect(desk.supabase.url, desk.supabase.secret_key)
        self.desk, self.book = desk, book
        self.intents = SupabaseIntentStore(database)
        self.orders = SupabaseOrderStore(database)
        self.ledger = SupabaseLedger(database)

    def raise_intent(self, purpose: Purpose, sizing: Sizing, guard: Guard) -> str:
        """Raise an intent and announce it, as the API and execute-trader do."""
        now_ms = self.desk.clock.now_ms()
        intent = Intent(
            intent_id=str(uuid4()),
            book_id=self.book.book_id,
            mode=self.book.mode,
            source=Source.PERSON,
            venue=VENUE,
            symbol=SYMBOL,
            purpose=purpose,
            direction=PositionSide.LONG,
            sizing=sizing,
            guard=guard,
            raised_at_ms=now_ms,
            expires_at_ms=now_ms + 60_000,
            correlation_id=new_id(),
        )
        self.intents.raise_intent(intent, actor="a person")
        message = IntentRaised(intent_id=intent.intent_id, correlation_id=intent.correlation_id)
        client = self.desk.sqs.client()
        client.send_message(QueueUrl=self.desk.sqs.queue_urls["IntentsQueue"], MessageBody=message.model_dump_json())
        client.close()
        return intent.intent_id

    def ended(self, intent_id: str) -> IntentState:
        """Wait until an intent has ended."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            view = self.orders.execution(intent_id)
            if is_final(view.intent.state):
                return view.intent.state
            time.sleep(0.05)
        raise AssertionError(f"{view.intent.state}: {self.intents.trace(view.intent.correlation_id)}")


@pytest.mark.parametrize("mode", list(Mode))
def test_an_intent_becomes_a_protected_position_and_an_exit_leaves_nothing(desk: LocalDesk, mode: Mode) -> None:
    trading = Trading(desk, open_house_book(desk, mode))
    book_id, account = trading.book.book_id, trading.book.book_id if mode is Mode.PAPER else "live"
    sizing = Sizing(method=SizingMethod.NOTIONAL, value=NOTIONAL)

    ticker = httpx.get(f"{desk.simulator_url}/api/v3/ticker/bookTicker?symbol=BTCUSDT", timeout=20).json()
    stop_price = Decimal(ticker["bidPrice"]) * Decimal("0.9")
    entered = trading.raise_intent(Purpose.ENTER, sizing, Guard(stop_price=stop_price))

    assert trading.ended(entered) is IntentState.EXECUTED
    position = trading.ledger.position(book_id, VENUE, SYMBOL).position
    assert NOTIONAL * Decimal("0.9") < position.qty * (position.entry_price or 0) < NOTIONAL * Decimal("1.01")
    (stop,) = [order for order in trading.orders.standing(book_id, VENUE, SYMBOL) if order.state in AT_RISK]
    assert (stop.role, stop.account) == (Role.STOP, account)

    left = trading.raise_intent(Purpose.EXIT, Sizing(method=SizingMethod.QTY, value=position.qty), Guard())

    assert trading.ended(left) is IntentState.EXECUTED
    assert trading.ledger.position(book_id, VENUE, SYMBOL).position.qty < position.qty / 100, "fees leave dust at most"
    assert not [order for order in trading.orders.standing(book_id, VENUE, SYMBOL) if order.state in AT_RISK]
    sweep = desk.host.invoke("execution-agent", {"trigger": "cron"})
    assert (sweep.error, sweep.result["differences"], sweep.result["errors"]) == (None, [], {})


def test_the_live_account_is_the_simulated_venues(desk: LocalDesk) -> None:
    account = httpx.get(f"{desk.simulator_url}/_accounts/{desk.venue_key}", timeout=20).json()
    assert {order["status"] for order in account["orders"]} <= {"FILLED", "CANCELED"}
    assert len(account["trades"]) >= 2
