"""What the demo says of trading: profit with its sign, the unknown as unknown, red when something does not add up."""

from dataclasses import replace
from decimal import Decimal
from io import StringIO

import pytest
from rich.console import Console

from desk.demo_notifications import Notifications
from desk.demo_trading import Held, TradingNow
from desk.live_view import POSITIONS_SHOWN, summary, worth_text
from desk.report import Latency, RedisUse, Report
from shared.domain.trading.equity import Equity

D = Decimal
REPORT = Report(
    symbols=1,
    timeframes=("1m",),
    boundaries=1,
    candles_expected=1,
    candles_stored=1,
    candles_missing=0,
    traders=1,
    evaluations=1,
    signals=1,
    signals_duplicate=0,
    errors=0,
    latency_ms=Latency(p50=1.0, p95=1.0, p99=1.0, max=1.0),
    redis=RedisUse(commands=1, bytes_in=1, bytes_out=1),
    invocations={"risk-agent": 1},
    intents=3,
    orders=2,
    fills=2,
    denied={"open_positions": 1},
    ledger_mismatches=0,
    notifications=Notifications(sent=3, messages=2, failed=0),
    alerts={"signals:late": "warning"},
)
WORTH = Equity(capital=D(1_000), realised=D(5), fees=D(2), funding=D(0), unrealised=D("7.5"), unpriced=())


def trading(*held: Held, equity: Equity = WORTH) -> TradingNow:
    return TradingNow(quote="USDT", equity=equity, held=held, intents={"executed": 2, "denied": 1})


def held(number: int) -> Held:
    return Held(symbol=f"C{number}/USDT", qty=D(1), entry_price=D(10), mark_price=D(9), profit=D(-1))


def shown(report: Report, now: TradingNow, *, mismatched: int = 0) -> str:
    console = Console(width=200, record=True, file=StringIO())
    console.print(summary(report, now, took_s=1.0, mismatched=mismatched))
    return console.export_text()


def test_profit_is_what_the_book_is_worth_beyond_its_capital() -> None:
    text = worth_text(trading())
    assert "1,010.50 USDT" in text
    assert "[green]+10.50" in text
    assert "2 executed, 1 denied" in text


def test_without_a_price_nobody_knows_what_a_book_is_worth() -> None:
    text = worth_text(trading(equity=replace(WORTH, unpriced=(("binance", "BTC/USDT"),))))
    assert "equity [bold]unknown" in text
    assert "P&L [bold]-[/]" in text


def test_the_summary_has_what_was_traded_denied_and_held() -> None:
    text = shown(REPORT, trading(*(held(number) for number in range(POSITIONS_SHOWN + 3))))
    assert "3 intents, 2 orders, 2 fills; 0 differences" in text
    assert "open_positions 1" in text
    assert "C0/USDT" in text
    assert "and 3 more" in text
    assert "nothing missing" in text


@pytest.mark.parametrize(
    "change",
    [
        {"notifications": Notifications(sent=3, messages=2, failed=1)},
        {"ledger_mismatches": 1},
        {"errors": 1},
        {"candles_missing": 1},
        {"signals_duplicate": 1},
    ],
)
def test_what_does_not_add_up_is_never_green(change: dict[str, int]) -> None:
    report = replace(REPORT, **change)  # type: ignore[arg-type]
    assert not report.is_good
    assert "look at what is not zero" in shown(report, trading())
