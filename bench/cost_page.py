"""Write what a month costs into docs/deploy.md: `python -m bench.cost_page`.

It is made of the constants of `bench/month.py` and `bench/prices.py` and of what is deployed when nobody sets anything,
whatever was measured or is set where it is written.
"""

import sys
from collections.abc import Iterator
from typing import Final

from bench.cost import TARGET_TRADERS, TRADERS, ten_times, verdict
from bench.month import ROOT, deployed, list_usd
from bench.prices import PRICES, SUPABASE_PRO
from desk.marked import between

PAGE: Final = ROOT / "docs" / "deploy.md"
BEGIN: Final = "<!-- cost: bench/cost.py -->\n"
END: Final = "\n<!-- end -->"


def with_costs(text: str) -> str:
    """Return the page with its tables as they are now."""
    return between(text, BEGIN, END, "\n".join([*_costs(), "", *_moves(), "", *_prices()]))


def _costs() -> Iterator[str]:
    """Yield a row for each thing that is charged, and the sums."""
    months = [list(deployed(traders, env={}).lines()) for traders in TRADERS]
    yield _row("a month, USD at list price", *(f"{traders:,} traders" for traders in TRADERS))
    yield _row(*["---"] * (len(TRADERS) + 1))
    for number, line in enumerate(months[0]):
        yield _row(line.what, *(f"{month[number].list_usd:.2f}" for month in months))
    yield _row("**all but Supabase**", *(f"**{sum(line.list_usd for line in month):.2f}**" for month in months))
    yield _row("after free tiers that do not end", *(f"{sum(line.bill_usd for line in month):.2f}" for month in months))
    for setting, value in (("METRICS_PUBLISHED", "all"), ("TRACING", "PassThrough")):
        usd = [list_usd(deployed(traders, env={setting: value})) for traders in TRADERS]
        yield _row(f"all, with `{setting}={value}`", *(f"{each:.2f}" for each in usd))
    yield ""
    yield f"1,000 traders are {verdict(months[TRADERS.index(TARGET_TRADERS)])}."
    yield f"Supabase is 0 on its free plan, which a desk outgrows at 500 MB, and {SUPABASE_PRO.usd:.0f} USD on Pro."


def _moves() -> Iterator[str]:
    """Yield what the sum is when what is assumed is otherwise."""
    yield _row(f"all but Supabase, {TARGET_TRADERS:,} traders", "USD at list price")
    yield _row("---", "---")
    desk = deployed(TARGET_TRADERS, env={})
    yield _row("as assumed", f"{list_usd(desk):.2f}")
    for what, usd in ten_times(desk):
        yield _row(what, f"{usd:.2f}")


def _prices() -> Iterator[str]:
    """Yield each price, where it is published, and how it was looked up."""
    yield _row("price", "USD", "for", "published at", "looked up")
    yield _row("---", "---", "---", "---", "---")
    for what, price in {**PRICES, "Supabase Pro": SUPABASE_PRO}.items():
        yield _row(what, f"{price.usd:.10f}".rstrip("0").rstrip("."), f"{price.per:,.0f}", price.source, price.seen)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(with_costs(PAGE.read_text()))
    sys.stdout.write(f"wrote {PAGE}\n")
