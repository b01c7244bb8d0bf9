"""People: what they may do at the desk."""

from enum import StrEnum


class PersonRole(StrEnum):
    """A viewer reads, a trader minds their own books, an operator the desk too, an admin both and the people."""

    VIEWER = "viewer"
    TRADER = "trader"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def operates(self) -> bool:
        """Tell whether the desk's own state and books are theirs to change."""
        return self in (PersonRole.OPERATOR, PersonRole.ADMIN)

    @property
    def writes(self) -> bool:
        """Tell whether anything is theirs to change."""
        return self is not PersonRole.VIEWER
