"""docs/architecture.md is true of the stack that would be deployed, and its pictures can be drawn."""

import re
from typing import Any

import pytest

from desk.local.process import PROJECT
from tests.architecture.test_policies import FUNCTIONS, SPEC, VENUE_KEY, allowed, parameters

TEXT = (PROJECT / "docs" / "architecture.md").read_text()
PICTURES = re.findall(r"^```mermaid\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def rows() -> dict[str, list[str]]:
    lines = TEXT.partition("## Who may reach what")[2].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")][2:]
    return {part: rest for part, *rest in cells}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_the_table_says_who_may_reach_what(template: dict[str, Any], function: Any) -> None:
    keys, database, redis, queues = rows()[function.name]
    names = {path.rpartition("/")[2] for path in parameters(template, function)}
    assert (keys == "**reads**") == any(map(VENUE_KEY.match, names))
    assert ("service" in database) == ("SUPABASE_SERVICE_ROLE_KEY" in names)
    assert ("as the person" in database) == ("SUPABASE_KEY" in names)
    assert (redis != "–") == ("UPSTASH_REDIS_REST_TOKEN" in names)
    sent = {SPEC.queues[queue].name for queue in allowed(template, function, "sqs:SendMessage")}
    ends = {name.removeprefix(SPEC.prefix) for name in sent if not name.endswith("-dead")}
    assert queues == (", ".join(sorted(ends)) or "–")


def test_the_table_has_every_part() -> None:
    assert rows().keys() == {"collector", *SPEC.functions}


def test_the_clock_is_drawn_as_it_is() -> None:
    assert "The clock wakes every function but execute-trader and the API" in TEXT
    assert {f.name for f in FUNCTIONS if not f.schedules} == {"execute-trader", "api"}


def test_pictures_have_nothing_that_ends_a_statement() -> None:
    """Mermaid reads a semicolon in a sequence diagram as the end of a statement, and draws nothing."""
    assert len(PICTURES) == 4
    assert [line for picture in PICTURES for line in picture.splitlines() if ";" in line] == []
