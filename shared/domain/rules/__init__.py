"""The rule language: a whitelisted subset of Python expressions, compiled once, evaluated for all symbols together."""

from shared.domain.rules.definition import MAX_LOOKBACK
from shared.domain.rules.errors import RuleError
from shared.domain.rules.market import Market, View
from shared.domain.rules.nodes import Truth
from shared.domain.rules.reference import Argument, Entry, reference
from shared.domain.rules.rule import Rule, compile_rule, recompile

__all__ = [
    "MAX_LOOKBACK",
    "Argument",
    "Entry",
    "Market",
    "Rule",
    "RuleError",
    "Truth",
    "View",
    "compile_rule",
    "recompile",
    "reference",
]
