"""Run a drill of trading: do its steps, let the sweeps mend what is left, and hold the ledger against the venue."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from desk.drills.orders.catalogue import SYMBOL, Do, Drill, Exist, Foreign, Pass, Raise
from desk.drills.orders.judge import DeskBooks, mismatches, unended
from desk.drills.orders.parts import VENUE, Death
from desk.drills.orders.stage import BOOK, OrderStage
from desk.drills.outcome import DrillOutcome
from desk.simulator.faults import Fault
from shared.domain.errors import NightdeskError
from shared.domain.trading.accounts import LIVE_ACCOUNT
from shared.domain.trading.instruments import PositionSide
from shared.domain.trading.intents import Algorithm, Guard, Intent, Purpose, Sizing, SizingMethod, Source
from shared.domain.trading.money import ONE, ZERO
from shared.domain.trading.records import IntentView
from shared.domain.trading.states import Mode, OrderState, TradingState, is_final
from shared.messages import CronTick, IntentRaised
from shared.trading_messages import ExecutionRequest
from shared.usecases.execution_agent import execution_agent
from shared.usecases.halting import set_desk_state
from shared.usecases.risk_agent import risk_agent

PATIENCE_MINUTES: Final = 6
"""How many minutes of sweeps may pass, after everything is whole again, until every intent has ended."""
_HORIZON_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOutcome(DrillOutcome):
    """What a drill of trading showed: what there was of it, and orders that were in doubt and are not any more."""

    intents: int
    orders: int
    fills: int
    unknown_settled: int
    mismatches: int


def run_order_drill(drill: Drill, stage: OrderStage) -> OrderOutcome:
    """Run one drill on a stage, from an empty desk and a new account."""
    began = time.monotonic()
    stage.prepare(drill)
    play = _Play(stage, drill.name)
    for step in drill.steps:
        play.do(step)
    play.calm_down()
    found, problems = play.verdict(drill)
    settled = [order for order in found.orders if order.order_id in play.doubted and is_final(order.state)]
    return OrderOutcome(
        name=drill.name,
        breaks=drill.breaks,
        intents=len(found.intents),
        orders=len(found.orders),
        fills=len(found.fills),
        unknown_settled=len(settled),
        mismatches=len(problems),
        problems=(*problems, *_missed(drill, play.hits)),
        hits=play.hits,
        took_s=round(time.monotonic() - began, 1),
        home=stage.home,
    )


class _Play:
    """The steps of a drill on its stage."""

    def __init__(self, stage: OrderStage, name: str) -> None:
        self.hits: dict[str, int] = {}
        self.doubted: set[str] = set()
        self._stage, self._parts, self._name = stage, stage.parts, name
        self._raised: dict[str, Raise] = {}
        self._halted: dict[str, Decimal] | None = None
        self._differences: list[str] = []

    def do(self, step: Do | Raise | Pass | Foreign | Fault) -> None:
        """Do one step."""
        match step:
            case Fault():
                self._stage.switch_on(step)
            case Raise():
                for _ in range(step.count):
                    self._raise(step)
            case Pass(minutes):
                for _ in range(minutes):
                    self._minute()
            case Foreign():
                self._stage.foreign(step)
            case Do():
                self._do(step)

    def calm_down(self) -> None:
        """End every fault, and let minutes pass until every intent has ended, and one more."""
        self.hits = self._stage.repair()
        for _ in range(PATIENCE_MINUTES):
            if all(is_final(view.intent.state) for view in self._views()):
                break
            self._minute()
        self._minute()

    def verdict(self, drill: Drill) -> tuple[DeskBooks, list[str]]:
        """Return what the desk believes, and in what that, or an intent, is not as it should be."""
        ledger, venue = self._parts.floor.ledger, self._stage.books()
        desk = DeskBooks(
            intents=self._views(),
            opening={asset: Decimal(qty) for asset, qty in drill.balances},
            holdings=ledger.holdings(VENUE, LIVE_ACCOUNT),
            fills=ledger.fills(BOOK, VENUE, SYMBOL),
            held=ledger.position(BOOK, VENUE, SYMBOL),
            differences=self._differences,
        )
        base, _, quote = SYMBOL.partition("/")
        problems = list(mismatches(venue, desk, (base, quote), foreign=drill.foreign))
        for view in desk.intents:
            says = self._raised[view.intent.intent_id].says
            problems += unended(view, self._wanted(view), venue, says=says, why=self._why(view))
        return desk, problems

    def _raise(self, step: Raise) -> None:
        parts, now_ms, price = self._parts, self._parts.clock.now_ms(), self._stage.price()
        intent_id = str(uuid5(NAMESPACE_URL, f"drill {self._name} {len(self._raised)}"))
        held = parts.floor.ledger.position(BOOK, VENUE, SYMBOL).position.qty
        entering = step.purpose is Purpose.ENTER
        sizing = (
            Sizing(method=SizingMethod.NOTIONAL, value=step.notional)
            if entering
            else Sizing(method=SizingMethod.QTY, value=held)
        )
        intent = Intent(
            intent_id=intent_id,
            book_id=BOOK,
            mode=Mode.LIVE,
            source=Source.PERSON,
            venue=VENUE,
            symbol=SYMBOL,
            purpose=step.purpose,
            direction=PositionSide.LONG,
            sizing=sizing,
            guard=_guard(step, price),
            algorithm=_algorithm(step, price),
            raised_at_ms=now_ms,
            expires_at_ms=now_ms + _HORIZON_MS,
            correlation_id=intent_id.replace("-", ""),
        )
        self._raised[intent_id] = step
        parts.intents.raise_intent(intent, actor="drill")
        risk_agent(IntentRaised(intent_id=intent_id, correlation_id=intent.correlation_id), desk=parts.risk)

    def _do(self, what: Do) -> None:
        match what:
            case Do.WORK:
                self._deliver(1)
            case Do.WORK_TWICE:
                self._deliver(2)
            case Do.KILL_BEFORE_CALL:
                self._stage.run_executors(self._taken(), death=Death.BEFORE_CALL)
            case Do.KILL_AFTER_CALL:
                self._stage.run_executors(self._taken(), death=Death.AFTER_CALL)
            case Do.WORK_AT_ONCE:
                self._stage.run_executors(self._taken(), count=2)
            case Do.HALT:
                self._halt()
            case Do.REPAIR:
                self._stage.repair()

    def _halt(self) -> None:
        parts = self._parts
        set_desk_state(
            TradingState.HALTED,
            actor="drill",
            reason="a drill",
            flatten=False,
            switch=parts.switch,
            floor=parts.floor,
        )
        venue = self._stage.books()
        self._halted = {view.intent.intent_id: venue.filled(_slices(view)) for view in self._views()}

    def _deliver(self, times: int) -> None:
        """Deliver what is due; what fails goes back to the queue, as a queue does it."""
        for body in self._parts.orders_queue.take():
            for _ in range(times):
                try:
                    execution_agent(ExecutionRequest.validate_json(body), desk=self._parts.execution)
                except NightdeskError:
                    self._parts.orders_queue.send([body], delay_s=30)

    def _taken(self) -> list[str]:
        """Take the intents of the messages that are due."""
        return list(dict.fromkeys(json.loads(body)["intent_id"] for body in self._parts.orders_queue.take()))

    def _minute(self) -> None:
        """Let a minute pass, then do what the schedules would."""
        self._stage.pass_minute()
        doubtful = (OrderState.SUBMITTING, OrderState.UNKNOWN)
        self.doubted |= {o.order_id for view in self._views() for o in view.orders if o.state in doubtful}
        risk_agent(CronTick(trigger="cron"), desk=self._parts.risk)
        swept = execution_agent(CronTick(trigger="cron"), desk=self._parts.execution)
        self._differences = swept.differences
        for body in self._parts.intents_queue.take():
            risk_agent(IntentRaised.model_validate_json(body), desk=self._parts.risk)

    def _views(self) -> list[IntentView]:
        return [self._parts.floor.orders.execution(intent_id) for intent_id in self._raised]

    def _wanted(self, view: IntentView) -> Decimal:
        """Return what of an intent should exist."""
        approved = view.intent.qty or ZERO
        match self._raised[view.intent.intent_id].exists:
            case Exist.ALL:
                return approved or -ONE  # one that was denied shows nothing
            case Exist.NONE:
                return ZERO
            case Exist.AS_HALTED:
                return (self._halted or {})[view.intent.intent_id]

    def _why(self, view: IntentView) -> str:
        """Return the reason of an intent's last step."""
        intent_id = view.intent.intent_id
        steps = self._parts.intents.trace(view.intent.correlation_id)
        return str([step["reason"] for step in steps if (step["subject"], step["id"]) == ("intent", intent_id)][-1])


def _slices(view: IntentView) -> set[str]:
    return {order.client_order_id for order in view.orders}


def _guard(step: Raise, price: Decimal) -> Guard:
    if step.guard_rate is None:
        return Guard()
    return Guard(stop_price=price * (ONE - step.guard_rate), take_profit_price=price * (ONE + step.guard_rate))


def _algorithm(step: Raise, price: Decimal) -> Algorithm:
    if step.away_rate is None:
        return step.algorithm
    return replace(step.algorithm, limit_price=price * (ONE - step.away_rate))


def _missed(drill: Drill, hits: dict[str, int]) -> Iterator[str]:
    """Say which fault never struck: then the drill shows nothing."""
    kinds = {step.kind for step in drill.steps if isinstance(step, Fault)}
    yield from (f"{kind} was on and never struck" for kind in sorted(kinds) if not hits.get(kind))
