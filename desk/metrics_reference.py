"""Write the table of metrics into docs/operations/observability.md: `python -m desk.metrics_reference`."""

import sys
from pathlib import Path
from typing import Final

from desk.marked import between
from shared.runtime.metrics import METRICS

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "operations" / "observability.md"
BEGIN: Final = "<!-- metrics: shared/runtime/metrics.py -->\n"
END: Final = "\n<!-- end -->"


def table() -> str:
    """Return every metric as a row."""
    rows = ["| metric | unit | what it counts or measures | read from | CloudWatch is told |", "|---|---|---|---|---|"]
    for metric in METRICS.values():
        source = f"`{metric.answer}`" if metric.answer else "every invocation"
        if metric.asked:
            source += f" to `{metric.asked}`"
        told = "always: an alarm reads it" if metric.is_watched else ""
        rows.append(f"| `{metric.name}` | {metric.unit} | {metric.means} | {source} | {told} |")
    return "\n".join(rows)


def with_table(text: str) -> str:
    """Return the page with the table as it is now."""
    return between(text, BEGIN, END, table())


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
    sys.stdout.write(f"wrote {PAGE}\n")
