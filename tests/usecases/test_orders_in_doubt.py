"""Whatever becomes of a call to a venue: nothing is sent twice, nothing that filled is forgotten."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.errors import FatalError, OutcomeUnknownError, RejectedError, TransientError
from shared.domain.trading.intents import Algorithm, AlgorithmName, Intent
from shared.domain.trading.orders import Fill, OrderReport, OrderRequest, TimeInForce
from shared.domain.trading.states import IntentState, OrderState, TradingState
from shared.messages import IntentRaised
from shared.trading_messages import IntentDecided
from shared.usecases.execution_agent import execution_agent, work_intent
from shared.usecases.halting import set_desk_state
from shared.usecases.risk_agent import risk_agent
from shared.usecases.working import LEASE_MS, SEND_WITHIN_MS, TOO_SLOW, work_order
from shared.venue_ports import Exchange
from tests.usecases.trading_in_memory import TradingInMemory

D = Decimal


class KilledError(BaseException):
    """The process is gone: nobody catches this."""


@dataclass
class Faulty:
    """A venue whose calls go wrong: `before` is called before an order reaches it, `after` once it has it."""

    exchange: Exchange
    before: Callable[[], None]
    after: Callable[[], None]
    sent: Counter[str] = field(default_factory=Counter)
    prepare: Callable[[], None] = lambda: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.exchange, name)

    def place(self, request: OrderRequest) -> OrderReport:
        self.before()
        self.sent[request.client_order_id] += 1
        report = self.exchange.place(request)
        self.after()
        return report

    def fills(self, symbol: str, *, since_ms: int) -> Sequence[Fill]:
        """Return every fill twice, the newest first."""
        found = list(self.exchange.fills(symbol, since_ms=since_ms))
        return [*reversed(found), *found]


def once(error: BaseException) -> Callable[[], None]:
    """Return what raises an error the first time it is called."""
    left = [error]

    def raise_it() -> None:
        if left:
            raise left.pop()

    return raise_it


@pytest.fixture
def desk() -> TradingInMemory:
    return TradingInMemory()


def approved(desk: TradingInMemory, **changes: object) -> Intent:
    intent = desk.wish(**changes)
    desk.raised.bodies.clear()
    risk_agent(IntentRaised(intent_id=intent.intent_id, correlation_id=intent.correlation_id), desk=desk.risk)
    desk.decided.bodies.clear()
    desk.decided.delays_s.clear()
    return intent


def nothing() -> None:
    """Go well."""


def faulty(
    desk: TradingInMemory, *, before: Callable[[], None] = nothing, after: Callable[[], None] = nothing
) -> Faulty:
    venue = Faulty(desk.account(desk.book.book_id), before=before, after=after)
    desk.exchange = venue
    return venue


def decided(intent: Intent) -> IntentDecided:
    return IntentDecided(intent_id=intent.intent_id, correlation_id=intent.correlation_id)


def check_exact(desk: TradingInMemory, intent: Intent, venue: Faulty) -> None:
    view = desk.view(intent)
    assert view.intent.state is IntentState.EXECUTED
    assert desk.qty() == view.intent.qty
    assert desk.adds_up()
    assert all(count == 1 for count in venue.sent.values())


def test_an_answer_that_is_lost_is_asked_for(desk: TradingInMemory) -> None:
    intent, venue = approved(desk), faulty(desk, after=once(OutcomeUnknownError("timeout")))
    execution_agent(decided(intent), desk=desk.execution)
    assert [order.state for order in desk.view(intent).orders] == [OrderState.UNKNOWN]
    assert desk.qty() == 0  # unknown is neither filled nor failed
    desk.sweep()
    check_exact(desk, intent, venue)
    assert len(venue.sent) == 1


def test_a_request_that_is_lost_is_sent_anew_only_once_it_cannot_arrive(desk: TradingInMemory) -> None:
    intent, venue = approved(desk), faulty(desk, before=once(OutcomeUnknownError("timeout")))
    execution_agent(decided(intent), desk=desk.execution)
    work_intent(intent.intent_id, desk=desk.execution)
    assert not venue.sent  # it may be on its way
    desk.sweep(2)
    check_exact(desk, intent, venue)
    first = desk.view(intent).orders[0]
    assert first.state is OrderState.REJECTED
    assert "never placed" in (first.reason or "")


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_process_killed_around_the_call_loses_and_doubles_nothing(desk: TradingInMemory, where: str) -> None:
    intent, killed = approved(desk), once(KilledError())
    venue = faulty(desk, before=killed) if where == "before" else faulty(desk, after=killed)
    with pytest.raises(KilledError):
        execution_agent(decided(intent), desk=desk.execution)
    assert [order.state for order in desk.view(intent).orders] == [OrderState.SUBMITTING]
    execution_agent(decided(intent), desk=desk.execution)  # redelivered while the dead one's lease lives
    assert len(venue.sent) == (where == "after")
    desk.clock.advance(LEASE_MS)
    desk.sweep(2)
    check_exact(desk, intent, venue)


def test_two_executors_at_once_send_it_once(desk: TradingInMemory) -> None:
    intent, venue = approved(desk), faulty(desk)
    again = [True]

    def meanwhile() -> None:
        if again.pop() if again else False:
            execution_agent(decided(intent), desk=desk.execution)  # the other one, in the middle of the call

    venue.after = meanwhile
    execution_agent(decided(intent), desk=desk.execution)
    desk.sweep()
    check_exact(desk, intent, venue)
    assert len(venue.sent) == 1


@pytest.mark.parametrize("error", [RejectedError("filter", "LOT_SIZE"), TransientError("busy")])
def test_a_refusal_is_final_and_the_next_attempt_has_a_new_id(desk: TradingInMemory, error: Exception) -> None:
    intent, venue = approved(desk), faulty(desk, before=once(error))
    execution_agent(decided(intent), desk=desk.execution)
    desk.sweep()
    check_exact(desk, intent, venue)
    refused, *others = desk.view(intent).orders
    assert refused.state is OrderState.REJECTED
    assert others
    assert refused.client_order_id not in venue.sent


def test_a_venue_that_always_refuses_fails_the_intent_with_its_words(desk: TradingInMemory) -> None:
    def refuse() -> None:
        raise RejectedError("insufficient_balance", "Account has insufficient balance")

    intent = approved(desk)
    faulty(desk, before=refuse)
    execution_agent(decided(intent), desk=desk.execution)
    desk.sweep(3)
    view = desk.view(intent)
    assert view.intent.state is IntentState.FAILED
    assert 1 <= len(view.orders) <= 6
    rejected = [order for order in view.orders if order.state is OrderState.REJECTED]
    assert rejected
    assert all("insufficient balance" in (order.reason or "") for order in rejected)
    assert desk.qty() == 0


def test_a_bad_key_leaves_the_order_unknown_until_the_venue_answers(desk: TradingInMemory) -> None:
    intent, venue = approved(desk), faulty(desk, before=once(FatalError("bad key")))
    execution_agent(decided(intent), desk=desk.execution)
    assert desk.view(intent).orders[0].state is OrderState.UNKNOWN
    desk.sweep(2)
    check_exact(desk, intent, venue)


def test_an_order_that_was_taken_too_slowly_is_not_sent_and_another_is(desk: TradingInMemory) -> None:
    intent, venue = approved(desk), faulty(desk)
    slow = iter([0.0, SEND_WITHIN_MS / 1_000 + 0.1])  # the answer to taking it was long under way
    late = replace(desk.floor, stopwatch=lambda: next(slow, 9.0))
    execution_agent(decided(intent), desk=replace(desk.execution, floor=late))
    (first, *_) = desk.view(intent).orders
    assert (first.state, first.reason) == (OrderState.CANCELLED, TOO_SLOW)
    assert venue.sent[first.client_order_id] == 0
    desk.sweep(2)
    check_exact(desk, intent, venue)


def test_an_order_stays_new_while_its_venue_cannot_be_reached(desk: TradingInMemory) -> None:
    intent, venue = approved(desk), faulty(desk)
    venue.prepare = once(TransientError("no answer"))
    execution_agent(decided(intent), desk=desk.execution)
    assert [order.state for order in desk.view(intent).orders] == [OrderState.NEW]
    assert venue.sent.total() == 0
    desk.sweep()
    check_exact(desk, intent, venue)


def test_a_cancel_that_races_a_fill_keeps_the_fill(desk: TradingInMemory) -> None:
    limit = Algorithm(name=AlgorithmName.LIMIT, limit_price=D(39_000), time_in_force=TimeInForce.GTC)
    intent = approved(desk, algorithm=limit)
    execution_agent(decided(intent), desk=desk.execution)
    desk.market.move(D(38_900))  # it fills now, and nobody has looked
    halt = set_desk_state(
        TradingState.HALTED, actor="ada", reason="drill", flatten=False, switch=desk.switch, floor=desk.floor
    )
    assert [each.left for each in halt.accounts] == [0]
    desk.sweep()
    view = desk.view(intent)
    assert desk.qty() == sum(fill.qty for fill in view.fills) > 0
    assert desk.adds_up()


def test_an_order_that_was_halted_is_never_sent(desk: TradingInMemory) -> None:
    twap = Algorithm(name=AlgorithmName.TWAP, duration_ms=600_000, slices=3)
    intent, venue = approved(desk, algorithm=twap), faulty(desk)
    execution_agent(decided(intent), desk=desk.execution)
    sent = sum(venue.sent.values())
    desk.states.set("symbol", "binance:BTC/USDT", TradingState.HALTED, actor="ada", reason="delisted")
    (later, *_) = [order for order in desk.view(intent).orders if order.state is OrderState.NEW]
    after = work_order(later, floor=desk.floor)
    assert after is not None
    assert after.state is OrderState.CANCELLED
    assert "halted" in (after.reason or "")
    desk.sweep(12)
    assert sum(venue.sent.values()) == sent
    assert desk.adds_up()
