"""Files of traders: what is written is read back, and what is wrong is named by its path."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from desk.trader_files import TraderEntry, TraderFileError, dump, from_document, load, path_of, to_document
from desk.trader_plan import compared, in_order, plan
from functions.routes.trader_schemas import TraderBody
from shared.domain.timeframe import Timeframe
from shared.domain.traders import DEFINITION

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
awkward = st.sampled_from(
    [
        "yes",
        "null",
        "~",
        "1e3",
        "12:30",
        "2024-01-01",
        "- a",
        "# no",
        "a: b",
        " lead",
        "a\n",
        "\n a\n b",
        "a \nb",
        "=",
        "\x85",
        "a\u2028b\n",
        "<<",
    ]
)
symbols = st.from_regex(r"[A-Z0-9]{1,20}/[A-Z0-9]{1,20}(:[A-Z0-9]{1,20})?", fullmatch=True)
names = (texts | awkward).map(str.strip).filter(lambda name: 1 <= len(name) <= 80)
bodies = st.fixed_dictionaries(
    {
        "name": names,
        "rule": (texts | awkward).filter(bool),
        "timeframe": st.sampled_from([timeframe.value for timeframe in Timeframe]),
    },
    optional={
        "description": texts | awkward,
        "venue": st.from_regex(r"[a-z][a-z0-9_]{1,31}", fullmatch=True),
        "universe": st.fixed_dictionaries(
            {},
            optional={
                "quote": st.from_regex(r"[A-Z0-9]{2,10}", fullmatch=True),
                "min_quote_volume_24h": st.floats(min_value=0, allow_nan=False, allow_infinity=False),
                "include": st.lists(symbols, max_size=3),
                "exclude": st.lists(symbols, max_size=3),
            },
        ),
        "side": st.sampled_from(["long", "short"]),
        "edge": st.sampled_from(["rising", "level"]),
        "cooldown_bars": st.integers(0, 1_000),
        "enabled": st.booleans(),
        "visibility": st.sampled_from(["private", "public"]),
    },
)
ids = st.uuids().map(str)


def entry(trader_id: str | None = None, **fields: Any) -> TraderEntry:
    body = {"name": "Dip", "rule": "close > 1", "timeframe": "1m"} | fields
    return TraderEntry(trader_id=trader_id, definition=TraderBody.model_validate(body).model_dump(mode="json"))


entries = st.lists(st.builds(lambda i, body: entry(i, **body), st.none() | ids, bodies), max_size=4)


def text_of(*lines: str) -> bytes:
    return "\n".join(lines).encode()


@given(entries)
def test_what_is_written_is_read_back(written: list[TraderEntry]) -> None:
    assert from_document(to_document(written)) == written
    text = dump(written)
    assert load(text.encode()) == written
    assert dump(load(text.encode())) == text


@given(entries)
def test_a_file_that_was_imported_changes_nothing(written: list[TraderEntry]) -> None:
    """Whatever an import stored, importing the same file again plans no step, and nothing differs."""
    unique = list({entry.name: entry for entry in written}.values())
    stored = [replace(entry, trader_id=entry.trader_id or f"new-{n}") for n, entry in enumerate(unique)]
    assume(len({entry.trader_id for entry in stored}) == len(stored))
    steps = plan(unique, stored)
    assert [step.changes for step in steps] == [{}] * len(unique)
    here, there = compared(steps, stored)
    assert dump(here) == dump(there) == dump(in_order(stored))


WRITTEN = """\
version: 1
traders:
- name: Plain
  rule: close > 1
  timeframe: 1m
- trader_id: 7b1f6a52-0f7e-5b38-9d5c-1d2f3a4b5c6d
  name: Full
  description: 'Buys: dips'
  rule: |-
    close > 1
    and open > 1
  venue: kraken
  timeframe: 5m
  universe:
    min_quote_volume_24h: 5000000
    include:
    - BTC/USDT
  side: short
  edge: level
  cooldown_bars: 3
  enabled: false
  visibility: public
"""


def test_the_file_says_what_differs_from_the_defaults() -> None:
    traders = [
        entry(name="Plain"),
        entry(
            "7b1f6a52-0f7e-5b38-9d5c-1d2f3a4b5c6d",
            name="Full",
            description="Buys: dips",
            rule="close > 1\nand open > 1",
            venue="kraken",
            timeframe="5m",
            universe={"min_quote_volume_24h": 5e6, "include": ["BTC/USDT"]},
            side="short",
            edge="level",
            cooldown_bars=3,
            enabled=False,
            visibility="public",
        ),
    ]
    assert dump(traders) == WRITTEN
    assert dump([]) == "version: 1\ntraders: []\n"


def test_every_field_of_a_trader_is_in_a_file() -> None:
    assert set(DEFINITION) == set(TraderBody.model_fields)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (b"", [("file", "mapping")]),
        (b"- 1", [("file", "mapping")]),
        (b"version: 1", [("traders", "list")]),
        (b"version: 2\ntraders: []", [("version", "2")]),
        (b"version: true\ntraders: []", [("version", "True")]),
        (b"traders: []\nmore: 1", [("more", "unknown"), ("version", "None")]),
        (b"version: 1\ntraders: {}", [("traders", "list")]),
        (b"version: 1\ntraders: [1]", [("traders[0]", "mapping")]),
        (b"version: 1\ntraders: [", [("line 2, column 11", "")]),
        (b"version: 1\nversion: 1\ntraders: []", [("line 2, column 1", "given twice")]),
        (b"version: 1\ntraders: [&a {}, *a]", [("line 2, column 18", "alias")]),
        (b"version: 1\ntraders: !!python/object:os.system {}", [("line 2, column 10", "could not determine")]),
        (b"version: 1\ntraders: " + b"[" * 5_000, [("file", "recursion")]),
        (b"\xff\xfe\xff", [("file", "YAML")]),
        (b"version: " + b"9" * 5_000, [("file", "digits")]),
        (b"? [a]\n: 1", [("line 1, column 3", "unhashable")]),
    ],
)
def test_what_is_no_file_of_traders_says_why(text: bytes, wrong: list[tuple[str, str]]) -> None:
    with pytest.raises(TraderFileError) as refused:
        load(text)
    assert [path for path, _ in refused.value.wrong] == [path for path, _ in wrong]
    for (_, problem), (_, expected) in zip(refused.value.wrong, wrong, strict=True):
        assert expected in problem


def test_every_bad_field_is_named_with_its_path() -> None:
    text = text_of(
        "version: 1",
        "traders:",
        "- {name: Good, rule: close > 1, timeframe: 1m}",
        "- {name: 12, rule: close > 1, timeframe: 7m, cooldown_bars: '3', enabled: 1}",
        "- {rule: close > 1, timeframe: 1m, owner_id: x, trader_id: mine,",
        "   universe: {include: [BTC/USDT, btc], quota: 1}}",
        "- {name: !!binary aGk=, rule: !!set {a}, timeframe: 1m, 5: 1}",
        '- {name: "\\ud800", rule: close > 1, timeframe: 1m}',
        '- {name: "a\\0b", rule: close > 1, timeframe: 1m}',
        "- {name: .nan, rule: close > 1, timeframe: 1m, universe: {min_quote_volume_24h: .inf}}",
    )
    with pytest.raises(TraderFileError) as refused:
        load(text)
    assert [path for path, _ in refused.value.wrong] == [
        "traders[1].name",
        "traders[1].timeframe",
        "traders[1].cooldown_bars",
        "traders[1].enabled",
        "traders[2].name",
        "traders[2].universe.include[1]",
        "traders[2].universe.quota",
        "traders[2].trader_id",
        "traders[2].owner_id",
        "traders[3].name",
        "traders[3].rule",
        "traders[3]",
        "traders[4]",
        "traders[5].name",
        "traders[6].name",
        "traders[6].universe.min_quote_volume_24h",
    ]
    assert "\ntraders[1].timeframe: " in str(refused.value)


def test_a_text_that_looks_like_a_date_is_a_text() -> None:
    (found,) = load(text_of("version: 1", "traders:", "- {name: 2024-01-01, rule: close > 1, timeframe: 1m}"))
    assert found.name == "2024-01-01"


A, B, C = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))


def test_entries_are_matched_by_id_then_by_name() -> None:
    mine = [entry(A, name="Dip"), entry(B, name="Rally"), entry(C, name="Other")]
    steps = plan([entry(A, name="Rally"), entry(name="Rally", side="short"), entry(name="New")], mine)
    assert [step.stored and step.stored.trader_id for step in steps] == [A, B, None]
    assert [step.changes for step in steps[:2]] == [{"name": "Rally"}, {"side": "short"}]
    assert steps[2].changes == entry(name="New").definition


@pytest.mark.parametrize(
    ("file", "paths"),
    [
        ([entry(B)], ["traders[0].trader_id"]),
        ([entry(name="Twice")], ["traders[0].name"]),
        ([entry(name="New"), entry(name="Dip"), entry(name="New")], ["traders[2].name"]),
        ([entry(A), entry(A, name="x"), entry(B)], ["traders[1].trader_id", "traders[2].trader_id"]),
    ],
)
def test_an_entry_that_could_be_several_or_none_is_refused(file: list[TraderEntry], paths: list[str]) -> None:
    mine = [entry(A, name="Dip"), entry(C, name="Twice"), entry("x", name="Twice")]
    with pytest.raises(TraderFileError) as refused:
        plan(file, mine)
    assert [path for path, _ in refused.value.wrong] == paths


@pytest.mark.parametrize(
    ("field", "path"), [("rule", "rule"), ("universe.include.10", "universe.include[10]"), ("a.1.b", "a[1].b")]
)
def test_the_apis_fields_are_said_as_paths(field: str, path: str) -> None:
    assert path_of(field) == path
