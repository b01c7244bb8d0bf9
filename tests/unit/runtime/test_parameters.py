"""A variable may say where its secret is instead of what it is."""

from shared.runtime.parameters import parameter_of, with_secrets


def test_an_environment_without_references_asks_nobody() -> None:
    env = {"SERVICE_SECRET": "written out", "SUPABASE_URL": "https://supabase.example"}
    assert with_secrets(env) is env, "no region and no credentials: asking would fail"


def test_references_say_where_a_secret_is() -> None:
    assert parameter_of("ssm:/nightdesk/dev/SERVICE_SECRET") == "/nightdesk/dev/SERVICE_SECRET"
    assert parameter_of("ssm-optional:/nightdesk/dev/OKX_API_KEY") == "/nightdesk/dev/OKX_API_KEY"
    assert parameter_of("rediss://default:x@host") is None
