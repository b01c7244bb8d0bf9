"""Plans as JSON: written once when an intent starts, read again by every slice."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal
from enum import Enum
from typing import Final, TypeVar

from shared.domain.errors import InvalidMessageError
from shared.domain.trading.instruments import Side
from shared.domain.trading.intents import Algorithm, AlgorithmName, Completion
from shared.domain.trading.money import decimal_of
from shared.domain.trading.orders import OrderKind, TimeInForce
from shared.domain.trading.plans import Plan, Slice, check_slices
from shared.domain.trading.routing import RoutePart

VERSION: Final = 1
Value = TypeVar("Value")
Json = Mapping[str, object]


def plan_to_json(plan: Plan) -> dict[str, object]:
    """Write a plan as JSON values; decimals are text."""
    return {"v": VERSION} | {
        "intent_id": plan.intent_id,
        "symbol": plan.symbol,
        "side": plan.side.value,
        "qty": _text(plan.qty),
        "algorithm": _fields(plan.algorithm),
        "venues": list(plan.venues),
        "started_at_ms": plan.started_at_ms,
        "deadline_ms": plan.deadline_ms,
        "slices": [_fields(one) for one in plan.slices],
        "unplaced_qty": _text(plan.unplaced_qty),
        "table": [_fields(row) for row in plan.table],
        "why": plan.why,
    }


def plan_from_json(data: Json) -> Plan:
    """Read a plan; raise `InvalidMessageError` that names a field that is missing, or is not what it should be."""
    if data.get("v") != VERSION:
        raise InvalidMessageError("plan.v", f"expected version {VERSION}, got {data.get('v')!r}")
    read = _Reader(data, "plan")
    plan = Plan(
        intent_id=read.text("intent_id"),
        symbol=read.text("symbol"),
        side=read.word("side", Side),
        qty=read.number("qty"),
        algorithm=_algorithm(read.part("algorithm")),
        venues=tuple(str(venue) for venue in read.rows("venues")),
        started_at_ms=read.time("started_at_ms"),
        deadline_ms=read.maybe("deadline_ms", read.time),
        slices=tuple(_slice(_Reader(row, "plan.slices")) for row in read.rows("slices")),
        unplaced_qty=read.number("unplaced_qty"),
        table=tuple(_row(_Reader(row, "plan.table")) for row in read.rows("table")),
        why=read.text("why"),
    )
    check_slices(plan)
    return plan


def _text(value: Decimal) -> str:
    return f"{value:f}"


def _fields(of: Algorithm | Slice | RoutePart) -> dict[str, object]:
    return {field.name: _plain(getattr(of, field.name)) for field in fields(of)}


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return _text(value)
    return value.value if isinstance(value, Enum) else value


class _Reader:
    """The fields of a JSON object, each read as what it must be."""

    def __init__(self, data: object, name: str) -> None:
        if not isinstance(data, Mapping):
            raise InvalidMessageError(name, f"expected an object, got {type(data).__name__}")
        self._data: Json = data
        self._name = name

    def _wrong(self, field: str, expected: str) -> InvalidMessageError:
        return InvalidMessageError(f"{self._name}.{field}", f"expected {expected}, got {self._data.get(field)!r}"[:200])

    def text(self, field: str) -> str:
        if not isinstance(value := self._data.get(field), str):
            raise self._wrong(field, "a text")
        return value

    def time(self, field: str) -> int:
        if not isinstance(value := self._data.get(field), int) or isinstance(value, bool):
            raise self._wrong(field, "a whole number")
        return value

    def number(self, field: str) -> Decimal:
        return decimal_of(f"{self._name}.{field}", self._data.get(field))

    def word(self, field: str, kind: Callable[[str], Value]) -> Value:
        try:
            return kind(self.text(field))
        except ValueError as error:
            raise self._wrong(field, f"a {getattr(kind, '__name__', 'word')}") from error

    def maybe(self, field: str, read: Callable[[str], Value]) -> Value | None:
        return None if self._data.get(field) is None else read(field)

    def rows(self, field: str) -> list[object]:
        if not isinstance(value := self._data.get(field), list):
            raise self._wrong(field, "a list")
        return value

    def part(self, field: str) -> "_Reader":
        return _Reader(self._data.get(field), f"{self._name}.{field}")


def _algorithm(read: _Reader) -> Algorithm:
    return Algorithm(
        name=read.word("name", AlgorithmName),
        duration_ms=read.time("duration_ms"),
        slices=read.time("slices"),
        limit_price=read.maybe("limit_price", read.number),
        time_in_force=read.word("time_in_force", TimeInForce),
        participation_rate=read.maybe("participation_rate", read.number),
        shown_rate=read.maybe("shown_rate", read.number),
        completion=read.word("completion", Completion),
    )


def _slice(read: _Reader) -> Slice:
    return Slice(
        slice_no=read.time("slice_no"),
        venue=read.text("venue"),
        qty=read.number("qty"),
        max_qty=read.maybe("max_qty", read.number),
        kind=read.word("kind", OrderKind),
        time_in_force=read.word("time_in_force", TimeInForce),
        limit_price=read.maybe("limit_price", read.number),
        due_at_ms=read.time("due_at_ms"),
    )


def _row(read: _Reader) -> RoutePart:
    return RoutePart(
        venue=read.text("venue"),
        qty=read.number("qty"),
        price=read.number("price"),
        slippage=read.number("slippage"),
        fee=read.number("fee"),
        latency=read.number("latency"),
        rejects=read.number("rejects"),
    )
