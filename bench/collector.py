"""Collector: frames a second, from the bytes of a push to whole boundaries, on one core, each venue.

The frames are synthetic: 200 symbols in 6 timeframes, pushed 30 times each of which the last closes the candle, at an
instant where all six timeframes close together, which is the worst there is. Where a venue pushes trades, each of them
goes into every timeframe; where it marks no close, the clock closes. `nightdesk` is what the collector does with a
frame: read, check, assemble, pack the boundary. cryptofeed and ccxt.pro read the same frames in an environment of their
own where they can, and hand candles (or trades) over one by one; they assemble nothing.
"""

import json
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from aws_lambda_powertools import Logger

from collector.intake import Intake
from shared.adapters.venues.registry import dialect_of
from shared.domain.assembly import Assembler
from shared.domain.candles import Candle
from shared.domain.pushes import Trade
from shared.domain.timeframe import Timeframe
from tests.contract.venue_samples import SAMPLES, Sample

TIMEFRAMES: Final = (Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.H4, Timeframe.D1)
SYMBOLS: Final = 200
PUSHES: Final = 30
PEER_PUSHES: Final = 3  # they are slower, and each push costs the same
ROUNDS: Final = 5
MIDNIGHT: Final = 1_704_067_200_000
QUOTES: Final = {"kraken": "USD", "coinbase": "USD", "hyperliquid": "USDC"}
SWAPS: Final = frozenset({"binance_usdm", "bybit_linear", "okx_swap", "hyperliquid"})
PEERS: Final = Path(__file__).parent / "peers" / "frames.py"
PEER_PYTHON: Final = Path(".venv-peers/bin/python")


def run() -> list[dict[str, object]]:
    """Return for each venue a row for us and one for each peer, which says so where it does not read these frames."""
    return [row for sample in SAMPLES for row in (_ours(sample), *_peers(sample))]


def _ours(sample: Sample) -> dict[str, object]:
    dialect, frames = dialect_of(sample.venue), [frame.encode() for frame in _frames(sample, PUSHES)]
    timeframes = _offered(sample)
    symbols = {_named(sample.venue_id, number): f"S{number:03}/USDT" for number in range(SYMBOLS)}
    seconds, closed = [], 0
    for _ in range(ROUNDS):
        assembler = Assembler(timeframes, symbols.values(), since=MIDNIGHT - 1)
        intake = Intake(
            dialect,
            assembler,
            symbols,
            timeframes,
            counts=Counter(),
            news=lambda: None,
            log=Logger(service="bench", level="CRITICAL"),
        )
        intake.opened(symbols, MIDNIGHT - Timeframe.D1.ms)
        for number in range(SYMBOLS if sample.traded else 0):  # the first trade of all only begins the watch
            intake.take(_traded(sample, number, MIDNIGHT - Timeframe.D1.ms - 1, count=1).encode())
        intake.advance(MIDNIGHT - 1, grace_ms=0)
        assembler.advance(MIDNIGHT)
        began = time.process_time()
        for frame in frames:
            intake.take(frame)
        intake.advance(MIDNIGHT, grace_ms=0)
        (emission,) = assembler.take()
        seconds.append(time.process_time() - began)
        closed = sum(len(boundary.symbols) for boundary in emission.boundaries)
    median = statistics.median(seconds)
    return {
        "venue": sample.venue,
        "handled by": "nightdesk: read, check, assemble, boundary",
        "frames": len(frames),
        "closed candles": closed,
        "processor seconds": round(median, 3),
        "frames per second": round(len(frames) / median),
    }


def _peers(sample: Sample) -> list[dict[str, object]]:
    if not PEER_PYTHON.exists():
        return [{"venue": sample.venue, "handled by": "cryptofeed, ccxt.pro: not installed, `make bench` does"}]
    quote, is_swap = QUOTES.get(sample.venue, "USDT"), sample.venue in SWAPS
    given = {
        "venue": sample.venue,
        "is_swap": is_swap,
        "symbols": [
            {
                "id": _named(sample.venue_id, number),
                "symbol": f"S{number:03}/{quote}" + (f":{quote}" if is_swap else ""),
                "standard": f"S{number:03}-{quote}" + ("-PERP" if is_swap else ""),
            }
            for number in range(SYMBOLS)
        ],
        "frames": _frames(sample, PEER_PUSHES),
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(given, file)
        file.flush()
        answer = subprocess.run([PEER_PYTHON, PEERS, file.name], capture_output=True, text=True, check=True)
    rows: list[dict[str, Any]] = json.loads(answer.stdout)
    return [{"venue": sample.venue, **row} for row in rows]


def _offered(sample: Sample) -> tuple[Timeframe, ...]:
    return tuple(timeframe for timeframe in TIMEFRAMES if timeframe in dialect_of(sample.venue).timeframes)


def _frames(sample: Sample, pushes: int) -> list[str]:
    return [
        _frame(sample, timeframe, number, push, is_closed=push == pushes - 1)
        for push in range(pushes)
        for timeframe in _offered(sample)
        for number in range(SYMBOLS)
    ]


def _frame(sample: Sample, timeframe: Timeframe, number: int, push: int, *, is_closed: bool) -> str:
    price, times = 100.0 + number, push + 1
    if sample.traded is not None:
        place = push * len(_offered(sample)) + _offered(sample).index(timeframe)
        return _traded(sample, number, MIDNIGHT - 30_000 + place, count=2 + place)
    if sample.written is None:
        raise TypeError(f"{sample.venue} pushes neither candles nor trades")
    candle = Candle(
        MIDNIGHT - timeframe.ms,
        price,
        round(price + 0.5 + push / 100, 2),
        round(price - 0.5, 2),
        round(price + push / 100, 2),
        round(12.345678 * times, 6),
        round(1234.5678 * times, 4),
        30.0 * times,
        round(6.1 * times, 2),
    )
    return _named(sample.written(candle, timeframe, is_closed), number)


def _traded(sample: Sample, number: int, time_ms: int, *, count: int) -> str:
    if sample.traded is None:
        raise TypeError(f"{sample.venue} pushes no trades")
    trade = Trade(sample.venue_id, time_ms, 100.0 + number, 0.25, is_taker_buy=True, number=count)
    return _named(sample.traded(trade), number)


def _named(text: str, number: int) -> str:
    """Return a text about BTC as one about another of the symbols."""
    return text.replace("BTC", f"S{number:03}").replace("btc", f"s{number:03}")
