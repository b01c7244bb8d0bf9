"""A storm: random wishes, messages in any order and more than once, moving prices, halts, and faults everywhere; after
every event everything that must hold is looked at."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from shared.domain.errors import NightdeskError
from shared.domain.trading.states import TradingState, is_final
from shared.messages import CronTick, IntentRaised
from shared.trading_messages import ExecutionRequest, RiskRequest, TickersWritten
from shared.usecases.execution_agent import execution_agent
from shared.usecases.halting import set_desk_state
from shared.usecases.risk_agent import risk_agent
from tests.storm.desk import BOOKS, StormDesk
from tests.storm.market import MINUTE_MS, VENUES
from tests.storm.venue import Killed
from tests.storm.wishes import a_wish

_CRON = CronTick(trigger="cron")
_LAST_MINUTES = 45


@dataclass
class Figures:
    """What happened in storms, added up."""

    intents: int = 0
    refused: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    decisions: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    fills: int = 0
    shorts: int = 0
    turns: int = 0
    unknown_settled: int = 0
    events: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    violations: int = 0
    most_leverage: Decimal = Decimal(0)

    def add(self, other: "Figures") -> None:
        """Add another storm's."""
        counts = "intents refused orders fills shorts turns unknown_settled events violations"
        for name in counts.split():
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("ended", "decisions", "reasons", "faults"):
            getattr(self, name).update(getattr(other, name))
        self.most_leverage = max(self.most_leverage, other.most_leverage)


class Storm:
    """One desk in a storm of so many wishes, drawn from a seed."""

    def __init__(self, seed: int, *, wishes: int) -> None:
        self.draw = random.Random(seed)
        self.desk = StormDesk(self.draw)
        self.desk.overtake = self._overtake
        self.figures = Figures()
        self._wishes = wishes
        self._later: list[tuple[int, str, bool]] = []
        self._is_nested = False

    def run(self) -> Figures:
        """Let it rage, then calm down; return what happened."""
        while self.figures.intents < self._wishes:
            self._event(self.draw.choices(_EVENTS, _WEIGHTS)[0])
        self._calm_down()
        return self._count()

    def _event(self, what: "Callable[[Storm], None]") -> None:
        """Let something happen, and look at everything afterwards; who dies meanwhile is dead."""
        self.figures.events += 1
        try:
            what(self)
        except Killed:
            pass
        except NightdeskError:
            self.figures.faults["event_failed"] += 1
        self.desk.checks.after_event()

    def _overtake(self) -> None:
        """Let another process do something between two calls of this one."""
        if self._is_nested:
            return
        self._is_nested = True
        try:
            self.draw.choice([Storm.deliver, Storm.deliver, Storm.sweep_execution, Storm.switch, Storm.withdraw])(self)
        except (Killed, NightdeskError):
            self.desk.dice.hits["overtaker_failed"] += 1
        finally:
            self._is_nested = False

    def wish(self) -> None:
        """Raise an intent and tell risk-agent, now and then without the message."""
        self.figures.intents += 1
        intent = a_wish(self.desk, self.draw)
        try:
            self.desk.intents.raise_intent(intent, actor="storm")
        except NightdeskError:
            self.figures.refused += 1
            assert intent.intent_id not in self.desk.database.trading.intents
            return
        if not self.desk.dice.roll("message_lost", 0.05):
            message = IntentRaised(intent_id=intent.intent_id, correlation_id=intent.correlation_id)
            self.desk.raised.send([message.model_dump_json()])

    def deliver(self) -> None:
        """Deliver one message of either queue; what fails, and now and then what does not, comes again."""
        self._collect()
        now_ms = self.desk.clock.now_ms()
        due = [one for one in self._later if one[0] <= now_ms]
        if not due:
            return
        message = self.draw.choice(due)
        self._later.remove(message)
        _, body, to_risk = message
        if self.desk.dice.roll("delivered_twice", 0.1):
            self._later.append(message)
        try:
            if to_risk:
                risk_agent(RiskRequest.validate_json(body), desk=self.desk.risk)
            else:
                execution_agent(ExecutionRequest.validate_json(body), desk=self.desk.execution)
        except (Killed, NightdeskError):
            self.desk.dice.hits["redelivered"] += 1
            self._later.append((now_ms + 60_000, body, to_risk))

    def withdraw(self) -> None:
        """Take back an intent that has not ended, mostly, as its owner would."""
        rows = self.desk.database.trading.intents.values()
        found = [row.intent.intent_id for row in rows if not is_final(row.intent.state) or self.draw.random() < 0.01]
        if found:
            self.desk.withdraw(self.draw.choice(found))

    def sweep_risk(self) -> None:
        """Let risk-agent sweep."""
        risk_agent(_CRON, desk=self.desk.risk)

    def sweep_execution(self) -> None:
        """Let execution-agent sweep."""
        execution_agent(_CRON, desk=self.desk.execution)

    def tickers(self) -> None:
        """Let execution-agent look at what it protects."""
        execution_agent(TickersWritten(tickers_of=self.draw.choice(VENUES)), desk=self.desk.execution)

    def time(self) -> None:
        """Let some time pass; at a minute prices move."""
        now_ms = self.desk.clock.now_ms()
        self.desk.advance(self.draw.randint(200, 20_000))
        if self.desk.clock.now_ms() // MINUTE_MS != now_ms // MINUTE_MS:
            self.desk.market.move()
            self.desk.market.is_silent = self.draw.random() < 0.05

    def switch(self) -> None:
        """Set some trading state, mostly back to active."""
        state = self.draw.choice([TradingState.ACTIVE] * 3 + [TradingState.REDUCING, TradingState.HALTED])
        scope, key = self.draw.choice(
            [
                ("desk", ""),
                ("venue", self.draw.choice(VENUES)),
                ("book", self.draw.choice(list(BOOKS))),
                ("symbol", self.draw.choice(["binance:BTC/USDT", "okx:BTC/USDT", "bybit_linear:BTC/USDT:USDT"])),
            ]
        )
        self.desk.states.set(scope, key, state, actor="storm", reason="a storm")

    def kill_switch(self) -> None:
        """Pull the kill switch, or leave everything; then go on."""
        state = self.draw.choice([TradingState.HALTED, TradingState.REDUCING])
        flatten = state is TradingState.REDUCING and self.draw.random() < 0.5
        set_desk_state(
            state, actor="storm", reason="a storm", flatten=flatten, switch=self.desk.switch, floor=self.desk.floor
        )

    def resume(self) -> None:
        """Let everything trade."""
        for scope, keys in (("desk", [""]), ("venue", VENUES), ("book", BOOKS)):
            for key in keys:
                self.desk.states.set(scope, key, TradingState.ACTIVE, actor="storm", reason="over")
        for one in self.desk.market.instruments:
            key = f"{one.venue}:{one.symbol}"
            self.desk.states.set("symbol", key, TradingState.ACTIVE, actor="storm", reason="over")

    def _collect(self) -> None:
        now_ms = self.desk.clock.now_ms()
        for queue, to_risk in ((self.desk.raised, True), (self.desk.decided, False)):
            sent = zip(queue.bodies, queue.delays_s, strict=True)
            self._later += [(now_ms + delay_s * 1_000, body, to_risk) for body, delay_s in sent]
            queue.bodies, queue.delays_s = [], []

    def _calm_down(self) -> None:
        """End every fault, let the sweeps work for a while, halt what rests for good; then all must be settled."""
        self.desk.dice.calm, self.desk.market.is_silent = True, False
        self._event(Storm.resume)
        for minute in range(_LAST_MINUTES):
            self.desk.advance(MINUTE_MS)
            self.desk.market.move()
            if minute == _LAST_MINUTES - 10:
                self.desk.checks.protected()
                halted = TradingState.HALTED
                set_desk_state(
                    halted, actor="storm", reason="over", flatten=False, switch=self.desk.switch, floor=self.desk.floor
                )
            self._event(Storm.sweep_risk)
            self._event(Storm.sweep_execution)
        result = execution_agent(_CRON, desk=self.desk.execution)
        self.sweep_risk()
        assert not result.differences, result.differences
        assert not result.errors, result.errors
        self.desk.checks.at_the_end()

    def _count(self) -> Figures:
        figures, tables = self.figures, self.desk.database.trading
        for row in tables.intents.values():
            figures.ended[row.intent.state.value] += 1
            decision = row.decision or {}
            word = str(decision.get("state", "undecided"))
            figures.decisions[word] += 1
            reasons = decision.get("reasons", ())
            assert isinstance(reasons, list | tuple)
            figures.reasons.update(f"{word} {each['reason']}" for each in reasons)
        figures.orders, figures.fills = len(tables.orders), len(tables.fills)
        figures.shorts, figures.turns = self._shorts()
        figures.unknown_settled = len({step["id"] for step in tables.steps if step["after"] == "unknown"})
        figures.faults.update(self.desk.dice.hits)
        figures.most_leverage = self.desk.checks.most_leverage
        return figures

    def _shorts(self) -> tuple[int, int]:
        """Return how often a position of a venue became short, and how often one fill closed it and opened another."""
        held: dict[tuple[str, str, str], Decimal] = {}
        shorts = turns = 0
        for key, fill in self.desk.paper.trades.items():
            before = held.get(key[:3], Decimal(0))
            after = held[key[:3]] = before + fill.side.sign * fill.qty
            shorts += after < 0 <= before
            turns += after * before < 0
        return shorts, turns


_EVENTS = (
    Storm.wish,
    Storm.deliver,
    Storm.time,
    Storm.sweep_risk,
    Storm.sweep_execution,
    Storm.tickers,
    Storm.switch,
    Storm.kill_switch,
    Storm.resume,
    Storm.withdraw,
)
_WEIGHTS = (20, 50, 20, 2, 5, 4, 2, 0.3, 2, 1)
