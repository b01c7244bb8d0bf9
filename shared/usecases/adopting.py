"""Adopt what an account holds more or less than the ledger says: its owner has paid in, or taken out."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import localcontext
from typing import TYPE_CHECKING

from shared.domain.trading.accounts import LIVE_ACCOUNT
from shared.domain.trading.flows import Flow, FlowKind
from shared.domain.trading.money import EXACT
from shared.domain.trading.reconciliation import Difference, Finding
from shared.trading_messages import AdoptBalances
from shared.usecases.reconciling import Reconciled, reconcile, tell_differences

if TYPE_CHECKING:
    from shared.alert_ports import AlertStore
    from shared.ports import Queue
    from shared.trading_ports import Ledger
    from shared.usecases.working import Floor


def ask_adoption(
    venue: str, asset: str | None, *, actor: str, reason: str, ledger: Ledger, orders_queue: Queue
) -> AdoptBalances:
    """Tell execution, which alone has keys, to adopt; raise `NotFoundError` where the desk has no live account."""
    ledger.holdings(venue, LIVE_ACCOUNT)
    wish = AdoptBalances(adopt_at=venue, asset=asset, actor=actor, reason=reason)
    orders_queue.send([wish.model_dump_json()])
    return wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What was adopted, and what still differs."""

    flows: tuple[Flow, ...]
    reconciled: Reconciled


def adopt_balances(wish: AdoptBalances, *, floor: Floor, alerts: AlertStore) -> Adopted:
    """Post exactly what balances of the live account differ by, once fills and funding are posted, and tell the rest.

    Assets that an order may be changing are left as they are. It is in no book's profit. The same wish again finds
    nothing that differs; two people at once do not adopt twice: the second raises `ConflictError`.
    """
    found = reconcile(wish.adopt_at, LIVE_ACCOUNT, floor=floor)
    wanted = [
        each for each in found.differences if each.finding is Finding.BALANCE and wish.asset in {None, each.subject}
    ]
    flows = [_adjustment(each, wish, floor.clock.now_ms()) for each in wanted]
    floor.ledger.post_flows(
        wish.adopt_at, LIVE_ACCOUNT, flows, expected={each.subject: each.expected for each in wanted}
    )
    after = reconcile(wish.adopt_at, LIVE_ACCOUNT, floor=floor) if flows else found
    tell_differences([after], alerts=alerts, floor=floor)
    return Adopted(flows=tuple(flows), reconciled=after)


def _adjustment(difference: Difference, wish: AdoptBalances, now_ms: int) -> Flow:
    with localcontext(EXACT):
        qty = difference.actual - difference.expected
    return Flow(
        flow_id=f"{wish.event_id} {difference.subject}",
        kind=FlowKind.ADJUSTMENT,
        asset=difference.subject,
        qty=qty,
        event_time=now_ms,
        actor=wish.actor,
        reason=wish.reason,
    )
