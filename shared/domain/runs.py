"""Execution runs: one shard of traders at one boundary, from claim to finish."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.domain.timeframe import Timeframe

DIGEST_CHARS: Final = 8
"""How long the digest of one decision is, in characters of base64: 48 bits."""


class RunStatus(StrEnum):
    """The state of a run: claimed, being evaluated under a lease, done, or given back after an error."""

    PENDING = "pending"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ClosedBoundary:
    """The fact that a timeframe of a venue closed at an instant (epoch ms)."""

    venue: str
    timeframe: Timeframe
    close_time: int


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Shard:
    """One part of the traders at one boundary: the identity of a run."""

    boundary: ClosedBoundary
    shard: int
    shards: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What a finished run did; `insufficient` counts (trader, symbol) pairs without enough history."""

    traders: int
    evaluations: int
    insufficient: int
    errors: int
    duration_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """How many signals of a run were new, how many had been stored before, and the ids of the intents they raised."""

    new: int
    duplicate: int
    intents: tuple[str, ...] = ()


def split_digests(digests: str) -> frozenset[str]:
    """Return the digests of a run, which are kept as one text."""
    return frozenset(digests[start : start + DIGEST_CHARS] for start in range(0, len(digests), DIGEST_CHARS))
