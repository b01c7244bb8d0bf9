"""How the desk's venues are called in ccxt, and in what they differ from each other."""

import importlib
import importlib.util
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from shared.domain.errors import FatalError
from shared.ports import Clock

Client = Any  # one of ccxt's exchanges; it carries no types


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What an account is opened with; none of it is ever shown."""

    api_key: str = field(repr=False)
    secret: str = field(repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One venue in ccxt. `window_ms` is how long after it was signed a request is taken.

    `reuses_ids` is a venue that takes a client order id again once its order has ended. `may_withdraw` asks what the
    key may do, None where the venue does not tell. `pages_by_id` is a list of trades that goes on from a trade's id.
    """

    ccxt_id: str
    is_swap: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    window_ms: int = 30_000
    stop_orders: bool = False
    oco: bool = False
    reuses_ids: bool = True
    pages_by_id: bool = False
    may_withdraw: Callable[[Client], bool] | None = None


def _binance_withdraws(client: Client) -> bool:
    return bool(client.sapiGetAccountApiRestrictions()["enableWithdrawals"])


def _bybit_withdraws(client: Client) -> bool:
    return "Withdraw" in client.privateGetV5UserQueryApi()["result"]["permissions"]["Wallet"]


def _okx_withdraws(client: Client) -> bool:
    return "withdraw" in client.privateGetAccountConfig()["data"][0]["perm"]


_BINANCE_MS: Final = 5_000
_BINANCE: Final = {
    "recvWindow": _BINANCE_MS,
    "fetchMargins": False,
    "fetchMarkets": {"types": ["spot"]},
    "fetchOpenOrders": {"warnWithoutSymbol": False},
}
_SPOT: Final = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}}
_LINEAR: Final = {"defaultType": "swap", "defaultSubType": "linear", "fetchMarkets": {"types": ["linear"]}}
_DIALECTS: Final[Mapping[str, Dialect]] = {
    "binance": Dialect(
        ccxt_id="binance",
        options=_BINANCE,
        window_ms=_BINANCE_MS,
        stop_orders=True,
        oco=True,
        pages_by_id=True,
        may_withdraw=_binance_withdraws,
    ),
    "binance_usdm": Dialect(
        ccxt_id="binanceusdm",
        is_swap=True,
        options=_BINANCE | {"fetchMarkets": {"types": ["linear"]}},
        window_ms=_BINANCE_MS,
        pages_by_id=True,
        may_withdraw=_binance_withdraws,
    ),
    "bybit": Dialect(ccxt_id="bybit", options=_SPOT, reuses_ids=False, may_withdraw=_bybit_withdraws),
    "bybit_linear": Dialect(
        ccxt_id="bybit", is_swap=True, options=_LINEAR, reuses_ids=False, may_withdraw=_bybit_withdraws
    ),
    "okx": Dialect(ccxt_id="okx", options=_SPOT, may_withdraw=_okx_withdraws),
    "okx_swap": Dialect(
        ccxt_id="okx",
        is_swap=True,
        options={"defaultType": "swap", "fetchMarkets": {"types": ["swap"]}},
        may_withdraw=_okx_withdraws,
    ),
    "hyperliquid": Dialect(
        ccxt_id="hyperliquid",
        is_swap=True,
        options={"defaultType": "swap", "fetchMarkets": {"types": ["swap"]}},
    ),
}


def dialect_of(venue: str) -> Dialect:
    """Return what is known of a venue; one the desk does not name itself is spot, and called as ccxt calls it."""
    return _DIALECTS.get(venue, Dialect(ccxt_id=venue))


def ccxt_class(ccxt_id: str) -> Client:
    """Import one of ccxt's exchanges without the hundred others that `import ccxt` imports.

    While it is imported, the package stands there as found and not run; it is taken away again, so that an
    `import ccxt` elsewhere is what it always was.
    """
    spec = importlib.util.find_spec("ccxt")
    if spec is None or not ccxt_id.isidentifier():
        raise FatalError(f"{ccxt_id[:40]!r} cannot be looked for in ccxt")
    stands_in = "ccxt" not in sys.modules
    if stands_in:
        sys.modules["ccxt"] = importlib.util.module_from_spec(spec)
    try:
        return getattr(importlib.import_module(f"ccxt.{ccxt_id}"), ccxt_id)
    except (ModuleNotFoundError, AttributeError) as error:
        raise FatalError(f"ccxt has no venue {ccxt_id!r}: {error}") from error
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
    client = ccxt_class(dialect.ccxt_id)(
        {
            "apiKey": keys.api_key,
            "secret": keys.secret,
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
        client.set_sandbox_mode(True)
    if url is not None:
        client.urls["api"] = _moved(client.urls["api"], url.rstrip("/"))
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
