"""Match the arguments of a call to the parameters of its function."""

import ast
from collections.abc import Mapping
from typing import NoReturn, Protocol

from shared.domain.rules.definition import Arguments, Function
from shared.domain.rules.errors import did_you_mean
from shared.domain.rules.indicators import Call, call
from shared.domain.rules.nodes import Constant, Number, constant
from shared.domain.rules.registry import SERIES

SOURCE = "source"


class Reader(Protocol):
    """What binding needs of the parser."""

    def number(self, tree: ast.expr) -> Number:
        """Read a part that must be a number."""
        ...

    def moving(self, tree: ast.expr) -> Number:
        """Read a number that changes from candle to candle."""
        ...

    def fail(self, tree: ast.AST, message: str) -> NoReturn:
        """Refuse the text at a place in it."""
        ...


def bind(reader: Reader, function: Function, tree: ast.Call, output: str) -> Call:
    """Return the node of a call with its defaults filled in, or refuse it at the argument that does not fit."""
    given, series = _arguments(reader, function, tree)
    params: dict[str, float] = {}
    for param in function.params:
        if param.name in given:
            where, value = given[param.name]
            problem = param.problem(value)
            if problem:
                reader.fail(where, f"{function.name}: {problem}")
            params[param.name] = value
        elif param.default is None:
            reader.fail(tree, f"{function.name} needs {param.name}: write {function.signature}")
        else:
            params[param.name] = float(param.default)
    problem = function.check(params)
    if problem:
        reader.fail(tree, f"{function.name}: {problem}")
    recipe = function.build(Arguments(params, series, output))
    return call(_text(function, series, params, output), recipe)


def _arguments(
    reader: Reader, function: Function, tree: ast.Call
) -> tuple[dict[str, tuple[ast.expr, float]], Number | None]:
    """Return the parameters given, with the place each was read from, and the series."""
    names = [param.name for param in function.params]
    args = list(tree.args)
    series: Number | None = None
    given: dict[str, tuple[ast.expr, float]] = {}
    if function.series and args:
        first = reader.number(args[0])
        if not isinstance(first, Constant):
            series = first
        else:
            given[names[0]] = (args[0], float(first.number))
        args = args[1:]
    free = [name for name in names if name not in given]
    if len(args) > len(free):
        reader.fail(args[len(free)], f"{function.name} takes fewer arguments: {function.signature}")
    pairs = list(zip(free, args, strict=False))
    for keyword in tree.keywords:
        if keyword.arg == SOURCE and function.series and series is None:
            series = reader.moving(keyword.value)
            continue
        if keyword.arg not in names:
            near = did_you_mean(keyword.arg or "", [*names, SOURCE])
            reader.fail(keyword, f"{function.name} has no parameter {keyword.arg!r}{near}")
        pairs.append((keyword.arg, keyword.value))
    for name, place in pairs:
        if name in given:
            reader.fail(place, f"{function.name} was given {name} twice")
        given[name] = (place, _plain(reader, function, name, place))
    if function.series and series is None:
        series = SERIES[function.series]
    return given, series


def _plain(reader: Reader, function: Function, name: str, place: ast.expr) -> float:
    node = reader.number(place)
    if not isinstance(node, Constant):
        hint = "" if function.series else f"; {function.name} reads candles by itself"
        reader.fail(place, f"{function.name}: {name} is a plain number{hint}")
    return float(node.number)


def _text(function: Function, series: Number | None, params: Mapping[str, float], output: str) -> str:
    parts = [series.text] if series is not None else []
    parts += [constant(value).text for value in params.values()]
    return f"{function.name}({', '.join(parts)})" + (f".{output}" if output else "")
