"""Alerts and channels over the API and as a person types them: whose they are, and what is never shown."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from desk.cli import app
from shared.domain.alerts import Alert, Severity
from shared.notification_messages import NotificationDue
from shared.runtime.telemetry import start_logging
from shared.usecases.notify import NotifyDesk, notify
from tests.fakes.alerts import MemoryAlertStore
from tests.fakes.outbox import MemoryAddresses, MemoryDeliveries, MemoryNotifier, MemoryOutbox
from tests.fakes.queue import MemoryQueue
from tests.functions.api_client import ALICE, BOB, call, token_of
from tests.functions.api_http import serve_commands
from tests.functions.trading_desk import HERS, HIS, OPERATOR, SECRET, TradingDeps, told, trading_api, trading_desk
from tests.usecases.trading_in_memory import TradingInMemory

CHANNELS, ALERTS, LOG = "/api/v1/channels", "/api/v1/alerts", "/api/v1/notifications"
TARGET = "jsons://example.com/tok3n"
PHONE = {"name": "Phone", "target": TARGET}
HOOK = {"name": "Hook", "kind": "webhook", "target": "https://example.com/tok3n"}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TradingInMemory]:
    start_logging("api")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".desk").mkdir()
    here = {"api_url": "http://desk.test", "token": token_of(ALICE), "service_secret": SECRET}
    (tmp_path / ".desk" / "desk.json").write_text(json.dumps(here))
    desk = trading_desk()
    with trading_api(desk):
        yield desk


def wrong(desk: TradingInMemory, **books: str | None) -> None:
    alerts = [
        Alert(dedupe_key=f"x:{name}", kind="reconciliation", severity=Severity.CRITICAL, sentence=name, book_id=book)
        for name, book in books.items()
    ]
    MemoryAlertStore(desk.database).settle(["x:"], alerts, at_ms=desk.clock.now_ms())


def sentences(user: str, query: str = "") -> list[str]:
    return sorted(item["sentence"] for item in call("GET", ALERTS, user=user, query=query).body["items"])


def test_people_see_alerts_of_their_books_and_operators_all(desk: TradingInMemory) -> None:
    wrong(desk, hers=HERS, his=HIS, desks=None)
    assert (sentences(ALICE), sentences(BOB)) == (["hers"], ["his"])
    assert sentences(OPERATOR) == ["desks", "hers", "his"]
    assert sentences(OPERATOR, f"book_id={HERS}&severity=critical&state=open&state=acknowledged") == ["hers"]
    assert sentences(OPERATOR, "state=resolved") == []
    assert call("GET", ALERTS, user=None).status == 401


def test_pages_of_alerts_have_everything_once(desk: TradingInMemory) -> None:
    wrong(desk, **{f"n{n}": None for n in range(7)})
    seen: list[str] = []
    query = "limit=3"
    while True:
        page = call("GET", ALERTS, user=OPERATOR, query=query).body
        seen += [item["sentence"] for item in page["items"]]
        if page["next"] is None:
            break
        query = f"limit=3&cursor={page['next']}"
    assert sorted(seen) == [f"n{n}" for n in range(7)]


def test_an_alert_is_looked_after_by_its_owner_or_an_operator(desk: TradingInMemory) -> None:
    wrong(desk, hers=HERS, paper=desk.book.book_id)
    of = {item["sentence"]: item["alert_id"] for item in call("GET", ALERTS, user=OPERATOR).body["items"]}
    done = call("POST", f"{ALERTS}/{of['hers']}/acknowledge", user=ALICE)
    assert (done.status, done.body["state"], done.body["acknowledged_by"]) == (200, "acknowledged", ALICE)
    assert call("POST", f"{ALERTS}/{of['hers']}/acknowledge", user=OPERATOR).body["acknowledged_by"] == ALICE
    assert call("POST", f"{ALERTS}/{of['hers']}/acknowledge", user=BOB).status == 404
    assert call("POST", f"{ALERTS}/{of['paper']}/acknowledge", user=ALICE).status == 403
    assert call("POST", f"{ALERTS}/{of['paper']}/acknowledge", user=OPERATOR).status == 200
    wrong(desk)
    assert call("POST", f"{ALERTS}/{of['hers']}/acknowledge", user=ALICE).status == 409


def test_a_channel_shows_neither_address_nor_secret_again(desk: TradingInMemory) -> None:
    made = call("POST", CHANNELS, HOOK | {"quiet": {"begin": "22:00", "end": "07:30"}, "time_zone": "Europe/Berlin"})
    assert made.status == 201, made.body
    secret, channel = made.body["secret"], made.body["channel"]
    assert len(secret) >= 32
    assert channel["shown"] == "https://example.com/…"
    assert channel["quiet"] == {"begin": "22:00", "end": "07:30"}
    assert call("POST", CHANNELS, PHONE).body["secret"] is None
    path = f"{CHANNELS}/{channel['channel_id']}"
    renamed = call("PATCH", path, {"name": "Other", "quiet": None, "version": 1})
    assert (renamed.body["channel"]["name"], renamed.body["channel"]["quiet"], renamed.body["secret"]) == (
        "Other", None, None,
    )  # fmt: skip
    fresh = call("PATCH", path, {"new_secret": True}).body["secret"]
    assert fresh not in {None, secret}
    said = json.dumps([call("GET", CHANNELS).body, renamed.body, made.body["channel"]])
    assert "tok3n" not in said
    assert fresh not in said
    assert call("PATCH", path, {"name": "Late", "version": 1}).status == 409
    assert call("DELETE", path).status == 204
    assert call("DELETE", path).status == 404


def test_other_peoples_channels_are_not_there_and_the_desks_are_operators(desk: TradingInMemory) -> None:
    hers = call("POST", CHANNELS, PHONE).body["channel"]["channel_id"]
    for method, path, body in (
        ("PATCH", f"{CHANNELS}/{hers}", {"name": "x"}), ("DELETE", f"{CHANNELS}/{hers}", None),
        ("POST", f"{CHANNELS}/{hers}/test", None),
    ):  # fmt: skip
        for user in (BOB, OPERATOR):
            assert call(method, path, body, user=user).status == 404
        assert call(method, path, body, user=None).status == 401
    assert call("GET", CHANNELS, user=BOB).body["items"] == []
    assert call("POST", CHANNELS, PHONE | {"desk": True}).status == 403
    assert call("GET", CHANNELS, query="desk=true").status == 403
    assert call("GET", LOG, query="desk=true").status == 403
    ops = call("POST", CHANNELS, PHONE | {"desk": True}, user=OPERATOR).body["channel"]
    assert ops["owner_id"] is None
    assert len(call("GET", CHANNELS, user=OPERATOR, query="desk=true").body["items"]) == 1
    assert call("DELETE", f"{CHANNELS}/{ops['channel_id']}", token=SECRET).status == 204


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"target": "file:///etc/passwd"}, "target"),
        ({"target": "json://127.0.0.1/x"}, "target"),
        ({"target": "json://private.example/x"}, "target"),
        ({"kind": "webhook", "target": "http://example.com/x"}, "target"),
        ({"kinds": ["gossip"]}, "kinds"),
        ({"time_zone": "Middle/Earth"}, "request"),
        ({"quiet": {"begin": "25:00", "end": "07:00"}}, "quiet.begin"),
        ({"quiet": {"begin": "07:00", "end": "07:00"}}, "quiet"),
        ({"name": ""}, "name"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_is_wrong_with_a_channel_is_told_by_field(
    desk: TradingInMemory, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], field: str
) -> None:
    monkeypatch.setattr(MemoryAddresses, "__init__", _private)
    refused = call("POST", CHANNELS, PHONE | change)
    assert (refused.status, [*told(refused)]) == (400, [field])
    assert call("GET", CHANNELS).body["items"] == []


def _private(self: MemoryAddresses) -> None:
    self.private = {"private.example"}


def test_a_test_goes_the_real_way_and_the_log_tells_it(desk: TradingInMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    queued: list[str] = []

    def keep(_: MemoryQueue, bodies: Sequence[str], *, delay_s: int = 0) -> None:
        queued.extend(bodies)

    monkeypatch.setattr(MemoryQueue, "send", keep)
    channel = call("POST", CHANNELS, PHONE).body["channel"]["channel_id"]
    tried = call("POST", f"{CHANNELS}/{channel}/test")
    assert tried.status == 202
    assert NotificationDue.model_validate_json(queued[0]).outbox_id == tried.body["outbox_id"]
    notifier = MemoryNotifier()
    notify(NotificationDue.model_validate_json(queued[0]), desk=_desk_of(desk, notifier))
    assert [(parcel.target, parcel.text.title) for parcel in notifier.parcels] == [(TARGET, "A test of your channel")]
    (line,) = call("GET", LOG, query=f"channel_id={channel}").body["items"]
    assert (line["state"], line["kind"], line["attempts"]) == ("sent", "test", 1)
    assert call("GET", LOG, user=BOB).body["items"] == []


def _desk_of(desk: TradingInMemory, notifier: MemoryNotifier) -> NotifyDesk:
    return NotifyDesk(
        outbox=MemoryOutbox(desk.database), deliveries=MemoryDeliveries(desk.database),
        alerts=MemoryAlertStore(desk.database), notifier=notifier, clock=desk.clock,
        wall_clock=TradingDeps(desk).wall_clock,
    )  # fmt: skip


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    serve_commands(monkeypatch)
    return CliRunner().invoke(app, [*arguments])


def test_alerts_are_listed_and_looked_after(desk: TradingInMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong(desk, hers=HERS)
    for words in (("alerts",), ("alerts", "list")):
        listed = run(monkeypatch, *words)
        assert "critical  open ×1  reconciliation\n    hers" in listed.stdout, listed.output
    (alert,) = json.loads(run(monkeypatch, "alerts", "list", "--json").stdout)
    done = run(monkeypatch, "alerts", "ack", alert["alert_id"][:8])
    assert done.stdout == f"{alert['alert_id'][:8]} is acknowledged, by operator\n"
    assert "operator looks after it" in run(monkeypatch, "alerts", "list").stdout
    assert run(monkeypatch, "alerts", "ack", "zzz").exit_code == 1
    wrong(desk)
    assert run(monkeypatch, "alerts", "list").stdout == ""
    assert "resolved" in run(monkeypatch, "alerts", "list", "--all").stdout


@pytest.mark.parametrize("switched_off", [False, True])
def test_a_channel_nobody_tries_again_is_no_alert(desk: TradingInMemory, switched_off: bool) -> None:
    kept = call("POST", CHANNELS, PHONE | {"desk": True}, user=OPERATOR).body["channel"]["channel_id"]
    failing = Alert(dedupe_key=f"channel:{kept}", kind="channel", severity=Severity.WARNING, sentence="not reached")
    MemoryAlertStore(desk.database).settle([failing.dedupe_key], [failing], at_ms=desk.clock.now_ms())
    assert sentences(OPERATOR, "state=open") == ["not reached"]
    change = {"enabled": False} if switched_off else None
    assert call("PATCH" if switched_off else "DELETE", f"{CHANNELS}/{kept}", change, user=OPERATOR).status in {200, 204}
    assert sentences(OPERATOR, "state=open") == []


def test_channels_are_added_tried_logged_and_removed(desk: TradingInMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no channels" in run(monkeypatch, "channels").stderr
    assert "nothing was sent yet" in run(monkeypatch, "channels", "log").stderr
    added = run(monkeypatch, "channels", "add", "Hook", "--webhook", "--to", HOOK["target"], "--quiet", "22:00-07:00")
    assert added.exit_code == 0, added.output
    assert "secret, told this once: " in added.stdout
    listed = run(monkeypatch, "channels").stdout
    assert "https://example.com/…" in listed
    assert "quiet 22:00-07:00" in listed
    assert max(map(len, listed.splitlines())) <= 120
    assert "on its way to Hook" in run(monkeypatch, "channels", "test", "Hook").stdout
    notify(NotificationDue(outbox_id="7b1f6a52-0f7e-5b38-9d5c-1d2f3a4b5c6d"), desk=_desk_of(desk, MemoryNotifier()))
    assert "info test" in run(monkeypatch, "channels", "log", "--channel", "Hook").stdout
    assert json.loads(run(monkeypatch, "channels", "log", "--json").stdout)[0]["state"] == "sent"
    run(monkeypatch, "channels", "add", "Ops", "--to", TARGET, "--desk")
    assert "Ops" in run(monkeypatch, "channels", "list", "--desk").stdout
    assert run(monkeypatch, "channels", "remove", "Hook").stdout == "Hook is gone\n"
    refused = run(monkeypatch, "channels", "add", "Bad", "--to", "file:///etc/passwd")
    assert (refused.exit_code, "target" in refused.stderr) == (1, True)
