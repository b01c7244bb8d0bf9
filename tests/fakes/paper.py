"""The paper exchange's store in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from shared.domain.errors import ConflictError
from shared.domain.trading.accounts import AccountPlace
from shared.domain.trading.orders import Fill
from shared.domain.trading.paper import PaperOrder
from shared.domain.trading.paper_accounts import PaperAccount, PaperChange


@dataclass
class MemoryPaperStore:
    """Accounts by (venue, account), orders and fills by (venue, account, symbol) and their own ids."""

    accounts: dict[AccountPlace, PaperAccount] = field(default_factory=dict)
    orders: dict[tuple[str, str, str, str], PaperOrder] = field(default_factory=dict)
    trades: dict[tuple[str, str, str, str], Fill] = field(default_factory=dict)

    def open(self, venue: str, account: str, opening: Mapping[str, Decimal]) -> PaperAccount:
        """Return an account with its working orders."""
        new = PaperAccount(venue=venue, account=account, version=0, balances=dict(opening))
        return self.accounts.setdefault((venue, account), new)

    def save(self, change: PaperChange) -> PaperAccount:
        """Store a change, all of it or nothing."""
        account = change.account
        place = (account.venue, account.account)
        trades = {(*place, fill.symbol, fill.trade_id): fill for fill in change.fills}
        if self.accounts[place].version != account.version or trades.keys() & self.trades.keys():
            raise ConflictError("the paper account has moved")
        self.trades |= trades
        for order in change.orders:
            self.orders[*place, order.request.symbol, order.request.client_order_id] = order
        self.accounts[place] = replace(account, version=account.version + 1)
        return self.accounts[place]

    def order(self, venue: str, account: str, symbol: str, client_order_id: str) -> PaperOrder | None:
        """Return an order, ended or not."""
        return self.orders.get((venue, account, symbol, client_order_id))

    def fills(self, venue: str, account: str, symbol: str, *, since_ms: int) -> Sequence[Fill]:
        """Return fills from a time on, oldest first."""
        found = [fill for key, fill in self.trades.items() if key[:3] == (venue, account, symbol)]
        return sorted((fill for fill in found if fill.event_time >= since_ms), key=lambda fill: fill.event_time)
