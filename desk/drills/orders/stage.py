"""The stage of a drill of trading: a venue on a tape whose clock is moved by hand, a database, and one account."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Final

import httpx

from desk.drills.market import held_market
from desk.drills.orders.catalogue import SYMBOL, Drill, Foreign
from desk.drills.orders.judge import VenueBooks
from desk.drills.orders.parts import API_KEY, SECRET, VENUE, Death, Parts, Place
from desk.local.process import Child, LocalPartError, python_module
from desk.local.supabase_lite import SupabaseLite
from desk.simulator.depth import grid, price_of
from desk.simulator.faults import Fault
from shared.adapters.clock import steer
from shared.adapters.supabase.client import once
from shared.domain.timeframe import Timeframe
from shared.domain.trading.accounts import LIVE_ACCOUNT
from shared.domain.trading.books import Book, BreakerSettings, Limits, VarPolicy
from shared.domain.trading.money import ONE, floor_to
from shared.domain.trading.states import Mode, TradingState

HOME: Final = Path(".desk/drills/orders")
BOOK: Final = "drill"
_CHILD_S: Final = 60.0
_TABLES: Final = ("fills", "orders", "positions", "accounts", "trade_intents", "books")
_NO_BREAKERS: Final = BreakerSettings(  # they are not what is drilled, and would stop what is
    consecutive_losses=1_000_000,
    max_reject_rate=Decimal(1),
    min_orders=1_000_000,
    max_slippage_bps=Decimal(1_000_000),
    mismatches_reducing=1_000_000,
    mismatches_halted=1_000_000,
    volatility_shock=Decimal(1_000_000),
)
_LIMITS: Final = Limits(
    max_concentration_rate=Decimal(10),
    max_correlated_rate=Decimal(10),
    max_stress_loss_rate=Decimal(10),
    var_policy=VarPolicy.IGNORE,
    var_limit_rate=Decimal(1),
    duplicate_window_ms=0,
)


class OrderStage:
    """The parts of drills that run one after another; use `order_stage`, then `prepare` before each."""

    def __init__(self, place: Place, http: httpx.Client) -> None:
        self.parts = Parts(place)
        self.home = Path(place.home)
        self._place, self._http = place, http
        self._started = 0
        self._strikes: dict[str, int] = {}

    def prepare(self, drill: Drill) -> None:
        """Empty the desk, open the account at the venue and in the ledger, list what is traded, make a live book."""
        self._strikes = {}
        self._strikes = self.repair()
        self._put(f"/_accounts/{API_KEY}", {"secret": SECRET, "balances": dict(drill.balances)})
        self.parts = parts = Parts(self._place)
        for table in _TABLES:
            once(parts.database.from_(table).delete().neq("book_id" if table != "accounts" else "account", ""))
        parts.switch.states.set("desk", "", TradingState.ACTIVE, actor="drill", reason="a drill begins")
        listed = parts.exchange.instruments()
        if drill.min_notional is not None:
            listed = [replace(one, min_notional=drill.min_notional) for one in listed]
        parts.instruments.record(listed)
        balances = {balance.asset: balance.total for balance in parts.exchange.balances()}
        parts.floor.ledger.open_account(VENUE, LIVE_ACCOUNT, balances)
        parts.books.create(
            Book(
                book_id=BOOK,
                owner_id=None,
                name="Drill",
                mode=Mode.LIVE,
                quote="USDT",
                capital=Decimal(1_000_000),
                state=TradingState.ACTIVE,
                venues=(VENUE,),
                limits=_LIMITS,
                breakers=_NO_BREAKERS,
            )
        )

    def pass_minute(self) -> None:
        """Let a minute of the market pass, and the leases of processes that are no more."""
        steer(self.parts.clock.path, tape_ms=self.parts.clock.now_ms() + Timeframe.M1.ms, speed=0)
        # The database's clock cannot be moved: a lease that half a minute would end is ended here.
        long_ago = {"lease_until": "2020-01-01T00:00:00Z"}
        once(self.parts.database.from_("orders").update(long_ago).eq("state", "submitting"))

    def switch_on(self, fault: Fault) -> None:
        """Let a fault of the venue begin."""
        self._checked(self._http.post("/_faults", json=fault.model_dump(mode="json", exclude_unset=True)))

    def repair(self) -> dict[str, int]:
        """End every fault; return how often each kind has struck in this drill."""
        hits: dict[str, int] = self._checked(self._http.delete("/_faults")).json()["hits"]
        struck = {kind: count - self._strikes.get(kind, 0) for kind, count in hits.items()}
        return {kind: count for kind, count in struck.items() if count}

    def books(self) -> VenueBooks:
        """Return what the venue has of the account."""
        return VenueBooks.of(self._checked(self._http.get(f"/_accounts/{API_KEY}")).json())

    def foreign(self, step: Foreign) -> None:
        """Place an order as somebody else would who has the key."""
        tape, now_ms = self.parts.tape, self.parts.clock.now_ms()
        listed = next(one for one in tape.listed(now_ms) if one.symbol == SYMBOL)
        price, (tick, lot) = self.price(), grid(listed)
        values = {"symbol": listed.wire, "side": step.side, "quantity": f"{floor_to(step.notional / price, lot):f}"}
        if step.away_rate is None:
            values |= {"type": "MARKET"}
        else:
            sign = 1 if step.side == "SELL" else -1
            away = floor_to(price * (ONE + sign * step.away_rate), tick)
            values |= {"type": "LIMIT", "timeInForce": "GTC", "price": f"{away:f}"}
        self._checked(self._http.post(f"/_accounts/{API_KEY}/orders", data=values))

    def price(self) -> Decimal:
        """Return the last price of what is traded."""
        tape, now_ms = self.parts.tape, self.parts.clock.now_ms()
        listed = next(one for one in tape.listed(now_ms) if one.symbol == SYMBOL)
        price = price_of(tape, listed, now_ms)
        if price is None:
            raise LocalPartError(f"the tape has no price of {SYMBOL}")
        return price

    def run_executors(self, intent_ids: Sequence[str], *, count: int = 1, death: Death | None = None) -> None:
        """Work intents in processes that begin at the same instant; wait until they have ended, or were killed."""
        go = self.home / "go"
        go.unlink(missing_ok=True)
        children = [self._executor(intent_ids, death) for _ in range(count)]
        try:
            for child in children:
                child.wait_ready((self.home / f"{child.name}.ready").exists, timeout_s=_CHILD_S)
            go.touch()
            deadline = time.monotonic() + _CHILD_S
            while any(child.alive for child in children) and time.monotonic() < deadline:
                time.sleep(0.01)
            for child in children:
                told = child.tail()
                if child.alive or (death is not None) is bool(told):
                    raise LocalPartError(f"{child.name} ended otherwise than it should: {told or 'no word'}")
        finally:
            for child in children:
                child.stop()

    def _executor(self, intent_ids: Sequence[str], death: Death | None) -> Child:
        self._started += 1
        name = f"executor-{self._started}"
        env = self.parts.place.to_env() | {"EXECUTOR_NAME": name}
        if death is not None:
            env["EXECUTOR_DEATH"] = death.value
        argv = python_module("desk.drills.orders.executor", *intent_ids)
        return Child(name=name, argv=argv, env=env, log=self.home / f"{name}.log").start()

    def _put(self, path: str, body: object) -> None:
        self._checked(self._http.put(path, json=body))

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code != 200:
            raise LocalPartError(f"the simulator refused {answer.request.url}: {answer.text}")
        return answer


@contextmanager
def order_stage(*, seed: int, home: Path = HOME) -> Iterator[OrderStage]:
    """Set the stage with the market held at one instant, and clear it in the end; all it writes is below `home`."""
    home.mkdir(parents=True, exist_ok=True)
    for left in (*home.glob("*.ready"), home / "go"):
        left.unlink(missing_ok=True)
    with ExitStack() as stack:
        database = stack.enter_context(SupabaseLite(log_dir=home))
        http = stack.enter_context(held_market(home, seed=seed))
        place = Place(
            venue_url=str(http.base_url).rstrip("/"),
            database_url=database.url,
            database_key=database.secret_key,
            home=str(home.resolve()),
        )
        yield OrderStage(place, http)
