"""What the ticker board and the candle log say, in the form risk asks it."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from shared.domain.candles import CLOSE, HIGH, LOW, empty_frame
from shared.domain.errors import InvalidMessageError
from shared.domain.rules import Market, compile_rule
from shared.domain.tickers import Snapshot, Ticker, VenueNow
from shared.domain.timeframe import Timeframe
from shared.domain.trading.closes import average_true_range, closes_of
from shared.domain.trading.instruments import Side
from shared.domain.trading.market import Mark, mark_of, marks_of
from tests.unit.domain.trading.desk import BTC, ETH, NOW_MS, VENUE, frame, mark, market

NAN = float("nan")


@pytest.mark.parametrize(
    ("ticker", "price"),
    [
        (Ticker(100.0, 99.0, 101.5), "100.25"),
        (Ticker(100.1, NAN, 101.0), "100.1"),
        (Ticker(NAN, 0.1, 0.3), "0.2"),
        (Ticker(5.0, 0.0, float("inf")), "5.0"),
        (Ticker(NAN, 1.0, NAN), None),
        (Ticker(0.0, NAN, NAN), None),
    ],
)
def test_a_mark_is_the_middle_of_the_book_or_the_last_trade(ticker: Ticker, price: str | None) -> None:
    found = mark_of(ticker, NOW_MS)
    assert (found.price if found else None) == (None if price is None else Decimal(price))


def test_a_buy_meets_the_ask_and_a_sale_the_bid() -> None:
    seen = mark("100", spread="1")
    assert (seen.against(Side.BUY), seen.against(Side.SELL)) == (Decimal("100.5"), Decimal("99.5"))
    assert seen.spread_rate == Decimal("0.01")
    only_last = Mark(price=Decimal(100), time_ms=NOW_MS)
    assert [only_last.against(Side.BUY), only_last.spread_rate] == [100, None]


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "0", "-1", "1e30"])
def test_a_mark_that_is_no_price_is_refused(bad: str) -> None:
    for name in ("price", "bid", "ask"):
        with pytest.raises(InvalidMessageError, match=f"mark.{name}"):
            replace(mark("100"), **{name: Decimal(bad)})  # type: ignore[arg-type]


def test_marks_are_those_of_the_symbols_asked_at_each_venue_that_has_them() -> None:
    told = VenueNow(
        tickers=Snapshot(time_ms=NOW_MS, rows={BTC: Ticker(100.0, 99.0, 101.0), ETH: Ticker(NAN, NAN, NAN)})
    )
    marks = marks_of({VENUE: told, "kraken": told, "silent": VenueNow()}, [BTC, ETH, "X/USDT"])
    assert set(marks) == {(VENUE, BTC), ("kraken", BTC)}


def test_where_the_venue_is_open_the_newest_mark_counts() -> None:
    told = market(marks={(VENUE, BTC): mark("100", age_ms=5), ("kraken", BTC): mark("101")})
    found = told.mark((None, BTC))
    assert found is not None
    assert found.price == 101
    assert told.mark((None, ETH)) is None
    assert told.mark(("kraken", ETH)) is None


def test_closes_come_from_a_symbols_own_venue_on_one_grid() -> None:
    here, there = frame([BTC], bars=50), frame([BTC, ETH], bars=30, seed=2)
    there.values[CLOSE, 1, 3] = -1.0
    grid = closes_of({VENUE: here, "kraken": there}, [(VENUE, BTC), ("kraken", ETH)], timeframe=Timeframe.H1)
    assert grid.symbols == (BTC, ETH)
    assert grid.values.shape == (2, 50)
    assert grid.close_time == here.close_time
    assert np.array_equal(grid.values[0], here.values[CLOSE, 0])
    assert np.isnan(grid.values[1, :20]).all()  # before its candles begin
    assert np.isnan(grid.values[1, 23])  # no price is negative
    assert grid.values[1, 24] == there.values[CLOSE, 1, 4]


def test_a_symbol_its_venue_has_no_candles_of_is_read_elsewhere_or_left_out() -> None:
    frames = {VENUE: frame([BTC], bars=20), "kraken": frame([ETH], bars=20)}
    wanted = [(VENUE, ETH), (None, BTC), (VENUE, "X/USDT")]
    assert set(closes_of(frames, wanted, timeframe=Timeframe.H1).symbols) == {BTC, ETH}
    assert closes_of(frames, wanted, timeframe=Timeframe.M5).symbols == ()
    nothing = closes_of({VENUE: empty_frame(Timeframe.H1)}, wanted, timeframe=Timeframe.H1)
    assert (nothing.symbols, nothing.close_time) == ((), 0)


def test_the_average_true_range_is_the_one_rules_know() -> None:
    seen = frame([BTC, ETH], bars=300)
    told = average_true_range(seen, BTC)
    assert told is not None
    view = Market({seen.timeframe: seen}).view(seen.timeframe, seen.close_time)
    (values,) = (found for text, found in compile_rule("atr(14) > 1").values(view).items() if "atr" in text)
    assert float(told) == pytest.approx(float(values[0, -1]), rel=1e-5)


def test_too_few_or_flat_candles_have_no_true_range() -> None:
    seen = frame([BTC], bars=15)
    assert average_true_range(seen, BTC) is not None
    assert average_true_range(seen.tail(14), BTC) is None
    assert average_true_range(seen, ETH) is None
    seen.values[[HIGH, LOW, CLOSE]] = 100.0
    assert average_true_range(seen, BTC) is None
