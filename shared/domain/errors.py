"""Errors named by the reaction they need: reject the message, retry it, stand by, or stop the desk."""

from collections.abc import Sequence


class NightdeskError(Exception):
    """Mark an error the desk raises on purpose."""


class InvalidMessageError(NightdeskError, ValueError):
    """Refuse input that can never succeed; `field` names what is wrong, so that a person can mend it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem

    @property
    def errors(self) -> tuple[tuple[str, str], ...]:
        """Return every field at fault with its problem."""
        return ((self.field, self.problem),)


class RefusedError(InvalidMessageError):
    """Refuse input for all that is wrong with it at once; `reasons` are (field, problem), at least one."""

    def __init__(self, reasons: Sequence[tuple[str, str]]) -> None:
        super().__init__(*reasons[0])
        self.args = ("; ".join(f"{field}: {problem}" for field, problem in reasons),)
        self.reasons = tuple(reasons)

    @property
    def errors(self) -> tuple[tuple[str, str], ...]:
        """Return every field at fault with its problem."""
        return self.reasons


class NotFoundError(NightdeskError):
    """Say that the named thing does not exist, or is not the caller's to see."""


class ConflictError(NightdeskError):
    """Say that the request contradicts what is stored."""


class ForbiddenError(NightdeskError):
    """Say that the caller may not do this with something it may know of."""


class HaltedError(NightdeskError):
    """Say that the trading state of the desk, or of a part of it, forbids this."""


class TransientError(NightdeskError):
    """Ask for a retry, after `retry_after_s` seconds when the other side said so.

    `source` names what does not answer where that is one of the desk's own dependencies: `database`, `redis`, `queues`.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None, source: str | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.source = source


class RejectedError(NightdeskError):
    """Say that a venue has refused an order: it does not exist there, and sending it again would be refused again."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason


class OutcomeUnknownError(NightdeskError):
    """Say that a write may or may not have happened: ask by identity, never send it again blindly."""


class FencedError(NightdeskError):
    """Write nothing more and stand by: somebody else holds the lease, or it was lost with the store that kept it."""


class FatalError(NightdeskError):
    """Stop and alert: a broken invariant, a bad key, a missing setting."""
