"""The report counts what it says it counts."""

from dataclasses import asdict
from pathlib import Path

import pytest

from desk.demo_notifications import Notifications
from desk.demo_options import DemoOptions, parse_candles
from desk.report import Latency, RedisUse, Report, compare, percentiles
from shared.domain.candles import Candle, frame_of
from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe

M1 = Timeframe.M1


def candle(bar: int, close: float = 1.0) -> Candle:
    return Candle(bar * M1.ms, 1.0, 9.0, 0.5, close, 1.0, 1.0, 1.0, 1.0)


def test_percentiles_are_latencies_that_occurred() -> None:
    assert percentiles([float(n) for n in range(1, 101)]) == Latency(p50=50.0, p95=95.0, p99=99.0, max=100.0)
    assert percentiles([7.0]) == Latency(p50=7.0, p95=7.0, p99=7.0, max=7.0)
    assert percentiles([]) == Latency(p50=None, p95=None, p99=None, max=None)


def test_a_missing_and_a_changed_candle_are_told_apart() -> None:
    tape = frame_of(M1, {"A/USDT": [candle(1), candle(2), candle(3)]})
    log = frame_of(M1, {"A/USDT": [candle(1), candle(3, close=2.0)], "B/USDT": [candle(2)]})
    found = compare(tape, log)
    assert (found.expected, found.stored, found.missing, found.wrong) == (3, 2, 1, 1)


def test_the_report_has_exactly_the_promised_fields(tmp_path: Path) -> None:
    report = Report(
        symbols=1,
        timeframes=("1m",),
        boundaries=2,
        candles_expected=2,
        candles_stored=2,
        candles_missing=0,
        traders=3,
        evaluations=6,
        signals=1,
        signals_duplicate=0,
        errors=0,
        latency_ms=Latency(p50=1.0, p95=1.0, p99=1.0, max=1.0),
        redis=RedisUse(commands=4, bytes_in=10, bytes_out=20),
        invocations={"execute-trader": 2},
        intents=3,
        orders=2,
        fills=2,
        denied={"market_data": 1},
        ledger_mismatches=0,
        notifications=Notifications(sent=3, messages=2, failed=0),
        alerts={"signals:late": "warning"},
    )
    assert list(asdict(report)) == [
        "symbols",
        "timeframes",
        "boundaries",
        "candles_expected",
        "candles_stored",
        "candles_missing",
        "traders",
        "evaluations",
        "signals",
        "signals_duplicate",
        "errors",
        "latency_ms",
        "redis",
        "invocations",
        "intents",
        "orders",
        "fills",
        "denied",
        "ledger_mismatches",
        "notifications",
        "alerts",
    ]
    report.write(tmp_path / "r.json")
    assert '"p99": 1.0' in (tmp_path / "r.json").read_text()


def test_a_tape_brings_its_five_and_fifteen_fold_timeframes() -> None:
    assert DemoOptions(candles={}, timeframe=M1).timeframes == (M1, Timeframe.M5, Timeframe.M15)
    assert DemoOptions(candles={}, timeframe=Timeframe.D1).timeframes == (Timeframe.D1,)


@pytest.mark.parametrize("pair", ["BTC/USDT", "BTCUSDT=x.csv", "=x", "btc/usdt=x.csv", "BTC/USDT=absent.csv"])
def test_a_malformed_candles_option_is_named(pair: str) -> None:
    with pytest.raises(InvalidMessageError, match="--candles"):
        parse_candles([pair])


def test_a_symbol_given_twice_or_two_quotes_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("")
    with pytest.raises(InvalidMessageError, match="twice"):
        parse_candles([f"BTC/USDT={file}", f"BTC/USDT={file}"])
    with pytest.raises(InvalidMessageError, match="one quote"):
        parse_candles([f"BTC/USDT={file}", f"ETH/BTC={file}"])
