"""Clients of AWS, made by botocore alone: boto3 adds file transfer and resources, which nobody here asks for.

botocore is imported where something is asked of AWS: it takes longer to load than all else a function does at its first
invocation, and most invocations have nothing to send.
"""

from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from botocore.session import Session

_turn: Final = Lock()
"""Clients may be used side by side; a session may not."""


def aws_client(service: str, *, connect_s: int, read_s: int, attempts: int) -> Any:
    """Return a client whose calls take so long and so many attempts at most; region, credentials and endpoint are the
    environment's."""
    from botocore.config import Config

    config = Config(
        connect_timeout=connect_s,
        read_timeout=read_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    with _turn:
        return _session().create_client(service, config=config)


@cache
def _session() -> "Session":
    """Return the process's session, which reads botocore's descriptions of AWS once for all clients."""
    from botocore.session import Session

    return Session()
