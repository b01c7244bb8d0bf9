"""The desk's settings: the only place in the functions that reads the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from shared.domain.errors import FatalError

Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]


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
    upstash_redis_rest_url: Url | None = None
    upstash_redis_rest_token: SecretStr | None = None
    executions_queue_url: Url | None = None
    dead_letter_queue_url: Url | None = None
    trigger_secret: SecretStr | None = None
    service_secret: SecretStr | None = None
    traders_per_shard: int = Field(default=1_000, ge=1, le=100_000)
    run_lease_ms: int = Field(default=60_000, ge=1_000)
    clock_file: Path | None = None
    cors_origins: str = ""

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Read the environment; raise `FatalError` that names the variable and never shows a value."""
        known = {name: env[name.upper()] for name in cls.model_fields if env.get(name.upper())}
        try:
            return cls.model_validate(known)
        except ValidationError as error:
            problems = "; ".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_input=False))
            raise FatalError(f"bad settings: {problems}") from None

    def need(self, name: str) -> str:
        """Return a setting as text; raise `FatalError` that names its variable when it is not set."""
        value = getattr(self, name)
        if value is None:
            raise FatalError(f"{name.upper()} is not set")
        return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
