"""The `desk` command: run the whole desk on one machine, and operate it."""

import os
from pathlib import Path
from typing import Annotated

import typer

from desk.account_cli import app as account
from desk.agents_cli import app as agents
from desk.alerts_cli import app as alerts
from desk.backup_cli import backup, restore
from desk.book_cli import app as book
from desk.channels_cli import app as channels
from desk.collector_cli import app as collector
from desk.dead_letters_cli import app as dead_letters
from desk.demo_options import DemoOptions, parse_candles
from desk.deploy_check_cli import deploy_check
from desk.doctor_cli import doctor
from desk.drill_cli import app as drill
from desk.logs_cli import logs
from desk.migrate import migrate
from desk.people_cli import app as people
from desk.proposals_cli import app as proposals
from desk.proposals_cli import consensus
from desk.rules_cli import app as rules
from desk.secrets_cli import app as secrets
from desk.status_cli import status
from desk.supabase_layout import supabase_migrations
from desk.switch_cli import halt, reconcile, reduce, resume, state
from desk.traders_cli import app as traders
from desk.trading_cli import intents, orders, pnl, positions, trace, withdraw
from desk.why_cli import why
from shared.domain.errors import NightdeskError
from shared.domain.timeframe import parse_timeframe

app = typer.Typer(
    name="desk",
    help="nightdesk: a crypto trading desk without servers, on one machine.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
)
app.add_typer(collector)
app.add_typer(rules)
app.add_typer(traders)
app.add_typer(drill)
app.command()(migrate)
app.command()(supabase_migrations)
app.command()(backup)
app.command()(restore)
app.command()(why)
app.command()(status)
app.command()(logs)
app.command()(doctor)
app.command()(deploy_check)
app.add_typer(book)
app.add_typer(account)
app.add_typer(dead_letters)
app.add_typer(secrets)
app.add_typer(alerts)
app.add_typer(channels)
app.add_typer(proposals)
app.command()(consensus)
app.add_typer(people)
app.add_typer(agents)
for command in (intents, orders, positions, pnl, trace, withdraw, state, halt, reduce, resume, reconcile):
    app.command()(command)


@app.command()
def up(
    symbols: Annotated[int, typer.Option(min=1, max=400, help="Symbols of the synthetic market.")] = 50,
    timeframes: Annotated[str, typer.Option(help="Timeframes to collect, comma-separated.")] = "1m,5m,15m",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of the API.")] = 8_787,
    live_simulator: Annotated[
        bool, typer.Option("--live-simulator", help="A live book too, traded at the simulated venue; nothing is kept.")
    ] = False,
) -> None:
    """Run the desk until Ctrl-C: a synthetic market in real time, collector, functions, API."""
    from desk.up import run_until_interrupted

    chosen = tuple(parse_timeframe(part.strip()) for part in timeframes.split(","))
    run_until_interrupted(symbols=symbols, timeframes=chosen, api_port=port, live_simulator=live_simulator)


@app.command()
def demo(
    candles: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL=FILE", help="A recorded market; repeat for more symbols.")
    ] = None,
    timeframe: Annotated[str, typer.Option(help="Timeframe of the tape; five and fifteen times it run too.")] = "1m",
    symbols: Annotated[int, typer.Option(min=1, max=400, help="Symbols of the synthetic market.")] = 20,
    traders: Annotated[int, typer.Option(min=1, max=20_000, help="Traders, the built-in ones included.")] = 100,
    speed: Annotated[float, typer.Option(min=1, max=3_600, help="How many times faster than real time.")] = 20.0,
    boundaries: Annotated[int, typer.Option(min=1, max=100_000, help="Closes of the tape's timeframe to run.")] = 20,
    report: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write the report here.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the synthetic market and its traders.")] = 7,
    headless: Annotated[bool, typer.Option("--headless", help="No live view, only the summary.")] = False,
) -> None:
    """Run the desk on a tape: history first, then candles arriving at speed, and a summary at the end."""
    from desk.demo import run_demo

    options = DemoOptions(
        candles=parse_candles(candles or []),
        timeframe=parse_timeframe(timeframe),
        symbols=symbols,
        traders=traders,
        speed=speed,
        boundaries=boundaries,
        report=report,
        seed=seed,
        headless=headless,
    )
    raise typer.Exit(run_demo(options))


@app.command()
def invoke(
    function: Annotated[str, typer.Argument(help="Name as in serverless.yml, e.g. trigger-executions.")],
    payload: Annotated[str, typer.Argument(metavar="[JSON]", help="The event.")] = "{}",
) -> None:
    """Invoke a function of the running desk directly, as `aws lambda invoke` would, and print its answer."""
    from desk.invoke import invoke_function

    typer.echo(invoke_function(function, payload))


@app.command()
def version() -> None:
    """Print the version."""
    from shared.runtime.telemetry import VERSION

    typer.echo(VERSION)


def main() -> None:
    """Run the command; an error the desk raised on purpose is one clear line and exit code 1."""
    if region := os.environ.get("AWS_REGION"):
        os.environ.setdefault("AWS_DEFAULT_REGION", region)  # all that botocore reads; .env.STAGE has the other
    try:
        app()
    except NightdeskError as error:
        typer.secho(f"desk: {error}", fg=typer.colors.RED, err=True)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
