"""What the codes of PostgREST and Postgres mean to the desk."""

import re
from typing import Final

from postgrest import APIError

from shared.domain.errors import (
    ConflictError,
    FatalError,
    ForbiddenError,
    HaltedError,
    InvalidMessageError,
    NightdeskError,
    TransientError,
)

SOURCE: Final = "database"

# The longest prefix of a code decides. Sources: PostgreSQL appendix A (SQLSTATE), PostgREST "Errors".
_REACTIONS: Final[dict[str, type[NightdeskError]]] = {
    "08": TransientError,  # connection
    "21000": FatalError,  # a write without WHERE
    "22": InvalidMessageError,  # data exception
    "23": InvalidMessageError,  # not null, foreign key, check
    "23505": ConflictError,  # unique
    "25006": FatalError,  # read-only transaction
    "40": TransientError,  # serialization failure, deadlock
    "42": FatalError,  # missing table, function or permission: the deployment is wrong
    "500": TransientError,  # a server that failed without a reason
    "53": TransientError,  # insufficient resources
    "54": InvalidMessageError,  # program limit: the statement is too large
    "55P03": TransientError,  # lock not available
    "57": TransientError,  # cancelled, shutting down
    "ND001": HaltedError,  # ND are sql/'s own: the trading state forbids it
    "ND002": ConflictError,  # a step that is not legal
    "ND003": ConflictError,  # another version than the stored one
    "ND004": ForbiddenError,  # somebody else's
    "PGRST00": TransientError,  # no connection to the database, pool exhausted
    "PGRST": FatalError,  # a request PostgREST does not understand, a stale schema, a bad key or token
    "XX": TransientError,  # internal error
}
_CHECKED: Final = re.compile(
    r'(?:relation|table) "(\w+)" violates (?:check|foreign key) constraint "\1_(\w+?)_(?:check|fkey)'
)
_COLUMN: Final = re.compile(r'column "(\w+)"')
_NAMED: Final = re.compile(r'column "(\w+)": (.+)', re.DOTALL)
"""How sql/ itself says which field is wrong, and why."""


def named(error: APIError) -> NightdeskError:
    """Return the desk's error for an answer of PostgREST."""
    code, message = error.code or "", error.message or "no message"
    if code == "42501" and "row-level security" in message:
        return InvalidMessageError("owner_id", "the row would not be yours")
    kind = next((_REACTIONS[code[:n]] for n in range(len(code), 0, -1) if code[:n] in _REACTIONS), FatalError)
    if kind is InvalidMessageError:
        if match := _NAMED.fullmatch(message):
            return InvalidMessageError(match[1], match[2])
        return InvalidMessageError(_field(message), message)
    if kind is TransientError:
        return TransientError(f"{message} ({code})", source=SOURCE)
    return kind(message if code.startswith("ND") else f"{message} ({code})")


def _field(message: str) -> str:
    if match := _CHECKED.search(message):
        return match[2]
    return match[1] if (match := _COLUMN.search(message)) else "request"
