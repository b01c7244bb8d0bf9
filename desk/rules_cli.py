"""`desk rules`: look up the language, check a rule, and see where it would have been true."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from desk.terminal import console, refusals
from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe, parse_timeframe
from shared.domain.traders import Edge

if TYPE_CHECKING:
    from shared.domain.candles import CandleFrame

app = typer.Typer(name="rules", help="The rule language: look it up, check a rule, try it.", no_args_is_help=True)

RuleText = Annotated[str, typer.Argument(metavar="RULE", help="Such as 'rsi(14) < 30 and close > ema(200)'.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
SYMBOL = "FILE/QUOTE"


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


@app.command("list")
def list_words(as_json: AsJson = False) -> None:
    """List every series and function with its signature, its meaning, how many candles it reads, and its formula."""
    from desk.rules_reference import table
    from shared.domain.rules import reference

    if as_json:
        _print_json([asdict(word) for word in reference()])
    else:
        console().print(table())


@app.command()
def check(rule: RuleText, as_json: AsJson = False) -> None:
    """Compile a rule: its normal form, how much history it needs, the timeframes it reads; or what is wrong with it."""
    from shared.domain.rules import compile_rule

    with refusals():
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
        list[str],
        typer.Option(
            "--candles",
            metavar="FILE",
            help="CSV or CSV.gz of one symbol; for more, SYMBOL=FILE once for each of them.",
        ),
    ],
    timeframe: Annotated[str, typer.Option("--timeframe", help="Timeframe of the files.")] = "1m",
    edge: Annotated[
        Edge, typer.Option("--edge", help="level: each candle where it is true; rising: only the first of a run.")
    ] = Edge.LEVEL,
    *,
    cooldown: Annotated[int, typer.Option("--cooldown", min=0, help="Candles of quiet before it fires again.")] = 0,
    until: Annotated[int | None, typer.Option("--until", help="Only closes up to here (epoch ms).")] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="The newest this many, and those of its close.")
    ] = 10_000,
    as_json: AsJson = False,
) -> None:
    """List where a rule would have fired: times (epoch ms), close, and the values the rule looked at."""
    with refusals():
        frame = _read(candles, parse_timeframe(timeframe))
        found, summary = _fired(rule, frame, edge=edge, cooldown=cooldown, until=until, limit=limit)
    if as_json:
        _print_json(found)
    else:
        _print_table(found)
    typer.echo(summary, err=True)


def _read(candles: list[str], timeframe: Timeframe) -> "CandleFrame":
    """Return the candles of one nameless file, or of a file for each symbol, on one grid."""
    from desk.candle_files import read_candles, read_frame
    from desk.demo_options import parse_candles
    from shared.domain.candles import frame_of

    if len(candles) == 1 and "=" not in candles[0]:
        if not Path(candles[0]).is_file():
            raise InvalidMessageError("--candles", f"no file {candles[0]!r}")
        return read_frame(Path(candles[0]), timeframe, symbol=SYMBOL)
    files = parse_candles(candles)
    return frame_of(timeframe, {symbol: read_candles(path, timeframe) for symbol, path in files.items()})


def _fired(
    rule: str, frame: "CandleFrame", *, edge: Edge, cooldown: int, until: int | None, limit: int
) -> tuple[list[dict[str, Any]], str]:
    """Return where a rule fires, oldest first, and one line about the rest."""
    from shared.domain.decision import compile_trader
    from shared.domain.history import history
    from shared.domain.resample import resample
    from shared.domain.rules import Market
    from shared.domain.traders import Trader, Universe
    from shared.domain.universe import quote_of

    base = frame.timeframe
    compiled = compile_trader(
        Trader(
            trader_id="rules-run",
            owner_id=None,
            name="",
            description="",
            rule=rule,
            timeframe=base,
            universe=Universe(quote=quote_of(frame.symbols[0])),
            edge=edge,
            cooldown_bars=cooldown,
        )
    )
    frames = {needed: frame if needed == base else resample(frame, needed) for needed in compiled.needs}
    newest = frame.close_time if until is None else min(until, frame.close_time)
    page = history(compiled, Market(frames), since=0, until=newest, limit=limit)
    found = [
        ({} if frame.symbols == (SYMBOL,) else {"symbol": signal.symbol})
        | {
            "open_time": signal.close_time - base.ms,
            "close_time": signal.close_time,
            "close": signal.price,
            "values": dict(signal.values),
        }
        for signal in reversed(page.firings)
    ]
    judged = f"{page.evaluations:,} candles, {len(found):,} true, {page.insufficient:,} with insufficient history"
    return found, judged + (f"; the older ones: --until {page.until}" if page.until else "")


def _print_table(found: list[dict[str, Any]]) -> None:
    from datetime import UTC, datetime

    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    named = ("symbol",) if found and "symbol" in found[0] else ()
    for name in (*named, "open_time", "close_time", "closed (UTC)", "close", *(found[0]["values"] if found else ())):
        table.add_column(escape(name), justify="right", overflow="fold")
    for row in found:
        closed = datetime.fromtimestamp(row["close_time"] / 1e3, UTC).strftime("%Y-%m-%d %H:%M")
        values = (f"{value:.6g}" for value in row["values"].values())
        symbol = (row["symbol"],) if named else ()
        times = (str(row["open_time"]), str(row["close_time"]), closed)
        table.add_row(*symbol, *times, f"{row['close']:.10g}", *values)
    console().print(table)
