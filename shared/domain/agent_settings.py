"""What can be set of agents beside their autonomy: one frozen class each, whose fields are the names in settings."""

from dataclasses import dataclass, field

from shared.domain.errors import InvalidMessageError
from shared.domain.trading.intents import AlgorithmName
from shared.domain.trading.limits import Caps


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSettings:
    """Of an agent of which nothing else is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskSettings:
    """Of risk-agent: the most any book may risk."""

    limits: Caps = field(default_factory=Caps)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionSettings:
    """Of execution-agent: the algorithms people and their traders may ask for."""

    algos: tuple[AlgorithmName, ...] = tuple(AlgorithmName)

    def __post_init__(self) -> None:
        """Refuse a desk on which nothing could be traded."""
        if not self.algos:
            raise InvalidMessageError("algos", "expected at least one algorithm")
