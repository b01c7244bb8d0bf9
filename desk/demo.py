"""Run the desk on a tape and measure it."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console
from rich.live import Live

from desk.demo_notifications import DemoNotifications
from desk.demo_options import DemoOptions
from desk.demo_trading import DemoTrading, TradingNow
from desk.live_view import Scene, render, summary
from desk.local.desk import VENUE, LocalDesk
from desk.local.receiver import LocalReceiver
from desk.observer import Observer, RunRow, SignalRow
from desk.population import synthetic_traders
from desk.report import Compared, Latency, RedisUse, Report, compare, percentiles
from desk.simulator.spec import build_tape, read_spec
from desk.simulator.tape import Tape
from shared.adapters.clock import steer
from shared.adapters.redis_log import upstash_candle_log
from shared.adapters.supabase.client import connect
from shared.adapters.supabase.traders import SupabaseTraderStore
from shared.domain.errors import FatalError
from shared.domain.sweeping import PATIENCE_MS
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Trader, Universe

DEPTH: Final = 1_000
HOME: Final = Path(".desk/demo")
TICKER_INTERVAL_S: Final = 1
"""Real time: on a fast tape the prices of ten seconds ago are those of ten minutes ago."""
WARM_UP_S: Final = 120.0
SETTLE_S: Final = 60.0
PERSON: Final = "d0000000-0000-4000-8000-000000000001"
_REFRESH_S: Final = 1.0
_AFTER_END_MS: Final = 1_000


def run_demo(options: DemoOptions, *, home: Path = HOME) -> int:
    """Play the tape to its end, print the summary, write the report; return 0 if nothing was lost, doubled or wrong."""
    console = Console()
    began = time.monotonic()
    home.mkdir(parents=True, exist_ok=True)
    with console.status("Preparing the tape …") as status:
        demo = Demo(options, _prepare_tape(options, home), home)
        status.update("Starting the desk …")
        with demo.receiver, demo.desk:
            demo.populate()
            demo.warm_up()
            status.stop()
            demo.play(console)
            report, compared, traded = demo.report()
    mismatched = sum(each.wrong for each in compared)
    console.print(summary(report, traded, took_s=time.monotonic() - began, mismatched=mismatched))
    if options.report is not None:
        report.write(options.report)
    return int(bool(mismatched or not report.is_good))


def tape_spec(options: DemoOptions) -> dict[str, Any]:
    """Return what the simulator is to play: the recorded files, or a synthetic market."""
    spec: dict[str, Any] = {
        "timeframe": options.timeframe,
        "timeframes": list(options.timeframes),
        "history_bars": DEPTH,
        "live_bars": options.boundaries,
    }
    if options.candles:
        return spec | {"kind": "files", "files": {symbol: str(path) for symbol, path in options.candles.items()}}
    return spec | {"kind": "synthetic", "symbols": options.symbols, "seed": options.seed}


def _prepare_tape(options: DemoOptions, home: Path) -> Tape:
    file = home / "tape.json"
    file.write_text(json.dumps(tape_spec(options)))
    return build_tape(read_spec(file))


class Demo:
    """One run: a desk, its tape, and what is seen of them."""

    def __init__(self, options: DemoOptions, tape: Tape, home: Path) -> None:
        if tape.end is None:
            raise ValueError("a demo needs a tape that ends")
        self.options = options
        self.tape = tape
        self.end = tape.end
        self.clock_file = home / "clock.json"
        # Held where the sweep no longer leaves the history's last boundary to the collector, so that it warms the desk.
        self.begin = tape.live_from + PATIENCE_MS
        steer(self.clock_file, tape_ms=self.begin, speed=0)
        self.desk = LocalDesk(
            tape=tape_spec(options),
            timeframes=options.timeframes,
            symbols=len(tape.tradable),
            quote=tape.tradable[0].partition("/")[2],
            home=home,
            clock_file=self.clock_file,
            log_depth=DEPTH,
            ticker_interval_s=TICKER_INTERVAL_S,
        )
        self.receiver = LocalReceiver()
        self.names: dict[str, str] = {}

    @property
    def boundaries(self) -> set[tuple[str, int]]:
        """Return every (timeframe, close time) the live part of the tape closes."""
        return {
            (str(timeframe), close_time)
            for timeframe in self.options.timeframes
            for close_time in self.tape.boundaries(timeframe, since=self.tape.live_from, until=self.end)
        }

    def populate(self) -> None:
        """Bring the traders in: the built-in ones that fit the tape, and synthetic ones up to the number asked for."""
        self.database = connect(self.desk.supabase.url, self.desk.supabase.secret_key)
        self.observer = Observer(self.database, since=self.tape.live_from)
        self.trading = DemoTrading(self.desk, self.database, self.tape.tradable, speed=self.options.speed)
        self.desk.supabase.enrol(PERSON)
        self.notifications = DemoNotifications(self.desk, self.database, self.receiver, person=PERSON)
        store = SupabaseTraderStore(self.database)
        builtins = self._adapt_builtins(store)
        crowd = synthetic_traders(
            max(self.options.traders - len(builtins), 0),
            owner_id=PERSON,
            timeframes=self.options.timeframes,
            quote=self.desk.quote,
            seed=self.options.seed,
        )
        store.create_many(crowd)
        self.names = {trader.trader_id: trader.name for trader in [*builtins, *crowd]}

    def warm_up(self) -> None:
        """Let the desk's own sweep find the newest boundary of the history, so that every function has run once."""
        before = Observer(self.database, since=0)
        deadline = time.monotonic() + WARM_UP_S
        outcome = None
        while time.monotonic() < deadline:
            if outcome is None or outcome.error is not None:
                outcome = self.desk.host.invoke("trigger-executions", {"trigger": "cron"})
            runs = before.newest_runs(50)
            if runs and all(run.status == "finished" for run in runs):
                return
            time.sleep(0.1)
        reason = f": {outcome.error}" if outcome is not None and outcome.error else ""
        raise FatalError(
            f"the functions did not finish the newest boundary of the history{reason}, see {self.desk.logs}"
        )

    def play(self, console: Console) -> None:
        """Let the tape run to its end and the desk finish what it started."""
        self.desk.redis.reset_stats()
        steer(self.clock_file, tape_ms=self.begin, speed=self.options.speed)
        sent, expected, deadline = _Sent(self.desk.simulator_url), self.boundaries, float("inf")
        live = nullcontext() if self.options.headless else Live(console=console, auto_refresh=False)
        with live as view:
            while True:
                if view is not None:
                    view.update(render(self._scene(sent, len(expected))), refresh=True)
                if self.desk.clock.now_ms() >= self.end + _AFTER_END_MS:
                    deadline = min(deadline, time.monotonic() + SETTLE_S)
                    if self._finished(self.observer.runs()) >= expected or time.monotonic() > deadline:
                        break
                self.desk.check()
                time.sleep(_REFRESH_S)
        steer(self.clock_file, tape_ms=self.desk.clock.now_ms(), speed=0)

    def report(self) -> tuple[Report, list[Compared], TradingNow]:
        """Measure the run that has just ended."""
        redis = self.desk.redis.stats()
        steer(self.clock_file, tape_ms=self.desk.clock.now_ms(), speed=1)  # an order may be due in a moment
        self.trading.settle()
        steer(self.clock_file, tape_ms=self.desk.clock.now_ms(), speed=0)
        traded = self.trading.figures()
        self.notifications.settle()
        told = self.notifications.figures()
        runs, signals = self.observer.runs(), self.observer.signals()
        functions = self.desk.host.stats()
        compared = self._compare_candles()
        unfinished = len(self.boundaries - self._finished(runs))
        failed = sum(stats.errors for stats in functions.values())
        report = Report(
            symbols=len(self.tape.tradable),
            timeframes=tuple(str(timeframe) for timeframe in self.options.timeframes),
            boundaries=len(self.boundaries),
            candles_expected=sum(each.expected for each in compared),
            candles_stored=sum(each.stored for each in compared),
            candles_missing=sum(each.missing for each in compared),
            traders=len(self.names),
            evaluations=sum(run.evaluations for run in runs),
            signals=len(signals),
            signals_duplicate=_duplicates(signals) + sum(run.signals_duplicate for run in runs),
            errors=sum(run.errors for run in runs) + failed + unfinished + traded.errors + traded.unfinished,
            latency_ms=_latency(signals, _Sent(self.desk.simulator_url).read()),
            redis=RedisUse(commands=redis.commands, bytes_in=redis.bytes_in, bytes_out=redis.bytes_out),
            invocations={name: stats.invocations for name, stats in functions.items()},
            intents=traded.intents,
            orders=traded.orders,
            fills=traded.fills,
            denied=traded.denied,
            ledger_mismatches=traded.ledger_mismatches,
            notifications=told,
            alerts=self.observer.alerts(),
        )
        return report, compared, self.trading.now()

    def _adapt_builtins(self, store: SupabaseTraderStore) -> list[Trader]:
        """Give the built-in traders the tape's quote and terms to trade by; take out those that do not fit the tape or
        the number wanted. Paper orders meet one-minute candles, so on a tape without them nobody trades."""
        stored = [trader for trader in store.list(limit=100) if trader.owner_id is None]
        kept: list[Trader] = []
        for trader in stored:
            if trader.timeframe in self.options.timeframes and len(kept) < self.options.traders:
                changed = replace(trader, universe=Universe(quote=self.desk.quote))
                if Timeframe.M1 in self.options.timeframes:
                    changed = self.trading.with_terms(changed)
                kept.append(store.update(changed, expected_updated_at_ms=trader.updated_at_ms))
            else:
                store.delete(trader.trader_id)
        return kept

    def _scene(self, sent: "_Sent", boundaries: int) -> Scene:
        newest = self.observer.newest_signals(12)
        return Scene(
            title=self._title(),
            api=self.desk.api_url,
            now_ms=min(self.desk.clock.now_ms(), self.end),
            boundaries_done=self.observer.count_finished(),
            boundaries_total=boundaries,
            signals=self.observer.count_signals(),
            latency_ms=_latency(newest, sent.read()),
            runs=self.observer.newest_runs(12),
            newest=newest,
            names=self.names,
            trading=self.trading.now(),
        )

    def _title(self) -> str:
        source = "recorded market" if self.options.candles else "synthetic market"
        return f"{source}, {len(self.tape.tradable)} symbols, {len(self.names)} traders, {self.options.speed:g}× speed"

    def _finished(self, runs: Sequence[RunRow]) -> set[tuple[str, int]]:
        """Return the boundaries whose every shard is finished."""
        open_ones = {(run.timeframe, run.close_time) for run in runs if run.status != "finished"}
        return {(run.timeframe, run.close_time) for run in runs} - open_ones

    def _compare_candles(self) -> list[Compared]:
        """Hold the log against the tape, timeframe by timeframe, as deep as the log is."""
        log = upstash_candle_log(self.desk.upstash.url, self.desk.upstash.token)
        return [
            self._compare(timeframe, log.frame(VENUE, timeframe, bars=DEPTH)) for timeframe in self.options.timeframes
        ]

    def _compare(self, timeframe: Timeframe, stored: Any) -> Compared:
        last = timeframe.last_close(self.end)
        since = max(last - DEPTH * timeframe.ms, self.tape.start)
        return compare(self.tape.frame(timeframe, since=since, until=last), stored)


class _Sent:
    """When the simulator first sent each closing frame, in real epoch ms; asks only for what is new."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._known: dict[tuple[str, str, int], float] = {}
        self._newest = 0

    def read(self) -> dict[tuple[str, str, int], float]:
        """Return (symbol, timeframe, close time) to the time it was sent."""
        answer = httpx.get(f"{self._url}/_tape/sent", params={"since_ms": self._newest}, timeout=30)
        for frame in answer.raise_for_status().json()["sent"]:
            self._known[frame["symbol"], frame["timeframe"], frame["close_time"]] = frame["sent_ms"]
            self._newest = max(self._newest, int(frame["sent_ms"]))
        return self._known


def _latency(signals: Sequence[SignalRow], sent: dict[tuple[str, str, int], float]) -> Latency:
    took = []
    for signal in signals:
        at = sent.get((signal.symbol, signal.timeframe, signal.close_time))
        if at is not None:
            took.append(round(signal.recorded_at_ms - at, 3))
    return percentiles(took)


def _duplicates(signals: Sequence[SignalRow]) -> int:
    """Count signals that share the identity of another."""
    seen = Counter((s.trader_id, s.symbol, s.timeframe, s.close_time) for s in signals)
    return sum(count - 1 for count in seen.values())
