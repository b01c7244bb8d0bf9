"""What every AuditLog keeps, in memory and in Supabase."""

from dataclasses import replace
from uuid import uuid4

import pytest

from shared.adapters.supabase.audit import SupabaseAuditLog
from shared.adapters.supabase.client import connect
from shared.domain.audit import ActorKind, AuditEvent, AuditOutcome
from shared.people_ports import AuditLog
from tests.contract.stores import CLOSE, MemoryStores, Stores, SupabaseStores
from tests.fakes.audit import MemoryAuditLog

ALICE, BOB = str(uuid4()), str(uuid4())


@pytest.fixture
def logs(stores: Stores) -> dict[str | None, AuditLog]:
    """The trail as the desk, Alice and Bob see it."""
    if isinstance(stores, MemoryStores):
        whole = MemoryAuditLog()
        return {None: whole} | {person: MemoryAuditLog(whole.rows, person) for person in (ALICE, BOB)}
    assert isinstance(stores, SupabaseStores)
    supabase = stores.supabase
    own: dict[str | None, AuditLog] = {
        person: SupabaseAuditLog(connect(supabase.url, supabase.publishable_key, token=supabase.sign_token(person)))
        for person in (ALICE, BOB)
    }
    return own | {None: SupabaseAuditLog(connect(supabase.url, supabase.secret_key))}


def an_event(actor: str, **changes: object) -> AuditEvent:
    event = AuditEvent(
        at_ms=CLOSE,
        actor=actor,
        actor_kind=ActorKind.PERSON,
        action="PATCH /api/v1/books/{book_id}",
        target="book_id=b",
        outcome=AuditOutcome.REFUSED,
        status=403,
        request_id=uuid4().hex,
        correlation_id="c",
        address="192.0.2.7",
        details={"took_ms": 1.5, "detail": "not yours"},
    )
    return replace(event, **changes)  # type: ignore[arg-type]


def test_an_event_comes_back_as_it_was_appended_and_once(logs: dict[str | None, AuditLog]) -> None:
    event = an_event(ALICE)
    for _ in range(2):
        logs[None].append([event])
    found = logs[ALICE].list(limit=10)
    assert [each.event for each in found] == [event]
    logs[None].append([replace(event, action="POST /api/v1/books")])
    assert len(logs[ALICE].list(limit=10)) == 2
    logs[None].append([])
    unnamed = an_event(ALICE, request_id=None)
    for _ in range(2):
        logs[None].append([unnamed])
    assert len(logs[ALICE].list(limit=10)) == 4


def test_the_newest_come_first_and_people_see_their_own(logs: dict[str | None, AuditLog]) -> None:
    logs[None].append([an_event(ALICE, target=str(n)) for n in range(5)])
    logs[None].append([an_event(BOB), an_event(ALICE, actor_kind=ActorKind.MACHINE, target="not hers")])
    mine = logs[ALICE].list(limit=5)
    assert [each.event.target for each in mine] == ["4", "3", "2", "1", "0"]
    assert [each.event.target for each in logs[ALICE].list(limit=2, before=mine[1].event_id)] == ["2", "1"]
    assert logs[BOB].list(limit=10, actor=ALICE) == []
    newest = logs[None].list(limit=6, actor=ALICE)
    assert {each.event.target for each in newest} == {"0", "1", "2", "3", "4", "not hers"}
    ids = [each.event_id for each in logs[None].list(limit=7)]
    assert ids == sorted(ids, reverse=True)


def test_what_strangers_send_is_kept(stores: Stores, logs: dict[str | None, AuditLog]) -> None:
    odd = an_event(BOB, target="a\x00b\ud800", action="GET /" + "x" * 900, details={"k\x00": ["\x00", {"d": "\x00"}]})
    logs[None].append([odd, an_event(BOB, details={"much": "x" * 20_000})])
    if isinstance(stores, SupabaseStores):
        much, found = logs[BOB].list(limit=2)
        assert found.event.target == "a\N{REPLACEMENT CHARACTER}b?"
        assert len(found.event.action) == 200
        assert much.event.details.keys() == {"left_out"}
