"""Apprise and webhooks against a receiver on this machine: faults told apart, secrets kept, private places refused."""

import logging
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from shared.adapters import apprise_notifier, public_only
from shared.adapters.clock import SystemClock
from shared.adapters.notifier import ChannelNotifier
from shared.adapters.public_only import Addresses
from shared.domain.alerts import Severity
from shared.domain.errors import InvalidMessageError
from shared.domain.notification_texts import Item, Parcel, Text
from shared.domain.notifications import ChannelKind, Fault, FaultKind
from shared.domain.signing import SignatureError, verify
from tests.fakes.receiver import Receiver, receiver

SECRET = "a-webhook-secret-of-some-length"
TOKEN = "tok3n-nobody-may-see"
TEXT = Text(title="CRITICAL: venue", body="binance does not answer.", severity=Severity.CRITICAL)
ITEM = Item(
    outbox_id="7b1f6a52-0f7e-5b38-9d5c-1d2f3a4b5c6d", text=TEXT, kind="alert_opened", data={"n": 1}, correlation_id="c1"
)


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def a_parcel(url: str, kind: ChannelKind = ChannelKind.APPRISE) -> Parcel:
    if kind is ChannelKind.APPRISE:
        return Parcel(kind=kind, target=f"{url.replace('http', 'json', 1)}/{TOKEN}", text=TEXT, items=(ITEM,))
    return Parcel(kind=kind, target=f"{url}/{TOKEN}", secret=SECRET, text=TEXT, items=(ITEM,))


def notifier(*, private: bool = True, limit_s: float = 10.0) -> ChannelNotifier:
    return ChannelNotifier(clock=SystemClock(), may_be_private=private, limit_s=limit_s)


both = pytest.mark.parametrize("kind", ChannelKind)


def test_apprise_delivers_the_text_with_its_severity(there: Receiver) -> None:
    assert notifier().send([a_parcel(there.url)]) == [None]
    (request,) = there.received
    assert request.path == f"/{TOKEN}"
    assert (request.json["title"], request.json["message"], request.json["type"]) == (TEXT.title, TEXT.body, "failure")


def test_a_webhook_is_signed_and_has_every_item(there: Receiver) -> None:
    assert notifier().send([a_parcel(there.url, ChannelKind.WEBHOOK)]) == [None]
    (request,) = there.received
    now_ms = SystemClock().now_ms()
    verify(SECRET, headers=request.headers, body=request.body, now_ms=now_ms)
    with pytest.raises(SignatureError):
        verify("another", headers=request.headers, body=request.body, now_ms=now_ms)
    assert request.json["items"][0] == {
        "outbox_id": ITEM.outbox_id, "correlation_id": "c1", "kind": "alert_opened", "severity": "critical",
        "title": TEXT.title, "body": TEXT.body, "data": {"n": 1},
    }  # fmt: skip


@both
@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (200, None),
        (204, None),
        (401, FaultKind.BAD_TARGET),
        (404, FaultKind.BAD_TARGET),
        (429, FaultKind.THROTTLED),
        (500, FaultKind.UNREACHABLE),
        (503, FaultKind.UNREACHABLE),
    ],
)
def test_what_a_target_answers_is_told_apart(
    there: Receiver, kind: ChannelKind, status: int, fault: FaultKind | None
) -> None:
    there.status, there.headers = status, {"retry-after": "120"}
    (found,) = notifier().send([a_parcel(there.url, kind)])
    assert (found and found.kind) == fault
    if found is not None:
        assert str(status) in found.reason
    if kind is ChannelKind.WEBHOOK and status == 429:
        assert found is not None
        assert found.retry_after_ms == 120_000


@both
def test_redirects_are_not_followed(there: Receiver, kind: ChannelKind) -> None:
    there.status, there.headers = 302, {"location": f"{there.url}/elsewhere"}
    parcel = a_parcel(there.url, kind)
    if kind is ChannelKind.APPRISE:
        parcel = Parcel(kind=kind, target=f"{parcel.target}?redirect=yes", text=TEXT)
    (fault,) = notifier().send([parcel])
    assert fault == Fault(kind=FaultKind.BAD_TARGET, reason="it answers 302")
    assert len(there.received) == 1


@both
def test_nobody_there_is_unreachable(kind: ChannelKind) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        (fault,) = notifier().send([a_parcel(f"http://127.0.0.1:{taken.getsockname()[1]}", kind)])
    assert fault is not None
    assert fault.kind is FaultKind.UNREACHABLE


@pytest.mark.parametrize("target", ["nonsense", "json://", "tgram://", "unknown://host/path", "slack://only-one"])
def test_an_address_apprise_cannot_use_is_wrong(target: str) -> None:
    (fault,) = notifier().send([Parcel(kind=ChannelKind.APPRISE, target=target, text=TEXT)])
    assert fault is not None
    assert fault.kind is FaultKind.BAD_TARGET


@both
def test_one_that_does_not_come_to_an_end_holds_nobody(there: Receiver, kind: ChannelKind) -> None:
    with receiver() as slow:
        slow.delay_s = 2.0
        began = time.monotonic()
        parcels = [a_parcel(slow.url, kind), *(a_parcel(there.url, kind) for _ in range(5))]
        faults = notifier(limit_s=1.0).send(parcels)
        took_s = time.monotonic() - began
    assert faults[0] == Fault(kind=FaultKind.UNREACHABLE, reason="it took longer than 1 s")
    assert [*faults[1:]] == [None] * 5
    assert took_s < 1.8


@both
@pytest.mark.parametrize("status", [200, 401, 500])
def test_no_log_has_an_address_or_a_secret(
    there: Receiver, kind: ChannelKind, status: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    there.status = status
    with caplog.at_level(logging.INFO):
        faults = [
            *notifier().send([a_parcel(there.url, kind)]),
            *notifier(private=False).send([a_parcel(there.url, kind)]),
        ]
    said = caplog.text + "".join(capfd.readouterr()) + repr(faults) + repr(a_parcel(there.url, kind))
    assert TOKEN not in said
    assert SECRET not in said


def test_a_librarys_mistake_is_the_channels_fault_and_its_text_stays_unsaid(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(TOKEN)

    monkeypatch.setattr(apprise_notifier, "notify", broken)
    (fault,) = notifier().send([a_parcel("http://127.0.0.1:1")])
    assert fault == Fault(kind=FaultKind.UNREACHABLE, reason="sending it failed: RuntimeError")
    assert TOKEN not in caplog.text


REFUSED = [
    "127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.9", "169.254.169.254", "100.64.0.1", "0.0.0.0",  # noqa: S104
    "224.0.0.1", "::1", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
    "2002:7f00:1::", "::", "fd00:ec2::254",
]  # fmt: skip


def resolves_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Have every name stand for addresses, each time the next; return what was asked for."""
    asked: list[str] = []

    def resolve(host: str, port: Any, *_: Any, **__: Any) -> list[Any]:
        found = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port or 0))
            for each in found
        ]

    monkeypatch.setattr(public_only, "_RESOLVE", resolve)
    return asked


@both
@pytest.mark.parametrize("address", REFUSED)
def test_private_places_are_refused_when_connecting(
    monkeypatch: pytest.MonkeyPatch, kind: ChannelKind, address: str
) -> None:
    resolves_to(monkeypatch, [address])
    (fault,) = notifier(private=False).send([a_parcel("http://rebound.example", kind)])
    assert fault == Fault(kind=FaultKind.BAD_TARGET, reason="the host is not of the public net")


@both
def test_a_name_that_stands_for_a_public_and_a_private_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, kind: ChannelKind
) -> None:
    resolves_to(monkeypatch, ["93.184.216.34", "127.0.0.1"])
    (fault,) = notifier(private=False).send([a_parcel("http://both.example", kind)])
    assert fault is not None
    assert fault.kind is FaultKind.BAD_TARGET


@both
def test_the_name_is_resolved_once_and_what_was_checked_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, there: Receiver, kind: ChannelKind
) -> None:
    """DNS rebinding: public when the address is saved, private when it is used."""
    asked = resolves_to(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    Addresses().require_public("rebound.example", 80)
    (fault,) = notifier(private=False).send([a_parcel(there.url.replace("127.0.0.1", "rebound.example"), kind)])
    assert fault == Fault(kind=FaultKind.BAD_TARGET, reason="the host is not of the public net")
    assert (len(asked), there.received) == (2, [])


@pytest.mark.parametrize("address", REFUSED)
def test_private_places_are_refused_when_saving(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    resolves_to(monkeypatch, [address])
    with pytest.raises(InvalidMessageError, match="public"):
        Addresses().require_public("somewhere.example", 443)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "localhost", "metadata.google.internal"])
def test_other_ways_to_write_a_private_place_are_refused_when_saving(host: str) -> None:
    with pytest.raises(InvalidMessageError):
        Addresses().require_public(host, 443)


def test_others_connect_as_ever(there: Receiver) -> None:
    notifier(private=False).send([a_parcel(there.url)])
    assert there.received == []
    with socket.create_connection(("127.0.0.1", int(there.url.rpartition(":")[2]))):
        pass
