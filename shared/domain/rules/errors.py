"""The one error of the rule language: what is wrong, where, and what was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches

from shared.domain.errors import InvalidMessageError

_AROUND = 60


class RuleError(InvalidMessageError):
    """Refuse a rule; `line` and `column` count from 1, `message` is the reason without the place."""

    def __init__(self, message: str, *, rule: str = "", offset: int = 0) -> None:
        before = rule[:offset]
        self.message = message
        self.rule = rule
        self.offset = offset
        self.line = before.count("\n") + 1
        self.column = offset - (before.rfind("\n") + 1) + 1
        super().__init__("rule", f"{message} (line {self.line}, column {self.column})" if rule else message)

    def pretty(self) -> str:
        """Return the offending line with a caret under the place, then the message."""
        if not self.rule:
            return self.message
        line = self.rule.splitlines()[self.line - 1] if self.rule.splitlines() else ""
        start = max(self.column - 1 - _AROUND, 0)
        shown = line[start : self.column - 1 + _AROUND].replace("\t", " ")
        head = "…" if start else ""
        tail = "…" if len(line) > self.column - 1 + _AROUND else ""
        return f"{head}{shown}{tail}\n{' ' * (len(head) + self.column - 1 - start)}^ {self.message}"


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `, did you mean 'ema'?` for a near miss, or nothing."""
    near = get_close_matches(word.lower(), list(choices), n=1, cutoff=0.6)
    return f", did you mean {near[0]!r}?" if near else ""
