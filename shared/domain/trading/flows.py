"""Flows: money that moves on an account without a fill, and whose it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import StrEnum

from shared.domain.trading.money import EXACT, ZERO, grain, total


class FlowKind(StrEnum):
    """Why an account holds more or less: a future's funding, or a difference that an operator has adopted."""

    FUNDING = "funding"
    ADJUSTMENT = "adjustment"


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingPayment:
    """A funding payment as the venue tells it; `qty` is signed, what the account pays is negative."""

    payment_id: str
    symbol: str
    asset: str
    qty: Decimal
    event_time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What an account received (`qty`, negative where it paid), or a book's part of it.

    `flow_id` is its identity within the account, the same for all parts. `book_id` is None where it is nobody's:
    such a flow counts for the account and in no book's profit. `symbol` is the future that funding was paid for.
    """

    flow_id: str
    kind: FlowKind
    symbol: str | None = None
    asset: str
    qty: Decimal
    event_time: int
    book_id: str | None = None
    actor: str
    reason: str = ""


def flows_of(payment: FundingPayment, held: Mapping[str, Decimal], *, actor: str) -> tuple[Flow, ...]:
    """Split a funding payment among the books by what each held (signed) when it was paid; the parts sum to it.

    Funding is paid on what all of them held together, so one that was short against another's long received what that
    one paid. Where nothing is known to have been held in sum, it is nobody's.
    """
    held = {book_id: qty for book_id, qty in sorted(held.items()) if qty}
    with localcontext(EXACT):
        net = total(held.values())
        if not net:
            return (_flow(payment, None, payment.qty, actor),)
        parts = {book_id: grain(payment.qty * qty / net) for book_id, qty in held.items()}
        # The largest holding takes what rounding leaves, so that nothing is lost.
        largest = max(held, key=lambda book_id: abs(held[book_id]))
        parts[largest] += payment.qty - total(parts.values())
    return tuple(_flow(payment, book_id, qty, actor) for book_id, qty in parts.items())


def _flow(payment: FundingPayment, book_id: str | None, qty: Decimal, actor: str) -> Flow:
    return Flow(
        flow_id=payment.payment_id,
        kind=FlowKind.FUNDING,
        symbol=payment.symbol,
        asset=payment.asset,
        qty=qty + ZERO,
        event_time=payment.event_time,
        book_id=book_id,
        actor=actor,
    )
