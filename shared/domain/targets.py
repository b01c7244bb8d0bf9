"""Where messages may be sent: addresses people give, what of them is shown, and which hosts are nobody's to reach.

The desk must not be made to knock at what only it can reach: its own machine, private networks, a cloud's metadata.
"""

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from shared.domain.errors import InvalidMessageError
from shared.domain.notifications import ChannelKind

# What Apprise may be asked to use: services of the net, and never files, programs, or this machine's own desktop.
SERVICES: Final = frozenset(
    {
        "bark",
        "barks",
        "betterstack",
        "brevo",
        "dingtalk",
        "discord",
        "feishu",
        "gchat",
        "guilded",
        "ifttt",
        "join",
        "lark",
        "line",
        "mailgun",
        "notifiarr",
        "ntfy",
        "ntfys",
        "opsgenie",
        "pagerduty",
        "pbul",
        "plivo",
        "postmark",
        "pover",
        "prowl",
        "push",
        "pushed",
        "pushy",
        "resend",
        "revolt",
        "sendgrid",
        "signl4",
        "simplepush",
        "sinch",
        "slack",
        "spush",
        "squadcast",
        "telnyx",
        "tgram",
        "threema",
        "twilio",
        "victorops",
        "vonage",
        "webex",
        "wecombot",
        "workflow",
        "workflows",
        "wxteams",
        "zulip",
    }
)
# The same, on a host of the person's choice, which the address names.
HOSTED: Final = frozenset(
    {
        "form",
        "forms",
        "gotify",
        "gotifys",
        "json",
        "jsons",
        "matrix",
        "matrixs",
        "mmost",
        "mmosts",
        "nctalk",
        "nctalks",
        "rocket",
        "rockets",
        "signal",
        "signals",
        "xml",
        "xmls",
    }
)
MAIL: Final = frozenset({"mailto", "mailtos"})
# What would have the desk read its own files, or wait.
_REFUSED_OPTIONS: Final = frozenset(
    {"attach", "cert", "config", "file", "key", "keyfile", "path", "pgp", "pgpkey", "retry", "template", "wait"}
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An address that may be used; `host` is None where the service decides it, `shown` has nothing secret in it."""

    shown: str
    host: str | None
    port: int | None


def read_target(kind: ChannelKind, target: str, *, may_be_private: bool) -> Target:
    """Check an address a person gave; raise `InvalidMessageError` that never repeats it, since it has secrets in it."""
    if any(character.isspace() or not character.isprintable() for character in target):
        raise InvalidMessageError("target", "expected one address without spaces")
    try:
        parts = urlsplit(target)
        host, scheme = parts.hostname, parts.scheme.lower()
        port = None if scheme in SERVICES else parts.port  # what looks like a port there may be half a token
    except ValueError:
        raise InvalidMessageError("target", "expected an address such as https://example.com/hook") from None
    read = _read_webhook if kind is ChannelKind.WEBHOOK else _read_apprise
    found = read(scheme, parts, host, port, may_be_private)
    if found.host is not None and not may_be_private:
        refuse_literal(found.host)
    return found


def refuse_literal(host: str) -> None:
    """Raise `InvalidMessageError` for a host that is an address, or a name, of a place people may not send to."""
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        raise InvalidMessageError("target", "expected a public host")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    if not is_public(host):
        raise InvalidMessageError("target", "expected a public address")


def is_public(address: str) -> bool:
    """Tell whether an IP address is of the public net, also the one that an IPv6 address carries inside."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inside: list[ipaddress.IPv4Address] = []
    if isinstance(ip, ipaddress.IPv6Address):
        inside = [each for each in (ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())) if each is not None]
        if ip in _NAT64:
            inside.append(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF))
    if inside:
        return all(_is_public(each) for each in inside)
    return _is_public(ip)


def _is_public(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _read_webhook(scheme: str, parts: SplitResult, host: str | None, port: int | None, may_be_private: bool) -> Target:
    if scheme != "https" and not (may_be_private and scheme == "http"):
        raise InvalidMessageError("target", "expected an address that begins with https://")
    if not host:
        raise InvalidMessageError("target", "expected a host")
    if parts.username or parts.password:
        raise InvalidMessageError("target", "expected no user or password: what is sent is signed")
    return Target(shown=_with_host(scheme, host, port), host=host, port=port)


def _read_apprise(scheme: str, parts: SplitResult, host: str | None, port: int | None, may_be_private: bool) -> Target:
    if scheme not in SERVICES | HOSTED | MAIL:
        raise InvalidMessageError(
            "target", f"expected an Apprise address of {', '.join(sorted(SERVICES | HOSTED | MAIL))}"
        )
    refused = sorted({name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)} & _REFUSED_OPTIONS)
    if refused:
        raise InvalidMessageError("target", f"the option {refused[0]!r} is not allowed")
    if scheme in SERVICES:
        return Target(shown=f"{scheme}://…", host=None, port=None)
    if not host:
        raise InvalidMessageError("target", "expected a host")
    if scheme in MAIL:  # the host is that of the address, not of the server
        if not may_be_private:
            refuse_literal(host)
        return Target(shown=f"{scheme}://…@{host}", host=None, port=None)
    return Target(shown=_with_host(scheme, host, port), host=host, port=port)


def _with_host(scheme: str, host: str, port: int | None) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}{f':{port}' if port else ''}/…"
