"""What the desk knows of people."""

from typing import Protocol

from shared.domain.people import PersonRole


class Profiles(Protocol):
    """What the desk knows of people."""

    def role(self, user_id: str) -> PersonRole:
        """Return what a person may do; somebody without a profile is a trader."""
        ...
