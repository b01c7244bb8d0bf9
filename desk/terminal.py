"""What the commands of the desk share when they speak to a person: a console, and refusals in words."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import typer

from shared.domain.errors import NightdeskError

if TYPE_CHECKING:
    from rich.console import Console

PIPED_WIDTH: Final = 160


def console(*, highlight: bool = True) -> "Console":
    """Return a console as wide as the terminal, or wide enough to read when the output is piped."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=highlight)


@contextmanager
def refusals(exit_code: int = 1) -> Iterator[None]:
    """Turn a refusal into its text on stderr, a rule's with a caret, and an exit code."""
    try:
        yield
    except NightdeskError as error:
        from shared.domain.rules import RuleError

        typer.echo(error.pretty() if isinstance(error, RuleError) else str(error), err=True)
        raise typer.Exit(exit_code) from error
