"""What ccxt's error classes mean to the desk: one table, by class name, for every class ccxt has."""

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from shared.domain.errors import (
    FatalError,
    InvalidMessageError,
    NightdeskError,
    OutcomeUnknownError,
    RejectedError,
    TransientError,
)


class Reaction(Enum):
    """What to do about an error of a venue; what it becomes depends on whether the request was a write."""

    REFUSED = auto()  # the venue has looked and said no: RejectedError; of a read, InvalidMessageError
    LATER = auto()  # the venue has not looked: TransientError
    UNCLEAR = auto()  # it may have happened: OutcomeUnknownError; of a read, TransientError
    FATAL = auto()  # no request will succeed: FatalError


# Where ccxt uses one class for what has and what has not happened, the worse is taken: an order that is thought unknown
# is asked for by its id, one that is thought refused might be sent twice. Source: ccxt/base/errors.py.
REACTIONS: Final[Mapping[str, Reaction]] = {
    "AccountNotEnabled": Reaction.FATAL,
    "AccountSuspended": Reaction.FATAL,
    "AddressPending": Reaction.FATAL,
    "ArgumentsRequired": Reaction.FATAL,
    "AuthenticationError": Reaction.FATAL,
    "BadRequest": Reaction.REFUSED,
    "BadResponse": Reaction.UNCLEAR,
    "BadSymbol": Reaction.REFUSED,
    "BaseError": Reaction.UNCLEAR,
    "CancelPending": Reaction.UNCLEAR,
    "ChecksumError": Reaction.LATER,
    "ContractUnavailable": Reaction.REFUSED,
    "DDoSProtection": Reaction.LATER,
    "DuplicateOrderId": Reaction.REFUSED,
    "ExchangeClosedByUser": Reaction.FATAL,
    "ExchangeError": Reaction.UNCLEAR,
    "ExchangeNotAvailable": Reaction.UNCLEAR,
    "InsufficientFunds": Reaction.REFUSED,
    "InvalidAddress": Reaction.FATAL,
    "InvalidNonce": Reaction.FATAL,
    "InvalidOrder": Reaction.REFUSED,
    "InvalidProxySettings": Reaction.FATAL,
    "ManualInteractionNeeded": Reaction.FATAL,
    "MarginModeAlreadySet": Reaction.REFUSED,
    "MarketClosed": Reaction.REFUSED,
    "NetworkError": Reaction.UNCLEAR,
    "NoChange": Reaction.REFUSED,
    "NotSupported": Reaction.FATAL,
    "NullResponse": Reaction.UNCLEAR,
    "OnMaintenance": Reaction.UNCLEAR,
    "OperationFailed": Reaction.UNCLEAR,
    "OperationRejected": Reaction.REFUSED,
    "OrderImmediatelyFillable": Reaction.REFUSED,
    "OrderNotCached": Reaction.REFUSED,
    "OrderNotFillable": Reaction.REFUSED,
    "OrderNotFound": Reaction.REFUSED,
    "PermissionDenied": Reaction.FATAL,
    "RateLimitExceeded": Reaction.LATER,
    "RequestTimeout": Reaction.UNCLEAR,
    "RestrictedLocation": Reaction.FATAL,
    "UnsubscribeError": Reaction.LATER,
}
_BY_STATUS: Final = {400: Reaction.REFUSED, 418: Reaction.LATER, 422: Reaction.REFUSED, 429: Reaction.LATER}
_NEVER_SENT: Final = frozenset({"ConnectTimeout", "ConnectTimeoutError", "NameResolutionError", "NewConnectionError"})
_QUERY: Final = re.compile(r"\?\S+")
_WORDS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def named(error: Exception, *, writes: bool, headers: Mapping[str, str] | None = None) -> NightdeskError:
    """Return the desk's error for one of ccxt's; `headers` are those of the answer, if there was one.

    Queries are cut from the message: they carry signatures.
    """
    kind = type(error).__name__
    message = f"{kind}: {_QUERY.sub('?…', str(error))[:300]}"
    match _reaction(error):
        case Reaction.REFUSED if writes:
            return RejectedError(_WORDS.sub("_", kind).lower(), message)
        case Reaction.REFUSED:
            return InvalidMessageError("request", message)
        case Reaction.FATAL:
            return FatalError(message)
        case Reaction.UNCLEAR if writes:
            return OutcomeUnknownError(message)
        case _:
            return TransientError(message, retry_after_s=_retry_after_s(headers))


def _reaction(error: Exception) -> Reaction:
    """Return the reaction to the nearest class that is in the table; what was never sent can be sent later.

    An answer ccxt has no class for says by its status whether the venue has looked.
    """
    found = next(REACTIONS[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in REACTIONS)
    if found is Reaction.UNCLEAR and _was_never_sent(error):
        return Reaction.LATER
    return _BY_STATUS.get(_status(error), found) if type(error).__name__ == "ExchangeError" else found


def _status(error: BaseException | None) -> int:
    """Return the status of the answer an error was made of, 0 when there was none."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
        error = error.__cause__ or error.__context__
    return 0


def _was_never_sent(error: BaseException | None) -> bool:
    """Tell whether the connection itself failed: requests keeps urllib3's reason inside its own error."""
    while error is not None:
        inner = error.args[0] if error.args else None
        names = {type(part).__name__ for part in (error, inner, getattr(inner, "reason", None))}
        if names & _NEVER_SENT:
            return True
        error = error.__cause__
    return False


def _retry_after_s(headers: Mapping[str, str] | None) -> float | None:
    text = (headers or {}).get("Retry-After", "")
    return float(text) if text.isdecimal() else None
