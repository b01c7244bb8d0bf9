"""The collector's settings: the only place in the collector that reads the environment."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from shared.adapters.venues.registry import dialect_of
from shared.domain.errors import FatalError
from shared.domain.timeframe import Timeframe, parse_timeframe
from shared.validation import problem_in_words

FILE: Final = Path(__file__).with_name("collector.toml")
IN_FILE: Final = {
    "quote": "collector_quote",
    "symbols": "collector_symbols",
    "timeframes": "collector_timeframes",
    "log_depth": "log_depth",
    "ticker_interval_s": "ticker_interval_s",
    "funding_interval_s": "funding_interval_s",
    "rest_url": "venue_rest_url",
    "ws_url": "venue_ws_url",
}
"""Which setting a name in a venue's table of the file is."""


def _timeframes(listed: object) -> object:
    if isinstance(listed, str):
        listed = listed.split(",")
    if not isinstance(listed, list) or not all(isinstance(part, str) for part in listed):
        return listed
    return tuple(dict.fromkeys(parse_timeframe(part.strip(), field="COLLECTOR_TIMEFRAMES") for part in listed))


def _redis_url(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(("redis://", "rediss://")):
        raise ValueError("expected redis://… or rediss://…")
    return url


class Settings(BaseModel):
    """What the collector needs to know; one environment variable per field, in upper case."""

    model_config = ConfigDict(frozen=True)

    venue: Annotated[str, AfterValidator(lambda venue: dialect_of(venue).venue)] = "binance"
    venue_rest_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    venue_ws_url: str | None = Field(default=None, pattern=r"^wss?://\S+$")
    collector_quote: str = Field(default="USDT", pattern=r"^[A-Z0-9]{2,10}$")
    collector_symbols: int = Field(default=200, ge=1, le=1_000)
    collector_timeframes: Annotated[tuple[Timeframe, ...], BeforeValidator(_timeframes), Field(min_length=1)] = (
        Timeframe.M1,
        Timeframe.M5,
        Timeframe.M15,
        Timeframe.H1,
        Timeframe.H4,
        Timeframe.D1,
    )
    log_depth: int = Field(default=1_000, ge=10, le=10_000)
    collector_grace_ms: int = Field(default=1_500, ge=0, le=20_000)
    collector_port: int = Field(default=8_080, ge=0, le=65_535)
    symbol_refresh_s: int = Field(default=86_400, ge=10)  # newcomers are what Redis costs most
    redis_plan_commands: int = Field(default=500_000, ge=1)
    redis_plan_bytes: int = Field(default=10_000_000_000, ge=1)
    ticker_interval_s: int = Field(default=10, ge=0, le=3_600)
    funding_interval_s: int = Field(default=300, ge=0, le=86_400)
    upstash_redis_url: Annotated[SecretStr, AfterValidator(_redis_url)]
    trigger_url: str = Field(pattern=r"^https?://\S+$")
    trigger_secret: SecretStr = Field(min_length=1)
    tickers_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    clock_file: Path | None = None

    @model_validator(mode="after")
    def _fits_the_venue(self) -> Self:
        dialect = dialect_of(self.venue)
        if wrong := [timeframe for timeframe in self.collector_timeframes if timeframe not in dialect.timeframes]:
            raise ValueError(f"COLLECTOR_TIMEFRAMES: {self.venue} has no {', '.join(wrong)}")
        most = dialect.limits.topics_in_all
        topics = self.collector_symbols * len({dialect.topic("X", one) for one in self.collector_timeframes})
        if most is not None and topics > most:
            raise ValueError(f"COLLECTOR_SYMBOLS: {topics} streams are more than the {most} {self.venue} allows")
        return self

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Read the venue's section of the file, and the environment, which overrides it.

        Raise `FatalError` that names each bad variable and never shows a value.
        """
        known = {name: env[name.upper()] for name in cls.model_fields if env.get(name.upper())}
        section = _section(
            Path(env.get("COLLECTOR_FILE") or FILE), known.get("venue", cls.model_fields["venue"].default)
        )
        try:
            return cls.model_validate(section | known)
        except ValidationError as error:
            problems = "; ".join(_problem(e) for e in error.errors(include_input=False))
            raise FatalError(f"bad settings: {problems}") from None


def _problem(error: Any) -> str:
    said = problem_in_words(error)
    return f"{str(error['loc'][0]).upper()}: {said}" if error["loc"] else said


def _section(path: Path, venue: str) -> dict[str, Any]:
    """Return what the file says of a venue, by setting; raise `FatalError` for a file that cannot be read as such."""
    try:
        table = tomllib.loads(path.read_text()).get(venue, {})
    except (OSError, ValueError) as error:
        raise FatalError(f"bad settings: COLLECTOR_FILE: {error}") from error
    if not isinstance(table, dict):
        raise FatalError(f"bad settings: COLLECTOR_FILE: expected a table [{venue}]")
    if unknown := sorted(set(table) - set(IN_FILE)):
        raise FatalError(
            f"bad settings: COLLECTOR_FILE: [{venue}] knows {', '.join(IN_FILE)}, not {', '.join(unknown)}"
        )
    return {IN_FILE[name]: value for name, value in table.items()}
