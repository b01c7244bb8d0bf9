"""A key that is committed is found before it is pushed."""

import secrets
import subprocess
from pathlib import Path

import jwt
import pytest

from desk.local.process import PROJECT
from tests.secret_scan.__main__ import main
from tests.secret_scan.scan import known, tracked, unknown, write_baseline

PLANTED = {
    "AWS Access Key": lambda: f"key = 'AKIA{secrets.token_hex(8).upper()}'",
    "Private Key": lambda: f"-----BEGIN {'RSA'} PRIVATE KEY-----",
    "JSON Web Token": lambda: "url = 'x?t=" + jwt.encode({"sub": "x"}, "k" * 32) + "'",
    "Secret Keyword": lambda: f'service_secret = "{secrets.token_hex(24)}"',
    "Basic Auth Credentials": lambda: f"REDIS=rediss://default:{secrets.token_hex(16)}@db.upstash.io:6379",
    "Base64 High Entropy String": lambda: f'value = "{secrets.token_urlsafe(60)}"',
    "GitHub Token": lambda: f"ghp_{secrets.token_hex(18)}",
    "Stripe Access Key": lambda: f"sk_live_{secrets.token_hex(12)}",
    "Telegram Bot Token": lambda: f"{secrets.randbelow(10**9) + 10**9}:{secrets.token_hex(17)}a",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "harmless.py").write_text('"""Nothing."""\n\nNAME = "nightdesk"\n')
    git(tmp_path, "add", ".")
    write_baseline(tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True)


def test_a_clean_repository_passes(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    assert (main([]), unknown(repository)) == (0, [])


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_key_is_found(
    repository: Path, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = PLANTED[kind]()
    (repository / "settings.py").write_text(f"A = 1\n{line}\n")
    assert unknown(repository) == [], "it is not tracked"
    git(repository, "add", ".")
    assert kind in {found.kind for found in unknown(repository) if (found.path, found.line) == ("settings.py", 2)}
    monkeypatch.chdir(repository)
    assert main([]) == 1
    told = capsys.readouterr().err
    assert "settings.py:2" in told
    assert line not in told, "whoever reads the log of the check need not see it"


def test_what_somebody_looked_at_passes_wherever_it_moves(repository: Path) -> None:
    line = f'token_secret = "{secrets.token_hex(24)}"\n'
    (repository / "settings.py").write_text(line)
    git(repository, "add", ".")
    assert write_baseline(repository) >= 1
    (repository / "settings.py").write_text("\n\n" + line)
    assert unknown(repository) == []
    assert line.split('"')[1] not in (repository / ".secrets.baseline").read_text()
    (repository / "settings.py").write_text(f'token_secret = "{secrets.token_hex(24)}"\n')
    assert len(unknown(repository)) >= 1, "another one in its place is not known"


def test_the_check_is_made_and_covers_the_code() -> None:
    assert "python -m tests.secret_scan\n" in (PROJECT / "Makefile").read_text()
    files = tracked(PROJECT)
    assert {"serverless.yml", "fly.toml", "shared/runtime/config.py", "sql/0001_desk.sql"} <= {*files}
    assert {path for path, _ in known(PROJECT)} <= {*files}
