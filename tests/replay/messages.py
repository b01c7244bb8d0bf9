"""The messages of venues kept as files beside these tests: `tests/replay/<venue>/<name>`."""

from pathlib import Path

from shared.domain.candles import Candle

HERE = Path(__file__).parent


def message(venue: str, name: str) -> bytes:
    """Return a venue's message, JSON unless its name ends otherwise."""
    path = HERE / venue / name
    return (path if path.suffix else path.with_suffix(".json")).read_bytes()


def shown(candle: Candle) -> str:
    """Return every value of a candle as text, in which NaN is NaN."""
    return repr(candle)
