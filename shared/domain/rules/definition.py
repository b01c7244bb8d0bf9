"""How a function of the rule language is described: once, for the compiler, the reference and the error messages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NoReturn

from shared.domain.rules.indicators import Recipe
from shared.domain.rules.lexer import MAX_NUMBER
from shared.domain.rules.nodes import Boolean, Node, Number

MAX_LOOKBACK: Final = 1_000
SOURCE: Final = "source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A plain number with its range; `default` None means it must be given."""

    name: str
    default: float | None = None
    low: float = 1
    high: float = MAX_LOOKBACK
    whole: bool = True

    @property
    def signature(self) -> str:
        """Return how the parameter is written."""
        return self.name if self.default is None else f"{self.name}={self.default:g}"

    def problem(self, value: float) -> str | None:
        """Return why a value is not allowed, None when it is."""
        if self.whole and not value.is_integer():
            return f"{self.name} is a whole number, got {value:g}"
        if not self.low <= value <= self.high:
            return f"{self.name} is between {self.low:g} and {self.high:g}, got {value:g}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A number that moves, such as a series or another function; `default` names a series, None means it must be given.

    A source with a default stands first, and may be left out there: `ema(50)` is `ema(close, 50)`.
    """

    name: str = SOURCE
    default: str | None = None

    @property
    def signature(self) -> str:
        """Return how the parameter is written."""
        return f"[{self.default}]" if self.default else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that is true or false at each candle."""

    name: str = "condition"
    default: None = None

    @property
    def signature(self) -> str:
        """Return how the parameter is written."""
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """Text in quotes: one of `choices`, or any symbol when there are none; `default` None means it must be given."""

    name: str
    choices: tuple[str, ...] = ()
    default: str | None = None

    @property
    def signature(self) -> str:
        """Return how the parameter is written."""
        wanted = "|".join(self.choices) if len(self.choices) <= 6 else ""
        return f'"{wanted or self.name}"' if self.default is None else f'{self.name}="{self.default}"'


Parameter = Param | Source | Condition | Word


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a call of a function was given, by the names of its parameters, and the output wanted."""

    values: Mapping[str, float | str | Node]
    output: str

    def __getitem__(self, name: str) -> int:
        """Return a whole number."""
        return int(self.factor(name))

    def factor(self, name: str) -> float:
        """Return a plain number."""
        value = self.values[name]
        return value if isinstance(value, float) else self._refuse(name, "plain number")

    def word(self, name: str) -> str:
        """Return a text."""
        value = self.values[name]
        return value if isinstance(value, str) else self._refuse(name, "text")

    def number(self, name: str) -> Number:
        """Return a number that moves."""
        value = self.values[name]
        return value if isinstance(value, Number) else self._refuse(name, "number that moves")

    def condition(self, name: str = "condition") -> Boolean:
        """Return a condition."""
        value = self.values[name]
        return value if isinstance(value, Boolean) else self._refuse(name, "condition")

    @property
    def source(self) -> Number:
        """Return the series of a function that takes one."""
        return self.number(SOURCE)

    def _refuse(self, name: str, kind: str) -> NoReturn:
        raise TypeError(f"{name} is no {kind}")


Made = Recipe | Callable[[str], Node]
"""What building a call gives: a recipe, or the node for its normal form where a recipe cannot say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function of the language.

    `build` turns arguments into a recipe or a node; `condition` tells that its values 1 and 0 mean true and false;
    `check` may refuse a combination of plain numbers; `example` is a call for the reference where the defaults do not
    make one.
    """

    name: str
    doc: str
    formula: str
    params: tuple[Parameter, ...] = ()
    outputs: tuple[str, ...] = ()
    build: Callable[[Arguments], Made]
    condition: bool = False
    check: Callable[[Mapping[str, float]], str | None] = lambda _: None
    example: str = ""

    @property
    def signature(self) -> str:
        """Return the call as one would write it: what may be left out in brackets or with its default."""
        parts = [param.signature for param in self.params]
        text = ", ".join(parts).replace("], ", ", ]")
        return f"{self.name}({text})" + (f".{'|'.join(self.outputs)}" if self.outputs else "")

    @property
    def call(self) -> str:
        """Return a call that compiles, with the first output where there are several."""
        if self.example:
            return self.example
        needed = ["20" for param in self.params if isinstance(param, Param) and param.default is None]
        return f"{self.name}({', '.join(needed)})" + (f".{self.outputs[0]}" if self.outputs else "")


def length(default: float | None = None, *, low: int = 1, name: str = "length") -> Param:
    """Return the usual parameter: how many candles."""
    return Param(name=name, default=default, low=low)


def factor(name: str, default: float, *, low: float = 0.0, high: float = MAX_NUMBER) -> Param:
    """Return a parameter that need not be whole."""
    return Param(name=name, default=default, low=low, high=high, whole=False)


def series(default: str = "close") -> Source:
    """Return the usual leading parameter: a series that may be left out."""
    return Source(default=default)


def ordered(*names: str) -> Callable[[Mapping[str, float]], str | None]:
    """Return the check that some parameters grow from the first to the last."""

    def check(params: Mapping[str, float]) -> str | None:
        for small, large in pairwise(names):
            if params[small] >= params[large]:
                return f"{small} is below {large}, got {params[small]:g} and {params[large]:g}"
        return None

    return check
