"""Judge what the monitor has read of the desk: agents, runs, intents, orders, states, books."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from shared.domain.agents import WOKEN_BY_CLOSES, Agent, AgentState
from shared.domain.alerts import Alert, Severity
from shared.domain.monitor_facts import OpenOrders, OpenRuns, WaitingIntents
from shared.domain.monitoring import Looked, MonitorSettings
from shared.domain.settling import DATABASE, QUEUES
from shared.domain.status import QueueDepth
from shared.domain.tickers import VenueNow
from shared.domain.trading.books import Limits
from shared.domain.trading.money import ZERO
from shared.domain.trading.portfolio import Portfolio
from shared.domain.trading.records import Order, Role
from shared.domain.trading.states import Scope, StateEntry, TradingState

WATCHMAN: Final = "ops-agent"
"""The monitor's own row: whether that is silent is for an alarm outside of it to say."""
DRAWDOWN: Final = "drawdown"


def judge_agents(
    agents: Sequence[Agent],
    *,
    degraded_before: Sequence[object],
    shortest_ms: int,
    wall_ms: int,
    settings: MonitorSettings,
) -> Looked:
    """Say which agents are silent, and which have failed at two looks in a row.

    `shortest_ms` is how often a boundary closes at least.
    """
    alerts = []
    for each in agents:
        if each.agent == WATCHMAN or not each.last_beat_ms:  # one that never ran may be known all the same
            continue
        silent_ms = wall_ms - each.last_beat_ms
        patience_ms = settings.agent_stale_ms + (shortest_ms if each.agent == WOKEN_BY_CLOSES else 0)
        if each.state is AgentState.OFFLINE and silent_ms > patience_ms:
            alerts.append(_agent("agent", each, Severity.CRITICAL, f"has been silent for {silent_ms / 1_000:.0f} s"))
        elif each.state is AgentState.DEGRADED and each.agent in degraded_before:
            said = f"fails: {each.last_error or 'no reason given'}"
            alerts.append(_agent("agent_failing", each, Severity.WARNING, said))
    return Looked(
        checked=len(agents),
        details={
            "agents": {each.agent: each.state.value for each in agents},
            "degraded": [each.agent for each in agents if each.state is AgentState.DEGRADED],
        },
        alerts=tuple(alerts),
        prefixes=("agent:", "agent_failing:"),
        answered=frozenset({DATABASE}),
        skipped_reason=None if agents else "no agent has ever run",
    )


def _agent(kind: str, agent: Agent, severity: Severity, said: str) -> Alert:
    return Alert(
        dedupe_key=f"{kind}:{agent.agent}", kind=kind, severity=severity, sentence=f"{agent.agent} {said}."[:2_000]
    )


def judge_runs(
    runs: OpenRuns, *, redispatched: int, messages: Sequence[QueueDepth], settings: MonitorSettings
) -> Looked:
    """Say whether runs are stuck: given up, or open for too long."""
    said = []
    if runs.given_up:
        said.append(f"{runs.given_up} have been given up after their last attempt")
    if runs.oldest_ms is not None and runs.oldest_ms > settings.run_stuck_ms:
        said.append(f"the oldest has been open for {runs.oldest_ms / 1_000:,.0f} s")
    alerts = [_desk("runs:stuck", "runs", f"Runs are stuck: {' and '.join(said)}.")] if said else []
    open_runs = runs.pending + runs.running + runs.failed
    return Looked(
        checked=open_runs + runs.given_up,
        details={
            "pending": runs.pending,
            "running": runs.running,
            "failed": runs.failed,
            "given_up": runs.given_up,
            "oldest_ms": runs.oldest_ms,
            "redispatched": redispatched,
            "waiting_messages": sum(each.waiting for each in messages),
            "dead_messages": sum(each.dead or 0 for each in messages),
        },
        alerts=tuple(alerts),
        prefixes=("runs:",),
        answered=frozenset({DATABASE, QUEUES}),
        skipped_reason=None if open_runs or runs.given_up else "no run is open",
    )


def judge_intents(waiting: WaitingIntents, settings: MonitorSettings) -> Looked:
    """Say whether intents wait too long for a decision, or for their end."""
    alerts = []
    oldest_ms = waiting.oldest_pending_ms or 0
    if waiting.pending and oldest_ms > settings.undecided_ms:
        said = f"{waiting.pending} intents wait for a decision, the oldest for {oldest_ms / 1_000:,.0f} s."
        alerts.append(_desk("intents:undecided", "intents", said))
    if waiting.late:
        said = f"{waiting.late} intents should have ended and are still worked: {', '.join(waiting.latest)}."
        alerts.append(_desk("intents:stuck", "intents", said))
    return Looked(
        checked=waiting.pending + waiting.working,
        details={
            "pending": waiting.pending,
            "oldest_pending_ms": waiting.oldest_pending_ms,
            "working": waiting.working,
            "late": waiting.late,
        },
        alerts=tuple(alerts),
        prefixes=("intents:",),
        answered=frozenset({DATABASE}),
        skipped_reason=None if waiting.pending or waiting.working else "no intent is under way",
    )


def judge_orders(found: OpenOrders, settings: MonitorSettings) -> Looked:
    """Say whether orders have been in doubt for longer than reconciling takes; differences have alerts of their own."""
    alerts = []
    if found.in_doubt:
        said = (
            f"{found.in_doubt} orders have been in doubt for more than {settings.doubt_ms // 60_000} min: "
            f"{', '.join(found.orders)}."
        )
        alerts.append(_desk("orders:in_doubt", "orders", said, Severity.CRITICAL))
    return Looked(
        checked=found.accounts,
        details={
            "accounts": found.accounts,
            "open_differences": found.differences,
            "in_doubt": found.in_doubt,
            "oldest_in_doubt_ms": found.oldest_ms,
        },
        alerts=tuple(alerts),
        prefixes=("orders:",),
        answered=frozenset({DATABASE}),
        skipped_reason=None if found.accounts or found.in_doubt else "no account has ever been opened",
    )


def judge_switch(
    desk: StateEntry,
    restrained: Sequence[StateEntry],
    resting: Sequence[Order],
    *,
    wall_ms: int,
    settings: MonitorSettings,
) -> Looked:
    """Say what is halted or reducing, and whether orders that could open something rest against a halt."""
    alerts = []
    if desk.state is not TradingState.ACTIVE:
        severity = Severity.WARNING if desk.state is TradingState.HALTED else Severity.INFO
        alerts.append(_desk("kill_switch", "kill_switch", f"The desk is {_why(desk)}.", severity))
    alerts += [_part(each) for each in restrained if each.scope in {Scope.BOOK, Scope.VENUE}]
    slices = [each for each in resting if each.role is Role.SLICE]
    is_old = desk.since_ms is None or wall_ms - desk.since_ms > settings.halt_allowance_ms
    if desk.state is TradingState.HALTED and is_old and slices:
        said = f"The desk is halted, and {len(slices)} orders still rest at {_at(slices)}."
        alerts.append(_desk("kill_switch:resting", "kill_switch", said, Severity.CRITICAL))
    return Looked(
        checked=1 + len(restrained),
        details={"desk": desk.state.value, "restrained": len(restrained), "resting": len(slices)},
        alerts=tuple(alerts),
        prefixes=("kill_switch",),
        answered=frozenset({DATABASE}),
    )


def _part(entry: StateEntry) -> Alert:
    """Return that a book or a venue is restrained; a book's is its owner's to know."""
    return Alert(
        dedupe_key=f"kill_switch:{entry.scope}:{entry.key}",
        kind="kill_switch",
        severity=Severity.INFO,
        sentence=f"The {entry.scope} {entry.key} is {_why(entry)}."[:2_000],
        book_id=entry.key if entry.scope is Scope.BOOK else None,
    )


def _at(orders: Sequence[Order]) -> str:
    return ", ".join(sorted({each.venue for each in orders}))


def _why(entry: StateEntry) -> str:
    by = f" by {entry.actor}" if entry.actor else ""
    return f"{entry.state}{by}: {entry.reason or 'no reason given'}".rstrip(".")


def judge_book(
    book_id: str, name: str, portfolio: Portfolio, limits: Limits, settings: MonitorSettings
) -> Iterator[Alert]:
    """Yield which limits a book is beyond, by what it is worth now, and whether its day's loss is near its limit.

    What may be held is checked when it is asked for; prices alone take a book beyond that.
    """
    for figure, value, limit in figures_of(portfolio, limits):
        if value is None or limit <= 0:
            continue
        is_over = value >= limit
        if is_over or (figure == DRAWDOWN and value >= Decimal(repr(settings.near_rate)) * limit):
            said = f"The {figure} of book {name} is {value:.4f}, its limit {limit.normalize():f}."
            yield Alert(
                dedupe_key=f"position:{book_id}:{figure}",
                kind="position",
                severity=Severity.CRITICAL if is_over and figure == DRAWDOWN else Severity.WARNING,
                sentence=said[:2_000],
                book_id=book_id,
            )


def figures_of(portfolio: Portfolio, limits: Limits) -> Iterator[tuple[str, Decimal | None, Decimal]]:
    """Yield what is measured of a book, a fraction of its equity or None where unknown, with its limit."""
    bases = {line.base for line in portfolio.lines if line.gross > 0}
    largest = max((portfolio.concentration(base) for base in bases), default=ZERO)
    yield DRAWDOWN, portfolio.drawdown_rate, limits.max_daily_drawdown_rate
    yield "leverage", portfolio.rate(portfolio.gross), limits.max_leverage
    yield "concentration", portfolio.rate(largest), limits.max_concentration_rate


def judge_prices(book_id: str, name: str, portfolio: Portfolio, board: Mapping[str, VenueNow]) -> Iterator[Alert]:
    """Yield that something held has no price though its venue tells prices; one that tells none has a collector's
    fault."""
    missing = [f"{symbol} at {venue}" for venue, symbol in portfolio.unpriced if _tells(board.get(venue))]
    if missing:
        yield Alert(
            dedupe_key=f"position:{book_id}:unpriced",
            kind="position",
            severity=Severity.WARNING,
            sentence=f"Book {name} holds what there is no price of: {', '.join(missing)}."[:2_000],
            book_id=book_id,
        )


def _tells(now: VenueNow | None) -> bool:
    return now is not None and now.tickers is not None


def judge_marks(names: Sequence[str]) -> list[Alert]:
    """Say that books whose worth is known have not been marked lately: nobody watches their breakers."""
    if not names:
        return []
    said = f"Nobody watches the breakers of {len(names)} books: {', '.join(sorted(names)[:10])}."
    return [_desk("position:unwatched", "position", said, Severity.CRITICAL)]


def _desk(key: str, kind: str, sentence: str, severity: Severity = Severity.WARNING) -> Alert:
    return Alert(dedupe_key=key, kind=kind, severity=severity, sentence=sentence[:2_000])
