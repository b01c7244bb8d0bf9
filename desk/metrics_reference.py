"""Write the table of metrics into docs/operations/observability.md: `python -m desk.metrics_reference`."""

import sys
from pathlib import Path
from typing import Final

from shared.runtime.metrics import METRICS

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "operations" / "observability.md"
BEGIN: Final = "<!-- metrics: shared/runtime/metrics.py -->\n"
END: Final = "\n<!-- end -->"


def table() -> str:
    """Return every metric as a row."""
    rows = ["| metric | unit | what it counts or measures | read from |", "|---|---|---|---|"]
    for metric in METRICS.values():
        source = f"`{metric.answer}`" if metric.answer else "every invocation"
        if metric.asked:
            source += f" to `{metric.asked}`"
        rows.append(f"| `{metric.name}` | {metric.unit} | {metric.means} | {source} |")
    return "\n".join(rows)


def with_table(text: str) -> str:
    """Return the page with the table as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{end}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
    sys.stdout.write(f"wrote {PAGE}\n")
