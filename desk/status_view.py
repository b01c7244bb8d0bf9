"""How `desk status` looks: what the API tells of the desk as tables that fit 80 columns."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from desk.trading_text import UNKNOWN, exact, money, styled
from desk.units import size, span

WIDE: Final = 118
"""From how many columns on tables stand side by side."""
SHOWN: Final = 8
"""How many alerts, books and positions are shown; the rest is counted."""
_AGENT_STYLES: Final = {"online": "green", "degraded": "yellow", "paused": "yellow", "stale": "red", "offline": "red"}
_SEVERITY_STYLES: Final = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
_LATE_MS: Final = 5_000
_SILENT_MS: Final = 120_000
_MINUTE_MS: Final = 60_000

Told = Mapping[str, Any]


def render(told: Told, *, width: int) -> RenderableType:
    """Draw what the desk tells of itself, two tables beside each other where there is room."""
    parts: list[RenderableType] = [_head(told), *_problems(told)]
    pairs = ((_boundaries(told), _queues(told)), (_agents(told), _books(told)))
    for left, right in pairs:
        parts += [_beside(left, right), Text()] if width >= WIDE else [left, Text(), right, Text()]
    parts += [_alerts(told)]
    if told["positions"]:
        parts += [Text(), _positions(told)]
    return Group(*parts)


def _head(told: Told) -> RenderableType:
    now = datetime.fromtimestamp(told["timestamp"] / 1_000, UTC)
    state = styled(told["trading_state"] or "unknown")
    redis = told["redis"]
    cost = "not counted" if redis is None else f"{redis['commands']:,} commands, {_usd(redis['usd'])} USD"
    if redis is not None and not redis["commands"]:
        cost = "none counted yet; collectors count every half hour"
    if redis is not None and redis["projected_usd"] is not None:
        cost += f", {_usd(redis['projected_usd'])} by its end"
    database = UNKNOWN if told["database_bytes"] is None else size(told["database_bytes"])
    head = Table.grid(padding=(0, 3))
    head.add_row(f"[bold]nightdesk[/] {escape(told['version'])}", f"{now:%Y-%m-%d %H:%M:%S} UTC", f"desk {state}")
    facts = Text.from_markup(f"monitor {_monitor(told)}   database {database}")
    return Group(head, facts, Text.from_markup(f"Redis this month: {cost}"), Text())


def _problems(told: Told) -> Iterator[RenderableType]:
    for part, why in told["unreadable"].items():
        yield Text.from_markup(f"[red]cannot read {escape(part)}[/]: {escape(why)}")
    if told["unreadable"]:
        yield Text()


def _monitor(told: Told) -> str:
    run = told["monitor"]
    if run is None:
        return f"[red]{UNKNOWN if 'monitor' in told['unreadable'] else 'never ran'}[/]"
    style = "red" if run["age_ms"] > _SILENT_MS else "green" if run["success"] else "yellow"
    return f"[{style}]{span(run['age_ms'])} ago[/]"


def _agents(told: Told) -> RenderableType:
    table = _table("agent", "state", ">beat")
    for agent in told["agents"] or ():
        style = _AGENT_STYLES.get(agent["state"], "red")
        table.add_row(escape(agent["agent"]), f"[{style}]{escape(agent['state'])}[/]", f"{span(agent['age_ms'])} ago")
    return _or_none(table, told["agents"], "no agent has run yet")


def _queues(told: Told) -> RenderableType:
    table = _table("queue", ">waiting", ">in flight", ">delayed", ">dead")
    for queue in told["queues"] or ():
        dead = "–" if queue["dead"] is None else f"[bold red]{queue['dead']}[/]" if queue["dead"] else "0"
        table.add_row(
            escape(queue["queue"]), f"{queue['waiting']:,}", f"{queue['in_flight']:,}", f"{queue['delayed']:,}", dead
        )
    return _or_none(table, told["queues"], "no queues")


def _boundaries(told: Told) -> RenderableType:
    table = _table("boundary", "closed", ">lag", ">data age", ">signals", ">errors")
    for last in told["boundaries"] or ():
        closed = UNKNOWN if last["close_time"] is None else f"{_clock(last['close_time']):%H:%M}"
        lag = last["lag_ms"]
        took = UNKNOWN if lag is None else f"{lag:,} ms" if lag < _MINUTE_MS else span(lag)
        lag_text = f"[yellow]{took}[/]" if lag is not None and lag > _LATE_MS else took
        age = UNKNOWN if last["data_age_ms"] is None else span(last["data_age_ms"])
        errors = f"[red]{last['errors']}[/]" if last["errors"] else _number(last["errors"])
        name = f"{escape(last['venue'])} {last['timeframe']}"
        table.add_row(name, closed, lag_text, age, _number(last["signals"]), errors)
    return _or_none(table, told["boundaries"], "no venue is collected")


def _books(told: Told) -> RenderableType:
    table = _table("book", "mode", "state", ">equity", ">positions")
    books = told["books"] or ()
    for book in books[:SHOWN]:
        worth = f"{money(book['equity'])} {escape(book['quote'])}" if book["equity"] else UNKNOWN
        table.add_row(escape(book["name"][:16]), book["mode"], styled(book["state"]), worth, str(book["positions"]))
    return _more(_or_none(table, told["books"], "no book has traded yet"), len(books))


def _alerts(told: Told) -> RenderableType:
    if told["alerts"] is None:
        return Text.from_markup("[dim]alerts[/]  unknown")
    counts = ", ".join(f"[{_SEVERITY_STYLES[name]}]{count} {name}[/]" for name, count in told["alerts"].items())
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for alert in told["open_alerts"][:SHOWN]:
        since = span(told["timestamp"] - alert["first_at"])
        style = _SEVERITY_STYLES[alert["severity"]]
        table.add_row(f"[{style}]{alert['severity']}[/]", since, escape(alert["sentence"]))
    head = Text.from_markup(f"[dim]alerts[/]  {counts or '[green]none is open[/]'}")
    return _more(Group(head, table), sum(told["alerts"].values()))


def _positions(told: Told) -> RenderableType:
    table = _table("position", ">quantity", ">entry", ">mark", ">unrealised")
    for held in told["positions"][:SHOWN]:
        gain = held["unrealised"]
        style = "dim" if gain is None else "green" if Decimal(gain) >= 0 else "red"
        name = f"{escape(held['venue'])} {escape(held['symbol'])}"
        table.add_row(
            name, exact(held["qty"]), exact(held["entry_price"]), exact(held["mark"]), f"[{style}]{money(gain)}[/]"
        )
    return _more(table, told["open_positions"])


def _table(*columns: str) -> Table:
    """Return a table; a column whose name begins with > is of numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns:
        table.add_column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left", no_wrap=True)
    return table


def _beside(left: RenderableType, right: RenderableType) -> RenderableType:
    grid = Table.grid(padding=(0, 4))
    grid.add_row(left, right)
    return grid


def _or_none(table: Table, rows: Sequence[object] | None, nothing: str) -> RenderableType:
    if rows:
        return table
    return Text("unknown" if rows is None else nothing, style="red" if rows is None else "dim")


def _more(shown: RenderableType, count: int) -> RenderableType:
    return Group(shown, Text(f"and {count - SHOWN} more", style="dim")) if count > SHOWN else shown


def _number(count: int | None) -> str:
    return UNKNOWN if count is None else f"{count:,}"


def _usd(text: str) -> str:
    return f"{Decimal(text):.2f}"


def _clock(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1_000, UTC)
