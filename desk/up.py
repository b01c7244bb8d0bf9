"""Run the desk until Ctrl-C: a synthetic market in real time, the collector, the functions, the API."""

import fcntl
import json
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from desk.house_book import open_house_book
from desk.local.desk import LocalDesk
from desk.local.process import LocalPartError
from shared.domain.timeframe import Timeframe
from shared.domain.trading.books import Book
from shared.domain.trading.states import Mode

__all__ = ["LocalDesk", "run_until_interrupted"]

HOME: Final = Path(".desk")
ADDRESSES: Final = "desk.json"
LOCK: Final = "desk.lock"
PERSON: Final = "d0000000-0000-4000-8000-000000000002"
"""Who sits at this machine: what is theirs is still theirs after a restart."""
_CHECK_S: Final = 2.0
_TOKEN_TTL_S: Final = 7 * 86_400


def run_until_interrupted(
    *,
    symbols: int,
    timeframes: tuple[Timeframe, ...],
    api_port: int | None = None,
    home: Path = HOME,
    live_simulator: bool = False,
) -> None:
    """Run a desk in real time until Ctrl-C or SIGTERM; raise `LocalPartError` when a part cannot start or dies.

    It has a paper book. With `live_simulator` it has a live one too, which trades at the simulated venue; because that
    forgets its accounts when it stops, the desk forgets with it.
    """
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _interrupt)
    desk = LocalDesk(
        tape=real_time_tape(symbols=symbols, timeframes=timeframes),
        timeframes=timeframes,
        symbols=symbols,
        home=home,
        api_port=api_port,
        data_dir=None if live_simulator else home / "supabase",
        live_simulator=live_simulator,
    )
    modes = (Mode.PAPER, Mode.LIVE) if live_simulator else (Mode.PAPER,)
    with _alone(home):
        _run(desk, modes)


def _run(desk: LocalDesk, modes: Sequence[Mode]) -> None:
    console = Console()
    try:
        with console.status("Starting the desk …"):
            desk.start()
            books = [open_house_book(desk, mode) for mode in modes]
        _serve(desk, console, books)
    except KeyboardInterrupt:
        console.print("Stopping …")
    finally:
        desk.stop()


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keep a second desk out of a directory: its database can only be open once, its addresses can only be one's."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / LOCK).open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # let go when the process ends, however it ends
        except OSError as error:
            raise LocalPartError(f"a desk runs in {home} already: end it, or start this one elsewhere") from error
        yield


def _serve(desk: LocalDesk, console: Console, books: Sequence[Book]) -> None:
    """Say where the desk is until it is interrupted, and then no longer."""
    _write_addresses(desk)
    try:
        console.print(_panel(desk, books))
        while True:
            time.sleep(_CHECK_S)
            desk.check()
    finally:
        (desk.home / ADDRESSES).unlink(missing_ok=True)


def real_time_tape(*, symbols: int, timeframes: tuple[Timeframe, ...]) -> dict[str, Any]:
    """Return a synthetic market that goes live now and never ends."""
    return {
        "kind": "synthetic",
        "symbols": symbols,
        "timeframes": list(timeframes),
        "history_bars": 1_000,
        "live_from": time.time_ns() // 1_000_000,
    }


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _write_addresses(desk: LocalDesk) -> None:
    """Let other commands, and people, find the desk; the file has keys in it and is for its owner alone.

    It appears whole: whoever sees it may read it at once.
    """
    if not desk.supabase.knows(PERSON):  # a role or tier they were given since is theirs
        desk.supabase.enrol(PERSON)
    part = desk.home / f"{ADDRESSES}.part"
    part.touch(mode=0o600)
    part.write_text(
        json.dumps(
            {
                "api_url": desk.api_url,
                "collector_url": desk.collector_url,
                "simulator_url": desk.simulator_url,
                "redis_url": desk.redis.url,
                "sqs_url": desk.sqs.url,
                "supabase_url": desk.supabase.url,
                "supabase_key": desk.supabase.publishable_key,
                "service_secret": desk.service_secret,
                "person": PERSON,
                "token": desk.supabase.sign_token(PERSON, ttl_s=_TOKEN_TTL_S),
                "variables": desk.variables() | dict(desk.sqs.env),
                "queues": {spec.name: desk.sqs.queue_urls[name] for name, spec in desk.spec.queues.items()},
            },
            indent=2,
        )
    )
    part.replace(desk.home / ADDRESSES)


def _panel(desk: LocalDesk, books: Sequence[Book]) -> Panel:
    table = Table.grid(padding=(0, 2))
    for part, address in (
        ("API", f"[bold]{desk.api_url}[/bold]  (/health, /api/v1/…, /functions/v1/…)"),
        ("Supabase", f"{desk.supabase.url}  (Supabase Lite, data in {desk.data_dir or 'memory'})"),
        ("Redis", f"{desk.redis.url}  ({desk.redis.kind}; REST as Upstash's at {desk.upstash.url})"),
        ("SQS", f"{desk.sqs.url}  (moto)"),
        ("Collector", f"{desk.collector_url}/health"),
        ("Market", f"{desk.simulator_url}  (synthetic, {desk.symbols} symbols)"),
        *(("Book", f"{book.name}, {book.capital:,f} {book.quote}, {book.mode}: {book.book_id}") for book in books),
        ("Functions", ", ".join(desk.spec.functions)),
        ("A token", f"in {desk.home / ADDRESSES}: Authorization: Bearer …"),
        ("Logs", str(desk.logs)),
    ):
        table.add_row(f"[dim]{part}[/dim]", address)
    return Panel(table, title="nightdesk", subtitle="Ctrl-C stops everything", expand=False)
