"""Every error class of ccxt has a reaction, and what was not answered is never taken for a refusal."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests

from shared.adapters.ccxt_dialect import Keys
from shared.adapters.ccxt_errors import REACTIONS, Reaction, named
from shared.adapters.ccxt_venues import base_error, ccxt_class, connect, dialect_of
from shared.domain.errors import (
    FatalError,
    InvalidMessageError,
    NightdeskError,
    OutcomeUnknownError,
    RejectedError,
    TransientError,
)
from shared.runtime.config import TRADED_VENUES
from tests.fakes.clock import ManualClock

ccxt_class("binance")
BASE = base_error()


def all_classes(kind: type[Exception] = BASE) -> Iterator[type[Exception]]:
    yield kind
    for child in kind.__subclasses__():
        yield from all_classes(child)


def of_ccxt(name: str) -> type[Exception]:
    return next(kind for kind in all_classes() if kind.__name__ == name)


def test_the_table_names_every_class_ccxt_has_and_no_other() -> None:
    hierarchy = sys.modules["ccxt.base.errors"].error_hierarchy

    def names(tree: Mapping[str, Any]) -> Iterator[str]:
        for name, below in tree.items():
            yield name
            yield from names(below)

    assert set(REACTIONS) == set(names(hierarchy)) == {kind.__name__ for kind in all_classes()}


@pytest.mark.parametrize("kind", sorted(set(all_classes()), key=str))
def test_each_class_becomes_one_of_the_desks_errors(kind: type[Exception]) -> None:
    of_a_write: dict[Reaction, type[NightdeskError]] = {
        Reaction.REFUSED: RejectedError,
        Reaction.LATER: TransientError,
        Reaction.UNCLEAR: OutcomeUnknownError,
        Reaction.FATAL: FatalError,
    }
    of_a_read = of_a_write | {Reaction.REFUSED: InvalidMessageError, Reaction.UNCLEAR: TransientError}
    reaction = REACTIONS[kind.__name__]
    assert type(named(kind("x"), writes=True)) is of_a_write[reaction]
    assert type(named(kind("x"), writes=False)) is of_a_read[reaction]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("RequestTimeout", OutcomeUnknownError),
        ("NetworkError", OutcomeUnknownError),
        ("ExchangeNotAvailable", OutcomeUnknownError),
        ("ExchangeError", OutcomeUnknownError),
        ("RateLimitExceeded", TransientError),
        ("DDoSProtection", TransientError),
        ("InsufficientFunds", RejectedError),
        ("InvalidOrder", RejectedError),
        ("AuthenticationError", FatalError),
        ("PermissionDenied", FatalError),
        ("InvalidNonce", FatalError),
    ],
)
def test_what_a_failed_write_means(name: str, error: type[NightdeskError]) -> None:
    assert type(named(of_ccxt(name)("x"), writes=True)) is error


def test_a_class_that_ccxt_adds_is_what_it_derives_from() -> None:
    newcomer = type("NobodyKnowsIt", (of_ccxt("InsufficientFunds"),), {})
    error = named(newcomer("x"), writes=True)
    assert isinstance(error, RejectedError)
    assert error.reason == "nobody_knows_it"


def test_a_delay_the_venue_asks_for_is_kept_and_signatures_are_not() -> None:
    asked = of_ccxt("DDoSProtection")("binance GET http://x/api?symbol=A&signature=abc 429 slow down")
    error = named(asked, writes=True, headers={"Retry-After": "7"})
    assert isinstance(error, TransientError)
    assert error.retry_after_s == 7.0
    assert "signature" not in str(error)
    assert "slow down" in str(error)


def test_what_was_never_sent_may_be_sent_later() -> None:
    keys = Keys(api_key="a-key", secret="a-secret")
    client = connect(dialect_of("binance"), keys, ManualClock(), timeout_ms=2_000, url="http://127.0.0.1:9")
    with pytest.raises(BASE) as caught:
        client.privatePostOrder({"symbol": "BTCUSDT"})
    assert isinstance(named(caught.value, writes=True), TransientError)


def test_a_venue_is_imported_alone_and_the_package_is_whole_afterwards() -> None:
    program = """
import sys
from shared.adapters.ccxt_venues import ccxt_class
assert ccxt_class("binance").__name__ == "binance"
assert ccxt_class("okx").__name__ == "okx"
venues = [name for name in sys.modules if name.startswith("ccxt.") and name.count(".") == 1]
assert sorted(venues) == ["ccxt.abstract", "ccxt.base", "ccxt.binance", "ccxt.okx"], venues
before = sys.modules["ccxt.base.errors"].BaseError
import ccxt
assert len(ccxt.exchanges) > 90
assert ccxt.BaseError is before
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_signature_imports_nothing_more() -> None:
    program = """
import sys
from shared.adapters.ccxt_dialect import Keys
from shared.adapters.ccxt_venues import connect, dialect_of
from tests.fakes.clock import ManualClock
keys = Keys(api_key="0x" + "1" * 40, secret="1" * 64)
client = connect(dialect_of("hyperliquid"), keys, ManualClock(), timeout_ms=1_000)
assert set(client.sign_l1_action({"type": "order"}, 1_700_000_000_000, None, 1_700_000_030_000)) == {"r", "s", "v"}
assert dialect_of("hyperliquid").may_withdraw(client) is False
assert "ccxt.hyperliquid" in sys.modules and "ccxt.binance" not in sys.modules and "ccxt" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("venue", ["kraken", "coinbase"])
def test_a_venue_without_a_sandbox_is_not_tried_in_one(venue: str) -> None:
    with pytest.raises(FatalError, match="has no sandbox"):
        connect(dialect_of(venue), Keys(api_key="a", secret="b"), ManualClock(), timeout_ms=1_000, sandbox=True)


def test_an_answer_without_a_class_is_told_by_its_status() -> None:
    def answered(status: int) -> Exception:
        error = of_ccxt("ExchangeError")("somevenue {}")
        error.__context__ = requests.HTTPError(response=_response(status))
        return error

    kinds = {status: type(named(answered(status), writes=True)) for status in (400, 418, 422, 429, 403, 500)}
    assert kinds == {
        400: RejectedError, 422: RejectedError, 418: TransientError, 429: TransientError, 403: OutcomeUnknownError,
        500: OutcomeUnknownError,
    }  # fmt: skip
    assert type(named(of_ccxt("ExchangeError")("no answer at all"), writes=True)) is OutcomeUnknownError


def _response(status: int) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    return response


@pytest.mark.parametrize("name", ["nosuchvenue", "base", "../binance", ""])
def test_a_venue_ccxt_does_not_have_is_fatal(name: str) -> None:
    with pytest.raises(FatalError):
        ccxt_class(name)


def test_keys_are_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    keys = Keys(api_key="SHOW-ME-KEY", secret="SHOW-ME-SECRET", password="SHOW-ME-WORD")
    client = connect(dialect_of("binance"), keys, ManualClock(), timeout_ms=2_000, url="http://127.0.0.1:9")
    with caplog.at_level("DEBUG"), pytest.raises(BASE) as caught:
        client.privateGetAccount()
    assert not [record for record in caplog.records if "SHOW-ME" in record.getMessage()]
    for shown in (repr(keys), str(caught.value), str(named(caught.value, writes=True)), repr(client)):
        assert "SHOW-ME" not in shown


@pytest.mark.parametrize("venue", TRADED_VENUES)
def test_only_the_addresses_differ(venue: str) -> None:
    keys = Keys(api_key="a", secret="b")
    plain = connect(dialect_of(venue), keys, ManualClock(), timeout_ms=1_000)
    moved = connect(dialect_of(venue), keys, ManualClock(), timeout_ms=1_000, url="http://here:1/")
    assert set(_leaves(moved.urls["api"])) != set(_leaves(plain.urls["api"]))
    assert all(address.startswith("http://here:1") for address in _leaves(moved.urls["api"]))
    assert moved.milliseconds() == ManualClock().now_ms()
    assert (moved.timeout, moved.enableRateLimit) == (1_000, False)


def _leaves(addresses: Any) -> Iterator[str]:
    if isinstance(addresses, Mapping):
        for below in addresses.values():
            yield from _leaves(below)
    elif isinstance(addresses, str):
        yield addresses
