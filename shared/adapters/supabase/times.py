"""Record times: epoch milliseconds here, timestamptz there."""

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


def to_ms(text: str) -> int:
    """Return the epoch ms of a timestamptz as text, cut to whole milliseconds."""
    return (datetime.fromisoformat(text) - _EPOCH) // _MS


def to_text(time_ms: int) -> str:
    """Return epoch ms as ISO 8601 in UTC."""
    return (_EPOCH + time_ms * _MS).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
