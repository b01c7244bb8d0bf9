"""The collector's settings: the only place in the collector that reads the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from shared.adapters.venues.registry import dialect_of
from shared.domain.errors import FatalError
from shared.domain.timeframe import Timeframe, parse_timeframe


def _timeframes(text: object) -> object:
    if not isinstance(text, str):
        return text
    return tuple(dict.fromkeys(parse_timeframe(part.strip(), field="COLLECTOR_TIMEFRAMES") for part in text.split(",")))


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
    symbol_refresh_s: int = Field(default=3_600, ge=10)
    upstash_redis_url: Annotated[SecretStr, AfterValidator(_redis_url)]
    trigger_url: str = Field(pattern=r"^https?://\S+$")
    trigger_secret: SecretStr = Field(min_length=1)
    clock_file: Path | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Read the environment; raise `FatalError` that names each bad variable and never shows a value."""
        known = {name: env[name.upper()] for name in cls.model_fields if env.get(name.upper())}
        try:
            return cls.model_validate(known)
        except ValidationError as error:
            problems = "; ".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_input=False))
            raise FatalError(f"bad settings: {problems}") from None
