"""The lease of a venue's log: who may write it, and when a standby may take it from a holder that is silent."""

from dataclasses import dataclass
from typing import Final

ASK_S: Final = 3.0
"""How often a standby asks for the holder."""
ASK_AGAIN_S: Final = 1.0
"""How soon it asks again when nobody was there to hear it."""
PATIENCE_S: Final = 8.0
"""How long a holder that hears the questions may leave them unanswered."""
MAX_UNHEARD: Final = 3
"""How many questions in a row may reach nobody: a process that ends takes its connections with it."""

_LEAST_S: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """What is written of a lease: the fencing token of its last holder, 0 before the first, and who holds it now."""

    token: int = 0
    owner: str | None = None


@dataclass(slots=True, kw_only=True)
class Silence:
    """What a standby knows of a holder it cannot see, in seconds of one steady clock.

    Being wrong about a holder costs a change of holders, never a candle: a write is refused by its token, not by this.
    """

    heard_s: float
    unheard: int = 0

    def note_answer(self, now_s: float) -> None:
        """Note a sign of life."""
        self.heard_s = now_s
        self.unheard = 0

    def note_question(self, hearers: int) -> None:
        """Note a question and how many have heard it; an answer to it is noted after it."""
        self.unheard = 0 if hearers else self.unheard + 1

    def pause_s(self, now_s: float) -> float:
        """Return how long to wait for an answer before the next step."""
        if self.unheard:
            return ASK_AGAIN_S
        return max(min(ASK_S, self.heard_s + PATIENCE_S - now_s), _LEAST_S)

    def is_death(self, now_s: float) -> bool:
        """Tell whether the holder counts as dead."""
        return self.unheard >= MAX_UNHEARD or now_s - self.heard_s >= PATIENCE_S
