"""Ask venues whether they are there, by the question for their time that each answers without a key.

Sources are those of each venue's own adapter in `shared/adapters/venues`, which is the collector's: functions do not
carry its HTTP client.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import httpx

from shared.domain.monitor_facts import Ping

TIMEOUT_S: Final = 2.8
"""Longer than a venue may take before it counts as slow, shorter than a check may take."""
AGAIN_WITHIN_S: Final = 0.5
"""A venue that fails sooner is asked once more: a connection that was cut says nothing of it."""


class _Question(NamedTuple):
    """What a venue is asked, and what of its answer says that it is well, since not all say so by the HTTP status."""

    base: str
    path: str
    is_well: Callable[[Any], bool]
    body: Mapping[str, str] | None = None


_QUESTIONS: Final[Mapping[str, _Question]] = {
    "binance": _Question("https://api.binance.com", "/api/v3/time", lambda body: "serverTime" in body),
    "binance_usdm": _Question("https://fapi.binance.com", "/fapi/v1/time", lambda body: "serverTime" in body),
    "bybit": _Question("https://api.bybit.com", "/v5/market/time", lambda body: body["retCode"] == 0),
    "bybit_linear": _Question("https://api.bybit.com", "/v5/market/time", lambda body: body["retCode"] == 0),
    "okx": _Question("https://www.okx.com", "/api/v5/public/time", lambda body: body["code"] == "0"),
    "okx_swap": _Question("https://www.okx.com", "/api/v5/public/time", lambda body: body["code"] == "0"),
    "kraken": _Question("https://api.kraken.com", "/0/public/Time", lambda body: not body["error"]),
    "coinbase": _Question("https://api.exchange.coinbase.com", "/time", lambda body: "iso" in body),
    "hyperliquid": _Question(
        "https://api.hyperliquid.xyz", "/info", lambda body: "time" in body, {"type": "l2Book", "coin": "BTC"}
    ),
}


@dataclass(slots=True)
class HttpVenuePings:
    """Venues over HTTP; `urls` say where one is when it is not where it always is."""

    urls: Mapping[str, str]
    session: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=TIMEOUT_S))

    def ask(self, venues: Sequence[str]) -> Mapping[str, Ping]:
        """Ask each venue for its time, all at once; what is wrong with one is said of it, and never raised."""
        if not venues:
            return {}
        with ThreadPoolExecutor(len(venues)) as pool:
            return dict(zip(venues, pool.map(self._ping, venues), strict=True))

    def _ping(self, venue: str) -> Ping:
        question = _QUESTIONS.get(venue)
        if question is None:
            return Ping(error=f"nobody knows how to ask {venue}")
        began = time.perf_counter()
        error = self._ask_once(venue, question)
        if error is not None and time.perf_counter() - began < AGAIN_WITHIN_S:
            began = time.perf_counter()
            error = self._ask_once(venue, question)
        return Ping(latency_ms=round((time.perf_counter() - began) * 1_000)) if error is None else Ping(error=error)

    def _ask_once(self, venue: str, question: _Question) -> str | None:
        """Return what is wrong, None when nothing is."""
        url = self.urls.get(venue, question.base).rstrip("/") + question.path
        try:
            answer = self.session.get(url) if question.body is None else self.session.post(url, json=question.body)
            if answer.status_code != httpx.codes.OK:
                return f"HTTP {answer.status_code}"
            return None if question.is_well(answer.json()) else f"it says {answer.text[:200]}"
        except httpx.HTTPError as error:
            return f"{type(error).__name__} {error}".rstrip()
        except (ValueError, KeyError, TypeError):
            return "its answer cannot be read"
