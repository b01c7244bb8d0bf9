"""The collector's settings: sensible defaults, and errors that name the variable and hide its value."""

import tomllib
from pathlib import Path

import aiohttp
import pytest

from collector.config import FILE, Settings
from shared.adapters.venues import coinbase
from shared.adapters.venues.registry import VENUES
from shared.domain.errors import FatalError
from shared.domain.timeframe import Timeframe

NEEDED = {
    "UPSTASH_REDIS_URL": "rediss://default:s3cret@example.upstash.io:6379",
    "TRIGGER_URL": "https://example.org/functions/v1/trigger-executions",
    "TRIGGER_SECRET": "s3cret",
}


def test_what_need_not_be_said() -> None:
    settings = Settings.from_env(NEEDED)
    assert (settings.venue, settings.venue_rest_url) == ("binance", None)
    assert [str(timeframe) for timeframe in settings.collector_timeframes] == ["1m", "5m", "15m", "1h", "4h", "1d"]
    assert (settings.collector_symbols, settings.log_depth, settings.collector_grace_ms) == (200, 1_000, 1_500)
    assert (settings.ticker_interval_s, settings.funding_interval_s) == (10, 300)
    assert settings.clock_file is None


def test_tickers_can_be_switched_off() -> None:
    settings = Settings.from_env({**NEEDED, "TICKER_INTERVAL_S": "0", "FUNDING_INTERVAL_S": "0"})
    assert (settings.ticker_interval_s, settings.funding_interval_s) == (0, 0)


def test_timeframes_are_a_list() -> None:
    assert Settings.from_env({**NEEDED, "COLLECTOR_TIMEFRAMES": "1m, 1h,1m"}).collector_timeframes == (
        Timeframe.M1,
        Timeframe.H1,
    )


@pytest.mark.parametrize("name", NEEDED)
def test_what_must_be_said_is_named(name: str) -> None:
    with pytest.raises(FatalError, match=name):
        Settings.from_env({key: value for key, value in NEEDED.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VENUE", "mtgox"),
        ("VENUE_WS_URL", "https://stream.binance.com"),
        ("COLLECTOR_TIMEFRAMES", "1m,7m"),
        ("COLLECTOR_SYMBOLS", "many"),
        ("COLLECTOR_SYMBOLS", "0"),
        ("COLLECTOR_PORT", "70000"),
        ("TICKER_INTERVAL_S", "-1"),
        ("FUNDING_INTERVAL_S", "often"),
        ("LOG_DEPTH", "1"),
        ("UPSTASH_REDIS_URL", "https://s3cret.upstash.io"),
    ],
)
def test_a_bad_value_is_named_and_secrets_are_not_shown(name: str, value: str) -> None:
    with pytest.raises(FatalError, match=name) as caught:
        Settings.from_env({**NEEDED, name: value})
    assert "s3cret" not in str(caught.value)


def test_the_file_says_what_a_venue_is_collected_for_and_the_environment_overrides_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        '[binance_usdm]\nquote = "USDC"\nsymbols = 7\ntimeframes = ["1m", "1h"]\n'
        "ticker_interval_s = 30\nfunding_interval_s = 60\n"
    )
    env = {
        **NEEDED,
        "VENUE": "binance_usdm",
        "COLLECTOR_FILE": str(file),
        "COLLECTOR_SYMBOLS": "9",
        "FUNDING_INTERVAL_S": "0",
    }
    settings = Settings.from_env(env)
    assert (settings.venue, settings.collector_quote, settings.collector_symbols) == ("binance_usdm", "USDC", 9)
    assert settings.collector_timeframes == (Timeframe.M1, Timeframe.H1)
    assert (settings.ticker_interval_s, settings.funding_interval_s) == (30, 0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[binance]\nquotes = 3", "quotes"),
        ("binance = 3", "table"),
        ("[binance", "COLLECTOR_FILE"),
        ('[binance]\ntimeframes = ["7m"]', "COLLECTOR_TIMEFRAMES"),
        ("[binance]\nsymbols = 0", "COLLECTOR_SYMBOLS"),
        ("[binance]\nticker_interval_s = -1", "TICKER_INTERVAL_S"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(FatalError, match=problem):
        Settings.from_env({**NEEDED, "COLLECTOR_FILE": str(file)})


@pytest.mark.parametrize("venue", VENUES)
def test_every_venue_has_a_section_that_works(venue: str) -> None:
    settings = Settings.from_env({**NEEDED, "VENUE": venue})
    assert settings.venue in tomllib.loads(FILE.read_text())
    assert settings.collector_timeframes


async def test_coinbases_tickers_take_less_than_half_of_what_it_allows() -> None:
    """One question a symbol; the rest is for confirming what the clock has closed, most of a quiet minute."""
    settings = Settings.from_env({**NEEDED, "VENUE": "coinbase"})
    async with aiohttp.ClientSession() as session:
        bucket = coinbase.source(session, "http://unused")._client.bucket
    assert settings.collector_symbols / settings.ticker_interval_s < 0.5 * bucket._limit / bucket._per_s


def test_more_streams_than_the_venue_allows_an_address_are_refused() -> None:
    with pytest.raises(FatalError, match="COLLECTOR_SYMBOLS: 1200 streams are more than the 1000 hyperliquid allows"):
        Settings.from_env({**NEEDED, "VENUE": "hyperliquid", "COLLECTOR_SYMBOLS": "200"})
