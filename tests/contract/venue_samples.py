"""How each venue writes a candle, so that one suite can hold every dialect to the same promises.

To add a venue: one `Sample`. `written(candle, timeframe, is_closed)` is a frame as the venue would push it, for the
venue id `venue_id`; where it pushes trades instead, `traded(trade)` is one. `other` are messages that hold neither,
`refused` those that say a subscription was turned down.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared.domain.candles import Candle
from shared.domain.pushes import Trade
from shared.domain.timeframe import Timeframe


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A venue's words; `unknown` are the fields of a candle it does not push."""

    venue: str
    venue_id: str
    other: tuple[str, ...]
    written: Callable[[Candle, Timeframe, bool], str] | None = None
    traded: Callable[[Trade], str] | None = None
    refused: tuple[str, ...] = ()
    unknown: frozenset[str] = frozenset()


def _binance(candle: Candle, timeframe: Timeframe, is_closed: bool) -> str:
    kline = {
        "t": candle.open_time, "T": candle.open_time + timeframe.ms - 1, "s": "BTCUSDT", "i": str(timeframe),
        "f": 1, "L": 2, "o": repr(candle.open), "c": repr(candle.close), "h": repr(candle.high), "l": repr(candle.low),
        "v": repr(candle.volume), "n": int(candle.trades), "x": is_closed, "q": repr(candle.quote_volume),
        "V": repr(candle.taker_buy_volume), "Q": "0", "B": "0",
    }  # fmt: skip
    event = {"e": "kline", "E": candle.open_time + timeframe.ms + 7, "s": "BTCUSDT", "k": kline}
    return json.dumps({"stream": f"btcusdt@kline_{timeframe}", "data": event})


_BINANCE_OTHER: Final = (
    '{"result":null,"id":1}',
    '{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1,"s":"BTCUSDT","p":"1","q":"1"}}',
)

_MINUTES: Final = {timeframe: "D" if timeframe == "1d" else str(timeframe.ms // 60_000) for timeframe in Timeframe}
_UTC: Final = {"6h": "6Hutc", "12h": "12Hutc", "1d": "1Dutc"}
_ONLY_VOLUMES: Final = frozenset({"trades", "taker_buy_volume"})


def _bybit(candle: Candle, timeframe: Timeframe, is_closed: bool) -> str:
    kline = {
        "start": candle.open_time, "end": candle.open_time + timeframe.ms - 1, "interval": _MINUTES[timeframe],
        "open": repr(candle.open), "close": repr(candle.close), "high": repr(candle.high), "low": repr(candle.low),
        "volume": repr(candle.volume), "turnover": repr(candle.quote_volume), "confirm": is_closed,
        "timestamp": candle.open_time + timeframe.ms - 3,
    }  # fmt: skip
    topic, now = f"kline.{_MINUTES[timeframe]}.BTCUSDT", candle.open_time + timeframe.ms + 7
    return json.dumps({"type": "snapshot", "topic": topic, "data": [kline], "ts": now})


_BYBIT_OTHER: Final = (
    '{"success":true,"ret_msg":"subscribe","conn_id":"2324d924","req_id":"","op":"subscribe"}',
    '{"success":true,"ret_msg":"pong","conn_id":"0970e817","op":"ping"}',
    '{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1,"data":[{"T":1,"s":"BTCUSDT","S":"Buy","v":"1","p":"1"}]}',
)
_BYBIT_REFUSED: Final = (
    '{"success":false,"ret_msg":"error:handler not found,topic:kline.7.BTCUSDT","conn_id":"23","op":"subscribe"}',
)


def _okx(candle: Candle, timeframe: Timeframe, is_closed: bool) -> str:
    bar = _UTC.get(timeframe) or (timeframe if timeframe.endswith("m") else timeframe.upper())
    prices = (candle.open, candle.high, candle.low, candle.close)
    volumes = (candle.volume, candle.quote_volume, candle.quote_volume)
    row = [str(candle.open_time), *map(repr, prices), *map(repr, volumes), str(int(is_closed))]
    return json.dumps({"arg": {"channel": f"candle{bar}", "instId": "BTC-USDT"}, "data": [row]})


def _okx_swap(candle: Candle, timeframe: Timeframe, is_closed: bool) -> str:
    """Write the volume in contracts where spot has it in base units, and in base units where spot has the quote's."""
    frame = json.loads(_okx(candle, timeframe, is_closed))
    frame["arg"]["instId"] = "BTC-USDT-SWAP"
    frame["data"][0][5:7] = ["314159", repr(candle.volume)]
    return json.dumps(frame)


_OKX_OTHER: Final = (
    "pong",
    '{"event":"subscribe","arg":{"channel":"candle1m","instId":"BTC-USDT"},"connId":"a4d3ae55"}',
    '{"event":"notice","code":"64008","msg":"The connection will soon be closed.","connId":"a4d3ae55"}',
    '{"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","last":"1"}]}',
)
_OKX_REFUSED: Final = ('{"event":"error","code":"60012","msg":"Invalid request","connId":"a4d3ae55"}',)

SAMPLES: Final = (
    Sample(venue="binance", venue_id="BTCUSDT", written=_binance, other=_BINANCE_OTHER),
    Sample(venue="binance_usdm", venue_id="BTCUSDT", written=_binance, other=_BINANCE_OTHER),
    Sample(
        venue="bybit",
        venue_id="BTCUSDT",
        written=_bybit,
        other=_BYBIT_OTHER,
        refused=_BYBIT_REFUSED,
        unknown=_ONLY_VOLUMES,
    ),
    Sample(
        venue="bybit_linear",
        venue_id="BTCUSDT",
        written=_bybit,
        other=_BYBIT_OTHER,
        refused=_BYBIT_REFUSED,
        unknown=_ONLY_VOLUMES,
    ),
    Sample(
        venue="okx",
        venue_id="BTC-USDT",
        written=_okx,
        other=_OKX_OTHER,
        refused=_OKX_REFUSED,
        unknown=_ONLY_VOLUMES,
    ),
    Sample(
        venue="okx_swap",
        venue_id="BTC-USDT-SWAP",
        written=_okx_swap,
        other=_OKX_OTHER,
        refused=_OKX_REFUSED,
        unknown=_ONLY_VOLUMES,
    ),
)
