"""What the demo's traders do with their signals: the terms they trade by, what is held, and whether it adds up."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

import httpx
from postgrest import CountMethod, SyncPostgrestClient

from desk.house_book import open_house_book
from desk.local.desk import VENUE, LocalDesk
from shared.adapters.supabase.books import SupabaseBookStore
from shared.adapters.supabase.ledger import SupabaseLedger
from shared.adapters.supabase.paper import SupabasePaperStore
from shared.domain.traders import PositionSide, Trader
from shared.domain.trading.books import Book, Limits
from shared.domain.trading.equity import Equity, equity_of, key
from shared.domain.trading.intents import Sizing, SizingMethod
from shared.domain.trading.ledger import refold
from shared.domain.trading.money import ZERO
from shared.domain.trading.positions import Position
from shared.domain.trading.states import IntentState, is_final
from shared.domain.trading.terms import GuardRates, TraderMode, TradeTerms

NOTIONAL: Final = Decimal(1_000)
STOP_RATE: Final = Decimal("0.01")
TAKE_PROFIT_RATE: Final = Decimal("0.015")
HOLD_BARS: Final = 60
_PATIENCE_MS: Final = 30_000
"""How much real time a signal is of use in the demo, and how old a price may be: on a fast tape, a lot of its time."""
_PAGE: Final = 1_000
_SETTLE_S: Final = 90.0
_SWEEP_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A position as people look at it; prices and profit in quote units, None where there is no price."""

    symbol: str
    qty: Decimal
    entry_price: Decimal | None
    mark_price: Decimal | None
    profit: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingNow:
    """The desk's book at one moment; `intents` by state."""

    quote: str
    equity: Equity
    held: Sequence[Held]
    intents: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingFigures:
    """What was traded in the end; `denied` counts every reason of every denial, `unfinished` intents without an end."""

    intents: int
    orders: int
    fills: int
    denied: Mapping[str, int]
    ledger_mismatches: int
    unfinished: int
    errors: int


class DemoTrading:
    """The desk's own paper book on a tape, seen from outside."""

    def __init__(self, desk: LocalDesk, database: SyncPostgrestClient, symbols: Sequence[str], *, speed: float) -> None:
        self._desk, self._database = desk, database
        self._symbols = {symbol.replace("/", ""): symbol for symbol in symbols}
        self._horizon_ms = max(round(speed * _PATIENCE_MS), 60_000)
        age_ms = max(round(speed * _PATIENCE_MS), Limits().max_market_data_age_ms)
        self.book: Book = open_house_book(desk, limits=Limits(max_market_data_age_ms=age_ms))

    def with_terms(self, trader: Trader) -> Trader:
        """Return a trader that trades in the book, by a fixed notional; one that speaks for shorts cannot, on spot."""
        if trader.side is not PositionSide.LONG:
            return trader
        terms = TradeTerms(
            sizing=Sizing(method=SizingMethod.NOTIONAL, value=NOTIONAL),
            guard=GuardRates(stop_rate=STOP_RATE, take_profit_rate=TAKE_PROFIT_RATE, hold_bars=HOLD_BARS),
            horizon_ms=self._horizon_ms,
        )
        return replace(trader, mode=TraderMode.PAPER, book_id=self.book.book_id, trade=terms)

    def now(self) -> TradingNow:
        """Look at the book at the venue's own prices."""
        positions = self._positions()
        prices = self._prices()
        held = [_held(position, prices.get(key(position))) for position in positions if position.qty]
        return TradingNow(
            quote=self.book.quote,
            equity=equity_of(self.book.capital, positions, prices),
            held=sorted(held, key=lambda each: abs(each.profit or ZERO), reverse=True),
            intents={state.value: count for state in IntentState if (count := self._count_intents(state))},
        )

    def settle(self) -> None:
        """Let every intent come to its end: messages do it, and now and then the sweeps that find what they miss."""
        deadline, swept_at = time.monotonic() + _SETTLE_S, float("-inf")
        while self._unfinished() and time.monotonic() < deadline:
            if time.monotonic() - swept_at > _SWEEP_S:
                for agent in ("risk-agent", "execution-agent"):
                    self._desk.host.invoke(agent, {"trigger": "cron"})
                swept_at = time.monotonic()
            time.sleep(0.5)

    def figures(self) -> TradingFigures:
        """Count what was traded, and reconcile: the desk with its venue, the ledger with its fills and its account."""
        sweep = self._desk.host.invoke("execution-agent", {"trigger": "cron"})
        found: Mapping[str, Any] = sweep.result or {"differences": [], "errors": {"execution-agent": sweep.error}}
        buried = [sum(self._desk.sqs.depth(f"{name}DeadLetterQueue")) for name in ("Intents", "Orders")]
        return TradingFigures(
            intents=self._count("trade_intents", "intent_id"),
            orders=self._count("orders", "order_id"),
            fills=self._count("fills", "trade_id"),
            denied=self._denied(),
            ledger_mismatches=len(found["differences"]) + len(self.mismatches()),
            unfinished=self._unfinished(),
            errors=len(found["errors"]) + sum(buried),
        )

    def mismatches(self) -> list[str]:
        """Return where the ledger is not what its fills make it, and where it is not what the venue holds."""
        ledger = SupabaseLedger(self._database)
        wrong = []
        for stored in self._positions():
            folded = refold(stored, ledger.fills(stored.book_id, stored.venue, stored.symbol)).position
            if folded != stored:
                wrong.append(f"{stored.symbol}: the ledger has {stored}, its fills make {folded}")
        book_id, opening = self.book.book_id, {self.book.quote: self.book.capital}
        account = SupabasePaperStore(self._database).open(VENUE, book_id, opening).balances
        expected = ledger.holdings(VENUE, book_id) if self._count("orders", "order_id") else opening
        for asset in sorted({*account, *expected}):
            has, should = account.get(asset, ZERO), expected.get(asset, ZERO)
            if has != should:
                wrong.append(f"{asset}: the venue has {has}, the ledger {should}")
        return wrong

    def _positions(self) -> Sequence[Position]:
        view = SupabaseBookStore(self._database).view(self.book.book_id, now_ms=self._desk.clock.now_ms())
        return [held.position for held in view.positions]

    def _prices(self) -> dict[tuple[str, str], Decimal]:
        answer = httpx.get(f"{self._desk.simulator_url}/api/v3/ticker/bookTicker", timeout=30).raise_for_status()
        return {
            (VENUE, self._symbols[row["symbol"]]): (Decimal(row["bidPrice"]) + Decimal(row["askPrice"])) / 2
            for row in answer.json()
            if row["symbol"] in self._symbols
        }

    def _unfinished(self) -> int:
        return sum(self._count_intents(state) for state in IntentState if not is_final(state))

    def _count_intents(self, state: IntentState) -> int:
        return self._count("trade_intents", "intent_id", state=state.value)

    def _count(self, table: str, column: str, **equal: str) -> int:
        query = self._database.from_(table).select(column, count=CountMethod.exact, head=True)
        for name, value in {"book_id": self.book.book_id, **equal}.items():
            query = query.eq(name, value)
        return int(query.execute().count or 0)

    def _denied(self) -> dict[str, int]:
        rows: list[Any] = []
        while len(rows) % _PAGE == 0:
            query = self._database.from_("trade_intents").select("decision").eq("book_id", self.book.book_id)
            query = query.eq("state", IntentState.DENIED.value).order("intent_id")
            page: Any = query.range(len(rows), len(rows) + _PAGE - 1).execute().data
            rows += page
            if not page:
                break
        reasons = Counter(objection["reason"] for row in rows for objection in row["decision"]["reasons"])
        return dict(reasons.most_common())


def _held(position: Position, price: Decimal | None) -> Held:
    return Held(
        symbol=position.symbol,
        qty=position.qty,
        entry_price=position.entry_price,
        mark_price=price,
        profit=None if price is None else position.unrealised(price),
    )
