"""Measure the desk: `python -m bench [NAME …]` prints a table per benchmark and writes `bench/out/NAME.json`.

Without a name it runs all but those that run a desk at the market's pace, which take minutes each.
"""

import json
import platform
import sys
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

NAMES = (
    "codec",
    "rules",
    "functions",
    "cold",
    "first_requests",
    "cold_start",
    "collector",
    "redis_log",
    "redis_month",
    "orders",
    "cost",
)
AT_THE_MARKETS_PACE = ("collector_live", "invocations")
OUT = Path(__file__).parent / "out"


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all that are not slow; return how many names were unknown."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    known = (*NAMES, *AT_THE_MARKETS_PACE)
    unknown = [name for name in names if name not in known]
    if unknown:
        console.print(f"[red]unknown benchmark {', '.join(unknown)}; there are {', '.join(known)}[/]")
        return len(unknown)
    OUT.mkdir(exist_ok=True)
    for name in names or NAMES:
        module = import_module(f"bench.{name}")
        rows = module.run()
        console.print(_table((module.__doc__ or name).splitlines()[0], rows))
        machine = {"python": platform.python_version(), "machine": platform.machine()}
        (OUT / f"{name}.json").write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")
    if not names:
        console.print(f"left out, since each takes minutes: {', '.join(AT_THE_MARKETS_PACE)}")
    return 0


def _table(title: str, rows: list[dict[str, object]]) -> Table:
    table = Table(title=title, title_justify="left")
    columns = list(dict.fromkeys(column for row in rows for column in row))
    for column in columns:
        numbers = all(isinstance(row.get(column), int | float | None) for row in rows)
        table.add_column(column, justify="right" if numbers else "left")
    for row in rows:
        table.add_row(*(_text(row.get(column)) for column in columns))
    return table


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
