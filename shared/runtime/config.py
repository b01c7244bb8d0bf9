"""The desk's settings: the only place in the functions that reads the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator

from shared.domain.errors import FatalError
from shared.domain.trading.states import Mode
from shared.runtime.metrics import Published
from shared.runtime.parameters import with_secrets
from shared.validation import problem_in_words

TRADED_VENUES: Final = (
    "binance",
    "binance_usdm",
    "bybit",
    "bybit_linear",
    "okx",
    "okx_swap",
    "kraken",
    "coinbase",
    "hyperliquid",
)
"""The venues whose keys and addresses are looked for, each under its own name: `BINANCE_USDM_API_KEY`, …"""

Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]


def _listed(text: object) -> object:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text


Origin = Annotated[
    str, Field(pattern=r"^(https://[a-z0-9.-]+|http://(localhost|127\.0\.0\.1|\[::1\]))(:[0-9]{1,5})?$", max_length=255)
]
"""As browsers send it: scheme, host and port, no path; without encryption only on the same machine."""

Origins = Annotated[tuple[Origin, ...], BeforeValidator(_listed)]


class VenueAccess(BaseModel):
    """What an account at a venue is opened with, and where the venue is when it is not where it always is.

    At Hyperliquid the key is the account's address, the secret the private key of an API wallet; at Coinbase the key is
    its name (`organizations/…`), the secret its private key.
    """

    model_config = ConfigDict(frozen=True)

    api_key: SecretStr | None = None
    api_secret: SecretStr | None = None
    api_password: SecretStr | None = None
    url: Url | None = None


class Settings(BaseModel):
    """What a function may know about its surroundings; one environment variable per field, in upper case.

    A field is None when its variable is not set: each function has only the variables it needs, and asking for an
    absent one through `need` is a `FatalError` that names it.
    """

    model_config = ConfigDict(frozen=True)

    supabase_url: Url | None = None
    supabase_key: SecretStr | None = None
    supabase_service_role_key: SecretStr | None = None
    supabase_jwt_secret: SecretStr | None = None
    supabase_jwt_issuer: Url | None = None
    upstash_redis_rest_url: Url | None = None
    upstash_redis_rest_token: SecretStr | None = None
    executions_queue_url: Url | None = None
    intents_queue_url: Url | None = None
    orders_queue_url: Url | None = None
    notifications_queue_url: Url | None = None
    signals_queue_url: Url | None = None
    dead_letter_queue_url: Url | None = None
    trigger_secret: SecretStr | None = None
    trigger_secret_previous: SecretStr | None = None
    service_secret: SecretStr | None = None
    service_secret_previous: SecretStr | None = None
    function_prefix: str | None = None
    traders_per_shard: int = Field(default=1_000, ge=1, le=100_000)
    run_lease_ms: int = Field(default=60_000, ge=1_000)
    clock_file: Path | None = None
    cors_origins: Origins = ()
    address_requests_per_minute: int = Field(default=600, ge=1, le=1_000_000)
    agent_mode: Mode = Mode.PAPER
    risk_tier: int = Field(default=2, ge=1, le=3)
    exchange_sandbox: bool = False
    alert_urls: tuple[SecretStr, ...] = ()
    allow_private_webhooks: bool = False
    metrics_published: Published = Published.ALARMS
    venue_access: Mapping[str, VenueAccess] = Field(default_factory=dict)

    @field_validator("alert_urls", mode="before")
    @classmethod
    def _each_url(cls, text: object) -> object:
        """Read addresses that are separated by commas."""
        return [part.strip() for part in text.split(",") if part.strip()] if isinstance(text, str) else text

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Read the environment; raise `FatalError` that names the variable and never shows a value."""
        known: dict[str, object] = {
            name: env[name.upper()] for name in cls.model_fields if name != "venue_access" and env.get(name.upper())
        }
        known["venue_access"] = {
            venue: {
                name: env[variable]
                for name in VenueAccess.model_fields
                if env.get(variable := f"{venue}_{name}".upper())
            }
            for venue in TRADED_VENUES
        }
        try:
            return cls.model_validate(known)
        except ValidationError as error:
            problems = "; ".join(
                f"{_variable(e['loc'])}: {problem_in_words(e)}" for e in error.errors(include_input=False)
            )
            raise FatalError(f"bad settings: {problems}") from None

    @classmethod
    def of_process(cls) -> Self:
        """Read the environment and the secrets it refers to; raise `FatalError`, or `TransientError` to try again."""
        return cls.from_env(with_secrets(os.environ))

    @classmethod
    def variables(cls) -> frozenset[str]:
        """Return the name of every variable that is read."""
        own = {name.upper() for name in cls.model_fields if name != "venue_access"}
        return frozenset(
            own | {f"{venue}_{name}".upper() for venue in TRADED_VENUES for name in VenueAccess.model_fields}
        )

    def need(self, name: str) -> str:
        """Return a setting as text; raise `FatalError` that names its variable when it is not set."""
        value = getattr(self, name)
        if value is None:
            raise FatalError(f"{name.upper()} is not set")
        return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _variable(place: tuple[int | str, ...]) -> str:
    """Return the variable a problem is about."""
    parts = place[1:] if place[0] == "venue_access" else place[:1]
    return "_".join(str(part) for part in parts).upper()
