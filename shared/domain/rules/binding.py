"""Match the arguments of a call to the parameters of its function."""

import ast
from typing import NoReturn, Protocol

from shared.domain.rules.conditions import Flag
from shared.domain.rules.definition import Arguments, Condition, Function, Param, Parameter, Source, Word
from shared.domain.rules.errors import did_you_mean
from shared.domain.rules.indicators import Recipe, call
from shared.domain.rules.nodes import Boolean, Constant, Node, Number, constant
from shared.domain.rules.registry import SERIES

Value = float | str | Node


class Reader(Protocol):
    """What binding needs of the parser."""

    def number(self, tree: ast.expr) -> Number:
        """Read a part that must be a number."""
        ...

    def condition(self, tree: ast.expr) -> Boolean:
        """Read a part that must be true or false."""
        ...

    def fail(self, tree: ast.AST, message: str) -> NoReturn:
        """Refuse the text at a place in it."""
        ...


def bind(reader: Reader, function: Function, tree: ast.Call, output: str) -> Node:
    """Return the node of a call with its defaults filled in, or refuse it at the argument that does not fit."""
    given = _given(reader, function, tree)
    values: dict[str, Value] = {}
    for param in function.params:
        if param.name in given:
            values[param.name] = given[param.name]
        elif param.default is None:
            reader.fail(tree, f"{function.name} needs {param.name}: write {function.signature}")
        else:
            values[param.name] = _default(param)
    problem = function.check({name: value for name, value in values.items() if isinstance(value, float)})
    if problem:
        reader.fail(tree, f"{function.name}: {problem}")
    text = f"{function.name}({', '.join(map(_text, values.values()))})" + (f".{output}" if output else "")
    made = function.build(Arguments(values, output))
    node = call(text, made) if isinstance(made, Recipe) else made(text)
    return Flag.of(node) if function.condition and isinstance(node, Number) else node


def _default(param: Parameter) -> Value:
    if isinstance(param, Source):
        return SERIES[param.default or ""]
    return float(param.default) if isinstance(param, Param) and param.default is not None else str(param.default)


def _text(value: Value) -> str:
    if isinstance(value, Node):
        return value.text
    return f'"{value}"' if isinstance(value, str) else constant(value).text


def _given(reader: Reader, function: Function, tree: ast.Call) -> dict[str, Value]:
    """Return the arguments of a call, read, by the names of their parameters."""
    names = {param.name: param for param in function.params}
    given: dict[str, Value] = {}
    args = list(tree.args)
    free = list(function.params)
    if args and free and isinstance(free[0], Source) and free[0].default:
        leading = free.pop(0)
        first = reader.number(args[0])
        if isinstance(first, Constant) and free:
            param = free.pop(0)
            given[param.name] = _plain(reader, function, param, args[0], first)
        else:
            given[leading.name] = _moving(reader, args[0], first)
        args = args[1:]
    if len(args) > len(free):
        reader.fail(args[len(free)], f"{function.name} takes fewer arguments: {function.signature}")
    for param, place in zip(free, args, strict=False):
        given[param.name] = _read(reader, function, param, place)
    for keyword in tree.keywords:
        if keyword.arg not in names:
            near = did_you_mean(keyword.arg or "", list(names))
            reader.fail(keyword, f"{function.name} has no parameter {keyword.arg!r}{near}")
        if keyword.arg in given:
            reader.fail(keyword.value, f"{function.name} was given {keyword.arg} twice")
        given[keyword.arg] = _read(reader, function, names[keyword.arg], keyword.value)
    return given


def _read(reader: Reader, function: Function, param: Parameter, place: ast.expr) -> Value:
    if isinstance(param, Condition):
        return reader.condition(place)
    if isinstance(param, Word):
        return _word(reader, function, param, place)
    node = reader.number(place)
    return _moving(reader, place, node) if isinstance(param, Source) else _plain(reader, function, param, place, node)


def _moving(reader: Reader, place: ast.expr, node: Number) -> Number:
    if isinstance(node, Constant):
        reader.fail(place, "expected something that moves, this is a plain number")
    return node


def _plain(reader: Reader, function: Function, param: Parameter, place: ast.expr, node: Number) -> float:
    if not isinstance(param, Param):
        reader.fail(place, f"{function.name}: {param.name} is no plain number: write {function.signature}")
    if not isinstance(node, Constant):
        takes = any(isinstance(param, Source) for param in function.params)
        hint = "" if takes else f"; {function.name} reads candles by itself"
        reader.fail(place, f"{function.name}: {param.name} is a plain number{hint}")
    problem = param.problem(float(node.number))
    if problem:
        reader.fail(place, f"{function.name}: {problem}")
    return float(node.number)


def _word(reader: Reader, function: Function, param: Word, place: ast.expr) -> str:
    example = param.choices[0] if param.choices else "BTC/USDT"
    if not isinstance(place, ast.Constant) or not isinstance(place.value, str):
        reader.fail(place, f'{function.name}: {param.name} is text in quotes, such as "{example}"')
    if param.choices and place.value not in param.choices:
        near = did_you_mean(place.value, param.choices)
        reader.fail(place, f"{function.name}: {param.name} is one of {', '.join(param.choices)}{near}")
    if not param.choices and not is_symbol(place.value):
        reader.fail(place, f'{function.name}: {param.name} is a symbol, such as "{example}"')
    return place.value


def is_symbol(text: str) -> bool:
    """Tell whether a text looks like a unified symbol: BTC/USDT, BTC/USDT:USDT."""
    base, slash, quote = text.partition("/")
    return bool(base and slash and quote) and all(c.isalnum() or c in "/:-." for c in text) and len(text) <= 40
