"""Candles in Binance's words: REST rows, stream events, tickers, exchangeInfo.

Numbers are decimal strings with at least eight decimals, and as many more as it takes to read the same double back.
What the tape does not know is sent as "NaN", and an unknown number of trades as null; the real venue knows both, and
the desk's adapter reads them as unknown.

Source: https://developers.binance.com/docs/binance-spot-api-docs (market data endpoints, WebSocket streams).
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from desk.simulator.instruments import Instrument
from shared.domain.candles import CLOSE, HIGH, LOW, OPEN, QUOTE_VOLUME, TRADES, VOLUME, CandleFrame
from shared.domain.timeframe import Timeframe

WEIGHT_LIMIT: Final = 6_000
MIN_NOTIONAL: Final = "5.00000000"
ORDER_TYPES: Final = (
    "LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT",
)  # fmt: skip

Bar = Sequence[float]  # the columns of one candle


def to_json(value: object) -> bytes:
    """Write JSON."""
    return msgspec.json.encode(value)


def decimal(value: float) -> str:
    """Write a number as the venue does, exactly: reading it gives the same double."""
    text = f"{value:.8f}"
    if float(text) == value:
        return text
    return "NaN" if math.isnan(value) else str(np.format_float_positional(value, unique=True, min_digits=8))


def kline_row(open_time: int, timeframe: Timeframe, bar: Bar) -> list[Any]:
    """Return a candle as `/api/v3/klines` lists it."""
    first, high, low, close, volume, quote_volume, trades, bought = bar
    return [
        open_time,
        decimal(first),
        decimal(high),
        decimal(low),
        decimal(close),
        decimal(volume),
        open_time + timeframe.ms - 1,
        decimal(quote_volume),
        _count(trades),
        decimal(bought),
        _bought_value(volume, quote_volume, bought),
        "0",
    ]


def kline_event(wire: str, timeframe: Timeframe, open_time: int, bar: Bar, *, event_time: int, is_closed: bool) -> str:
    """Return a kline event as JSON; trade ids are invented so that they rise."""
    first, high, low, close, volume, quote_volume, trades, bought = bar
    count = _count(trades)
    first_id, last_id = (open_time, open_time + count - 1) if count else (-1, -1)
    return (
        f'{{"e":"kline","E":{event_time},"s":"{wire}","k":{{"t":{open_time},"T":{open_time + timeframe.ms - 1},'
        f'"s":"{wire}","i":"{timeframe}","f":{first_id},"L":{last_id},"o":"{decimal(first)}","c":"{decimal(close)}",'
        f'"h":"{decimal(high)}","l":"{decimal(low)}","v":"{decimal(volume)}","n":{"null" if count is None else count},'
        f'"x":{"true" if is_closed else "false"},"q":"{decimal(quote_volume)}","V":"{decimal(bought)}",'
        f'"Q":"{_bought_value(volume, quote_volume, bought)}","B":"0"}}}}'
    )


def ticker(listed: Instrument, day: CandleFrame, row: int, now: int) -> dict[str, Any]:
    """Return the `/api/v3/ticker/24hr` entry of a symbol from the candles of its last 24 hours.

    Where a recording lacks the quote volume, each candle's volume at its close stands in for it, because collectors
    rank symbols by it.
    """
    bars = day.values[:, row][:, ~np.isnan(day.values[CLOSE, row])]
    window = {"openTime": now - Timeframe.D1.ms, "closeTime": now}
    if not bars.shape[1]:
        zeros = dict.fromkeys(_TICKER_NUMBERS, decimal(0.0))
        return {"symbol": listed.wire, **zeros, **window, "firstId": -1, "lastId": -1, "count": 0}
    volume = float(bars[VOLUME].sum())
    values = np.where(np.isnan(bars[QUOTE_VOLUME]), bars[VOLUME] * bars[CLOSE], bars[QUOTE_VOLUME])
    first, last, value = float(bars[OPEN, 0]), float(bars[CLOSE, -1]), float(values.sum())
    tick, step = 10.0**-listed.price_decimals, 10.0**-listed.volume_decimals
    numbers = (
        last - first, (last / first - 1) * 100, value / volume if volume else 0.0, first, last, step, last - tick, step,
        last + tick, step, first, float(bars[HIGH].max()), float(bars[LOW].min()), volume, value,
    )  # fmt: skip
    texts = {name: f"{number:.8f}" for name, number in zip(_TICKER_NUMBERS, numbers, strict=True)}
    count = int(np.nansum(bars[TRADES]))
    opened = int(day.open_times[0])
    return {"symbol": listed.wire, **texts, **window, "firstId": opened, "lastId": opened + count, "count": count}


def price(listed: Instrument, last: float) -> dict[str, Any]:
    """Return the `/api/v3/ticker/price` entry of a symbol."""
    return {"symbol": listed.wire, "price": decimal(last)}


def book(listed: Instrument, last: float) -> dict[str, Any]:
    """Return the `/api/v3/ticker/bookTicker` entry of a symbol: a tick below and above its last price."""
    tick, step = 10.0**-listed.price_decimals, decimal(10.0**-listed.volume_decimals)
    bid, ask = (decimal(round(price, listed.price_decimals)) for price in (last - tick, last + tick))
    return {"symbol": listed.wire, "bidPrice": bid, "bidQty": step, "askPrice": ask, "askQty": step}


def exchange_info(instruments: Sequence[Instrument], now: int, *, weight_limit: int = WEIGHT_LIMIT) -> dict[str, Any]:
    """Return the `/api/v3/exchangeInfo` answer."""
    return {
        "timezone": "UTC",
        "serverTime": now,
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": weight_limit},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
            {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200_000},
            {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61_000},
        ],
        "exchangeFilters": [],
        "symbols": [_symbol(listed) for listed in instruments],
    }


_TICKER_NUMBERS: Final = (
    "priceChange", "priceChangePercent", "weightedAvgPrice", "prevClosePrice", "lastPrice", "lastQty", "bidPrice",
    "bidQty", "askPrice", "askQty", "openPrice", "highPrice", "lowPrice", "volume", "quoteVolume",
)  # fmt: skip


def _symbol(listed: Instrument) -> dict[str, Any]:
    return {
        "symbol": listed.wire,
        "status": "TRADING" if listed.is_trading else "BREAK",
        "baseAsset": listed.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listed.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(ORDER_TYPES),
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "isSpotTradingAllowed": listed.is_trading,
        "isMarginTradingAllowed": False,
        "filters": _filters(listed),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def _filters(listed: Instrument) -> list[dict[str, Any]]:
    tick, step = decimal(10.0**-listed.price_decimals), decimal(10.0**-listed.volume_decimals)
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "9000000000.00000000", "stepSize": step},
        {"filterType": "ICEBERG_PARTS", "limit": 10},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00000000",
            "maxQty": "1000000.00000000",
            "stepSize": "0.00000000",
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": "5",
            "bidMultiplierDown": "0.2",
            "askMultiplierUp": "5",
            "askMultiplierDown": "0.2",
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": MIN_NOTIONAL,
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
    ]


def _count(trades: float) -> int | None:
    return None if math.isnan(trades) else int(trades)


def _bought_value(volume: float, quote_volume: float, bought: float) -> str:
    """Return the value of what takers bought, at the candle's average price: the tape does not keep it."""
    return f"{bought * quote_volume / volume:.8f}".replace("nan", "NaN") if volume else decimal(0.0)
