"""detect-secrets' plugins and filters over the files git tracks, without its calls by name, which take a minute.

The baseline is detect-secrets' own: `detect-secrets audit .secrets.baseline` shows what it lists. Lines may move; a
finding is known by its file and the digest of its text.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from detect_secrets.core.plugins.initialize import from_plugin_classname
from detect_secrets.core.potential_secret import PotentialSecret
from detect_secrets.filters import allowlist, heuristic
from detect_secrets.plugins.base import BasePlugin
from detect_secrets.settings import default_settings, get_settings
from detect_secrets.util.code_snippet import get_code_snippet

BASELINE: Final = ".secrets.baseline"
_SKIPPED: Final = re.compile(r"(requirements/.*\.txt|package-lock\.json|\.secrets\.baseline)$")
"""Locks are full of digests, and are made by `make lock`."""
_WORTH_A_LOOK: Final = re.compile(
    r"(?=[A-Za-z0-9+/_=-]*[0-9])[A-Za-z0-9+/_=-]{16}|BEGIN|://[^\s/]*:[^\s/]*@"
    r"|(api|auth|private|access|secret|service|account|db|data).{0,2}(key|pass|token)|pass(word|wd)?|secret|token|contraseña",
    re.IGNORECASE,
)


class Found(NamedTuple):
    """Something that looks like a secret."""

    path: str
    line: int
    kind: str
    digest: str


def tracked(root: Path) -> list[str]:
    """Return the files git tracks."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True, text=True)
    return sorted(path for path in listed.stdout.split("\0") if path and not _SKIPPED.search(path))


def scan(root: Path, paths: list[str]) -> list[Found]:
    """Return what looks like a secret in text files."""
    with default_settings():
        plugins: list[BasePlugin] = [from_plugin_classname(name) for name in get_settings().plugins]
        return [found for path in paths for found in _scan_file(root, path, plugins)]


def known(root: Path) -> set[tuple[str, str]]:
    """Return file and digest of every finding somebody has looked at."""
    listed: dict[str, list[dict[str, Any]]] = json.loads((root / BASELINE).read_text())["results"]
    return {(path, str(each["hashed_secret"])) for path, found in listed.items() for each in found}


def unknown(root: Path) -> list[Found]:
    """Return what looks like a secret and is not in the baseline."""
    listed = known(root)
    return [found for found in scan(root, tracked(root)) if (found.path, found.digest) not in listed]


def write_baseline(root: Path) -> int:
    """List everything that is found now; return how many that is."""
    results: dict[str, list[dict[str, Any]]] = {}
    for found in scan(root, tracked(root)):
        entry = {"type": found.kind, "filename": found.path, "hashed_secret": found.digest, "is_verified": False}
        results.setdefault(found.path, []).append(entry | {"line_number": found.line})
    with default_settings():
        made = get_settings().json() | {"version": "1.5.0", "results": results}
    (root / BASELINE).write_text(json.dumps(made, indent=2, sort_keys=True) + "\n")
    return sum(map(len, results.values()))


def _scan_file(root: Path, path: str, plugins: list[BasePlugin]) -> Iterator[Found]:
    try:
        lines = (root / path).read_text().splitlines()
    except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
        return  # recorded candles are compressed; a deleted file is not committed
    seen: set[tuple[str, str]] = set()
    for number, line in enumerate(lines, 1):
        if not _WORTH_A_LOOK.search(line):
            continue
        for plugin in plugins:
            for secret in plugin.analyze_line(filename=path, line=line, line_number=number):
                if (secret.type, secret.secret_hash) not in seen and not _is_none(secret, lines, plugin):
                    seen.add((secret.type, secret.secret_hash))
                    yield Found(path, number, secret.type, secret.secret_hash)


def _is_none(secret: PotentialSecret, lines: list[str], plugin: BasePlugin) -> bool:
    """Tell whether one of detect-secrets' filters knows better."""
    text, line = secret.secret_value or "", lines[secret.line_number - 1]
    return (
        allowlist.is_line_allowlisted(secret.filename, line, get_code_snippet(lines, secret.line_number))
        or heuristic.is_sequential_string(text)
        or heuristic.is_potential_uuid(text)
        or heuristic.is_templated_secret(text)
        or heuristic.is_not_alphanumeric_string(text)
        or heuristic.is_prefixed_with_dollar_sign(text)
        or heuristic.is_likely_id_string(text, line, plugin)
        or heuristic.is_indirect_reference(line)
    )
