"""Clients of AWS, made by botocore alone: boto3 adds file transfer and resources, which nobody here asks for."""

from typing import Any

from botocore.config import Config
from botocore.session import Session


def aws_client(service: str, *, connect_s: int, read_s: int, attempts: int) -> Any:
    """Return a client whose calls take so long and so many attempts at most; region, credentials and endpoint are the
    environment's."""
    config = Config(
        connect_timeout=connect_s,
        read_timeout=read_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    return Session().create_client(service, config=config)
