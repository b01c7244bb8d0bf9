"""What every AlertStore keeps, in memory and in Supabase."""

from uuid import uuid4

from desk.local.supabase_lite import SupabaseLite
from shared.adapters.supabase.alerts import SupabaseAlertStore
from shared.adapters.supabase.client import connect, rows
from shared.domain.alerts import COOL_DOWN_MS, Alert, Severity
from tests.contract.stores import CLOSE, Stores


def an_alert(key: str, sentence: str = "the desk has 1, the venue 2") -> Alert:
    return Alert(dedupe_key=key, kind="reconciliation", severity=Severity.CRITICAL, sentence=sentence)


def test_what_is_wrong_is_open_until_it_is_not(stores: Stores) -> None:
    mine, other = f"a{uuid4().hex}:", f"b{uuid4().hex}:"
    alerts = stores.alerts()
    assert alerts.settle([mine], [an_alert(f"{mine}1"), an_alert(f"{mine}2")], at_ms=CLOSE).open == 2
    assert alerts.settle([other], [an_alert(f"{other}1")], at_ms=CLOSE).open == 1
    assert alerts.settle([mine], [an_alert(f"{mine}1")], at_ms=CLOSE + 1).open == 1
    assert alerts.settle([mine], [], at_ms=CLOSE + 2).open == 0
    assert alerts.settle([other], [an_alert(f"{other}1")], at_ms=CLOSE + 2).open == 1  # others are not touched
    assert (
        alerts.settle([mine], [an_alert(f"{other}2")], at_ms=CLOSE + 3).open == 0
    )  # nor can one be opened beside them
    both = [an_alert(f"{mine}3"), an_alert(f"{other}2")]
    assert alerts.settle([mine, other], both, at_ms=CLOSE + 4).open == 2  # one of each; the other's first has resolved
    assert alerts.settle([], both, at_ms=CLOSE + 5).open == 0
    assert alerts.settle([other, mine], [], at_ms=CLOSE + 6).open == 0


def test_the_same_finding_is_one_row_that_counts(supabase: SupabaseLite) -> None:
    client = connect(supabase.url, supabase.secret_key)
    alerts, key = SupabaseAlertStore(client), f"c{uuid4().hex}:1"
    for at_ms in (CLOSE, CLOSE, CLOSE + 60_000):  # the second is a redelivery
        alerts.settle([key], [an_alert(key, f"at {at_ms}")], at_ms=at_ms)
    query = client.from_("alerts").select("seen,state,sentence,first_at_ms,last_at_ms,resolved_at_ms")
    (row,) = rows(query.eq("dedupe_key", key).execute())
    assert row == {
        "seen": 2, "state": "open", "sentence": f"at {CLOSE + 60_000}", "first_at_ms": CLOSE,
        "last_at_ms": CLOSE + 60_000, "resolved_at_ms": None,
    }  # fmt: skip
    alerts.settle([key], [], at_ms=CLOSE + 120_000)
    alerts.settle([key], [an_alert(key)], at_ms=CLOSE + 120_000 + COOL_DOWN_MS)
    found = rows(client.from_("alerts").select("state").eq("dedupe_key", key).order("first_at_ms").execute())
    assert [each["state"] for each in found] == ["resolved", "open"]
