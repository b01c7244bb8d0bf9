"""Every cause the code knows of is in the runbook, and the runbook knows of no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.local.process import PROJECT
from shared.domain.settling import EXPLAINED, FOLLOWS

RUNBOOK = PROJECT / "docs" / "runbook.md"
MONITOR = PROJECT / "docs" / "operations" / "monitor.md"
ELSEWHERE = ("protection", "reconciliation", "channel")
"""Causes that are found where the work is done, not by the monitor."""
HELPERS = {"_desk": "{}", "_agent": "{}:{}", "near_quota": "quota:{}"}
"""What makes an alert of its first argument, and the key that is made of it."""


def literal(node: ast.expr) -> str | None:
    """Return a text with {} for what is put into it, None for what is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


def keys_in(source: str) -> Iterator[str]:
    """Yield the keys of alerts that code makes; a key that is only handed on is found where it comes from."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name == "Alert":
            given = {each.arg: literal(each.value) for each in node.keywords}
            key = given.get("dedupe_key") or "{}"
            yield f"{given.get('kind')}:{{}}" if key.startswith("{}") and given.get("kind") else key
        elif name in HELPERS and node.args and (first := literal(node.args[0])) is not None:
            yield HELPERS[name].replace("{}", first, 1)


def causes() -> set[str]:
    """Return the keys of all alerts of shared/; where a key has no text of its own, its kind begins it."""
    found = {
        key
        for path in (PROJECT / "shared").rglob("*.py")
        if "Alert(" in (source := path.read_text())
        for key in keys_in(source)
    }
    return {key for key in found if re.match(r"[a-z_]+(:|$)", key)}


def rows(path: Path, heading: str) -> list[str]:
    """Return the keys of a table: inline code in its first column, what is put into them as {}; `…:x` goes on."""
    part = path.read_text().partition(f"## {heading}")[2].partition("\n## ")[0]
    found: list[str] = []
    for cell in re.findall(r"^\| (`[^|]+) \|", part, re.MULTILINE):
        for key in re.findall(r"`([^`]+)`", cell):
            before = found[-1].rpartition(":")[0] if found else ""
            found.append(re.sub(r"\{[^}]*\}|…$", "{}", key.replace("…:", f"{before}:")))
    return found


def told(key: str, among: list[str]) -> bool:
    """Tell whether a row says a key: what is put into one may be words in the other."""
    return any(re.fullmatch(_pattern(row), key) or re.fullmatch(_pattern(key), row) for row in among)


def _pattern(key: str) -> str:
    return "[^ ]+".join(map(re.escape, key.split("{}")))


def test_causes_are_found_in_the_code() -> None:
    assert {"kill_switch", "kill_switch:resting", "runs:stuck", "signals:late", "position:{}:unpriced"} <= causes()
    kinds = {key.partition(":")[0] for key in causes()}
    assert {*FOLLOWS, *ELSEWHERE, "dependency", "kill_switch", "monitor", "quota"} <= kinds


@pytest.mark.parametrize(
    ("path", "heading"),
    [(RUNBOOK, "Alerts, by cause"), (MONITOR, "Causes, and what to do")],
    ids=["runbook", "monitor"],
)
def test_every_cause_is_in_the_table_and_nothing_else(path: Path, heading: str) -> None:
    known = {key for key in causes() if path == RUNBOOK or not key.startswith(ELSEWHERE)}
    table = rows(path, heading)
    assert sorted(key for key in known if not told(key, table)) == []
    assert sorted(row for row in table if not any(told(key, [row]) for key in known)) == []


def test_what_explains_and_is_explained_is_a_cause() -> None:
    for key in {*EXPLAINED, *(why for each in EXPLAINED.values() for why in each)}:
        assert any(each.startswith(key) or told(key, [each]) for each in causes()), key


def test_a_cause_without_a_row_and_a_row_without_a_cause_are_seen() -> None:
    assert told("venue:{}", ["venue:{}"])
    assert told("position:{}:drawdown", ["position:{}:{}"])
    assert not told("signals:late", ["signals:errors", "runs:stuck"])
    assert not told("kill_switch:resting", ["kill_switch"])
