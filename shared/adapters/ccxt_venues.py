"""The desk's venues in ccxt: what is known of each, and its client."""

import importlib
import importlib.util
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from shared.adapters import ccxt_binance, ccxt_bybit, ccxt_coinbase, ccxt_hyperliquid, ccxt_kraken, ccxt_okx
from shared.adapters.ccxt_dialect import Client, Dialect, Keys
from shared.domain.errors import FatalError
from shared.ports import Clock

_DIALECTS: Final[Mapping[str, Dialect]] = {
    **ccxt_binance.DIALECTS,
    **ccxt_bybit.DIALECTS,
    **ccxt_okx.DIALECTS,
    **ccxt_kraken.DIALECTS,
    **ccxt_hyperliquid.DIALECTS,
    **ccxt_coinbase.DIALECTS,
}


def dialect_of(venue: str) -> Dialect:
    """Return what is known of a venue; one the desk does not name itself is spot, lists, and is not traded at."""
    return _DIALECTS.get(venue, Dialect(ccxt_id=venue))


def ccxt_class(ccxt_id: str, static: Sequence[str] = ()) -> Client:
    """Import one of ccxt's exchanges without the hundred others that `import ccxt` imports.

    `static` are the parts it brings along for signing: it imports them when it first signs, and with them everything,
    unless they are there.
    """
    if not ccxt_id.isidentifier():
        raise FatalError(f"{ccxt_id[:40]!r} cannot be looked for in ccxt")
    try:
        with _package_unrun():
            for part in static:
                importlib.import_module(f"ccxt.static_dependencies.{part}")
            return getattr(importlib.import_module(f"ccxt.{ccxt_id}"), ccxt_id)
    except (ModuleNotFoundError, AttributeError) as error:
        raise FatalError(f"ccxt has no venue {ccxt_id!r}: {error}") from error


@contextmanager
def _package_unrun() -> Iterator[None]:
    """Let ccxt's package stand there as found and not run.

    It is taken away again, so that an `import ccxt` elsewhere is what it always was.
    """
    spec = importlib.util.find_spec("ccxt")
    if spec is None:
        raise FatalError("ccxt is not installed")
    stands_in = "ccxt" not in sys.modules
    if stands_in:
        sys.modules["ccxt"] = importlib.util.module_from_spec(spec)
    try:
        yield
    finally:
        if stands_in:
            del sys.modules["ccxt"]


def base_error() -> type[Exception]:
    """Return the root of ccxt's errors; to be called once a venue has been imported."""
    kind: type[Exception] = importlib.import_module("ccxt.base.errors").BaseError
    return kind


def connect(
    dialect: Dialect, keys: Keys, clock: Clock, *, timeout_ms: int, url: str | None = None, sandbox: bool = False
) -> Client:
    """Return ccxt's client of a venue that never repeats a request by itself and reads the desk's clock.

    `url` replaces scheme and host of every address. Its own rate limit is off: it would know the requests of this
    process only, while the venue counts those of all.
    """
    key, secret = dialect.key_names
    client = ccxt_class(dialect.ccxt_id, dialect.static)(
        {
            key: keys.api_key,
            secret: keys.secret,
            "password": keys.password,
            "timeout": timeout_ms,
            "enableRateLimit": False,
            "number": str,  # as the venue wrote it; of Decimal, ccxt loses every fee
            "options": {"maxRetriesOnFailure": 0, **dialect.options},
        }
    )
    client.has["fetchCurrencies"] = False  # a private request nothing of the desk needs
    client.milliseconds = clock.now_ms
    client.logger = _silent()
    if sandbox:
        if not client.urls.get("test"):
            raise FatalError(f"{dialect.ccxt_id} has no sandbox")
        client.set_sandbox_mode(True)
    if url is not None:
        client.urls["api"] = _moved(client.urls["api"], url.rstrip("/"))
    if dialect.prepare is not None:
        dialect.prepare(client)
    return client


def _silent() -> logging.Logger:
    """Return a logger that says nothing: ccxt logs the headers of requests, and with them the key."""
    logger = logging.getLogger("nightdesk.ccxt")
    logger.disabled = True
    return logger


def _moved(addresses: Any, base: str) -> Any:
    if isinstance(addresses, Mapping):
        return {name: _moved(address, base) for name, address in addresses.items()}
    return base + urlsplit(addresses).path if isinstance(addresses, str) else addresses
