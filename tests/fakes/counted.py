"""Anything, with its calls counted: what something costs is how often it asks."""

from collections import Counter
from typing import Any


class Counted:
    """Stand before another object and count what is called of it, by name."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        """Return the other object's attribute; a method is counted each time it is taken."""
        found = getattr(self._inner, name)
        if callable(found):
            self.calls[name] += 1
        return found
