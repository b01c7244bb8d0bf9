"""A venue as ccxt has it: what has to be known of it to trade there, and the ways of asking that ccxt has unified."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shared.domain.trading.accounts import Timer
from shared.domain.trading.orders import OrderRequest, TimeInForce

Client = Any  # one of ccxt's exchanges; it carries no types
Row = Mapping[str, Any]
"""One of ccxt's unified structures, or what a venue answered."""

WEEK_MS: Final = 604_800_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What an account is opened with; none of it is ever shown."""

    api_key: str = field(repr=False)
    secret: str = field(repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An order as ccxt is to send it: so many contracts of its market, at any price where `price` is None.

    Numbers are text: of anything else, some of ccxt's venues lose digits or everything.
    """

    symbol: str
    type: str
    side: str
    contracts: str
    price: str | None
    parameters: Mapping[str, Any]


def find_unified(client: Client, market: Row, client_id: str) -> Row | None:
    """Return an order by the desk's id where ccxt's `fetch_order` takes one; it raises when there is none."""
    found: Row = client.fetch_order(None, market["symbol"], {"clientOrderId": client_id})
    return found


def cancel_unified(client: Client, market: Row, client_id: str) -> Row | None:
    """Cancel an order by the desk's id where ccxt's `cancel_order` takes one."""
    cancelled: Row = client.cancel_order(None, market["symbol"], {"clientOrderId": client_id})
    return cancelled


def place_unified(client: Client, order: Sent) -> Row:
    """Send an order as ccxt does."""
    placed: Row = client.create_order(
        order.symbol, order.type, order.side, order.contracts, order.price, dict(order.parameters)
    )
    return placed


def open_orders_unified(client: Client, market: Row | None) -> Sequence[Row]:
    """Return open orders where the venue tells them all at once."""
    found: Sequence[Row] = client.fetch_open_orders(None if market is None else market["symbol"])
    return found


def balances_unified(client: Client) -> Row:
    """Return what is held, as ccxt tells it."""
    held: Row = client.fetch_balance()
    return held


def positions_unified(client: Client) -> Sequence[Row]:
    """Return open positions where the venue tells them all at once."""
    found: Sequence[Row] = client.fetch_positions()
    return found


def count_down_account(client: Client, _market: Row | None, timeout_ms: int) -> None:
    """Set a dead-man timer that is the account's."""
    client.cancel_all_orders_after(timeout_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One venue in ccxt: facts, and functions for what ccxt's unified methods do not do there, or not rightly.

    `find` asks for an order by the desk's own id, None where nobody knows how: such a venue lists and is not traded at.
    `trades` returns all executions of a market from a time on (epoch ms), in any order, some perhaps twice.
    `funding` returns the account's funding payments from a time on, in any order, some perhaps twice: `amount` is what
    each did to the cash that `balances` tells. `place_oco` sends two orders of which one cancels the other, `arm` sets
    a dead-man timer. `may_withdraw` asks what the key may do, None where the venue does not tell.

    `window_ms` is how long after it was signed an order is taken. `signs_time` is a venue that holds the time in a
    request against its own clock.
    `names_id` is the field of a venue's own trade that has the desk's id of its order, `id_prefix` what it wants before
    that id. `prices_market_orders` is a venue where an order at the market is one at a price that is far away.
    `static` are parts of ccxt that signing takes, `key_names` is what ccxt calls key and secret.
    """

    ccxt_id: str
    is_swap: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    window_ms: int = 30_000
    stop_orders: bool = False
    times_in_force: frozenset[TimeInForce] = frozenset(TimeInForce)
    timer: Timer | None = None
    signs_time: bool = True
    names_id: str | None = None
    id_prefix: str = ""
    prices_market_orders: bool = False
    key_names: tuple[str, str] = ("apiKey", "secret")
    static: tuple[str, ...] = ()
    prepare: Callable[[Client], None] | None = None
    may_withdraw: Callable[[Client], bool] | None = None
    place: Callable[[Client, Sent], Row] = place_unified
    place_oco: Callable[[Client, Row, OrderRequest, OrderRequest], Sequence[Row]] | None = None
    find: Callable[[Client, Row, str], Row | None] | None = None
    cancel: Callable[[Client, Row, str], Row | None] = cancel_unified
    open_orders: Callable[[Client, Row | None], Sequence[Row]] = open_orders_unified
    trades: Callable[[Client, Row, int], Sequence[Row]] | None = None
    funding: Callable[[Client, int], Sequence[Row]] | None = None
    balances: Callable[[Client], Row] = balances_unified
    positions: Callable[[Client], Sequence[Row]] = positions_unified
    arm: Callable[[Client, Row | None, int], None] | None = None
