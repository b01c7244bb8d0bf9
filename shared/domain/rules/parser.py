"""Read a rule's text into nodes: Python's own grammar, of which a whitelist is understood.

Nothing is ever executed: `ast.parse` gives a tree, and a tree made of anything else than series, numbers, known
functions and operators is refused with the place where it stops making sense.
"""

import ast
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Final, NoReturn

from shared.domain.errors import InvalidMessageError
from shared.domain.rules import across, conditions, numeric
from shared.domain.rules.binding import bind, is_symbol
from shared.domain.rules.definition import MAX_LOOKBACK
from shared.domain.rules.errors import RuleError, did_you_mean
from shared.domain.rules.lexer import MAX_DEPTH, MAX_NODES, MAX_NUMBER, check_text
from shared.domain.rules.nodes import Boolean, Constant, Node, Number, constant
from shared.domain.rules.registry import CROSSES, FORMS, FUNCTIONS, SERIES
from shared.domain.timeframe import Timeframe, parse_timeframe

_NAMES: Final = (*SERIES, *FUNCTIONS, *CROSSES, *FORMS)
_ARITHMETIC: Final[dict[type[ast.operator], str]] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARE: Final[dict[type[ast.cmpop], str]] = {
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}


def parse_rule(text: str) -> Boolean:
    """Return the condition a text means, or raise `RuleError`."""
    check_text(text)
    line = "".join(" " if character.isspace() else character for character in text)
    start = len(line) - len(line.lstrip())
    try:
        tree = ast.parse(line.strip(), mode="eval")
    except SyntaxError as error:
        offset = start + max((error.offset or 1) - 1, 0)
        raise RuleError(f"this does not read as a rule: {error.msg}", rule=text, offset=offset) from None
    except (MemoryError, RecursionError):
        raise RuleError(f"a rule is nested at most {MAX_DEPTH} deep") from None
    return _Reader(text, start).rule(tree.body)


class _Reader:
    """One reading of one text; counts what it has seen."""

    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._start = start
        self._seen = 0
        self._depth = 0
        self._within: list[str] = []
        self._readers: dict[type[ast.expr], Callable[..., Node]] = {
            ast.Constant: self._constant,
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Subscript: self._subscript,
            ast.Call: self._call,
            ast.BinOp: self._arithmetic,
            ast.UnaryOp: self._unary,
            ast.BoolOp: self._junction,
            ast.Compare: self._compare,
        }

    def rule(self, tree: ast.expr) -> Boolean:
        """Read the whole."""
        return self.condition(tree, "a rule is a condition, such as close > ema(50): this is a number")

    def fail(self, tree: ast.AST, message: str) -> NoReturn:
        """Refuse the text at a place in it."""
        raise RuleError(message, rule=self._text, offset=self._start + getattr(tree, "col_offset", 0))

    def read(self, tree: ast.expr) -> Node:
        """Read any part."""
        self._seen += 1
        if self._seen > MAX_NODES:
            self.fail(tree, f"a rule has at most {MAX_NODES} parts")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self.fail(tree, f"a rule is nested at most {MAX_DEPTH} deep")
        reader = self._readers.get(type(tree))
        if reader is None:
            self.fail(tree, f"{_NOUNS.get(type(tree), 'this')} is not part of the rule language")
        node = reader(tree)
        self._depth -= 1
        return node

    def number(self, tree: ast.expr) -> Number:
        """Read a part that must be a number."""
        node = self.read(tree)
        if not isinstance(node, Number):
            self.fail(tree, "expected a number, this is true or false")
        return node

    def condition(self, tree: ast.expr, message: str = "expected a condition, this is a number") -> Boolean:
        """Read a part that must be true or false."""
        node = self.read(tree)
        if not isinstance(node, Boolean):
            self.fail(tree, message)
        return node

    def _constant(self, tree: ast.Constant) -> Node:
        if isinstance(tree.value, str):
            self.fail(tree, 'text stands only for a timeframe, a symbol or a choice, such as on("1h", …)')
        if not isinstance(tree.value, int | float):
            self.fail(tree, f"{tree.value!r} is not part of the rule language")
        return constant(float(tree.value))

    def _name(self, tree: ast.Name) -> Node:
        if tree.id in SERIES:
            return SERIES[tree.id]
        if tree.id in _NAMES:
            self.fail(tree, f"{tree.id} is a function, write {_signature(tree.id)}")
        return self.fail(tree, f"unknown name {tree.id!r}{did_you_mean(tree.id, _NAMES)}")

    def _attribute(self, tree: ast.Attribute) -> Node:
        call = tree.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in FUNCTIONS:
            function = FUNCTIONS[call.func.id]
            if function.outputs and tree.attr not in function.outputs:
                near = did_you_mean(tree.attr, function.outputs)
                self.fail(tree, f"{function.name} gives {', '.join(function.outputs)}, not {tree.attr!r}{near}")
            if function.outputs:
                return bind(self, function, call, tree.attr)
        return self.fail(tree, f"nothing here has a value named {tree.attr!r}")

    def _subscript(self, tree: ast.Subscript) -> Node:
        node = self.read(tree.value)
        if isinstance(node, Constant):
            self.fail(tree, "a plain number has no past")
        place = tree.slice
        if isinstance(place, ast.UnaryOp) and isinstance(place.op, ast.USub):
            self.fail(place, "a negative lag would look into the future")
        if not isinstance(place, ast.Constant) or not isinstance(place.value, int):
            self.fail(place, "a lag is a whole number of candles, such as close[1]")
        if place.value >= MAX_LOOKBACK:
            self.fail(place, f"a lag is below {MAX_LOOKBACK:,}")
        if isinstance(node, Number):
            return numeric.lag_number(node, place.value)
        return conditions.lag_truth(_true(node), place.value)

    def _call(self, tree: ast.Call) -> Node:
        if not isinstance(tree.func, ast.Name):
            self.fail(tree.func, "only the functions of the rule language can be called")
        name = tree.func.id
        if name in CROSSES:
            return self._cross(tree, name)
        if name in FORMS:
            return self._form(tree, name)
        if name not in FUNCTIONS:
            what = (
                f"{name} is a series, not a function; {name} n candles ago is {name}[n]"
                if name in SERIES
                else f"unknown function {name!r}"
            )
            self.fail(tree.func, what + ("" if name in SERIES else did_you_mean(name, (*FUNCTIONS, *CROSSES, *FORMS))))
        function = FUNCTIONS[name]
        if function.outputs:
            choices = " or ".join(f"{name}(…).{output}" for output in function.outputs)
            self.fail(tree, f"{name} gives several values, write {choices}")
        return bind(self, function, tree, "")

    def _pair(self, tree: ast.Call, name: str, first: str, second: str) -> tuple[ast.expr, ast.expr]:
        if tree.keywords or len(tree.args) != 2:
            self.fail(tree, f"write {name}({first}, {second})")
        return tree.args[0], tree.args[1]

    def _cross(self, tree: ast.Call, name: str) -> Node:
        first, second = self._pair(tree, name, "a", "b")
        left, right = self.number(first), self.number(second)
        if isinstance(left, Constant) and isinstance(right, Constant):
            self.fail(tree, "two plain numbers never cross")
        return conditions.cross(name, left, right)

    def _form(self, tree: ast.Call, name: str) -> Node:
        """Read `on`, `of` or `ha`: an expression on other candles."""
        if name in self._within:
            self.fail(tree, f"{name}(…) does not stand inside {name}(…)")
        if "ha" in self._within:
            self.fail(tree, f"{name}(…) does not stand inside ha(…), the other way round it does")
        if tree.keywords or len(tree.args) != (1 if name == "ha" else 2):
            self.fail(tree, f"write {FORMS[name][0]}")
        where = tree.args[0]
        timeframe = self._timeframe(where) if name == "on" else None
        symbol = self._symbol(where) if name == "of" else ""
        self._within.append(name)
        node = self.read(tree.args[-1])
        self._within.pop()
        if isinstance(node, Constant):
            self.fail(tree.args[-1], "expected something that moves, this is a plain number")
        if name == "ha" and node.reads.wide:
            self.fail(tree, "rank, percentile and breadth do not stand inside ha(…), the other way round they do")
        if isinstance(node, Number):
            return _number_on(node, timeframe, symbol)
        return _truth_on(_true(node), timeframe, symbol)

    def _symbol(self, tree: ast.expr) -> str:
        if not isinstance(tree, ast.Constant) or not isinstance(tree.value, str) or not is_symbol(tree.value):
            self.fail(tree, 'a symbol is written as text, such as "BTC/USDT"')
        return tree.value

    def _timeframe(self, tree: ast.expr) -> Timeframe:
        if not isinstance(tree, ast.Constant) or not isinstance(tree.value, str):
            self.fail(tree, 'a timeframe is written as text, such as "1h"')
        try:
            return parse_timeframe(tree.value)
        except InvalidMessageError as error:
            self.fail(tree, error.problem)

    def _arithmetic(self, tree: ast.BinOp) -> Node:
        mark = _ARITHMETIC.get(type(tree.op))
        if mark is None:
            self.fail(tree, "the arithmetic of rules is + - * /")
        left, right = self.number(tree.left), self.number(tree.right)
        if isinstance(right, Constant) and mark == "/" and right.number == 0:
            self.fail(tree.right, "division by zero")
        if isinstance(left, Constant) and isinstance(right, Constant):
            return self._folded(tree, mark, float(left.number), float(right.number))
        return numeric.arithmetic(mark, left, right)

    def _folded(self, tree: ast.expr, mark: str, left: float, right: float) -> Constant:
        result = {"+": left + right, "-": left - right, "*": left * right, "/": left / (right or 1.0)}[mark]
        if not math.isfinite(result) or abs(result) > MAX_NUMBER:
            self.fail(tree, f"a number is at most {MAX_NUMBER:g}")
        return constant(result)

    def _unary(self, tree: ast.UnaryOp) -> Node:
        if isinstance(tree.op, ast.Not):
            return conditions.negation(self.condition(tree.operand))
        node = self.number(tree.operand)
        if isinstance(tree.op, ast.UAdd):
            return node
        return constant(-float(node.number)) if isinstance(node, Constant) else numeric.negative(node)

    def _junction(self, tree: ast.BoolOp) -> Node:
        return conditions.junction(
            "and" if isinstance(tree.op, ast.And) else "or", [self.condition(part) for part in tree.values]
        )

    def _compare(self, tree: ast.Compare) -> Node:
        marks = [_COMPARE.get(type(mark)) for mark in tree.ops]
        sides = [self.number(side) for side in (tree.left, *tree.comparators)]
        for left, right in pairwise(sides):
            if isinstance(left, Constant) and isinstance(right, Constant):
                self.fail(tree, "this compares two plain numbers")
        return conditions.compare([mark for mark in marks if mark], sides)


def _number_on(node: Number, timeframe: Timeframe | None, symbol: str) -> Number:
    """Return a number on other candles: of a timeframe, of a symbol, or Heikin-Ashi ones."""
    if timeframe:
        return numeric.on_number(timeframe, node)
    return across.of_number(symbol, node) if symbol else across.averaged_number(node)


def _truth_on(node: Boolean, timeframe: Timeframe | None, symbol: str) -> Boolean:
    """Return a condition on other candles."""
    if timeframe:
        return conditions.on_truth(timeframe, node)
    return across.of_truth(symbol, node) if symbol else across.averaged_truth(node)


def _true(node: Node) -> Boolean:
    """Return what is no number as what it then is."""
    if not isinstance(node, Boolean):
        raise TypeError(f"{node.text} is neither a number nor a condition")
    return node


def _signature(name: str) -> str:
    return FUNCTIONS[name].signature if name in FUNCTIONS else FORMS[name][0] if name in FORMS else f"{name}(a, b)"


_NOUNS: Final[dict[type[ast.expr], str]] = {
    ast.Tuple: "a list of values",
    ast.List: "a list",
    ast.Slice: "a slice",
    ast.Starred: "a starred argument",
    ast.JoinedStr: "formatted text",
}
