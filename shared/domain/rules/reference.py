"""The reference of the rule language, made from what the compiler itself uses."""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.domain.rules.definition import Function, Param, Parameter, Source, Word
from shared.domain.rules.registry import CROSSES, FAMILIES, FORMS, SERIES, SERIES_DOC
from shared.domain.rules.rule import compile_rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One parameter of a function: what goes there, and the range or the choices it has."""

    name: str
    kind: str
    default: str | None = None
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the reference: what may be written, what it means, how it is computed, what it costs.

    `lookback` is how many candles the example reads, `cost` how many numbers it looks at per symbol and candle.
    """

    name: str
    family: str
    signature: str
    doc: str
    formula: str = ""
    gives: str = "number"
    arguments: tuple[Argument, ...] = ()
    outputs: tuple[str, ...] = ()
    example: str = ""
    lookback: int = 1
    cost: int = 1


def reference() -> list[Entry]:
    """Return every series, function and form of the language, in reading order."""
    return list(_entries())


def _entries() -> Iterator[Entry]:
    for name in SERIES:
        yield Entry(name=name, family="series", signature=name, doc=SERIES_DOC[name], example=name)
    for family, functions in FAMILIES.items():
        for function in functions:
            yield _function(family, function)
    for name, doc in CROSSES.items():
        example = f"{name}(ema(20), ema(50))"
        lookback, cost = _measure(example)
        yield Entry(
            name=name,
            family="crossing",
            signature=f"{name}(a, b)",
            doc=doc,
            gives="condition",
            arguments=(Argument(name="a", kind="number"), Argument(name="b", kind="number")),
            example=example,
            lookback=lookback,
            cost=cost,
        )
    for name, (signature, doc) in FORMS.items():
        yield Entry(name=name, family="other candles", signature=signature, doc=doc, gives="what the expression gives")
    yield Entry(name="[]", family="lag", signature="expression[n]", doc="the expression n candles ago")


def _function(family: str, function: Function) -> Entry:
    example = function.call
    lookback, cost = _measure(example if function.condition else f"{example} == {example}")
    return Entry(
        name=function.name,
        family=family,
        signature=function.signature,
        doc=function.doc,
        formula=function.formula,
        gives="condition" if function.condition else "number",
        arguments=tuple(map(_argument, function.params)),
        outputs=function.outputs,
        example=example,
        lookback=lookback,
        cost=cost if function.condition else cost // 2,
    )


def _measure(condition: str) -> tuple[int, int]:
    rule = compile_rule(condition)
    return rule.lookback, rule.work


def _argument(param: Parameter) -> Argument:
    if isinstance(param, Param):
        default = None if param.default is None else f"{param.default:g}"
        kind = "whole number" if param.whole else "number"
        return Argument(name=param.name, kind=kind, default=default, low=param.low, high=param.high)
    if isinstance(param, Word):
        kind = "choice" if param.choices else "symbol"
        return Argument(name=param.name, kind=kind, default=param.default, choices=param.choices)
    kind = "series" if isinstance(param, Source) else "condition"
    return Argument(name=param.name, kind=kind, default=param.default)
