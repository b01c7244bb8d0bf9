"""`desk deploy-check`: what it says of a desk that works, and of each way in which one does not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from desk.cli import app
from desk.deploy_check import LiveDesk, check
from desk.doctor import Finding, State
from shared.domain.errors import InvalidMessageError
from shared.domain.signing import SignatureError, verify

NOW_MS = 1_795_000_040_000
SECRET, TOKEN = "of-the-collector-1", "of-a-person-2"
SIGNAL = {"symbol": "BTC/USDT", "timeframe": "1m", "side": "long", "trader_id": "t"}


class Deployed:
    """A deployment as HTTP shows it; tests change what it answers."""

    def __init__(self) -> None:
        self.health: Any = {
            "status": "healthy",
            "database": "connected",
            "timestamp": NOW_MS,
            "monitor": {"overdue": False},
            "collector": {"data_age_ms": {"5m": 200_000, "1m": 20_000, "1h": None}},
        }
        self.secret = SECRET
        self.signals: list[Any] = [SIGNAL]
        self.announced: list[Any] = []
        self.is_open = False
        self.claimed = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health":
            return httpx.Response(200, json=self.health)
        if request.url.path == "/api/v1/signals":
            is_known = request.headers.get("authorization") == f"Bearer {TOKEN}"
            return httpx.Response(200, json={"items": self.signals}) if is_known else httpx.Response(401, json={})
        return self.trigger(request)

    def trigger(self, request: httpx.Request) -> httpx.Response:
        body = request.content.decode()
        try:
            verify(self.secret, headers=dict(request.headers), body=body, now_ms=NOW_MS)
        except SignatureError as error:
            if not self.is_open:
                return httpx.Response(401, json={"detail": str(error)})
        self.announced.append(json.loads(body))
        first, self.claimed = not self.claimed, True
        return httpx.Response(200, json={"timeframe": "1m", "claimed": first, "shards": int(first)})


def found(
    answers: Callable[[httpx.Request], httpx.Response],
    *,
    secret: str | None = SECRET,
    token: str | None = TOKEN,
    wait_s: float = 0,
    sleep: Callable[[float], None] = lambda _: None,
) -> dict[str, Finding]:
    client = httpx.Client(base_url="https://desk.example", transport=httpx.MockTransport(answers))
    clock = iter(range(NOW_MS, NOW_MS + 60_000, 1_000))
    desk = LiveDesk(
        client=client, venue="binance", trigger_secret=secret, token=token, wall_ms=lambda: next(clock), sleep=sleep
    )
    return {finding.name: finding for finding in check(desk, wait_s=wait_s)}


def states(findings: dict[str, Finding]) -> dict[str, str]:
    return {name: str(finding.state) for name, finding in findings.items()}


def test_a_desk_that_works_passes_and_its_newest_close_is_announced_once_more() -> None:
    deployed = Deployed()
    findings = found(deployed)
    assert states(findings) == dict.fromkeys(("health", "data age", "unsigned", "trigger", "signal"), "ok")
    assert deployed.announced == [{"venue": "binance", "timeframe": "1m", "close_time": NOW_MS - 20_000}]
    assert "claimed, 1 shards sent" in findings["trigger"].found
    assert "claimed before" in found(deployed)["trigger"].found


@pytest.mark.parametrize(("age_ms", "state"), [(90_000, "ok"), (90_001, "fail"), (None, "fail")])
def test_data_is_due_a_candle_and_half_a_minute_after_the_last(age_ms: int | None, state: str) -> None:
    deployed = Deployed()
    deployed.health["collector"]["data_age_ms"] = {"1m": age_ms}
    findings = states(found(deployed))
    assert findings["data age"] == state
    assert findings["trigger"] == ("skip" if age_ms is None else "ok")


@pytest.mark.parametrize(
    "health", [{}, [], {"status": "healthy"}, {"status": "healthy", "database": "connected", "monitor": None}]
)
def test_what_is_no_desk_fails_and_nothing_is_announced_there(health: Any) -> None:
    deployed = Deployed()
    deployed.health = health
    findings = found(deployed)
    assert findings["health"].state is State.FAIL
    assert findings["trigger"].state is State.SKIP
    assert deployed.announced == []


@pytest.mark.parametrize(("status", "state"), [("degraded", "warn"), ("unhealthy", "fail"), ("another", "fail")])
def test_a_desk_that_is_unwell_says_so(status: str, state: str) -> None:
    deployed = Deployed()
    deployed.health["status"] = status
    assert states(found(deployed))["health"] == state


def test_a_trigger_that_is_open_to_everybody_fails() -> None:
    deployed = Deployed()
    deployed.is_open = True
    assert states(found(deployed))["unsigned"] == "fail"


def test_another_secret_fails_and_is_not_shown() -> None:
    deployed = Deployed()
    deployed.secret = SECRET[::-1]
    findings = found(deployed)
    assert findings["trigger"].state is State.FAIL
    assert "wrong signature" in findings["trigger"].found
    assert not [each for each in findings.values() if SECRET in f"{each}" or TOKEN in f"{each}"]


def test_what_is_not_given_is_skipped_and_said() -> None:
    findings = found(Deployed(), secret=None, token=None)
    assert (findings["trigger"].state, findings["signal"].state) == (State.SKIP, State.SKIP)
    assert findings["unsigned"].state is State.OK


def test_a_token_that_has_run_out_fails() -> None:
    assert found(Deployed(), token="old")["signal"].state is State.FAIL


def test_a_signal_is_waited_for_as_long_as_was_said() -> None:
    deployed = Deployed()
    deployed.signals = []
    assert found(deployed)["signal"].state is State.WARN
    assert found(deployed, wait_s=5)["signal"].state is State.WARN
    assert found(deployed, wait_s=30, sleep=lambda _: deployed.signals.append(SIGNAL))["signal"].state is State.OK


def test_a_desk_that_does_not_answer_fails_in_every_part() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    assert states(found(away)) == {"health": "fail", "trigger": "skip", "signal": "fail"}


def test_the_command_needs_an_address_or_a_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NIGHTDESK_API_URL", raising=False)
    assert CliRunner().invoke(app, ["deploy-check"]).exit_code == 1
    nowhere = CliRunner().invoke(app, ["deploy-check", "--api", "http://127.0.0.1:1", "--json"])
    assert nowhere.exit_code == 1
    assert {each["name"]: each["state"] for each in json.loads(nowhere.output)}["health"] == "fail"


def test_a_timeframe_nobody_knows_is_told() -> None:
    deployed = Deployed()
    deployed.health["collector"]["data_age_ms"] = {"7m": 1}
    finding = found(deployed)["data age"]
    assert (finding.state, InvalidMessageError.__name__ in finding.found) == (State.FAIL, True)
