"""Post funding: what futures paid an account for being held, each payment once, to the books that held them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from shared.domain.trading.flows import flows_of
from shared.domain.trading.reconciliation import Difference, Finding
from shared.usecases.working import ACTOR, Floor

if TYPE_CHECKING:
    from shared.venue_ports import Exchange

HELD_WITHIN_MS: Final = 604_800_000
"""Futures that were filled longer ago, and are flat since, are paid nothing any more."""


def post_funding(exchange: Exchange, account: str, differences: Sequence[Difference], *, floor: Floor) -> int:
    """Post the funding an account was paid that the ledger does not know; return how many rows are new.

    The venue is asked, once for all symbols, only while a balance differs in which futures are paid: funding comes
    every hour at most, and a difference is what says that something came.
    """
    differing = {each.subject for each in differences if each.finding is Finding.BALANCE}
    if not differing:
        return 0
    filled_since_ms = floor.clock.now_ms() - HELD_WITHIN_MS
    missing_since = floor.ledger.funding_since(exchange.venue, account, filled_since_ms=filled_since_ms)
    since = {asset: since_ms for asset, since_ms in missing_since.items() if asset in differing}
    if not since:
        return 0
    told = exchange.funding(since_ms=min(since.values()))
    payments = [each for each in told if each.asset in since and each.event_time >= since[each.asset]]
    held = floor.ledger.held_at(exchange.venue, account, [(each.symbol, each.event_time) for each in payments])

    flows = [flow for each in payments for flow in flows_of(each, held[each.symbol, each.event_time], actor=ACTOR)]

    return floor.ledger.post_flows(exchange.venue, account, flows)
