"""Decide trade intents, each once, and watch what the books have been through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

from shared.domain.errors import ConflictError, HaltedError, NightdeskError
from shared.domain.trading.decisions import Decision, Denied, Objection, Reason, state_of, summary, to_json
from shared.domain.trading.limits import Caps
from shared.domain.trading.risk import check
from shared.domain.trading.states import IntentState, Mode
from shared.messages import CronTick, IntentRaised
from shared.trading_messages import IntentDecided, RiskResult
from shared.usecases.markets_of_books import Market, read_market
from shared.usecases.watching import WatchDesk, watch_books

if TYPE_CHECKING:
    from shared.domain.trading.intents import Intent
    from shared.domain.trading.market import MarketView
    from shared.domain.trading.records import BookView
    from shared.ports import Queue
    from shared.trading_ports import IntentStore

ACTOR: Final = "risk-agent"
LEASE_MS: Final = 30_000
SWEEP: Final = 200
_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskDesk:
    """What deciding takes; `caps` tells what the desk lets any book risk, as it is set now."""

    intents: IntentStore
    market: Market
    orders_queue: Queue
    watch: WatchDesk
    mode: Mode
    tier: int
    caps: Callable[[], Caps] = Caps


def risk_agent(event: IntentRaised | CronTick, *, desk: RiskDesk) -> RiskResult:
    """Decide the intent that was raised, or every one that nobody has decided yet."""
    if isinstance(event, IntentRaised):
        return _result({event.intent_id: decide_intent(event.intent_id, desk=desk)})
    return _sweep(desk)


class Decided(NamedTuple):
    """The state an intent has now and the words it was decided with; or why nothing was decided, and no words."""

    state: str
    why: str = ""


def decide_intent(intent_id: str, *, desk: RiskDesk) -> Decided:
    """Decide one intent and pass it on; return what was decided.

    Decisions of one book are made one after another: a decision on what the book was before another approval is
    refused by the store, and made again.
    """
    holder = str(uuid4())
    for _ in range(_ATTEMPTS):
        view = desk.intents.view(intent_id, now_ms=desk.market.clock.now_ms(), holder=holder, lease_ms=LEASE_MS)
        if view is None or view.intent is None:
            return Decided("decided before, or being decided elsewhere")
        market = read_market(view, view.intent, market=desk.market)

        decision = check(view.intent, view, market, desk_mode=desk.mode, tier=desk.tier, caps=desk.caps())

        try:
            state, why = _store(decision, view, market, desk)
        except ConflictError:
            continue
        if state is not IntentState.DENIED:
            message = IntentDecided(intent_id=intent_id, correlation_id=view.intent.correlation_id)
            desk.orders_queue.send([message.model_dump_json()])
        return Decided(state.value, why)
    return Decided("the book is approving others faster than this one can be decided")


def _store(decision: Decision, view: BookView, market: MarketView, desk: RiskDesk) -> tuple[IntentState, str]:
    """Store a decision; one that a halt forbids meanwhile becomes a denial that says so."""
    try:
        return _stored(decision, view, market, desk)
    except HaltedError as halt:
        objection = Objection(reason=Reason.TRADING_STATE, sentence=str(halt))
        return _stored(Denied(reasons=(objection,), figures=decision.figures), view, market, desk)


def _stored(decision: Decision, view: BookView, market: MarketView, desk: RiskDesk) -> tuple[IntentState, str]:
    intent = view.intent
    if intent is None:
        raise NightdeskError("a decision needs an intent")
    state, why = state_of(decision), summary(decision)
    desk.intents.decide(
        replace(intent, reference_price=intent.reference_price or _price_of(intent, view, market)),
        state,
        risk_version=view.book.risk_version,
        qty=None if isinstance(decision, Denied) else decision.qty,
        decision=to_json(decision) | {"decided_at_ms": market.now_ms, "desk_mode": desk.mode.value, "tier": desk.tier},
        actor=ACTOR,
        reason=why,
    )
    return state, why


def _price_of(intent: Intent, view: BookView, market: MarketView) -> Decimal | None:
    """Return the price an approval reserves at: the market's, or for an exit without one what the position cost."""
    mark = market.mark((intent.venue, intent.symbol))
    if mark is not None:
        return mark.price
    held = (each.position for each in view.positions if each.position.symbol == intent.symbol)
    return next((position.entry_price for position in held if position.qty), None)


def _sweep(desk: RiskDesk) -> RiskResult:
    decided: dict[str, Decided] = {}
    errors: dict[str, str] = {}
    for intent_id in desk.intents.pending(limit=SWEEP, now_ms=desk.market.clock.now_ms()):
        try:
            decided[intent_id] = decide_intent(intent_id, desk=desk)
        except NightdeskError as error:  # one intent must not keep the others waiting
            errors[intent_id] = f"{type(error).__name__}: {error}"
    watched = watch_books(desk=desk.watch)
    return _result(decided, tripped=watched.tripped, errors=errors | watched.errors)


def _result(decided: Mapping[str, Decided], **rest: Any) -> RiskResult:
    states = {intent_id: each.state for intent_id, each in decided.items()}
    return RiskResult(decided=states, why={known: each.why for known, each in decided.items() if each.why}, **rest)
