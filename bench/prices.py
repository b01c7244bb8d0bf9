"""What is charged, where that is published, and how it was looked up: in USD, of eu-central-1 unless it says otherwise.

None of it was read off a live page: "copy" is a stored copy of the page itself, "second hand" somebody who quotes it.
Whoever relies on a figure looks at its page.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """USD for `per` units, and how many units are free in every month, for ever; `seen` says by whom, and when."""

    usd: float
    per: float
    free: float = 0
    source: str
    seen: str


_PRICE_LIST: Final = "second hand: a public repository that read the region's price list on 2026-09-11"

PRICES: Final = {
    "Lambda requests": Price(usd=0.20, per=1e6, free=1e6, source="aws.amazon.com/lambda/pricing", seen=_PRICE_LIST),
    "Lambda compute, arm64": Price(
        usd=0.0000133334, per=1, free=400_000, source="aws.amazon.com/lambda/pricing", seen=_PRICE_LIST
    ),
    "SQS requests": Price(usd=0.40, per=1e6, free=1e6, source="aws.amazon.com/sqs/pricing", seen=_PRICE_LIST),
    "HTTP API requests": Price(
        usd=1.20, per=1e6, source="aws.amazon.com/api-gateway/pricing",
        seen="second hand, undated: a public repository's table for eu-central-1; the page says 1.00 for the US",
    ),
    "CloudWatch logs taken in": Price(
        usd=0.63, per=1e9, free=5e9, source="aws.amazon.com/cloudwatch/pricing", seen=_PRICE_LIST
    ),
    "CloudWatch alarms": Price(usd=0.10, per=1, free=10, source="aws.amazon.com/cloudwatch/pricing", seen=_PRICE_LIST),
    "CloudWatch custom metrics": Price(
        usd=0.30, per=1, free=10, source="aws.amazon.com/cloudwatch/pricing",
        seen="copy, undated, of what is free; second hand, of 2022, the price of the first 10,000 in the US",
    ),
    "X-Ray traces": Price(
        usd=5.00, per=1e6, free=100_000, source="aws.amazon.com/xray/pricing", seen="copy, undated; no region is named"
    ),
    "Upstash commands": Price(
        usd=0.20, per=1e5, source="upstash.com/pricing/redis: pay as you go, or a free plan of 500,000",
        seen="second hand: pages that quote it, of 2026-09-20 and 2026-11-09",
    ),
    "Fly machine, shared-cpu-1x, 256 MB": Price(
        usd=2.86, per=1, source="fly.io/docs/about/pricing: 2.19 in iad, and 1.3077 times that in nrt (fly.toml)",
        seen="copy of both figures in the sources of Fly's documents, undated, later than 2026-08-07",
    ),
    "Fly data out": Price(
        usd=0.04, per=1e9, source="fly.io/docs/about/pricing, of Asia",
        seen="copy in the sources of Fly's documents, undated, later than 2026-08-07",
    ),
}  # fmt: skip
SUPABASE_PRO: Final = Price(
    usd=25.0, per=1, source="supabase.com/pricing", seen="second hand: pages that quote it, of 2026-01-24 and undated"
)
"""The free plan holds 500 MB and pauses a project nobody asks; a desk asks every minute."""
