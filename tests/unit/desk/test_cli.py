"""What `desk` does before it runs any command."""

import os

import pytest

from desk.cli import main


def test_the_region_of_a_stage_is_the_region_of_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env.STAGE` says AWS_REGION, as Lambda does; botocore reads AWS_DEFAULT_REGION alone, and has the last word."""
    monkeypatch.setattr("sys.argv", ["desk", "version"])
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(SystemExit):
        main()
    assert os.environ["AWS_DEFAULT_REGION"] == "eu-west-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    with pytest.raises(SystemExit):
        main()
    assert os.environ["AWS_DEFAULT_REGION"] == "eu-north-1"
