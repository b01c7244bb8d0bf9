"""Addresses people give: what is used, what is shown, what is refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidMessageError
from shared.domain.notifications import ChannelKind
from shared.domain.targets import HOSTED, MAIL, SERVICES, is_public, read_target

A, W = ChannelKind.APPRISE, ChannelKind.WEBHOOK


@pytest.mark.parametrize(
    ("kind", "target", "shown", "host"),
    [
        (W, "https://hooks.example/secret?key=k", "https://hooks.example/…", "hooks.example"),
        (W, "https://hooks.example:8443/secret", "https://hooks.example:8443/…", "hooks.example"),
        (W, "https://[2606:4700::1111]/x", "https://[2606:4700::1111]/…", "2606:4700::1111"),
        (A, "tgram://123456:secret/789", "tgram://…", None),
        (A, "discord://id/secret", "discord://…", None),
        (A, "mailto://user:secret@example.com", "mailto://…@example.com", None),
        (A, "jsons://user:secret@example.com/path", "jsons://example.com/…", "example.com"),
        (A, "ntfy://secret-topic", "ntfy://…", None),
    ],
)
def test_what_is_shown_has_no_secret(kind: ChannelKind, target: str, shown: str, host: str | None) -> None:
    read = read_target(kind, target, may_be_private=False)
    assert (read.shown, read.host) == (shown, host)
    assert "secret" not in read.shown


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (W, "http://example.com/x"), (W, "ftp://example.com"), (W, "https://"), (W, "https://u:p@example.com/"),
        (W, "https://127.0.0.1/x"), (W, "https://169.254.169.254/latest"), (W, "https://[::1]/"),
        (W, "https://[::ffff:10.0.0.1]/"), (W, "https://localhost/"), (W, "https://a.internal/"),
        (W, "https://exa mple.com/"), (W, "https://example.com:99999/"), (W, "https://[::1"),
        (A, "file:///etc/passwd"), (A, "syslog://"), (A, "dbus://"), (A, "exec://ls"), (A, "windows://"),
        (A, "rsyslog://example.com"), (A, "json://127.0.0.1/x"), (A, "json://"), (A, "json://10.1.2.3"),
        (A, "https://example.com"), (A, "slack://a/b/c?template=/etc/passwd"), (A, "mailto://a:b@c.d?PGP=/etc/key"),
        (A, "tgram://a/b,json://127.0.0.1 x"), (A, "tgram://a/b?retry=9"),
    ],
)  # fmt: skip
def test_what_must_not_be_used_is_refused_without_repeating_it(kind: ChannelKind, target: str) -> None:
    with pytest.raises(InvalidMessageError) as refused:
        read_target(kind, target, may_be_private=False)
    assert refused.value.field == "target"
    assert target not in str(refused.value)


def test_a_desk_on_ones_own_machine_may_reach_it() -> None:
    assert read_target(W, "http://127.0.0.1:9000/x", may_be_private=True).port == 9_000
    assert read_target(A, "json://127.0.0.1:9000/x", may_be_private=True).host == "127.0.0.1"


def test_apprise_knows_every_schema_that_is_allowed() -> None:
    from apprise import Apprise

    known: set[str] = set()
    for service in Apprise().details()["schemas"]:
        known |= {*(service.get("protocols") or ()), *(service.get("secure_protocols") or ())}
    assert known >= SERVICES | HOSTED | MAIL


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_as_public_as_it_is_alone(address: object) -> None:
    assert is_public(f"::ffff:{address}") == is_public(str(address))


@given(st.text(max_size=40))
def test_no_text_breaks_the_reader(target: str) -> None:
    for kind in ChannelKind:
        with suppress(InvalidMessageError):
            assert read_target(kind, target, may_be_private=False).shown
