"""An approved intent is planned of what venues offer; while none answers it waits, and then it expires."""

from collections.abc import Iterator

import pytest

from shared.adapters.paper_exchange import PaperExchange
from shared.domain.errors import TransientError
from shared.domain.trading.depth import Depth
from shared.domain.trading.intents import Algorithm, AlgorithmName
from shared.domain.trading.states import IntentState
from shared.messages import CronTick
from shared.usecases.risk_agent import risk_agent
from tests.usecases.trading_in_memory import TradingInMemory


@pytest.fixture
def desk() -> TradingInMemory:
    return TradingInMemory()


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    def depth(*_: object, **__: object) -> Depth:
        raise TransientError("the venue is away")

    with monkeypatch.context() as patch:
        patch.setattr(PaperExchange, "depth", depth)
        yield patch


def test_it_is_planned_once_the_venue_is_back(desk: TradingInMemory, away: pytest.MonkeyPatch) -> None:
    intent = desk.wish()
    desk.run()
    desk.sweep(2)
    waiting = desk.view(intent)
    assert (waiting.intent.state, waiting.plan, waiting.orders) == (IntentState.APPROVED, None, ())
    away.undo()
    desk.sweep()
    done = desk.view(intent)
    assert done.intent.state is IntentState.EXECUTED
    assert desk.qty() == done.intent.qty
    assert desk.adds_up()


def test_it_expires_when_the_venue_stays_away(desk: TradingInMemory, away: pytest.MonkeyPatch) -> None:
    intent = desk.wish()
    desk.run()
    desk.sweep(6)
    assert desk.view(intent).intent.state is IntentState.EXPIRED
    last = desk.intents.trace(intent.correlation_id)[-1]
    assert (last["after"], last["reason"]) == ("expired", "it expired before it could be planned")
    away.undo()
    desk.sweep()
    assert desk.qty() == 0


def test_it_expires_when_nobody_came_to_plan_it_in_time(desk: TradingInMemory) -> None:
    intent = desk.wish()
    risk_agent(CronTick(trigger="cron"), desk=desk.risk)
    desk.clock.advance(300_000)
    desk.sweep()
    assert desk.view(intent).intent.state is IntentState.EXPIRED
    assert desk.qty() == 0


def test_an_algorithm_that_means_nothing_is_denied_and_never_planned(desk: TradingInMemory) -> None:
    intent = desk.wish(algorithm=Algorithm(name=AlgorithmName.LIMIT))
    desk.run()
    assert desk.view(intent).intent.state is IntentState.DENIED
    assert "expected a price for limit" in str(desk.intents.trace(intent.correlation_id)[-1]["reason"])
