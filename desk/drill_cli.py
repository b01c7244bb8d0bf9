"""`desk drill`: break things on purpose and see what the desk makes of it."""

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from desk.terminal import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from desk.drills.operations.runner import OperationsOutcome
    from desk.drills.orders.runner import OrderOutcome
    from desk.drills.outcome import DrillOutcome
    from desk.drills.runner import Outcome

app = typer.Typer(
    name="drill", help="Break things on purpose and hold the result against the truth.", no_args_is_help=True
)

_NARROW: Final = 152
_COLUMNS: Final = ("candles", "missing", "invented", "short", "out of order", "premature", "repeated", "blind", "took")


@app.command()
def collector(
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Run this drill alone; repeat for more. All take 15 minutes."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the market and of what faults hit.")] = 7,
    redis_down_s: Annotated[float, typer.Option(min=1, help="How long Redis is away in redis_down.")] = 90.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Break the venue, Redis or the collector while it runs; exit code 1 unless its log equals the tape every time."""
    import asyncio

    from desk.drills.catalogue import choose, drills
    from desk.drills.runner import run_drill

    chosen = choose(drills(seed=seed, redis_down_s=redis_down_s), only or [])
    screen = console(highlight=False)
    outcomes: list[Outcome] = []
    try:
        for one in chosen:
            with nullcontext() if as_json else screen.status(f"{one.name}: {one.breaks} …"):
                outcomes.append(asyncio.run(run_drill(one, seed=seed)))
    finally:  # what was found counts, also when the rest cannot run
        if as_json:
            typer.echo(json.dumps([outcome.body() for outcome in outcomes], indent=2))
        elif outcomes:
            show(screen, outcomes)
    raise typer.Exit(int(not all(outcome.passed for outcome in outcomes)))


@app.command()
def orders(
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Run this drill alone; repeat for more. All take two minutes."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the market and of what faults hit.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Break the venue or the desk while it trades; exit code 1 unless exactly what was meant exists every time."""

    from desk.drills.orders.catalogue import choose_order_drills
    from desk.drills.orders.runner import run_order_drill
    from desk.drills.orders.stage import order_stage

    chosen = choose_order_drills(only or [])
    screen = console(highlight=False)
    outcomes: list[OrderOutcome] = []
    try:
        with order_stage(seed=seed) as stage:
            for one in chosen:
                with nullcontext() if as_json else screen.status(f"{one.name}: {one.breaks} …"):
                    outcomes.append(run_order_drill(one, stage))
    finally:  # what was found counts, also when the rest cannot run
        if as_json:
            typer.echo(json.dumps([outcome.body() for outcome in outcomes], indent=2))
        elif outcomes:
            _print_orders(screen, outcomes, seed)
    raise typer.Exit(int(not all(outcome.passed for outcome in outcomes)))


@app.command()
def operations(
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Run this drill alone; repeat for more. All take two minutes; `day` takes 25, and must be named.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the market and of what breaks when.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Break what the desk stands on, or a part of it; exit code 1 unless people are told of it once, and of its end."""
    from desk.drills.operations.catalogue import DAY, choose_operations_drills
    from desk.drills.operations.day import run_day
    from desk.drills.operations.runner import run_drills
    from desk.drills.operations.stage import operations_stage

    wanted = only or []
    named = [name for name in wanted if name != DAY]
    chosen = choose_operations_drills(named) if named or not wanted else []
    screen = console(highlight=False)
    outcomes: list[OperationsOutcome] = []
    try:
        with (
            nullcontext() if as_json else screen.status("drills of operations …"),
            operations_stage(seed=seed) as stage,
        ):
            outcomes += run_drills(chosen, stage)
            if DAY in wanted:
                outcomes.append(run_day(stage, seed=seed))
    finally:  # what was found counts, also when the rest cannot run
        if as_json:
            typer.echo(json.dumps([outcome.body() for outcome in outcomes], indent=2))
        elif outcomes:
            _print_operations(screen, outcomes, seed)
    raise typer.Exit(int(not all(outcome.passed for outcome in outcomes)))


def _print_operations(screen: "Console", outcomes: "list[OperationsOutcome]", seed: int) -> None:
    from rich.table import Table

    table = Table(title=f"drills of operations, seed {seed}", title_justify="left")
    table.add_column("drill")
    table.add_column("what breaks")
    for name in ("runs", "until told", "until over", "alerts", "notifications", "p50", "p99", "max"):
        table.add_column(name, justify="right")
    table.add_column("could not look")
    table.add_column("")
    for outcome in outcomes:
        counts = (outcome.until_told, outcome.until_resolved, outcome.alerts, outcome.notifications + outcome.direct)
        durations = (outcome.p50_ms, outcome.p99_ms, outcome.max_ms)
        table.add_row(
            outcome.name,
            outcome.breaks,
            f"{outcome.runs:,}",
            *("–" if count is None else f"{count:,}" for count in counts),
            *(f"{duration:,.0f} ms" for duration in durations),
            _blind(outcome),
            _said(outcome),
        )
    screen.print(table)
    _print_problems(screen, outcomes)


def _blind(outcome: "OperationsOutcome") -> str:
    from shared.domain.monitoring import Task

    return "every task" if len(outcome.blind) == len(Task) else ", ".join(outcome.blind)


def _print_orders(screen: "Console", outcomes: "list[OrderOutcome]", seed: int) -> None:
    from rich.table import Table

    table = Table(title=f"drills of trading, seed {seed}", title_justify="left")
    table.add_column("drill")
    table.add_column("what breaks")
    for name in ("intents", "orders", "fills", "unknown settled", "mismatches", "took"):
        table.add_column(name, justify="right")
    table.add_column("")
    for outcome in outcomes:
        counts = (outcome.intents, outcome.orders, outcome.fills, outcome.unknown_settled)
        table.add_row(
            outcome.name,
            outcome.breaks,
            *(f"{count:,}" for count in counts),
            _count(outcome.mismatches),
            f"{outcome.took_s:.1f} s",
            _said(outcome),
        )
    screen.print(table)
    _print_problems(screen, outcomes)


def show(screen: "Console", outcomes: "list[Outcome]") -> None:
    """Print what drills showed, as a table where it fits, and what was wrong."""
    if screen.width >= _NARROW:
        screen.print(_table(outcomes))
    else:
        screen.print(_title(outcomes))
        for outcome in outcomes:
            screen.print(_lines(outcome))
    _print_problems(screen, outcomes)


def _title(outcomes: "list[Outcome]") -> str:
    return f"drills, seed {outcomes[0].seed}, Redis is {outcomes[0].redis}"


def _lines(outcome: "Outcome") -> str:
    """Return what a row of the table says, for a terminal it does not fit."""
    found = outcome.verdict
    return (
        f"[bold]{outcome.name}[/]  {_said(outcome)}  {outcome.took_s:.0f} s, blind {found.blind_s:.1f} s\n"
        f"  {outcome.breaks}\n"
        f"  {found.expected:,} candles: {_count(found.missing)} missing, {_count(found.invented)} invented, "
        f"{_count(found.short)} short, {found.repeated:,} repeated\n"
        f"  {_count(found.out_of_order)} entries out of order, {_count(found.premature)} announcements premature"
    )


def _table(outcomes: "list[Outcome]") -> "Table":
    from rich.table import Table

    table = Table(title=_title(outcomes), title_justify="left")
    table.add_column("drill")
    table.add_column("what breaks")
    for name in _COLUMNS:
        table.add_column(name, justify="right")
    table.add_column("")
    for outcome in outcomes:
        found = outcome.verdict
        table.add_row(
            outcome.name,
            outcome.breaks,
            f"{found.expected:,}",
            *(_count(count) for count in found.breaches.values()),
            f"{found.repeated:,}",
            f"{found.blind_s:.1f} s",
            f"{outcome.took_s:.0f} s",
            _said(outcome),
        )
    return table


def _print_problems(screen: "Console", outcomes: "Sequence[DrillOutcome]") -> None:
    for outcome in outcomes:
        for problem in outcome.problems:
            screen.print(f"[red]{outcome.name}[/]: {escape(problem)}; logs in {outcome.home}")


def _said(outcome: "DrillOutcome") -> str:
    return "[green]passed[/]" if outcome.passed else "[red]failed[/]"


def _count(count: int) -> str:
    return f"[red]{count:,}[/]" if count else "0"
