"""How each venue writes a candle, so that one suite can hold every dialect to the same promises.

To add a venue: one `Sample`. `written(candle, timeframe, is_closed)` is a frame as the venue would push it, for the
venue id `venue_id`; where it pushes trades instead, `traded(trade)` is one. `other` are messages that hold neither,
`refused` those that say a subscription was turned down.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from shared.domain.candles import Candle
from shared.domain.pushes import Trade
from shared.domain.timeframe import Timeframe


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A venue's words; `unknown` are the fields of a candle it does not push, `derived` those made of others."""

    venue: str
    venue_id: str
    other: tuple[str, ...]
    written: Callable[[Candle, Timeframe, bool], str] | None = None
    traded: Callable[[Trade], str] | None = None
    refused: tuple[str, ...] = ()
    unknown: frozenset[str] = frozenset()
    derived: frozenset[str] = frozenset()


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

_BINANCE_REFUSED: Final = (
    '{"error":{"code":2,"msg":"Invalid request: unknown variant `SUBSCRIB`"},"id":1}',
    '{"code":2,"msg":"Invalid request: property name must be a string","id":1}',
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


def _instant(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms // 1_000, UTC).strftime(f"%Y-%m-%dT%H:%M:%S.{time_ms % 1_000:03}000")


def _kraken(candle: Candle, timeframe: Timeframe, _is_closed: bool) -> str:
    ohlc = {
        "symbol": "BTC/USD", "open": candle.open, "high": candle.high, "low": candle.low, "close": candle.close,
        "trades": int(candle.trades), "volume": candle.volume, "vwap": candle.quote_volume / candle.volume,
        "interval_begin": f"{_instant(candle.open_time)}000Z", "interval": timeframe.ms // 60_000,
        "timestamp": f"{_instant(candle.open_time + timeframe.ms)}Z",
    }  # fmt: skip
    return json.dumps(
        {"channel": "ohlc", "type": "update", "timestamp": f"{_instant(candle.open_time + 9)}000Z", "data": [ohlc]}
    )


_KRAKEN_OTHER: Final = (
    '{"channel":"heartbeat"}',
    '{"method":"pong","time_in":"2023-09-24T14:10:23.799685Z","time_out":"2023-09-24T14:10:23.799703Z"}',
    '{"channel":"status","type":"update","data":[{"version":"2.0.0","system":"online","api_version":"v2",'
    '"connection_id":13834774380200032777}]}',
    '{"method":"subscribe","result":{"channel":"ohlc","interval":5,"snapshot":false,"symbol":"BTC/USD",'
    '"warnings":["timestamp is deprecated, use interval_begin"]},"success":true,'
    '"time_in":"2023-10-04T16:25:30.393Z","time_out":"2023-10-04T16:25:30.393Z"}',
)
_KRAKEN_REFUSED: Final = (
    '{"error":"Currency pair not supported XBT/USD","method":"subscribe","success":false,"symbol":"XBT/USD",'
    '"time_in":"2023-10-04T16:25:30.393Z","time_out":"2023-10-04T16:25:30.393Z"}'
)


def _coinbase(trade: Trade) -> str:
    match = {
        "type": "match", "trade_id": trade.number, "sequence": 50, "maker_order_id": "ac928c66",
        "taker_order_id": "132fb6ae", "time": f"{_instant(trade.time)}Z", "product_id": trade.venue_id,
        "size": repr(trade.quantity), "price": repr(trade.price), "side": "sell" if trade.is_taker_buy else "buy",
    }  # fmt: skip
    return json.dumps(match)


_COINBASE_OTHER: Final = (
    '{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD"],"account_ids":null}]}',
    '{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD","time":"2014-11-07T08:19:28.464459Z"}',
    '{"type":"last_match","trade_id":10,"sequence":50,"maker_order_id":"ac928c66","taker_order_id":"132fb6ae",'
    '"time":"2014-11-07T08:19:27.028459Z","product_id":"BTC-USD","size":"5.23512","price":"400.23","side":"sell"}',
)


def _hyperliquid(candle: Candle, timeframe: Timeframe, _is_closed: bool) -> str:
    data = {
        "t": candle.open_time, "T": candle.open_time + timeframe.ms - 1, "s": "BTC", "i": str(timeframe),
        "o": repr(candle.open), "c": repr(candle.close), "h": repr(candle.high), "l": repr(candle.low),
        "v": repr(candle.volume), "n": int(candle.trades),
    }  # fmt: skip
    return json.dumps({"channel": "candle", "data": data})


_HYPERLIQUID_OTHER: Final = (
    '{"channel":"pong"}',
    '{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":'
    '{"type":"candle","coin":"BTC","interval":"1m"}}}',
    "Websocket connection established.",
)

SAMPLES: Final = (
    Sample(venue="binance", venue_id="BTCUSDT", written=_binance, other=_BINANCE_OTHER, refused=_BINANCE_REFUSED),
    Sample(
        venue="binance_usdm",
        venue_id="BTCUSDT",
        written=_binance,
        other=_BINANCE_OTHER,
        refused=_BINANCE_REFUSED,
    ),
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
    Sample(
        venue="kraken",
        venue_id="BTC/USD",
        written=_kraken,
        other=_KRAKEN_OTHER,
        refused=(_KRAKEN_REFUSED,),
        unknown=frozenset({"taker_buy_volume"}),
        derived=frozenset({"quote_volume"}),
    ),
    Sample(
        venue="coinbase",
        venue_id="BTC-USD",
        traded=_coinbase,
        other=_COINBASE_OTHER,
        refused=('{"type":"error","message":"Failed to subscribe","reason":"FOO-USD is not a valid product"}',),
    ),
    Sample(
        venue="hyperliquid",
        venue_id="BTC",
        written=_hyperliquid,
        other=_HYPERLIQUID_OTHER,
        refused=('{"channel":"error","data":"Invalid subscription {\\"type\\":\\"candle\\",\\"coin\\":\\"FOO\\"}"}',),
        unknown=frozenset({"quote_volume", "taker_buy_volume"}),
    ),
)
