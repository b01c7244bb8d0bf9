"""Structured logs: one JSON line an event, with the correlation id that follows a boundary to its signals."""

import logging
import os
from functools import cache
from typing import Final

from aws_lambda_powertools import Logger

from shared.runtime.redaction import redacted_json

VERSION: Final = "0.1.0"
STANDARD_LOGGERS: Final = ("shared", "asyncio", "aiohttp", "stamina")
"""Who logs by the standard library: our own `shared`, and libraries with something to say."""


@cache
def start_logging(service: str) -> Logger:
    """Return the JSON logger of a service; what is logged by the standard library comes out in the same shape."""
    made = Logger(service=service, level=os.environ.get("LOG_LEVEL", "INFO"), utc=True, json_serializer=redacted_json)
    for name in STANDARD_LOGGERS:
        standard = logging.getLogger(name)
        standard.handlers = [made.registered_handler]
        standard.propagate = False
        standard.setLevel(made.log_level)
    return made
