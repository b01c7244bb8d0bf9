"""Settings name what is wrong and never show a secret."""

import pytest

from shared.domain.errors import FatalError
from shared.domain.trading.states import Mode
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


@pytest.mark.parametrize("said", [{}, {"AGENT_MODE": ""}, {"AGENT_MODE": "paper"}])
def test_live_is_never_taken_from_absence(said: dict[str, str]) -> None:
    assert Settings.from_env(said).agent_mode is Mode.PAPER


@pytest.mark.parametrize("said", ["LIVE", "true", "liv", " live"])
def test_a_mode_that_is_not_one_is_named(said: str) -> None:
    with pytest.raises(FatalError, match="AGENT_MODE"):
        Settings.from_env({"AGENT_MODE": said})


@pytest.mark.parametrize("said", ["0", "4", "two"])
def test_a_risk_tier_is_one_of_three(said: str) -> None:
    with pytest.raises(FatalError, match="RISK_TIER"):
        Settings.from_env({"RISK_TIER": said})


def test_the_keys_of_a_venue_are_its_own_and_never_shown() -> None:
    settings = Settings.from_env(
        {"OKX_SWAP_API_KEY": "k-1", "OKX_SWAP_API_SECRET": "hush-1", "OKX_SWAP_API_PASSWORD": "hush-2", "OKX_URL": ""}
    )
    assert "hush" not in repr(settings)
    access = settings.venue_access["okx_swap"]
    assert access.api_secret is not None
    assert access.api_secret.get_secret_value() == "hush-1"
    assert settings.venue_access["okx"].api_key is None


def test_a_bad_address_of_a_venue_is_named() -> None:
    with pytest.raises(FatalError, match="BINANCE_URL"):
        Settings.from_env({"BINANCE_URL": "nowhere"})
