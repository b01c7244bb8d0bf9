"""Time cryptofeed and ccxt.pro on frames read from a file: `python frames.py FILE` prints rows as JSON.

FILE holds `{"venue": …, "symbols": …, "frames": […]}`. Each library does what its users get: cryptofeed parses a
frame into a `Candle` and calls the subscriber, ccxt.pro parses it into its cache of candles. Neither assembles
boundaries. Symbols are put into their tables by hand, since nothing here may reach a network.
"""

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import ccxt.pro
from cryptofeed import exchanges
from cryptofeed.defines import CANDLES
from cryptofeed.symbols import Symbols

ROUNDS = 3


def main() -> None:
    """Print one row a library."""
    given = json.loads(Path(sys.argv[1]).read_text())
    rows = [_row("cryptofeed", asyncio.run(_cryptofeed(given)), given), _row("ccxt.pro", _ccxt(given), given)]
    sys.stdout.write(json.dumps(rows))


def _row(name: str, seconds: list[float] | str, given: dict[str, Any]) -> dict[str, Any]:
    if isinstance(seconds, str):
        return {"handled by": f"{name}: {seconds}"}
    median = statistics.median(seconds)
    return {
        "handled by": f"{name}: read, hand over",
        "frames": len(given["frames"]),
        "processor seconds": round(median, 3),
        "frames per second": round(len(given["frames"]) / median),
    }


async def _cryptofeed(given: dict[str, Any]) -> list[float] | str:
    names = {"binance": "Binance", "binance_usdm": "BinanceFutures", "bybit_linear": "Bybit", "okx": "OKX"}
    if given["venue"] not in names:
        return "not measured, its frames are those of the row above"
    exchange: Any = getattr(exchanges, names[given["venue"]])
    table = {symbol["standard"]: symbol["id"] for symbol in given["symbols"]}
    Symbols.set(exchange.id, table, {"instrument_type": dict.fromkeys(table, "perpetual")})
    seen = 0

    async def count(_candle: object, _time: float) -> None:
        nonlocal seen
        seen += 1

    feed = exchange(
        symbols=[given["symbols"][0]["standard"]],
        channels=[CANDLES],
        callbacks={CANDLES: count},
        candle_closed_only=False,
        candle_interval="1m",
    )
    connection: Any = type("Connection", (), {"address": "wss://stream.bybit.com/v5/public/linear", "uuid": "bench"})()
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for frame in given["frames"]:
            await feed.message_handler(frame, connection, 0.0)
        seconds.append(time.process_time() - began)
    return seconds if seen == ROUNDS * len(given["frames"]) else f"handed over {seen} candles"


def _ccxt(given: dict[str, Any]) -> list[float]:
    names = {"binance": "binance", "binance_usdm": "binanceusdm", "bybit_linear": "bybit", "okx": "okx"}
    exchange: Any = getattr(ccxt.pro, names.get(given["venue"], given["venue"].partition("_")[0]))()
    exchange.set_markets([exchange.safe_market_structure(_market(symbol)) for symbol in given["symbols"]])
    client: Any = _Client()
    client.url = given.get("url", "")
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for frame in given["frames"]:
            exchange.handle_message(client, json.loads(frame))
        seconds.append(time.process_time() - began)
    return seconds


def _market(symbol: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": symbol["id"],
        "symbol": symbol["symbol"],
        "base": symbol["symbol"].partition("/")[0],
        "quote": "USDT",
        "spot": ":" not in symbol["symbol"],
        "swap": ":" in symbol["symbol"],
        "type": "swap" if ":" in symbol["symbol"] else "spot",
        "active": True,
    }


class _Client:
    """What handlers ask of ccxt's connection."""

    def __init__(self) -> None:
        self.subscriptions: dict[str, Any] = {}
        self.url = ""

    def resolve(self, *_: object) -> None:
        """Wake nobody."""


if __name__ == "__main__":
    main()
