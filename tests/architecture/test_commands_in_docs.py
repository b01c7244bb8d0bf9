"""Every `desk …` that a document tells people to type exists, with the options it is given."""

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup

from desk.cli import app
from desk.lambda_host.spec import read_spec
from desk.local.process import PROJECT
from shared.usecases.protecting import ALERTS
from shared.usecases.reconciling import alert_prefix
from tests.architecture.packaging import VARIABLES

DOCUMENTS = sorted(
    [PROJECT / "README.md", *(PROJECT / "docs").glob("*.md"), *(PROJECT / "docs").glob("operations/*.md")]
)
RUNBOOK = (PROJECT / "docs" / "runbook.md").read_text()
FENCE = re.compile(r"^```(?:bash|sh|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(desk [^`\n]+)`")
COMMENT = re.compile(r"\s#\s.*$")
ROOT: Any = typer.main.get_command(app)


def commands(text: str) -> Iterator[str]:
    """Yield what is to be typed: lines of shell that begin with `desk`, and inline code."""
    for block in FENCE.findall(text):
        yield from (line for line in block.replace("\\\n", " ").splitlines() if line.startswith("desk "))
    yield from INLINE.findall(FENCE.sub("", text))


def problem_of(line: str) -> str | None:
    """Return what is wrong with a command, None when it can be typed."""
    try:
        words = shlex.split(COMMENT.sub("", line))[1:]
        return _wrong([*takewhile(lambda word: word not in {"|", ">"}, words)])
    except ValueError as error:
        return str(error)


def _wrong(words: list[str]) -> str | None:
    command, path = ROOT, ["desk"]
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        found: Any = command.commands.get(words[0])
        if found is None:
            return f"{' '.join(path)} has no command {words[0]}"
        path.append(words.pop(0))
        command = found
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in known | {"--help"}]
    return f"{' '.join(path)} has no option {', '.join(unknown)}" if unknown else None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_of_a_document_can_be_typed(document: Path) -> None:
    lines = [line for line in commands(document.read_text()) if "|" not in COMMENT.sub("", line).partition(" | ")[0]]
    wrong = {line: problem for line in lines if (problem := problem_of(line))}
    assert not wrong


def test_a_command_that_does_not_exist_is_found() -> None:
    assert problem_of("desk halt --reason x # why") is None
    assert problem_of("desk dead-letters replay intents --id 2f") is None
    assert problem_of("desk halt --because x") == "desk halt has no option --because"
    assert problem_of("desk dead-letters revive intents") == "desk dead-letters has no command revive"
    assert len(list(commands(RUNBOOK))) > 30


def test_the_runbook_says_how_every_secret_is_rotated() -> None:
    part = RUNBOOK.partition("## Rotate keys")[2].partition("\n## ")[0]
    functions = read_spec(PROJECT / "serverless.yml", VARIABLES).functions.values()
    secrets = {
        name
        for function in functions
        for name in function.environment
        if name.endswith(("_KEY", "_SECRET", "_TOKEN", "_PASSWORD", "_PREVIOUS"))
    }
    of_venues = re.compile(r"^[A-Z_]+_API_(KEY|SECRET|PASSWORD)$")
    named = {of_venues.sub(r"{VENUE}_API_\1", name) for name in secrets}
    assert {name for name in named if f"`{name}`" not in part} == set()


def test_the_runbook_knows_every_cause_of_an_alert_that_trading_has() -> None:
    for key in (ALERTS, alert_prefix("v", "a").partition(":")[0]):
        assert f"| `{key.rstrip(':')}:{{" in RUNBOOK
