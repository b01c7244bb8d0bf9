"""Say in plain words why a rule was true or not, with the numbers that decided."""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from shared.domain.explain import Kind, Reason, Side
from shared.domain.rules.definition import Source
from shared.domain.rules.registry import FUNCTIONS

ACRONYMS: Final = re.compile(
    "adosc|adx|atr|cci|chop|cmf|cmo|dema|dmi|ema|hma|kama|macd|mfi|natr|nvi|obv|ppo|psar|pvi|roc|rsi|sma|tema|trix|tsi|"
    "vwap|vwma|wma|zlema"
)
BETWEEN: Final = {
    ">": "above",
    ">=": "at or above",
    "<": "below",
    "<=": "at or below",
    "==": "equal to",
    "!=": "different from",
}
_CLOSE_CALL: Final = re.compile(r"\b(\w+)\((close\b(?:, )?)?")


def sentence(reason: Reason) -> str:
    """Return what decided, such as `RSI(14) 27.9 < 30 and close 43,120 above EMA(200) 42,880`."""
    return " and ".join(dict.fromkeys(_phrases(reason)))


def values_in_words(values: Mapping[str, float]) -> str:
    """Return what a rule looked at, where the rule itself is not known any more."""
    return ", ".join(f"{name(text)} {number(value)}" for text, value in values.items())


def _phrases(reason: Reason) -> list[str]:
    if reason.parts:
        return [phrase for part in reason.parts if part.decided for phrase in _phrases(part)]
    return [_phrase(reason)]


def _phrase(reason: Reason) -> str:
    if reason.holds is None:
        missing = [name(side.text) for side in reason.sides if side.value is None]
        return f"{' and '.join(missing) or name(reason.text)} cannot be told yet"
    if reason.kind is Kind.FLAG:
        return name(reason.text) if reason.holds else f"not {name(reason.text)}"
    left, *others = (_side(side) for side in reason.sides)
    if reason.kind is Kind.CROSS:
        way = "above" if reason.marks == (">",) else "below"
        return f"{left} {'crossed' if reason.holds else 'did not cross'} {way} {others[0]}"
    words = [_mark(mark, *pair) for mark, pair in zip(reason.marks, pairwise(reason.sides), strict=True)]
    denial = "" if reason.holds else "is not " if words[0] in BETWEEN else "not "
    return f"{left} {denial}" + " ".join(f"{word} {other}" for word, other in zip(words, others, strict=True))


def _mark(mark: str, left: Side, right: Side) -> str:
    return mark if left.plain or right.plain else BETWEEN[mark]


def _side(side: Side) -> str:
    if side.plain or side.value is None:
        return side.text
    return f"{name(side.text)} {number(side.value)}"


def name(text: str) -> str:
    """Return a number's text as people write it: `RSI(14)` for `rsi(close, 14)`."""

    def shorten(found: re.Match[str]) -> str:
        word, close = found[1], found[2] or ""
        function = FUNCTIONS.get(word)
        first = function.params[0] if function and function.params else None
        usual = isinstance(first, Source) and first.default == "close"
        return f"{word.upper() if ACRONYMS.fullmatch(word) else word}({'' if usual else close}"

    return _CLOSE_CALL.sub(shorten, text)


def number(value: float) -> str:
    """Return a number with five significant digits, and never fewer than all before the point."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.5g}"
