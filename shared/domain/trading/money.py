"""Exact arithmetic on quantities, prices and money."""

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Final

from shared.domain.errors import InvalidMessageError

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
BPS: Final = Decimal("0.0001")
EXACT: Final = Context(prec=60)
"""Digits enough for any sum of products of what venues count; with Python's 28 the last ones of a long ledger go."""
GRAIN: Final = Decimal("1e-12")
"""What a division is rounded to, in quote units: far below what any venue counts, so that a column of them adds up."""


def decimal_of(field: str, value: object) -> Decimal:
    """Return a finite number exactly as it is written; raise `InvalidMessageError` that names the field.

    A float is refused: whoever has one decides how many of its digits are meant.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise InvalidMessageError(field, f"expected a decimal number as text, got {type(value).__name__}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise InvalidMessageError(field, f"expected a finite decimal number, got {str(value)[:40]!r}")
    return number


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of a positive step that is not above a value."""
    return (value / step).to_integral_value(ROUND_FLOOR) * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Return the smallest multiple of a positive step that is not below a value."""
    return (value / step).to_integral_value(ROUND_CEILING) * step


def grain(value: Decimal) -> Decimal:
    """Return the result of a division on the desk's own grid of money."""
    return value.quantize(GRAIN, ROUND_HALF_EVEN)


def total(values: Iterable[Decimal]) -> Decimal:
    """Return a sum that is a Decimal also when there is nothing to add."""
    return sum(values, ZERO)


LARGEST: Final = Decimal("1e15")
"""No price, quantity or notional is larger: beyond it a number is a mistake, and products would leave the digits of a
Decimal."""
SMALLEST: Final = Decimal("1e-15")
"""No price or positive setting is smaller."""


def require(field: str, value: Decimal, *, least: Decimal = -LARGEST, most: Decimal = LARGEST) -> Decimal:
    """Return a number that is finite and within bounds, or raise `InvalidMessageError`."""
    if not (value.is_finite() and least <= value <= most):
        raise InvalidMessageError(field, f"expected a number from {least} to {most}, got {value}")
    return value


def require_positive(field: str, value: Decimal, *, most: Decimal = LARGEST) -> Decimal:
    """Return a positive number of a size that can be meant, or raise `InvalidMessageError`."""
    if not (value.is_finite() and SMALLEST <= value <= most):
        raise InvalidMessageError(field, f"expected a positive number, at most {most}, got {value}")
    return value
