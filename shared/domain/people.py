"""People: what they may do at the desk."""

from enum import StrEnum


class PersonRole(StrEnum):
    """A trader minds their own books, an operator the desk, an admin both and the people."""

    TRADER = "trader"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def operates(self) -> bool:
        """Tell whether the desk's own state and books are theirs to change."""
        return self is not PersonRole.TRADER
