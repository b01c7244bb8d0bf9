"""An intent goes all the way: decided, worked and held, on paper and, through ccxt, at the simulated venue."""

import time
from collections.abc import Callable, Iterator
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
from shared.domain.trading.books import Book, Limits
from shared.domain.trading.instruments import PositionSide
from shared.domain.trading.intents import (
    Algorithm,
    AlgorithmName,
    Guard,
    Intent,
    Purpose,
    Sizing,
    SizingMethod,
    Source,
)
from shared.domain.trading.records import IntentView, Order, Role
from shared.domain.trading.states import AT_RISK, IntentState, Mode, OrderState, is_final
from shared.messages import IntentRaised, new_id
from shared.usecases.clearance import REMEMBERED_MS

SYMBOL = "BTC/USDT"
NOTIONAL = Decimal(1_000)
LIMITS = Limits(duplicate_window_ms=0)
NO_GUARD = Guard()
AT_MARKET = Algorithm()


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

    def raise_intent(
        self, purpose: Purpose, sizing: Sizing, guard: Guard = NO_GUARD, algorithm: Algorithm = AT_MARKET
    ) -> str:
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
            algorithm=algorithm,
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

    def withdraw(self, intent_id: str) -> None:
        """Take an intent back once an order of it rests at the venue, as the desk's operator."""
        self.until(intent_id, lambda view: any(one.state is OrderState.OPEN for one in view.orders))
        answer = httpx.post(
            f"{self.desk.api_url}/api/v1/intents/{intent_id}/withdraw",
            json={"reason": "thought better of it"},
            headers={"Authorization": f"Bearer {self.desk.service_secret}"},
            timeout=20,
        )
        assert (answer.status_code, answer.json()["withdrawn"]) == (200, "thought better of it")

    def standing(self) -> list[Order]:
        """Return the protective orders that may fill."""
        found = self.orders.standing(self.book.book_id, VENUE, SYMBOL)
        return [order for order in found if order.state in AT_RISK]

    def ended(self, intent_id: str) -> IntentState:
        """Wait until an intent has ended."""
        return self.until(intent_id, lambda view: is_final(view.intent.state)).intent.state

    def until(self, intent_id: str, happened: Callable[[IntentView], bool]) -> IntentView:
        """Wait until something has become of an intent."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            view = self.orders.execution(intent_id)
            if happened(view):
                return view
            time.sleep(0.05)
        raise AssertionError(f"{view.intent.state}: {self.intents.trace(view.intent.correlation_id)}")


def bid(desk: LocalDesk) -> Decimal:
    ticker = httpx.get(f"{desk.simulator_url}/api/v3/ticker/bookTicker?symbol=BTCUSDT", timeout=20).json()
    return Decimal(ticker["bidPrice"])


@pytest.mark.parametrize("mode", list(Mode))
def test_an_intent_becomes_a_protected_position_and_an_exit_leaves_nothing(desk: LocalDesk, mode: Mode) -> None:
    trading = Trading(desk, open_house_book(desk, mode, limits=LIMITS))
    book_id, account = trading.book.book_id, trading.book.book_id if mode is Mode.PAPER else "live"
    sizing = Sizing(method=SizingMethod.NOTIONAL, value=NOTIONAL)

    entered = trading.raise_intent(Purpose.ENTER, sizing, Guard(stop_price=bid(desk) * Decimal("0.9")))

    assert trading.ended(entered) is IntentState.EXECUTED
    position = trading.ledger.position(book_id, VENUE, SYMBOL).position
    assert NOTIONAL * Decimal("0.9") < position.qty * (position.entry_price or 0) < NOTIONAL * Decimal("1.01")
    (stop,) = trading.standing()
    assert (stop.role, stop.account) == (Role.STOP, account)

    everything = Sizing(method=SizingMethod.QTY, value=position.qty)
    high = (bid(desk) * Decimal("1.2")).quantize(Decimal(1))
    resting = trading.raise_intent(
        Purpose.EXIT, everything, algorithm=Algorithm(name=AlgorithmName.LIMIT, limit_price=high)
    )
    trading.withdraw(resting)
    assert trading.ended(resting) is IntentState.FAILED
    assert trading.ledger.position(book_id, VENUE, SYMBOL).position.qty == position.qty

    left = trading.raise_intent(Purpose.EXIT, everything)

    assert trading.ended(left) is IntentState.EXECUTED
    assert trading.ledger.position(book_id, VENUE, SYMBOL).position.qty < position.qty / 100, "fees leave dust at most"
    assert not trading.standing()
    sweep = desk.host.invoke("execution-agent", {"trigger": "cron"})
    assert (sweep.error, sweep.result["differences"], sweep.result["errors"]) == (None, [], {})


def test_a_halt_by_the_api_which_has_no_keys_takes_back_what_rests_at_the_venue(desk: LocalDesk) -> None:
    trading = Trading(desk, open_house_book(desk, Mode.LIVE, limits=LIMITS))
    price = (bid(desk) * Decimal("0.9")).quantize(Decimal(1))
    waits = Algorithm(name=AlgorithmName.LIMIT, limit_price=price, duration_ms=3_600_000)
    resting = trading.raise_intent(Purpose.ENTER, Sizing(method=SizingMethod.NOTIONAL, value=NOTIONAL), algorithm=waits)
    (order,) = trading.until(resting, lambda view: any(one.state is OrderState.OPEN for one in view.orders)).orders
    person = {"Authorization": f"Bearer {desk.service_secret}"}

    with httpx.Client(base_url=desk.api_url, headers=person, timeout=30) as api:
        halted = api.put("/api/v1/desk/state", json={"state": "halted", "reason": "a drill"}).raise_for_status().json()
        assert (halted["state"], halted["handed_over"]) == ("halted", 1)
        assert [each["left"] for each in halted["accounts"] if each["account"] == "live"] == [0]
        assert trading.ended(resting) is IntentState.FAILED
        assert api.put("/api/v1/desk/state", json={"state": "active", "reason": ""}).json()["state"] == "active"

    account = httpx.get(f"{desk.simulator_url}/_accounts/{desk.venue_key}", timeout=20).json()
    (seen,) = [one for one in account["orders"] if one["clientOrderId"] == order.client_order_id]
    assert (seen["status"], seen["executedQty"]) == ("CANCELED", "0.00000000")


def test_the_live_account_is_the_simulated_venues(desk: LocalDesk) -> None:
    account = httpx.get(f"{desk.simulator_url}/_accounts/{desk.venue_key}", timeout=20).json()
    assert {order["status"] for order in account["orders"]} <= {"FILLED", "CANCELED"}
    assert len(account["trades"]) >= 2


def test_an_agent_is_paused_resumed_and_run_over_the_api(desk: LocalDesk) -> None:
    def command(action: str, **params: object) -> httpx.Response:
        return httpx.post(
            f"{desk.api_url}/api/v1/engine/agent/command",
            json={"agent_type": "risk", "action": action, "params": params},
            headers={"Authorization": f"Bearer {desk.service_secret}"},
            timeout=30,
        )

    def beat_ms() -> int:
        return int(command("status").json()["result"]["last_beat_ms"])

    paused = command("pause", reason="drill").json()["result"]
    assert (paused["state"], paused["paused_by"]) == ("paused", "operator")
    time.sleep(REMEMBERED_MS / 1_000)
    swept = desk.host.invoke("risk-agent", {"trigger": "cron"})
    assert swept.result == {"skipped": "paused by operator: drill"}
    assert command("run_now").status_code == 409
    assert command("status").json()["result"]["state"] == "paused"

    assert command("resume").json()["result"]["state"] == "offline"
    time.sleep(REMEMBERED_MS / 1_000)
    before_ms = beat_ms()
    started = command("run_now").json()
    assert started == {"status": "started", "result": {"function": "risk-agent", "message": {"trigger": "cron"}}}
    deadline = time.monotonic() + 20
    while beat_ms() <= before_ms:
        assert time.monotonic() < deadline, "it did not run"
        time.sleep(0.1)
    online = command("status").json()["result"]
    assert (online["state"], online["last_run"]["failed"]) == ("online", 0)
