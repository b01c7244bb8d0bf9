"""Time cryptofeed and ccxt.pro on frames read from a file: `python frames.py FILE` prints rows as JSON.

FILE holds `{"venue": …, "is_swap": …, "symbols": …, "frames": […]}`. Each library does what its users get: cryptofeed
parses a frame into a `Candle` and calls the subscriber, ccxt.pro parses it into its cache of candles, or of trades
where it has no candles. Neither assembles boundaries. A row has numbers only if every frame was handed over, of every
symbol. Symbols are put into their tables by hand, since nothing here may reach a network.
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
# cryptofeed's class for a venue, and the address by which Bybit's tells the markets apart.
CRYPTOFEED = {
    "binance": ("Binance", ""),
    "binance_usdm": ("BinanceFutures", ""),
    "bybit": ("Bybit", "wss://stream.bybit.com/v5/public/spot"),
    "bybit_linear": ("Bybit", "wss://stream.bybit.com/v5/public/linear"),
    "okx": ("OKX", ""),
    "okx_swap": ("OKX", ""),
}
UNREAD_BY_CRYPTOFEED = {
    "kraken": "reads no such frame, its candles are those of Kraken's older WebSocket v1",
    "coinbase": "no candle channel, and its trades are those of Coinbase's other interface, Advanced Trade",
    "hyperliquid": "does not know the venue",
}
CCXT = {"binance_usdm": "binanceusdm", "coinbase": "coinbaseexchange"}
WITHOUT_CANDLES = {"coinbase": "trades, it has no candle channel"}


def main() -> None:
    """Print one row a library."""
    given = json.loads(Path(sys.argv[1]).read_text())
    rows = [_row("cryptofeed", asyncio.run(_cryptofeed(given)), given), _row("ccxt.pro", _ccxt(given), given)]
    sys.stdout.write(json.dumps(rows))


def _row(name: str, seconds: list[float] | str, given: dict[str, Any]) -> dict[str, Any]:
    if isinstance(seconds, str):
        return {"handled by": f"{name}: {seconds}"}
    median = statistics.median(seconds)
    what = WITHOUT_CANDLES.get(given["venue"])
    return {
        "handled by": f"{name}: read, hand over" + (f" {what}" if what else ""),
        "frames": len(given["frames"]),
        "processor seconds": round(median, 3),
        "frames per second": round(len(given["frames"]) / median),
    }


async def _cryptofeed(given: dict[str, Any]) -> list[float] | str:
    if given["venue"] in UNREAD_BY_CRYPTOFEED:
        return UNREAD_BY_CRYPTOFEED[given["venue"]]
    name, address = CRYPTOFEED[given["venue"]]
    exchange: Any = getattr(exchanges, name)
    # Bybit calls a pair and a contract alike; cryptofeed knows the pair by a slash it puts in.
    in_table = "symbol" if given["venue"] == "bybit" else "id"
    table = {symbol["standard"]: symbol[in_table] for symbol in given["symbols"]}
    kind = "perpetual" if given["is_swap"] else "spot"
    Symbols.set(exchange.id, table, {"instrument_type": dict.fromkeys(table, kind)})
    seen: list[str] = []

    async def note(candle: Any, _time: float) -> None:
        seen.append(candle.symbol)

    feed = exchange(
        symbols=[given["symbols"][0]["standard"]],
        channels=[CANDLES],
        callbacks={CANDLES: note},
        candle_closed_only=False,
        candle_interval="1m",
    )
    connection: Any = type("Connection", (), {"address": address, "uuid": "bench"})()
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for frame in given["frames"]:
            await feed.message_handler(frame, connection, 0.0)
        seconds.append(time.process_time() - began)
    is_all = len(seen) == ROUNDS * len(given["frames"]) and set(seen) == set(table)
    return seconds if is_all else f"handed over {len(seen)} candles of {len(set(seen))} symbols"


def _ccxt(given: dict[str, Any]) -> list[float] | str:
    name = CCXT.get(given["venue"], given["venue"].partition("_")[0])
    exchange: Any = getattr(ccxt.pro, name)()
    exchange.set_markets([exchange.safe_market_structure(_market(symbol)) for symbol in given["symbols"]])
    client = _Client(CRYPTOFEED.get(given["venue"], ("", ""))[1])
    seconds = []
    for _ in range(ROUNDS):
        client.handed_over = 0
        began = time.process_time()
        for frame in given["frames"]:
            exchange.handle_message(client, json.loads(frame))
        seconds.append(time.process_time() - began)
    held = exchange.trades if given["venue"] in WITHOUT_CANDLES else exchange.ohlcvs
    is_all = set(held) == {symbol["symbol"] for symbol in given["symbols"]}
    is_all = is_all and client.handed_over >= len(given["frames"])
    return seconds if is_all else f"handed over {client.handed_over} of {len(held)} symbols"


def _market(symbol: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": symbol["id"],
        "symbol": symbol["symbol"],
        "base": symbol["symbol"].partition("/")[0],
        "quote": symbol["symbol"].partition("/")[2].partition(":")[0],
        "spot": ":" not in symbol["symbol"],
        "swap": ":" in symbol["symbol"],
        "type": "swap" if ":" in symbol["symbol"] else "spot",
        "active": True,
    }


class _Client:
    """What handlers ask of ccxt's connection."""

    def __init__(self, url: str) -> None:
        self.subscriptions: dict[str, Any] = {}
        self.url = url
        self.handed_over = 0

    def resolve(self, *_: object) -> None:
        """Count, and wake nobody."""
        self.handed_over += 1


if __name__ == "__main__":
    main()
