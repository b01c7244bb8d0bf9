"""How a function of the rule language is described: once, for the compiler, the reference and the error messages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from shared.domain.rules.indicators import Recipe
from shared.domain.rules.lexer import MAX_NUMBER
from shared.domain.rules.nodes import Number

MAX_LOOKBACK: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One parameter with its range; `default` None means it must be given."""

    name: str
    default: float | None = None
    low: float = 1
    high: float = MAX_LOOKBACK
    whole: bool = True

    def problem(self, value: float) -> str | None:
        """Return why a value is not allowed, None when it is."""
        if self.whole and not value.is_integer():
            return f"{self.name} is a whole number, got {value:g}"
        if not self.low <= value <= self.high:
            return f"{self.name} is between {self.low:g} and {self.high:g}, got {value:g}"
        return None


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a call of a function was given: its parameters, its series (None without one) and the output wanted."""

    params: Mapping[str, float]
    series: Number | None
    output: str

    def __getitem__(self, name: str) -> int:
        """Return a whole parameter."""
        return int(self.params[name])

    @property
    def source(self) -> Number:
        """Return the series of a function that takes one."""
        if self.series is None:
            raise TypeError("this function takes no series")
        return self.series


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function of the language.

    `series` is the column a leading series argument defaults to, None when the function reads candles by itself;
    `build` turns arguments into a recipe; `check` may refuse a combination of parameters.
    """

    name: str
    doc: str
    formula: str
    params: tuple[Param, ...] = ()
    series: str | None = None
    outputs: tuple[str, ...] = ()
    build: Callable[[Arguments], Recipe]
    check: Callable[[Mapping[str, float]], str | None] = lambda _: None

    @property
    def signature(self) -> str:
        """Return the call as one would write it: the optional series in brackets, defaults shown."""
        parts = [param.name if param.default is None else f"{param.name}={param.default:g}" for param in self.params]
        source = (f"[{self.series}, ]" if parts else f"[{self.series}]") if self.series else ""
        return f"{self.name}({source}{', '.join(parts)})" + (f".{'|'.join(self.outputs)}" if self.outputs else "")


def length(default: float | None = None, *, low: int = 1, name: str = "length") -> Param:
    """Return the usual parameter: how many candles."""
    return Param(name=name, default=default, low=low)


def factor(name: str, default: float, *, low: float = 0.0, high: float = MAX_NUMBER) -> Param:
    """Return a parameter that need not be whole."""
    return Param(name=name, default=default, low=low, high=high, whole=False)
