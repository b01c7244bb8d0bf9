"""What every drill shows."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillOutcome:
    """What a drill showed; `problems` says in words why it failed, `hits` how often each fault struck."""

    name: str
    breaks: str
    problems: tuple[str, ...]
    hits: dict[str, int]
    took_s: float
    home: Path

    @property
    def passed(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.problems

    def body(self) -> dict[str, Any]:
        """Return the outcome as JSON has it."""
        return {**asdict(self), "home": str(self.home), "passed": self.passed}
