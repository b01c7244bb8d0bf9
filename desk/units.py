"""How durations and sizes read in a terminal."""

from typing import Final

_EXACT_MS: Final = 10_000


def span(duration_ms: int) -> str:
    """Return a duration in its two largest units."""
    seconds = max(duration_ms, 0) // 1_000
    for unit, name, smaller, small_name in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= unit:
            return f"{seconds // unit} {name} {seconds % unit // smaller} {small_name}"
    return f"{seconds} s"


def size(count: int) -> str:
    """Return a number of bytes in decimal units, as plans count them."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} B"


def wait(duration_ms: int) -> str:
    """Return how long something took: to the millisecond while that says something."""
    return f"{duration_ms:,} ms" if duration_ms < _EXACT_MS else span(duration_ms)
