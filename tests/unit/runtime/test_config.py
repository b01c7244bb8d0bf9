"""Settings name what is wrong and never show a secret."""

import pytest

from shared.domain.errors import FatalError
from shared.runtime.config import Settings


def test_an_absent_variable_is_named_when_it_is_needed() -> None:
    with pytest.raises(FatalError, match="SUPABASE_URL is not set"):
        Settings.from_env({}).need("supabase_url")


def test_a_malformed_variable_is_named() -> None:
    with pytest.raises(FatalError, match="TRADERS_PER_SHARD"):
        Settings.from_env({"TRADERS_PER_SHARD": "many"})
    with pytest.raises(FatalError, match="SUPABASE_URL"):
        Settings.from_env({"SUPABASE_URL": "not a url"})


def test_secrets_are_hidden_from_prints_and_given_on_demand() -> None:
    settings = Settings.from_env({"TRIGGER_SECRET": "hush-hush"})
    assert "hush-hush" not in repr(settings)
    assert settings.need("trigger_secret") == "hush-hush"
