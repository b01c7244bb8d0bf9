"""What a month costs for 100, 1,000 and 10,000 traders × 200 symbols × 6 timeframes: measured × published prices.

Every trader is evaluated at every close of each of the six timeframes, on all 200 symbols of one venue, which is more
than any desk of as many traders has: a trader follows one timeframe. `list USD` takes nothing off that is free: it is
what those pay who have used up every free tier; `bill USD` is after the free tiers that do not end. How units are
counted is in `bench/month.py`, prices are in `bench/prices.py`. The last rows say what comes of ten times as much of
what is assumed.
"""

import os
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, Final

from bench.month import Assumed, Desk, Line, deployed, list_usd, measured_here
from bench.prices import SUPABASE_PRO

TRADERS: Final = (100, 1_000, 10_000)
TARGET_TRADERS: Final = 1_000
TARGET_USD: Final = 20.0
TOTAL: Final = "all but Supabase"


def run() -> list[dict[str, Any]]:
    """Return the lines of every size of desk, each size with its sums below it, then what assumptions are worth."""
    rows: list[dict[str, Any]] = []
    for traders in TRADERS:
        desk = deployed(traders, env=os.environ, measured=measured_here())
        lines = list(desk.lines())
        rows += [_row(traders, line) for line in lines]
        rows += _sums(desk, lines)
    target = deployed(TARGET_TRADERS, env=os.environ, measured=measured_here())
    return rows + [
        {"traders": TARGET_TRADERS, "what": what, "list USD": round(usd, 2)} for what, usd in ten_times(target)
    ]


def verdict(lines: list[Line]) -> str:
    """Return whether a month is within the target, and what most of it is."""
    listed = sum(line.list_usd for line in lines)
    most = max(lines, key=lambda line: line.list_usd)
    kept = "within" if listed <= TARGET_USD else "more than"
    return f"{kept} {TARGET_USD:.0f} USD at list price; most of it is {most.what}, {most.list_usd:.2f} USD"


def _row(traders: int, line: Line) -> dict[str, Any]:
    return {
        "traders": traders,
        "what": line.what,
        "units": round(line.units),
        "list USD": round(line.list_usd, 2),
        "bill USD": round(line.bill_usd, 2),
        "counted": line.counted,
    }


def _sums(desk: Desk, lines: list[Line]) -> Iterator[dict[str, Any]]:
    listed, billed = sum(line.list_usd for line in lines), sum(line.bill_usd for line in lines)
    said = verdict(lines) if desk.traders == TARGET_TRADERS else ""
    sums = {
        TOTAL: (listed, billed, said),
        "all, with Supabase Pro": (listed + SUPABASE_PRO.usd, billed + SUPABASE_PRO.usd, "its free plan is 0"),
    }
    for what, (list_price, bill, counted) in sums.items():
        usd = {"list USD": round(list_price, 2), "bill USD": round(bill, 2)}
        yield {"traders": desk.traders, "what": what, **usd, "counted": counted}


def ten_times(desk: Desk) -> Iterator[tuple[str, float]]:
    """Yield the sum at list price when one thing assumed is ten times as much, and when all takes twice as long."""
    for each in fields(Assumed):
        more = 10 * getattr(desk.assumed, each.name)
        assumed = replace(desk.assumed, **{each.name: more})
        yield f"with {more:,} {each.name} of a trader", list_usd(replace(desk, assumed=assumed))
    slow = {
        name: {key: value * 2 if key.startswith("ms_") or key.endswith("_ms") else value for key, value in row.items()}
        for name, row in desk.measured.items()
    }
    yield "with everything twice as slow", list_usd(replace(desk, measured=slow))
