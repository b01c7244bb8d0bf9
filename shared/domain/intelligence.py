"""Intelligence: what sources outside the market think of an instrument, each opinion with where it comes from."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from shared.domain.errors import InvalidMessageError

TRADER: Final = "trader"
"""The kind of what traders think; no source of intelligence has it."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_INSTRUMENT: Final = re.compile(r"[^/\s]{1,32}/[^/\s]{1,32}")
_MAX_ID: Final = 128


class Direction(StrEnum):
    """Where a source expects an instrument to go; `neutral` is an opinion too, for neither side."""

    LONG = "long"
    SHORT = "short"
    NEUTRAL = "neutral"


class Provenance(StrEnum):
    """How a value came about: read from the world, said by a model that looked at it, or made up for a test."""

    MEASURED = "measured"
    MODEL = "model"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What one source thinks of one instrument, since `observed_at_ms` (epoch ms).

    `source` is who looked at the world: the provider of the data, or the rule of a trader; `label` is what people call
    it. `confidence` (0 to 1) is None where the source does not say how sure it is, `expires_at_ms` where it does not
    say how long it stands by it. `data_quality` (0 to 1) is 0 for data that could not be read.
    """

    source: str
    kind: str
    instrument: str
    direction: Direction
    confidence: float | None
    observed_at_ms: int
    expires_at_ms: int | None = None
    provenance: Provenance = Provenance.MEASURED
    data_quality: float = 1.0
    label: str = ""

    def __post_init__(self) -> None:
        """Raise `InvalidMessageError` for what is no fraction."""
        if self.confidence is not None:
            require_fraction("confidence", self.confidence)
        require_fraction("data_quality", self.data_quality)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntelligenceSignal:
    """One opinion of a source as it is recorded.

    Its identity is (source, kind, instrument, observed at), so recording it twice changes nothing.
    """

    source: str
    kind: str
    instrument: str
    direction: Direction
    confidence: float
    observed_at_ms: int
    expires_at_ms: int
    provenance: Provenance
    data_quality: float
    correlation_id: str
    details: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise `InvalidMessageError` naming the field that cannot be recorded."""
        _require_match("source", self.source, _NAME)
        _require_match("kind", self.kind, _KIND)
        if self.kind == TRADER:
            raise InvalidMessageError("kind", "traders speak by their own signals")
        _require_match("instrument", self.instrument, _INSTRUMENT)
        require_fraction("confidence", self.confidence)
        require_fraction("data_quality", self.data_quality)
        if not 0 < self.observed_at_ms < self.expires_at_ms:
            raise InvalidMessageError("expires_at_ms", "expected a time after it was observed, and that after 1970")
        if not 0 < len(self.correlation_id) <= _MAX_ID:
            raise InvalidMessageError("correlation_id", f"expected 1 to {_MAX_ID} characters")


def require_fraction(name: str, value: float) -> None:
    """Raise `InvalidMessageError` unless a value is a number from 0 to 1."""
    if not math.isfinite(value) or not 0.0 <= value <= 1.0:
        raise InvalidMessageError(name, f"expected 0 to 1, got {value}")


def _require_match(name: str, text: str, pattern: re.Pattern[str]) -> None:
    if pattern.fullmatch(text) is None:
        raise InvalidMessageError(name, f"expected text like {pattern.pattern}, got {text!r}")
