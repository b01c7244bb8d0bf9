"""Alarms, queues, functions and variables that documents name are those of the stack that would be deployed."""

import re
from typing import Any

import pytest

from desk.lambda_host.spec import read_spec
from desk.local.process import PROJECT
from tests.architecture.packaging import VARIABLES

SPEC = read_spec(PROJECT / "serverless.yml", VARIABLES)
DOCS = PROJECT / "docs"
DOCUMENTS = [PROJECT / "README.md", PROJECT / "SECURITY.md", *DOCS.glob("*.md"), *(DOCS / "operations").glob("*.md")]
TEXTS = {path.name: path.read_text() for path in DOCUMENTS}
QUEUES = {name.removeprefix(SPEC.prefix) for name in (queue.name for queue in SPEC.queues.values())}
WORKED = {SPEC.queues[event.queue].name for function in SPEC.functions.values() for event in function.queues}
PLACES = {"{function}": [*SPEC.functions], "{queue}": [name.removeprefix(SPEC.prefix) for name in WORKED]}
FUNCTION = re.compile(r"desk logs ([a-z]+-[a-z-]+)|FN=([a-z-]+)|/functions/v1/([a-z-]+)")
QUEUE = re.compile(r"desk dead-letters (?:list|replay|drop) ([a-z]+)")


@pytest.fixture(scope="module")
def alarms(template: dict[str, Any]) -> set[str]:
    """What alarms are called, without the stage."""
    found = (each["Properties"] for each in template["Resources"].values() if each["Type"] == "AWS::CloudWatch::Alarm")
    return {properties["AlarmName"].removeprefix(SPEC.prefix) for properties in found}


def meant(name: str) -> set[str]:
    """Return what a name of a document stands for: `{function}-errors` for one of each function."""
    for place, values in PLACES.items():
        if place in name:
            return {name.replace(place, value) for value in values}
    return {name}


def abbreviated(text: str) -> list[str]:
    """Return x of every `…-x` of a text."""
    return re.findall(r"`…-([a-z{}-]+)`", text)


@pytest.mark.parametrize("document", sorted(TEXTS))
def test_what_a_document_names_would_be_deployed(document: str, alarms: set[str]) -> None:
    text = TEXTS[document]
    known = alarms | QUEUES | {"alarms"}
    assert [name for name in abbreviated(text) if not meant(name) & known] == []
    assert {name for groups in FUNCTION.findall(text) for name in groups if name} <= set(SPEC.functions)
    assert set(QUEUE.findall(text)) <= {name.removeprefix(SPEC.prefix) for name in WORKED}
    assert set(re.findall(r"nightdesk-(?:dev|prod)-([a-z-]+)", text)) <= known | set(SPEC.functions)


@pytest.mark.parametrize("document", ["runbook.md", "monitor.md"])
def test_every_alarm_is_explained(document: str, alarms: set[str]) -> None:
    assert alarms - {each for name in abbreviated(TEXTS[document]) for each in meant(name)} == set()
