"""What every venue's words have in common: JSON of a known shape, decimal strings, candles that must be possible."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import msgspec

from shared.domain.candles import Candle, check_candle, no_trade_candle
from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe

NAN: Final = float("nan")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)

_Shape = TypeVar("_Shape")


def decoded(decode: Callable[[bytes], _Shape], body: bytes, field: str) -> _Shape:
    """Return what a message says; raise `InvalidMessageError` for one that is damaged or of another shape."""
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidMessageError(field, str(error)) from error


def number(text: str | float, field: str) -> float:
    """Return a number that is written as text; raise `InvalidMessageError`."""
    try:
        return float(text)
    except ValueError as error:
        raise InvalidMessageError(field, str(error)) from error


def known(text: str, field: str) -> float:
    """Return a number that is written as text, NaN for an empty one; raise `InvalidMessageError`."""
    return number(text, field) if text else NAN


def whole(text: str, field: str) -> int:
    """Return a whole number that is written as text; raise `InvalidMessageError`."""
    try:
        return int(text)
    except ValueError as error:
        raise InvalidMessageError(field, str(error)) from error


def of_those(found: Mapping[str, _Shape], venue_ids: Collection[str]) -> dict[str, _Shape]:
    """Return what was found of some symbols where a venue told of all."""
    return {venue_id: found[venue_id] for venue_id in venue_ids if venue_id in found}


def candle_of(
    timeframe: Timeframe,
    open_time: int,
    numbers: Sequence[str | float],
    *,
    trades: int | None = None,
    taker_buy_volume: str | float = NAN,
) -> Candle:
    """Return a checked candle of open, high, low, close, base volume and quote volume, NaN for what is unknown.

    When nobody traded it is the marked no-trade candle, whatever else is unknown. Raise `InvalidMessageError` for one
    off the grid or impossible.
    """
    if open_time % timeframe.ms:
        raise InvalidMessageError("open_time", f"expected the open of a {timeframe} candle, got {open_time}")
    try:
        first, high, low, last, volume, quote_volume = map(float, numbers)
        bought = float(taker_buy_volume)
    except ValueError as error:
        raise InvalidMessageError("candle", str(error)) from error
    count = NAN if trades is None else float(trades)
    candle = check_candle(Candle(open_time, first, high, low, last, volume, quote_volume, count, bought))
    return no_trade_candle(open_time, last) if volume == 0.0 and low == high else candle
