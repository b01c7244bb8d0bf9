"""How fast an intent is at its venue, and how fast a halt takes 200 orders back: a whole desk, paper and live.

Live is ccxt against the simulated venue, over HTTP. An intent is raised as the API does: a row, then a message. A
function has two warm environments, since Lambda starts another while one sweeps; only the halt's process is cold, which
is what a person's first call finds. Times are real; the clocks of bench, database and venue are one machine's.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx

from desk.house_book import open_house_book
from desk.local.desk import VENUE, LocalDesk
from desk.report import percentiles
from desk.up import real_time_tape
from shared.domain.errors import FatalError
from shared.domain.timeframe import Timeframe
from shared.domain.trading.books import Book, BreakerSettings, Limits, VarPolicy
from shared.domain.trading.instruments import PositionSide
from shared.domain.trading.intents import Algorithm, AlgorithmName, Intent, Sizing, SizingMethod, Source
from shared.domain.trading.states import IntentState, Mode, TradingState, is_final
from shared.messages import IntentRaised, new_id
from shared.runtime.config import Settings
from shared.runtime.wiring import Deps
from shared.usecases.halting import set_desk_state

INTENTS: Final = 100
WARM_UP: Final = 5
RESTING: Final = 200
SYMBOLS: Final = 10
PAUSE_S: Final = 0.25
"""Between intents: the venue allows an address 6,000 of request weight a minute, and each intent costs about 60."""
_WAIT_S: Final = 180.0
_AT_VENUE: Final = frozenset({"open", "partially_filled", "filled"})


def run() -> list[dict[str, Any]]:
    """Return a row for each way to trade, and one for the halt."""
    with _running() as desk:
        bench = _Bench(desk)
        return [bench.first_orders(Mode.PAPER), bench.first_orders(Mode.LIVE), bench.halt()]


@contextmanager
def _running() -> Iterator[LocalDesk]:
    timeframes = (Timeframe.M1,)
    tape = real_time_tape(symbols=SYMBOLS, timeframes=timeframes)
    with (
        tempfile.TemporaryDirectory() as home,
        LocalDesk(
            tape=tape, timeframes=timeframes, symbols=SYMBOLS, home=Path(home), live_simulator=True, concurrency=2
        ) as desk,
    ):
        yield desk


class _Bench:
    """Somebody who raises intents and looks at what becomes of them."""

    def __init__(self, desk: LocalDesk) -> None:
        self._desk = desk
        self._deps = Deps(_settings(desk))
        self._sqs = desk.sqs.client()
        limits = Limits(
            max_open_positions=SYMBOLS,
            duplicate_window_ms=0,
            max_stress_loss_rate=Decimal(1),
            var_policy=VarPolicy.IGNORE,  # one of the synthetic symbols stands still
        )
        breakers = BreakerSettings(max_slippage_bps=Decimal(10_000))  # a thin book is no fault of the desk's
        self._books = {mode: open_house_book(desk, mode, limits=limits, breakers=breakers) for mode in Mode}
        tickers = self._deps.ticker_board.now([VENUE])[VENUE].tickers
        if tickers is None:
            raise FatalError("the collector has put up no tickers")
        self._symbols = cycle(sorted(tickers.rows))

    def first_orders(self, mode: Mode) -> dict[str, Any]:
        """Raise intents one after another; return how long after that their first order was acknowledged."""
        took = [self._one(self._books[mode]) for _ in range(WARM_UP + INTENTS)][WARM_UP:]
        return _row(f"{mode}: intent raised → order acknowledged and stored", took, target_p99_ms=500)

    def halt(self) -> dict[str, Any]:
        """Let 200 limit orders rest at the venue, halt the desk from a process that has done nothing before."""
        prices = self._prices()
        for symbol in islice(self._symbols, RESTING):
            price = prices[symbol] * Decimal("0.95")
            listed = self._deps.instruments.list(venue=VENUE, symbol=symbol)[0]
            algorithm = Algorithm(
                name=AlgorithmName.LIMIT,
                duration_ms=3_600_000,
                limit_price=price // listed.tick_size * listed.tick_size,
            )
            self._raise(self._books[Mode.LIVE], symbol, Decimal(50), algorithm)
        self._until(lambda: len(self._deps.orders.resting()) >= RESTING, f"{RESTING} orders rest")
        cold = Deps(_settings(self._desk))
        began = time.perf_counter()

        halt = set_desk_state(
            TradingState.HALTED, actor="bench", reason="bench", flatten=False, switch=cold.switch, floor=cold.floor
        )

        took_ms = (time.perf_counter() - began) * 1_000
        cancelled, left = sum(each.cancelled for each in halt.accounts), sum(each.left for each in halt.accounts)
        for error in (error for each in halt.accounts for error in each.errors):
            print(error)
        return {
            "what": f"halt with {RESTING} resting orders: {cancelled} cancelled, {left} left, desk {halt.state}",
            "n": cancelled,
            "max_ms": round(took_ms, 1),
            "target_ms": 5_000,
        }

    def _one(self, book: Book) -> float:
        correlation_id = self._raise(book, next(self._symbols), Decimal(100), Algorithm())
        steps: list[Mapping[str, Any]] = []

        def has_ended() -> bool:
            steps[:] = self._deps.intents.trace(correlation_id)
            ends = [step for step in steps if step["subject"] == "intent" and is_final(IntentState(step["after"]))]
            if any(end["after"] != IntentState.EXECUTED for end in ends):
                raise FatalError(f"an intent came to nothing: {ends}")
            return bool(ends)

        time.sleep(PAUSE_S)  # whoever asks all the time is what is measured: the local database answers one at a time
        self._until(has_ended, "an intent is executed", steps)
        raised = next(step for step in steps if step["subject"] == "intent" and step["before"] is None)
        first = next(step for step in steps if step["subject"] == "order" and step["after"] in _AT_VENUE)
        return (_time(first) - _time(raised)) * 1_000

    def _raise(self, book: Book, symbol: str, notional: Decimal, algorithm: Algorithm) -> str:
        now_ms = self._desk.clock.now_ms()
        intent = Intent(
            intent_id=str(uuid4()),
            book_id=book.book_id,
            mode=book.mode,
            source=Source.PERSON,
            venue=VENUE,
            symbol=symbol,
            direction=PositionSide.LONG,
            sizing=Sizing(method=SizingMethod.NOTIONAL, value=notional),
            algorithm=algorithm,
            raised_at_ms=now_ms,
            expires_at_ms=now_ms + 600_000,
            correlation_id=new_id(),
        )
        self._deps.intents.raise_intent(intent, actor="bench")
        message = IntentRaised(intent_id=intent.intent_id, correlation_id=intent.correlation_id)
        self._sqs.send_message(
            QueueUrl=self._desk.sqs.queue_urls["IntentsQueue"], MessageBody=message.model_dump_json()
        )
        return intent.correlation_id

    def _prices(self) -> dict[str, Decimal]:
        answer = httpx.get(f"{self._desk.simulator_url}/api/v3/ticker/bookTicker", timeout=30).raise_for_status().json()
        bids = {row["symbol"]: Decimal(row["bidPrice"]) for row in answer}
        return {one.symbol: bids[one.base + one.quote] for one in self._deps.instruments.list(venue=VENUE)}

    def _until(self, happened: Callable[[], bool], what: str, seen: object = "") -> None:
        deadline = time.monotonic() + _WAIT_S
        while not happened():
            if time.monotonic() > deadline:
                raise FatalError(f"it never came to pass that {what}: {seen}")
            time.sleep(PAUSE_S)


def _settings(desk: LocalDesk) -> Settings:
    """Return what execution-agent is set up with."""
    environment = desk.spec.functions["execution-agent"].environment
    own = {name: value for name, value in environment.items() if isinstance(value, str)}
    queues = {f"{name.upper()}_QUEUE_URL": desk.sqs.queue_urls[f"{name}Queue"] for name in ("Intents", "Orders")}
    return Settings.from_env(own | queues)


def _row(what: str, took_ms: list[float], *, target_p99_ms: int) -> dict[str, Any]:
    found = percentiles([round(each, 1) for each in took_ms])
    return {
        "what": what,
        "n": len(took_ms),
        "p50_ms": found.p50,
        "p95_ms": found.p95,
        "p99_ms": found.p99,
        "max_ms": found.max,
        "target_ms": target_p99_ms,
    }


def _time(step: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(step["at"]).timestamp()
