"""`desk rules`: look up the language, check a rule, and see where it would have been true."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.domain.errors import NightdeskError
from shared.domain.timeframe import parse_timeframe
from shared.domain.traders import Edge

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(name="rules", help="The rule language: look it up, check a rule, try it.", no_args_is_help=True)

RuleText = Annotated[str, typer.Argument(metavar="RULE", help="Such as 'rsi(14) < 30 and close > ema(200)'.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
SYMBOL = "FILE/QUOTE"
PIPED_WIDTH = 160


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn a refusal into its text on stderr, a rule's with a caret, and exit code 1."""
    try:
        yield
    except NightdeskError as error:
        from shared.domain.rules import RuleError

        typer.echo(error.pretty() if isinstance(error, RuleError) else str(error), err=True)
        raise typer.Exit(1) from error


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


def _console() -> "Console":
    """Return a console as wide as the terminal, or wide enough to read when the output is piped."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)


@app.command("list")
def list_words(as_json: AsJson = False) -> None:
    """List every series and function with its signature, its meaning, how many candles it reads, and its formula."""
    from desk.rules_reference import table
    from shared.domain.rules import reference

    if as_json:
        _print_json([asdict(word) for word in reference()])
    else:
        _console().print(table())


@app.command()
def check(rule: RuleText, as_json: AsJson = False) -> None:
    """Compile a rule: its normal form, how much history it needs, the timeframes it reads; or what is wrong with it."""
    from shared.domain.rules import compile_rule

    with _refusals():
        compiled = compile_rule(rule)
    facts = {
        "normal_form": compiled.normal_form,
        "rule_hash": compiled.rule_hash,
        "lookback": compiled.lookback,
        "timeframes": {timeframe: span.reach for timeframe, span in compiled.root.reads.higher.items()},
        "leaves": [leaf.text for leaf in compiled.leaves],
    }
    if as_json:
        _print_json(facts)
        return
    typer.echo(f"normal form  {compiled.normal_form}")
    typer.echo(f"lookback     {compiled.lookback} candles of the trader's timeframe")
    for timeframe in compiled.timeframes:
        typer.echo(f"             {compiled.root.reads.higher[timeframe].reach} candles of {timeframe}")
    typer.echo(f"leaves       {', '.join(leaf.text for leaf in compiled.leaves)}")
    typer.echo(f"hash         {compiled.rule_hash}")


@app.command()
def run(
    rule: RuleText,
    candles: Annotated[
        Path,
        typer.Option("--candles", metavar="FILE", exists=True, dir_okay=False, help="CSV or CSV.gz of one symbol."),
    ],
    timeframe: Annotated[str, typer.Option("--timeframe", help="Timeframe of the file.")] = "1m",
    edge: Annotated[
        Edge, typer.Option("--edge", help="level: each candle where it is true; rising: only the first of a run.")
    ] = Edge.LEVEL,
    as_json: AsJson = False,
) -> None:
    """List each candle where a rule is true: its times (epoch ms), close, and the values the rule looked at."""
    with _refusals():
        found, summary = _true_candles(rule, candles, timeframe, edge)
    if as_json:
        _print_json(found)
    else:
        _print_table(found)
    typer.echo(summary, err=True)


def _true_candles(rule: str, path: Path, timeframe: str, edge: Edge) -> tuple[list[dict[str, Any]], str]:
    """Return the candles of a file where a rule is true, oldest first, and one line about the rest."""
    from desk.candle_files import read_frame
    from shared.domain.decision import compile_trader
    from shared.domain.history import history
    from shared.domain.resample import resample
    from shared.domain.rules import Market
    from shared.domain.traders import Trader, Universe

    base = parse_timeframe(timeframe)
    compiled = compile_trader(
        Trader(
            trader_id="rules-run",
            owner_id=None,
            name="",
            description="",
            rule=rule,
            timeframe=base,
            universe=Universe(quote="QUOTE"),
            edge=edge,
        )
    )
    frame = read_frame(path, base, symbol=SYMBOL)
    frames = {needed: frame if needed == base else resample(frame, needed) for needed in compiled.needs}
    page = history(compiled, Market(frames), since=0, until=frame.close_time, limit=frame.bars + 1)
    found = [
        {
            "open_time": signal.close_time - base.ms,
            "close_time": signal.close_time,
            "close": signal.price,
            "values": dict(signal.values),
        }
        for signal in reversed(page.firings)
    ]
    judged = f"{page.evaluations:,} candles, {len(found):,} true, {page.insufficient:,} with insufficient history"
    return found, judged


def _print_table(found: list[dict[str, Any]]) -> None:
    from datetime import UTC, datetime

    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("open_time", "close_time", "closed (UTC)", "close", *(found[0]["values"] if found else ())):
        table.add_column(escape(name), justify="right", overflow="fold")
    for row in found:
        closed = datetime.fromtimestamp(row["close_time"] / 1e3, UTC).strftime("%Y-%m-%d %H:%M")
        values = (f"{value:.6g}" for value in row["values"].values())
        table.add_row(str(row["open_time"]), str(row["close_time"]), closed, f"{row['close']:.10g}", *values)
    _console().print(table)
