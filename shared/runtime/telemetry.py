"""Structured logs: one JSON line an event, with the correlation id that follows a boundary to its signals."""

import logging
import os
from functools import cache
from typing import Final

from aws_lambda_powertools import Logger

VERSION: Final = "0.1.0"


@cache
def start_logging(service: str) -> Logger:
    """Return the JSON logger of a service; what `shared` logs by the standard library comes out in the same shape."""
    made = Logger(service=service, level=os.environ.get("LOG_LEVEL", "INFO"), utc=True)
    shared = logging.getLogger("shared")
    shared.handlers = [made.registered_handler]
    shared.propagate = False
    shared.setLevel(made.log_level)
    return made
