"""Agents over the API: operators see and command them, nobody else does."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from functions.api import app
from shared.domain.agents import Memory
from shared.domain.people import PersonRole
from shared.runtime.agent_config import SPECS
from shared.runtime.wiring import process_deps
from tests.fakes.agents import MemoryAgentStore
from tests.functions.api_client import ALICE, Guards, call
from tests.functions.trading_desk import INTENT, OPERATOR, SECRET, TRADE, TradingDeps, told, trading_desk
from tests.usecases.trading_in_memory import TradingInMemory

AGENTS, COMMAND = "/api/v1/agents", "/api/v1/engine/agent/command"
MEMORY = f"{AGENTS}/risk-agent/memory"


class MemoryInvoker:
    """Functions that were started."""

    def __init__(self) -> None:
        self.started: list[tuple[str, Mapping[str, object]]] = []

    def invoke(self, function: str, message: Mapping[str, object]) -> None:
        self.started.append((function, message))


@pytest.fixture
def desk() -> Iterator[TradingInMemory]:
    desk = trading_desk()
    deps = TradingDeps(desk)
    Guards().give(deps)
    deps.invoker = MemoryInvoker()
    app.dependency_overrides[process_deps] = lambda: deps
    try:
        yield desk
    finally:
        app.dependency_overrides.clear()


def agents_of(desk: TradingInMemory) -> MemoryAgentStore:
    return MemoryAgentStore(desk.database)


def started() -> list[tuple[str, Mapping[str, object]]]:
    invoker = app.dependency_overrides[process_deps]().invoker
    assert isinstance(invoker, MemoryInvoker)
    return invoker.started


def command(agent: str, action: str, params: dict[str, Any] | None = None, *, user: str = OPERATOR) -> Any:
    return call("POST", COMMAND, {"agent_type": agent, "action": action, "params": params or {}}, user=user)


def test_agents_are_operators_to_see_and_to_command(desk: TradingInMemory) -> None:
    body = {"agent_type": "risk", "action": "pause"}
    for who, status in (({"user": None}, 401), ({"user": ALICE}, 403), ({"token": "not-the-secret"}, 401)):
        assert call("GET", AGENTS, **who).status == status
        assert call("GET", MEMORY, **who).status == status
        assert call("POST", COMMAND, body, **who).status == status
    assert agents_of(desk).list() == []
    desk.database.people.enrol(ALICE, role=PersonRole.OPERATOR)
    assert call("POST", COMMAND, body, user=ALICE).body["result"]["paused_by"] == ALICE
    assert call("GET", AGENTS, token=SECRET).status == 200


def test_every_agent_is_listed_whether_it_ever_ran(desk: TradingInMemory) -> None:
    agents_of(desk).beat("risk-agent", version="0.1.0", run={"messages": 2, "failed": 0, "duration_ms": 7.5})
    items = {item["agent"]: item for item in call("GET", AGENTS, user=OPERATOR).body["items"]}
    assert [*items] == sorted(SPECS)
    risk, strategy = items["risk-agent"], items["strategy-agent"]
    assert (risk["state"], risk["last_run"]["messages"]) == ("online", 2)
    assert risk["settings"] == {
        "enabled": True,
        "autonomy": "full",
        "limits": {
            "max_leverage": "3",
            "max_drawdown_daily": "0.05",
            "max_concentration": "0.25",
            "var_limit": "0.02",
        },
    }
    assert (strategy["state"], strategy["last_beat_ms"], strategy["version"]) == ("offline", None, None)
    assert strategy["autonomies"] == ["semi", "user_triggered"]


@pytest.mark.parametrize("name", ["risk", "RISK", "risk_agent", "risk-agent"])
def test_an_agent_has_more_than_one_way_to_write_its_name(desk: TradingInMemory, name: str) -> None:
    assert command(name, "status").body["result"]["agent"] == "risk-agent"


def test_unknown_agents_and_actions_are_told_apart(desk: TradingInMemory) -> None:
    missing = command("juggling", "pause")
    assert (missing.status, "strategy-agent, signal-agent, ops-agent, risk-agent" in missing.body["detail"]) == (
        404,
        True,
    )
    assert command("risk", "dance").status == 400
    assert call("GET", f"{AGENTS}/juggling/memory", user=OPERATOR).status == 404
    for action, params, field in (
        ("pause", {"why": "x"}, "params.why"),
        ("pause", {"reason": 7}, "params.reason"),
        ("pause", {"reason": "x" * 501}, "params.reason"),
        ("resume", {"reason": "x"}, "params.reason"),
        ("status", {"x": 1}, "params.x"),
        ("run_now", {"trader_id": "x"}, "params.trader_id"),
        ("set_config", {}, "params"),
    ):
        answer = command("risk", action, params)
        assert (answer.status, [*told(answer)]) == (400, [field]), answer.body


def test_a_pause_is_by_somebody_for_a_reason_until_it_is_resumed(desk: TradingInMemory) -> None:
    paused = command("risk", "pause", {"reason": " looks wrong "}).body
    assert (paused["status"], paused["result"]["state"]) == ("done", "paused")
    assert (paused["result"]["paused_by"], paused["result"]["paused_reason"]) == (OPERATOR, "looks wrong")
    assert "no intent is decided" in paused["result"]["paused_means"]
    refused = command("risk", "run_now")
    assert (refused.status, refused.body["detail"]) == (409, f"risk-agent is paused by {OPERATOR}: looks wrong")
    assert started() == []
    resumed = command("risk", "resume").body["result"]
    assert (resumed["state"], resumed["paused_by"]) == ("offline", None)
    kinds = [item["event_type"] for item in call("GET", MEMORY, user=OPERATOR).body["items"]]
    assert kinds == ["resumed", "paused"]
    assert command("execution", "resume").body["result"]["state"] == "offline"  # nobody has heard of it


@pytest.mark.parametrize(
    ("agent", "params", "function", "message"),
    [
        ("risk", {}, "risk-agent", {"trigger": "cron"}),
        ("execution", {}, "execution-agent", {"trigger": "cron"}),
        ("ops", {}, "scheduled-monitor", {"task": "all"}),
        ("ops", {"task": "signals"}, "scheduled-monitor", {"task": "signals"}),
        ("signal", {}, "signal-agent", {"trigger": "command", "instruments": []}),
        ("signal", {"instruments": ["BTC/USDT"]}, "signal-agent", {"trigger": "command", "instruments": ["BTC/USDT"]}),
        ("strategy", {}, "trigger-executions", {"trigger": "cron"}),
        ("strategy", {"trader_id": "7b1f6a52-0f7e-5b38-9d5c-1d2f3a4b5c6d"}, "execute-trader",
         {"trader_id": "7b1f6a52-0f7e-5b38-9d5c-1d2f3a4b5c6d"}),
    ],
)  # fmt: skip
def test_an_agent_runs_now(
    desk: TradingInMemory, agent: str, params: dict[str, Any], function: str, message: dict[str, Any]
) -> None:
    answer = command(agent, "run_now", params).body
    assert (answer["status"], answer["result"]["function"]) == ("started", function)
    ((name, sent),) = started()
    assert (name, {**sent, **message}) == (function, sent)
    assert answer["result"]["message"] == sent
    wrong = command("strategy", "run_now", {"trader_id": "DROP TABLE"})
    assert (wrong.status, [*told(wrong)]) == (400, ["params.trader_id"])


def test_settings_are_set_and_taken_back_name_by_name(desk: TradingInMemory) -> None:
    done = command("risk", "set_config", {"limits": {"max_leverage": 2}}).body["result"]
    assert done["operators_settings"] == {"limits": {"max_leverage": 2}}
    assert (done["settings"]["limits"]["max_leverage"], done["settings"]["limits"]["var_limit"]) == ("2", "0.02")
    done = command("risk", "set_config", {"limits": {"max_leverage": None}}).body["result"]
    assert (done["operators_settings"], done["settings"]["limits"]["max_leverage"]) == ({"limits": {}}, "3")
    assert command("strategy", "set_config", {"autonomy": "user_triggered"}).status == 200
    off = command("strategy", "set_config", {"enabled": False}).body["result"]
    assert off["problem"] == "not enabled in its settings"
    assert command("strategy", "run_now").status == 409


@pytest.mark.parametrize(
    ("agent", "params", "field", "said"),
    [
        ("risk", {"max_leverage": 2}, "params.max_leverage", "expected one of enabled, autonomy, limits"),
        ("risk", {"limits": {"leverage": 2}}, "params.limits.leverage", "expected one of max_leverage"),
        ("risk", {"limits": 2}, "params.limits", "expected names with values"),
        ("risk", {"limits": {"max_leverage": "much"}}, "params.limits.max_leverage", "a number"),
        ("risk", {"limits": {"max_leverage": True}}, "params.limits.max_leverage", "a number"),
        ("risk", {"limits": {"max_leverage": -1}}, "params.limits.max_leverage", "got -1"),
        ("risk", {"autonomy": "semi"}, "params.autonomy", "expected full, got 'semi'"),
        ("strategy", {"autonomy": "full"}, "params.autonomy", "expected semi or user_triggered"),
        ("strategy", {"enabled": "yes"}, "params.enabled", "true or false"),
        ("ops", {"agent_stale_ms": 0}, "params.agent_stale_ms", "above 0"),
        ("ops", {"kept_days": {"audit_events": 1}}, "params.kept_days", "audit_events"),
        ("signal", {"min_share": 0.5}, "params.min_share", "more than 0.5"),
        ("signal", {"half_lives_ms": {"news": 0}}, "params.half_lives_ms", "positive times"),
        ("execution", {"algos": ["twap", "guess"]}, "params.algos.1", "'market'"),
        ("execution", {"algos": []}, "params.algos", "at least one"),
    ],
)
def test_settings_that_mean_nothing_are_refused_by_name(
    desk: TradingInMemory, agent: str, params: dict[str, Any], field: str, said: str
) -> None:
    answer = command(agent, "set_config", params)
    assert answer.status == 400, answer.body
    assert field in told(answer), told(answer)
    assert said in told(answer)[field]
    assert agents_of(desk).list() == []


def test_what_was_set_and_means_nothing_any_more_is_told_and_can_be_taken_back(desk: TradingInMemory) -> None:
    agents_of(desk).configure("risk-agent", {"gone": 1}, actor="an earlier release")
    found = command("risk", "status").body["result"]
    assert (found["settings"], "risk-agent.gone" in found["problem"]) == (None, True)
    assert command("risk", "set_config", {"limits": {"var_limit": 0.01}}).status == 400
    mended = command("risk", "set_config", {"gone": None}).body["result"]
    assert (mended["problem"], mended["settings"]["autonomy"]) == (None, "full")


def test_memory_is_read_by_page_and_kind(desk: TradingInMemory) -> None:
    memories = [Memory(event_type="decided", data={"n": number}) for number in range(5)]
    agents_of(desk).beat("risk-agent", version="1", memories=[*memories, Memory(event_type="tripped", data={})])
    first = call("GET", MEMORY, user=OPERATOR, query="limit=4").body
    rest = call("GET", MEMORY, user=OPERATOR, query=f"limit=4&cursor={first['next']}").body
    assert [item["event_type"] for item in first["items"]][:2] == ["tripped", "decided"]
    assert [item["data"]["n"] for item in [*first["items"][1:], *rest["items"]]] == [4, 3, 2, 1, 0]
    assert rest["next"] is None
    tripped = call("GET", MEMORY, user=OPERATOR, query="event_type=tripped").body["items"]
    assert [item["event_type"] for item in tripped] == ["tripped"]
    assert call("GET", MEMORY, user=OPERATOR, query="cursor=nonsense").status == 400


def test_only_algorithms_the_desk_allows_come_in(desk: TradingInMemory) -> None:
    command("execution", "set_config", {"algos": ["twap", "limit"]})
    refused = call("POST", TRADE, INTENT)
    assert told(refused) == {"algorithm.name": "expected one of those this desk allows: limit, twap; got market"}
    allowed = {"name": "limit", "limit_price": 41_000, "duration_ms": 60_000}
    assert call("POST", TRADE, INTENT | {"algorithm": allowed}).status == 202


def test_caps_are_told_where_a_book_says_how_it_stands(desk: TradingInMemory) -> None:
    command("risk", "set_config", {"limits": {"max_leverage": 0.5}})
    (status,) = [
        book for book in call("GET", "/api/risk/status").body["books"] if book["book_id"].startswith("book-of")
    ]
    assert status["limits"]["max_leverage"] == "0.5"
