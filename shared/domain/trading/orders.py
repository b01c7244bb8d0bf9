"""Orders: what the desk asks a venue for, what the venue says of it, and the fills that come of it."""

import hashlib
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Final

from shared.domain.trading.instruments import Side
from shared.domain.trading.money import EXACT
from shared.domain.trading.states import OrderState


class OrderKind(StrEnum):
    """What makes an order trade: at once at any price, at a price, or once the market reaches a trigger."""

    MARKET = "market"
    LIMIT = "limit"
    STOP_MARKET = "stop_market"


class TimeInForce(StrEnum):
    """How long a limit order may wait: for ever, not at all, all of it or nothing at once, or only as a maker."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    POST_ONLY = "post_only"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """One order as it is sent; `qty` in base units, prices in quote units.

    `client_order_id` is the identity by which the venue is asked what became of it. `reduce_only` may only make a
    position smaller; a spot venue has no such flag, so the desk never sends more than it holds.
    """

    client_order_id: str
    symbol: str
    side: Side
    kind: OrderKind
    qty: Decimal
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """What a venue says of an order, with all that has filled so far; `reason` is the venue's word for a refusal.

    `answer_ms` is how long the venue took to answer the call that placed it, in real milliseconds; None where nothing
    was placed, or where the answer tells nothing of the venue.
    """

    client_order_id: str
    venue_order_id: str
    symbol: str
    side: Side
    state: OrderState
    qty: Decimal
    filled_qty: Decimal
    average_price: Decimal | None = None
    reason: str | None = None
    updated_at_ms: int = 0
    answer_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution, known by the venue's trade id; `fee_qty` is in units of `fee_asset`, negative for a rebate.

    `fee_notional` is the fee in quote units at the time of the fill. Some venues name only their own order id:
    then `client_order_id` is empty.
    """

    trade_id: str
    client_order_id: str
    venue_order_id: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    fee_qty: Decimal
    fee_asset: str
    fee_notional: Decimal
    is_maker: bool
    event_time: int

    @property
    def notional(self) -> Decimal:
        """Return price × quantity, in quote units."""
        with localcontext(EXACT):
            return self.price * self.qty


_PERSON: Final = b"nightdesk"


def client_order_id(intent_id: str, slice_no: int, attempt: int) -> str:
    """Return the id of one attempt at one slice of an intent: 32 hex digits, the same whoever derives it.

    It is a UUID of version 5 without its dashes, which every venue takes as it is or behind a prefix: Binance and Bybit
    36 characters, OKX 32 letters and digits, Kraken a UUID, Hyperliquid 0x and 32 hex digits, Coinbase any text. 88
    bits are the order's, the last 32 are derived from them: by these `is_ours` knows it.
    """
    text = f"{intent_id}:{slice_no}:{attempt}".encode()
    own = hashlib.blake2b(text, digest_size=11, person=_PERSON).hexdigest()
    shown = f"{own[:12]}5{own[12:15]}8{own[15:]}"
    return shown + _check_digits(shown)


def is_ours(client_id: str) -> bool:
    """Tell whether a client order id was made by a desk: one in 2^40 of somebody else's looks like it."""
    return client_id[12:13] == "5" and client_id[16:17] == "8" and client_id[24:] == _check_digits(client_id[:24])


def _check_digits(shown: str) -> str:
    return hashlib.blake2b(shown.encode(), digest_size=4, person=_PERSON).hexdigest()
