"""The codec of the ticker board: a snapshot of every symbol of a venue as one small text.

The text is JSON, deflated and in base64, because Upstash's REST interface carries JSON and would escape every quotation
mark. `v` version, `k` kind, `t` when the venue was asked (epoch ms), `s` symbols, and a column for each field of a row,
null where unknown. Python writes the shortest decimal that reads back as the same double, so nothing is lost.
"""

import json
import math
import sys
import zlib
from collections.abc import Sequence
from typing import Any, Final

from pybase64 import b64decode, b64encode

from shared.domain.errors import InvalidMessageError
from shared.domain.tickers import Funding, Row, Snapshot, Ticker

VERSION: Final = 1

_KINDS: Final[dict[type[Any], str]] = {Ticker: "tickers", Funding: "funding"}
_WHOLE: Final = frozenset({"due_time"})


def encode_snapshot(snapshot: Snapshot[Row], kind: type[Row]) -> str:
    """Write a snapshot of tickers or of funding; raise `InvalidMessageError` for an infinite value."""
    document: dict[str, Any] = {"v": VERSION, "k": _KINDS[kind], "t": snapshot.time_ms, "s": list(snapshot.rows)}
    rows = list(snapshot.rows.values())
    for at, name in enumerate(kind._fields):
        document[name] = [_written(name, row[at]) for row in rows]
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return b64encode(zlib.compress(text.encode())).decode("ascii")


def decode_snapshot(text: str, kind: type[Row]) -> Snapshot[Row]:
    """Read a snapshot; raise `InvalidMessageError` for a damaged one, another version or another kind."""
    document = _document(text)
    for name, expected in (("v", VERSION), ("k", _KINDS[kind])):
        if document.get(name) != expected:
            raise InvalidMessageError(name, f"expected {expected!r}, got {document.get(name)!r}")
    symbols = _column(document, "s", length=None)
    if len(set(map(str, symbols))) < len(symbols) or not all(isinstance(symbol, str) for symbol in symbols):
        raise InvalidMessageError("s", "expected different symbols")
    columns = [[_read(name, value) for value in _column(document, name, length=len(symbols))] for name in kind._fields]
    rows = {symbol: kind(*row) for symbol, row in zip(symbols, zip(*columns, strict=True), strict=True)}
    return Snapshot(_whole("t", document.get("t")), rows)


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(zlib.decompress(b64decode(text, validate=True)))
    except (ValueError, zlib.error, RecursionError) as error:
        raise InvalidMessageError("snapshot", f"damaged: {error}") from error
    if not isinstance(document, dict):
        raise InvalidMessageError("snapshot", f"expected an object, got {type(document).__name__}")
    return document


def _column(document: dict[str, Any], name: str, *, length: int | None) -> Sequence[Any]:
    column = document.get(name)
    if not isinstance(column, list) or length not in (None, len(column)):
        raise InvalidMessageError(name, f"expected a list of {'any' if length is None else length} values")
    return column


def _written(name: str, value: float) -> float | None:
    if math.isinf(value):
        raise InvalidMessageError(name, f"expected a finite number, got {value}")
    return None if math.isnan(value) else value


def _read(name: str, value: object) -> Any:
    if name in _WHOLE:
        return _whole(name, value)
    if value is None:
        return math.nan
    if not isinstance(value, float | int) or isinstance(value, bool) or not abs(value) <= sys.float_info.max:
        raise InvalidMessageError(name, f"expected a finite number or null, got {value!r:.40}")
    return float(value)


def _whole(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidMessageError(name, f"expected a time in epoch ms, got {value!r}")
    return value
