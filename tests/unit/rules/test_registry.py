"""Every word of the language is described, compiles, and is held to numbers somebody worked out."""

from importlib import import_module
from pathlib import Path

import pytest

from desk.rules_reference import PAGE, page
from shared.domain.rules import Entry, compile_rule, reference
from shared.domain.rules.registry import FAMILIES, FUNCTIONS

FAMILY_TESTS = sorted(path.stem for path in Path(__file__).parent.glob("test_functions_*.py"))


def test_every_function_has_a_golden_test() -> None:
    """GOLDEN maps expressions to references; APART names functions held to numbers in tests of their own."""
    families = [import_module(f"tests.unit.rules.{name}") for name in FAMILY_TESTS]
    golden = {expression.split("(")[0] for family in families for expression in family.GOLDEN}
    apart = {name for family in families for name in getattr(family, "APART", ())}
    assert golden | apart == set(FUNCTIONS)


def test_no_two_functions_share_a_name() -> None:
    names = [function.name for family in FAMILIES.values() for function in family]
    assert len(names) == len(set(names))


def test_the_page_about_rules_lists_every_word() -> None:
    assert PAGE.read_text() == page(), "run make docs"
    assert f"**Functions**, {len(FUNCTIONS)} of them" in page()


@pytest.mark.parametrize("entry", reference(), ids=lambda entry: entry.name)
def test_every_word_is_described_and_its_example_compiles(entry: Entry) -> None:
    assert entry.doc
    assert entry.signature.startswith(entry.name) or entry.name == "[]"
    if entry.example:
        example = entry.example if entry.gives == "condition" else f"{entry.example} > {entry.example}[1]"
        compile_rule(example)
        assert entry.lookback >= 1
