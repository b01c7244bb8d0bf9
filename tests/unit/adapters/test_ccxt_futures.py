"""What the futures venues list, through ccxt as the desk calls it: linear perpetuals in base units, nothing else."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.ccxt_exchange import list_instruments
from shared.adapters.ccxt_venues import connect
from shared.domain.trading.instruments import InstrumentKind
from tests.fakes.clock import ManualClock

D = Decimal
RECORDED = Path(__file__).parents[2] / "replay"


def _filters(**values: str) -> list[dict[str, str]]:
    return [
        {"filterType": "PRICE_FILTER", "tickSize": values["tick"], "minPrice": values["tick"], "maxPrice": "1000000"},
        {"filterType": "LOT_SIZE", "stepSize": values["step"], "minQty": values["step"], "maxQty": "1000"},
        {"filterType": "MIN_NOTIONAL", "notional": values["notional"]},
    ]


BINANCE = {
    "symbols": [
        {"symbol": "BTCUSDT", "pair": "BTCUSDT", "contractType": "PERPETUAL", "deliveryDate": 4133404800000,
         "onboardDate": 1569398400000, "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
         "marginAsset": "USDT", "pricePrecision": 2, "quantityPrecision": 3, "baseAssetPrecision": 8,
         "quotePrecision": 8, "filters": _filters(tick="0.10", step="0.001", notional="100"), "orderTypes": ["LIMIT"]},
    ]
}  # fmt: skip


def _bybit(symbol: str, kind: str, quote: str) -> dict[str, Any]:
    return {
        "symbol": symbol, "contractType": kind, "status": "Trading", "baseCoin": "BTC", "quoteCoin": quote,
        "launchTime": "1585526400000", "deliveryTime": "0" if kind == "LinearPerpetual" else "1703836800000",
        "priceScale": "2", "settleCoin": quote, "fundingInterval": 480,
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
        "lotSizeFilter": {"maxOrderQty": "1190", "minOrderQty": "0.001", "qtyStep": "0.001", "minNotionalValue": "5"},
    }  # fmt: skip


BYBIT = {
    "retCode": 0, "retMsg": "OK", "retExtInfo": {}, "time": 1700000100123,
    "result": {"category": "linear", "nextPageCursor": "", "list": [
        _bybit("BTCUSDT", "LinearPerpetual", "USDT"), _bybit("BTCUSDT-29DEC23", "LinearFutures", "USDT"),
    ]},
}  # fmt: skip


def _okx(family: str, kind: str, size: str, unit: str, settle: str) -> dict[str, Any]:
    return {
        "instType": "SWAP", "instId": f"{family}-SWAP", "instFamily": family, "uly": family, "ctType": kind,
        "ctMult": "1", "ctVal": size, "ctValCcy": unit, "settleCcy": settle, "baseCcy": "", "quoteCcy": "",
        "lotSz": "0.01", "minSz": "0.01", "tickSz": "0.1", "lever": "100", "listTime": "1606468572000", "state": "live",
        "alias": "", "expTime": "", "optType": "", "stk": "", "category": "1",
    }  # fmt: skip


OKX = {
    "code": "0",
    "msg": "",
    "data": [_okx("BTC-USD", "inverse", "100", "USD", "BTC"), _okx("BTC-USDT", "linear", "0.01", "BTC", "USDT")],
}
HYPERLIQUID = json.loads((RECORDED / "hyperliquid" / "meta_and_asset_ctxs.json").read_text())


@pytest.mark.parametrize(
    ("venue", "answer", "listed"),
    [
        ("binance_usdm", BINANCE, {"BTC/USDT:USDT": ("0.001", "1")}),
        ("bybit_linear", BYBIT, {"BTC/USDT:USDT": ("0.001", "1")}),
        ("okx_swap", OKX, {"BTC/USDT:USDT": ("0.0001", "0.01")}),
        ("hyperliquid", HYPERLIQUID, {"BTC/USDC:USDC": ("0.00001", "1"), "KPEPE/USDC:USDC": ("1", "1")}),
    ],
)
def test_a_futures_venue_lists_linear_perpetuals_in_base_units(
    venue: str, answer: object, listed: dict[str, tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def recorded(*given: Any, **named: Any) -> Any:
        client = connect(*given, **named)
        client.fetch = lambda *_: answer
        client.load_time_difference = lambda: 0
        return client

    monkeypatch.setattr("shared.adapters.ccxt_session.connect", recorded)
    found = list_instruments(venue, ManualClock())
    assert {one.symbol: (one.step_size, one.contract_size) for one in found} == {
        symbol: (D(step), D(size)) for symbol, (step, size) in listed.items()
    }
    assert {one.kind for one in found} == {InstrumentKind.SWAP}
    assert all(one.symbol.endswith(f"{one.quote}:{one.quote}") and one.taker_fee_rate > 0 for one in found)
