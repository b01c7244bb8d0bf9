"""Reconcile an account with its venue: orders in doubt, fills and funding that were missed, what is held, what is not
ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from zlib import crc32

from shared.domain.alerts import Alert, Severity
from shared.domain.errors import NightdeskError, TransientError
from shared.domain.trading.accounts import LIVE_ACCOUNT, AccountPlace
from shared.domain.trading.instruments import is_future
from shared.domain.trading.ledger import Assets
from shared.domain.trading.money import ZERO
from shared.domain.trading.reconciliation import (
    Difference,
    Finding,
    compare_balances,
    compare_positions,
    foreign_orders,
    lost_fills,
    sort_fills,
)
from shared.usecases.funding import post_funding
from shared.usecases.posting import post_fills
from shared.usecases.working import OVERLAP_MS, Floor, settle_order

if TYPE_CHECKING:
    from shared.alert_ports import AlertStore
    from shared.domain.trading.orders import Fill
    from shared.domain.trading.records import Order
    from shared.venue_ports import Exchange

WINDOW_MS: Final = 600_000
"""How far back fills are asked for beyond the last one that is posted: a venue may list one late."""
IDLE_EVERY_MINUTES: Final = 60
BUDGET_S: Final = 12.0
"""How long reconciling may take, in real time, so that a sweep gets to what else there is before its function ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What reconciling an account did: the intents whose orders were settled, how many fills and payments were posted,
    and the differences that stay."""

    venue: str
    account: str
    intents: frozenset[str]
    settled: int
    posted: int
    differences: tuple[Difference, ...]


def reconcile(venue: str, account: str, *, floor: Floor) -> Reconciled:
    """Bring the desk up to what a venue says of an account, and return where they still differ.

    Orders are asked for by the desk's own id, fills are known by their trade id, so doing it twice changes nothing.
    What rests unchanged is told by one list of open orders; only what is not in it is asked for by itself. What is held
    is compared last, and only of what no order may be changing meanwhile.
    """
    exchange = floor.exchanges.of(venue, account)
    before = floor.orders.unsettled(venue=venue, account=account)
    resting = exchange.open_orders()
    listed = {report.client_order_id: report for report in resting}
    settled = [settle_order(order, floor=floor, listed=listed.get(order.client_order_id)) for order in before]
    since_ms = floor.clock.now_ms() - WINDOW_MS
    recent = floor.orders.recent(venue=venue, account=account, since_ms=since_ms)
    moved = {after.order_id for order, after in zip(before, settled, strict=True) if order.version != after.version}
    stirred = [each for each in recent if each.order_id in moved or _may_lack_fills(each, since_ms)]
    posted, foreign = _post_missed(exchange, account, stirred, floor)
    working = floor.orders.unsettled(venue=venue, account=account)
    ours = {order.client_order_id for order in (*recent, *working)}
    busy = {order.symbol for order in working}
    held = _holdings(exchange, account, busy=busy, floor=floor)
    with suppress(TransientError):  # what funding would explain stays a difference until the venue tells it
        if paid := post_funding(exchange, account, held, floor=floor):
            posted += paid
            held = _holdings(exchange, account, busy=busy, floor=floor)
    if account != LIVE_ACCOUNT:
        differing = [each.subject for each in held if each.finding is Finding.POSITION]
        foreign += _adopted(exchange, account, differing, floor)
    lost = lost_fills(working, now_ms=floor.clock.now_ms())
    differences = [*foreign_orders(venue, account, resting, ours), *dict.fromkeys(foreign), *lost, *held]
    return Reconciled(
        venue=venue,
        account=account,
        intents=frozenset(order.intent_id for order in settled),
        settled=len(moved),
        posted=posted,
        differences=tuple(differences),
    )


def _may_lack_fills(order: Order, since_ms: int) -> bool:
    """Tell whether a venue may yet tell of fills of an order that has not moved."""
    is_new = (order.submitted_at_ms or 0) >= since_ms
    return is_new or order.filled_qty > order.posted_qty or order.missed_at_ms is not None


def _post_missed(
    exchange: Exchange, account: str, orders: Sequence[Order], floor: Floor
) -> tuple[int, list[Difference]]:
    """Post the fills of the desk's orders that are not in the ledger; return how many, and fills nobody asked for."""
    posted, foreign = 0, []
    traded = {symbol: [order for order in orders if order.symbol == symbol] for symbol in _symbols(orders)}
    fills = {symbol: exchange.fills(symbol, since_ms=_since_ms(own)) for symbol, own in traded.items()}
    trades = [(symbol, fill.trade_id) for symbol, of_symbol in fills.items() for fill in of_symbol]
    posted_before = floor.ledger.known(exchange.venue, account, trades)
    for symbol, own in traded.items():
        known = {trade_id for of, trade_id in posted_before if of == symbol}
        found = sort_fills(fills[symbol], known, own)
        for book_id, ours in found.ours.items():
            new = post_fills(
                ours, ledger=floor.ledger, book_id=book_id, venue=exchange.venue, account=account, symbol=symbol
            )
            posted += len(new)
            floor.activity.count(fills=len(new))
        foreign += [_foreign_fill(fill, exchange.venue, account) for fill in found.foreign]
    return posted, foreign


def _symbols(orders: Sequence[Order]) -> list[str]:
    return sorted({order.symbol for order in orders})


def _since_ms(orders: Sequence[Order]) -> int:
    """Return from when on fills of orders are asked for."""
    return min(order.submitted_at_ms or order.due_at_ms for order in orders) - OVERLAP_MS


def _foreign_fill(fill: Fill, venue: str, account: str) -> Difference:
    return Difference(
        finding=Finding.FOREIGN_FILL,
        venue=venue,
        account=account,
        subject=f"{fill.symbol} {fill.trade_id}",
        expected=ZERO,
        actual=fill.side.sign * fill.qty,
    )


def _adopted(exchange: Exchange, book_id: str, symbols: Sequence[str], floor: Floor) -> list[Difference]:
    """Post fills nobody here asked for of futures whose position differs, as a liquidation leaves them; return them.

    A paper account is its book's alone, so whose they are is known; a live one several books share.
    """
    found = []
    for symbol in symbols:
        since_ms = floor.ledger.position(book_id, exchange.venue, symbol).last_fill_ms or 0
        fills = exchange.fills(symbol, since_ms=since_ms)
        new = post_fills(
            fills, ledger=floor.ledger, book_id=book_id, venue=exchange.venue, account=book_id, symbol=symbol
        )
        floor.activity.count(fills=len(new))
        found += [_foreign_fill(fill, exchange.venue, book_id) for fill in new]
    return found


def _holdings(exchange: Exchange, account: str, *, busy: set[str], floor: Floor) -> list[Difference]:
    """Compare balances and futures with the ledger, leaving out what an order may be changing right now."""
    moving = {asset for symbol in busy for asset in (Assets.of(symbol).base, Assets.of(symbol).quote)}
    balances = exchange.balances()
    expected = floor.ledger.holdings(exchange.venue, account)
    held = {balance.asset for balance in balances}
    assets = sorted(({*expected} | held) - moving)
    futures = _futures(exchange.venue, account, floor) if exchange.capabilities().shorts else {}
    quiet = [position for position in exchange.positions() if position.symbol not in busy]
    return [
        *compare_balances(exchange.venue, account, expected, balances, only=assets),
        *compare_positions(
            exchange.venue, account, {symbol: qty for symbol, qty in futures.items() if symbol not in busy}, quiet
        ),
    ]


def _futures(venue: str, account: str, floor: Floor) -> Mapping[str, Decimal]:
    """Return what the ledger has of each future on an account; on `live`, what books without one of their own have."""
    own = {name for at, name in floor.orders.accounts() if at == venue}
    futures: dict[str, Decimal] = {}
    for position in (each.position for each in floor.ledger.open_positions(venue=venue)):
        owner = position.book_id if position.book_id in own else LIVE_ACCOUNT
        if is_future(position.symbol) and owner == account:
            futures[position.symbol] = futures.get(position.symbol, ZERO) + position.qty
    return futures


@dataclass(frozen=True, slots=True)
class Sweep:
    """What reconciling every account did, and the accounts that could not be."""

    done: tuple[Reconciled, ...]
    errors: Mapping[str, str]


def reconcile_all(*, floor: Floor) -> Sweep:
    """Reconcile every account that may have changed; one that cannot be reached does not keep the others waiting.

    When there are more than time allows, live ones come first, and those left out are told.
    """
    until_s = floor.stopwatch() + BUDGET_S

    def done(place: AccountPlace) -> Reconciled | str | None:
        if floor.stopwatch() > until_s:
            return None
        try:
            return reconcile(*place, floor=floor)
        except NightdeskError as error:
            return f"{type(error).__name__}: {error}"

    places = _may_have_changed(floor)
    with ThreadPoolExecutor(floor.at_once) as pool:
        found = list(zip(places, pool.map(done, places), strict=True))
    errors = {f"{venue}:{account}": said for (venue, account), said in found if isinstance(said, str)}
    if left := sum(each is None for _, each in found):
        errors["reconciliation"] = f"{left} of {len(places)} accounts are left to the sweeps after this one"
    return Sweep(done=tuple(each for _, each in found if isinstance(each, Reconciled)), errors=errors)


def _may_have_changed(floor: Floor) -> list[AccountPlace]:
    """Return the accounts to reconcile, live ones first, the others in an order that is another every minute.

    Live ones may change at any time, and paper ones that hold futures, which their venue may close. On another paper
    account of which no order was under way for a while nothing can have happened, so each of those is looked at once an
    hour, at a minute of its own.
    """
    minute = floor.clock.now_ms() // 60_000
    held = [each.position for each in floor.ledger.open_positions()]
    stirring = {*floor.orders.stirring(since_ms=floor.clock.now_ms() - WINDOW_MS)}
    stirring |= {(position.venue, position.book_id) for position in held if is_future(position.symbol)}

    def may_have(place: AccountPlace) -> bool:
        is_its_minute = (_spread(place) - minute) % IDLE_EVERY_MINUTES == 0
        return place[1] == LIVE_ACCOUNT or place in stirring or is_its_minute

    found = [place for place in floor.orders.accounts() if may_have(place)]
    return sorted(found, key=lambda place: (place[1] != LIVE_ACCOUNT, _spread(place, minute)))


def _spread(place: AccountPlace, minute: int = 0) -> int:
    """Return a number that is as good as drawn, and the same for the same account and minute."""
    return crc32(f"{place[0]}:{place[1]}:{minute}".encode())


def tell_differences(looked_at: Sequence[Reconciled], *, alerts: AlertStore, floor: Floor) -> None:
    """Have every difference of accounts be an alert, and those that are gone none."""
    prefixes = [alert_prefix(each.venue, each.account) for each in looked_at]
    wrong = [alert_of(difference) for each in looked_at for difference in each.differences]
    alerts.settle(prefixes, wrong, at_ms=floor.clock.now_ms())


def alert_prefix(venue: str, account: str) -> str:
    """Return what the keys of all alerts about an account begin with."""
    return f"reconciliation:{venue}:{account}:"


def alert_of(difference: Difference) -> Alert:
    """Return the alert that tells of a difference, with its numbers; a paper account is its book's."""
    return Alert(
        dedupe_key=f"{alert_prefix(difference.venue, difference.account)}{difference.finding}:{difference.subject}",
        kind="reconciliation",
        severity=Severity.CRITICAL,
        sentence=difference.sentence,
        book_id=None if difference.account == LIVE_ACCOUNT else difference.account,
        details={"expected": str(difference.expected), "actual": str(difference.actual)},
    )
