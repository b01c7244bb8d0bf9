"""What a person sees while the desk runs: boundaries, signals and how long they took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from desk.demo_trading import TradingNow
from desk.observer import RunRow, SignalRow
from desk.report import Latency, Report

POSITIONS_SHOWN: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One moment of the desk; times in epoch ms, `latency_ms` from closing frame to signal row."""

    title: str
    api: str
    now_ms: int
    boundaries_done: int
    boundaries_total: int
    signals: int
    latency_ms: Latency
    runs: Sequence[RunRow]
    newest: Sequence[SignalRow]
    names: Mapping[str, str]
    trading: TradingNow


def render(scene: Scene) -> RenderableType:
    """Draw one moment."""
    head = Table.grid(padding=(0, 3))
    head.add_row(
        Text(clock_text(scene.now_ms), style="bold"),
        f"boundaries [bold]{scene.boundaries_done}[/]/{scene.boundaries_total}",
        f"signals [bold]{scene.signals}[/]",
        f"close → signal p50 [bold]{_ms(scene.latency_ms.p50)}[/]  p99 [bold]{_ms(scene.latency_ms.p99)}[/]",
    )
    bar = ProgressBar(total=max(scene.boundaries_total, 1), completed=scene.boundaries_done)
    parts = (_runs(scene.runs), _signals(scene), _positions(scene.trading))
    body = Columns(parts, padding=(0, 2))  # one below the other where it is narrow
    worth = Text.from_markup(worth_text(scene.trading))
    return Panel(
        Group(head, worth, bar, Text(), body), title=f"[bold]nightdesk[/]  {scene.title}", subtitle=f"API {scene.api}"
    )


def summary(report: Report, traded: TradingNow, *, took_s: float, mismatched: int) -> RenderableType:
    """Draw the end of a run."""
    table = Table(show_header=False, box=None, padding=(0, 2))
    latency = report.latency_ms
    rows: list[tuple[str, RenderableType]] = [
        ("market", f"{report.symbols} symbols on {', '.join(report.timeframes)}"),
        (
            "boundaries",
            f"{report.boundaries} closed; {report.traders} traders, {report.evaluations:,} rule evaluations",
        ),
        (
            "candles",
            f"{report.candles_stored:,} of {report.candles_expected:,} in the log, "
            f"{report.candles_missing} missing, {mismatched} different from the tape",
        ),
        ("signals", f"{report.signals} recorded, {report.signals_duplicate} twice, {report.errors} errors"),
        (
            "close → signal",
            f"p50 {_ms(latency.p50)}  p95 {_ms(latency.p95)}  p99 {_ms(latency.p99)}  max {_ms(latency.max)}",
        ),
        (
            "trading",
            f"{report.intents} intents, {report.orders} orders, {report.fills} fills; "
            f"{report.ledger_mismatches} differences between ledger, fills and venue",
        ),
        (
            "notifications",
            f"{report.notifications.sent} told in {report.notifications.messages} messages, "
            f"{report.notifications.failed} not delivered",
        ),
        ("alerts", ", ".join(f"{cause} {severity}" for cause, severity in report.alerts.items()) or "none"),
        ("denied", ", ".join(f"{reason} {count}" for reason, count in report.denied.items()) or "none"),
        ("paper book", Text.from_markup(worth_text(traded))),
        (
            "redis",
            f"{report.redis.commands:,} commands, {report.redis.bytes_in / 1e6:.2f} MB in, "
            f"{report.redis.bytes_out / 1e6:.2f} MB out",
        ),
        ("functions", ", ".join(f"{name} {count}" for name, count in sorted(report.invocations.items()))),
        ("took", f"{took_s:.1f} s"),
    ]
    for name, text in rows:
        table.add_row(Text(name, style="dim"), text)
    good = report.is_good and not mismatched
    verdict = "[green]nothing missing, nothing twice, no errors[/]" if good else "[red]look at what is not zero[/]"
    parts = [table, Text(), _positions(traded)] if traded.held else [table]
    return Panel(Group(*parts), title="[bold]nightdesk[/]  summary", subtitle=verdict)


def worth_text(trading: TradingNow) -> str:
    """Return what the book is worth and has earned, and how far its intents have come, in rich's markup."""
    worth, quote = trading.equity, trading.quote
    equity = "unknown" if worth.equity is None else f"{worth.equity:,.2f} {quote}"
    profit = None if worth.equity is None else worth.equity - worth.capital
    intents = ", ".join(f"{count} {state}" for state, count in trading.intents.items()) or "none"
    return (
        f"equity [bold]{equity}[/]   P&L [bold]{_profit(profit)}[/]   "
        f"realised {worth.realised:+,.2f}, unrealised {worth.unrealised:+,.2f}, fees {worth.fees:,.2f}   "
        f"intents: {intents}"
    )


def clock_text(time_ms: int) -> str:
    """Return a UTC time as people read it."""
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _runs(runs: Sequence[RunRow]) -> Table:
    table = Table(title="boundaries", title_justify="left", box=None, padding=(0, 1))
    for name in ("close", "tf", "traders", "evaluated", "signals", "took"):
        table.add_column(name, justify="left" if name in {"close", "tf"} else "right")
    for run in runs:
        state = _ms(run.duration_ms) if run.status == "finished" else f"[yellow]{run.status}[/]"
        table.add_row(
            clock_text(run.close_time)[11:16],
            run.timeframe,
            str(run.traders),
            str(run.evaluations),
            str(run.signals_new) if run.signals_new else "[dim]·[/]",
            state,
        )
    return table


def _signals(scene: Scene) -> Table:
    table = Table(title="newest signals", title_justify="left", box=None, padding=(0, 1))
    for name in ("close", "symbol", "side", "price", "trader"):
        table.add_column(name, justify="right" if name == "price" else "left", no_wrap=True, overflow="ellipsis")
    for signal in scene.newest:
        table.add_row(
            clock_text(signal.close_time)[11:16],
            signal.symbol,
            f"[{'green' if signal.side == 'long' else 'red'}]{signal.side}[/]",
            f"{signal.price:.8g}",
            scene.names.get(signal.trader_id, signal.trader_id[:8]),
        )
    return table


def _positions(trading: TradingNow) -> Table:
    table = Table(title="positions on paper", title_justify="left", box=None, padding=(0, 1))
    for name in ("symbol", "qty", "entry", "now", "P&L"):
        table.add_column(name, justify="left" if name == "symbol" else "right", no_wrap=True)
    for held in trading.held[:POSITIONS_SHOWN]:
        table.add_row(
            held.symbol, f"{held.qty:.6g}", _price(held.entry_price), _price(held.mark_price), _profit(held.profit)
        )
    if more := len(trading.held) - POSITIONS_SHOWN:
        table.caption = f"and {more} more" if more > 0 else None
    return table


def _price(price: Decimal | None) -> str:
    return "-" if price is None else f"{price:.6g}"


def _profit(profit: Decimal | None) -> str:
    return "-" if profit is None else f"[{'green' if profit >= 0 else 'red'}]{profit:+,.2f}[/]"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} ms"
