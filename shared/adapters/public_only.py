"""Have a thread connect to the public net alone, whatever library it uses and wherever an answer redirects it.

The check is where a name becomes the addresses that are connected to, so that there is no second resolution which
could say something else (DNS rebinding). Python has one such place, `socket.getaddrinfo`; it is guarded for threads
that ask for it, and as ever for all others.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from shared.domain.errors import InvalidMessageError
from shared.domain.targets import is_public, refuse_literal

_RESOLVE: Final = socket.getaddrinfo
_thread = threading.local()


class PrivateAddressError(socket.gaierror):
    """Refuse a host that stands for an address of this machine, a private network, or a cloud's metadata."""


class Addresses:
    """What hosts stand for, by DNS."""

    def require_public(self, host: str, port: int | None) -> None:
        """Raise `InvalidMessageError` for a host that is unknown, or stands for an address people may not send to."""
        refuse_literal(host)
        try:
            with public_only():
                socket.getaddrinfo(host, port or 443, type=socket.SOCK_STREAM)
        except PrivateAddressError as error:
            raise InvalidMessageError("target", "expected a host with a public address") from error
        except (OSError, UnicodeError) as error:
            raise InvalidMessageError("target", "expected a host that exists") from error


@contextmanager
def public_only() -> Iterator[None]:
    """Refuse this thread every host that has an address which is not public, with `PrivateAddressError`."""
    if socket.getaddrinfo is not _guarded:
        socket.getaddrinfo = _guarded
    _thread.guarded, _thread.refused = True, False
    try:
        yield
    finally:
        _thread.guarded = False


def was_refused() -> bool:
    """Tell whether this thread was refused a host since it last asked to be guarded; libraries hide the reason."""
    return bool(getattr(_thread, "refused", False))


def _guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
    found = _RESOLVE(host, *args, **kwargs)
    if getattr(_thread, "guarded", False) and not all(is_public(str(address[4][0])) for address in found):
        _thread.refused = True
        raise PrivateAddressError(socket.EAI_FAIL, "not a public address")
    return found
