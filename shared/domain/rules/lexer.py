"""The cheap gate before Python's parser: lengths, characters, numbers, nesting.

Whatever passes here is plain ASCII made of numbers, names, one-line strings and a dozen operators, so that `ast.parse`
sees nothing that could cost it time or memory.
"""

import keyword
import re
from typing import Final

from shared.domain.rules.errors import RuleError

MAX_CHARS: Final = 2_000
MAX_NODES: Final = 200
MAX_DEPTH: Final = 32
MAX_NUMBER: Final = 1e15

_TOKEN: Final = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<string>\"[^\"\\\r\n]*\"|'[^'\\\r\n]*')"
    r"|(?P<mark>==|!=|<=|>=|\*\*|//|[-+*/<>()\[\],.=])"
)
_HINTS: Final = {
    "&": "write 'and'",
    "|": "write 'or'",
    "!": "write 'not' or '!='",
    "#": "comments are not part of a rule",
    "**": "powers are not part of the rule language",
    "//": "whole division is not part of the rule language, '/' is",
}
_KEYWORDS: Final = frozenset(keyword.kwlist) - {"and", "or", "not"}


def check_text(rule: str) -> None:
    """Raise `RuleError` unless the text is short, readable and shallow enough to parse."""
    if len(rule) > MAX_CHARS:
        raise RuleError(f"a rule has at most {MAX_CHARS:,} characters, got {len(rule):,}")
    if not rule.strip():
        raise RuleError("a rule is empty")
    offset = depth = prefixes = 0
    number_end = -1
    while offset < len(rule):
        match = _TOKEN.match(rule, offset)
        if match is None:
            raise RuleError(_unexpected(rule[offset]), rule=rule, offset=offset)
        kind, word = match.lastgroup, match.group()
        if kind == "number":
            _check_number(rule, word, offset)
            number_end = match.end()
        elif kind == "name":
            _check_name(rule, word, offset, glued=offset == number_end)
        elif kind == "mark" and word in _HINTS:
            raise RuleError(_HINTS[word], rule=rule, offset=offset)
        depth += (word in "([") - (word in ")]") if kind == "mark" else 0
        if kind != "space":
            prefixes = prefixes + 1 if word in ("+", "-", "not") else 0
        if max(depth, prefixes) > MAX_DEPTH:
            raise RuleError(f"a rule is nested at most {MAX_DEPTH} deep", rule=rule, offset=offset)
        offset = match.end()


def _unexpected(character: str) -> str:
    hint = f": {_HINTS[character]}" if character in _HINTS else ""
    return f"unexpected character {character!r}{hint}"


def _check_number(rule: str, word: str, offset: int) -> None:
    if len(word) > 40 or abs(float(word)) > MAX_NUMBER:
        raise RuleError(f"a number is at most {MAX_NUMBER:g}", rule=rule, offset=offset)


def _check_name(rule: str, word: str, offset: int, *, glued: bool) -> None:
    if glued:
        raise RuleError("a number and a name run together", rule=rule, offset=offset)
    if word.startswith("_"):
        raise RuleError("names do not begin with an underscore", rule=rule, offset=offset)
    if word in _KEYWORDS:
        raise RuleError(f"{word!r} is not part of the rule language", rule=rule, offset=offset)
