"""The intake of a venue that does not say what has closed: who leaves is forgotten, and doubts take turns."""

from collections import Counter

import pytest
from aws_lambda_powertools import Logger

from collector.intake import Intake
from shared.adapters.venues import binance, coinbase, kraken
from shared.adapters.venues.dialect import Dialect
from shared.domain.assembly import Assembler, Cell
from shared.domain.candles import Candle, no_trade_candle
from shared.domain.pushes import Trade
from shared.domain.timeframe import Timeframe
from tests.contract.venue_samples import SAMPLES

M1 = Timeframe.M1
START = 1_700_000_100_000 // M1.ms * M1.ms
GRACE_MS = 1_500
LOG = Logger(service="collector-test", level="CRITICAL")


def candle(minute: int, *, volume: float = 2.0) -> Candle:
    return Candle(START + minute * M1.ms, 1.0, 1.0, 1.0, 1.0, volume, volume, volume / 2, 2.0)


def written_by_kraken(forming: Candle) -> str:
    (sample,) = (one for one in SAMPLES if one.venue == "kraken")
    assert sample.written is not None
    return sample.written(forming, M1, False)


def traded_at_coinbase(trade: Trade) -> str:
    (sample,) = (one for one in SAMPLES if one.venue == "coinbase")
    assert sample.traded is not None
    return sample.traded(trade)


class Market:
    """An intake that follows some coins of Kraken, watched from the start, and a clock."""

    def __init__(self, *coins: str, dialect: Dialect = kraken.SPOT) -> None:
        self.symbols = {f"{coin}/USD": f"{coin}/USD" for coin in coins}
        self.assembler = Assembler([M1], self.symbols.values(), since=START)
        self.counts: Counter[str] = Counter()
        self.intake = Intake(
            dialect, self.assembler, self.symbols, [M1], counts=self.counts, news=lambda: None, log=LOG
        )
        self.intake.opened(self.symbols, START)

    def at(self, minute: int) -> None:
        """Let the clock close what opened before a minute."""
        now_ms = START + minute * M1.ms + GRACE_MS
        self.assembler.advance(now_ms)
        self.intake.advance(now_ms, grace_ms=GRACE_MS)

    def push(self, minute: int, *, volume: float = 2.0) -> None:
        """Push a candle of BTC as it stands at a volume."""
        forming = candle(minute, volume=volume)
        self.intake.take(written_by_kraken(forming).encode())

    def follow(self) -> None:
        self.assembler.expect(self.symbols.values())
        self.intake.follow()


def test_who_leaves_and_comes_back_was_not_watched_meanwhile() -> None:
    market = Market("BTC", "ETH")
    for coin in ("BTC", "ETH"):
        market.intake.add(M1, f"{coin}/USD", candle(0))
    market.at(2)
    del market.symbols["ETH/USD"]
    market.follow()
    market.at(9)
    market.symbols["ETH/USD"] = "ETH/USD"
    market.follow()
    market.at(10)
    closed = {(cell.symbol, (cell.open_time - START) // M1.ms) for cell in market.intake.unconfirmed}
    assert closed == {("BTC/USD", minute) for minute in range(1, 10)}


def test_nobody_waits_for_word_of_who_has_left() -> None:
    market = Market("BTC", "ETH")
    market.intake.add(M1, "ETH/USD", candle(0))
    market.at(2)
    assert market.intake.unconfirmed.keys() == {Cell(M1, START + M1.ms, "ETH/USD")}
    del market.symbols["ETH/USD"]
    market.follow()
    assert market.intake.unconfirmed == {}


def test_series_are_confirmed_in_turn_each_with_all_it_waits_for() -> None:
    """Oldest first would starve the rest behind series REST says nothing of, and ask for every minute by itself."""
    market = Market("A", "B", "C")
    for symbol in market.symbols.values():
        market.intake.add(M1, symbol, candle(0))
    for minute in (2, 3):
        market.at(minute)
    asked = [market.intake.doubtful(series=2) for _ in range(3)]  # nobody answers
    assert [sorted({cell.symbol for cell in cells}) for cells in asked] == [
        ["A/USD", "B/USD"],
        ["A/USD", "C/USD"],
        ["B/USD", "C/USD"],
    ]
    assert all(len(cells) == 4 for cells in asked)
    assert len(market.intake.unconfirmed) == 6


def closed_by_push() -> tuple[Market, Cell]:
    """Return a market in which the second minute of BTC is closed by the third, and is in the log."""
    market = Market("BTC")
    market.at(0)
    for minute in (0, 1, 2):
        market.push(minute)
    market.intake.unconfirmed.clear()  # the first close after a subscription
    market.assembler.take()
    return market, Cell(M1, START + M1.ms, "BTC/USD")


def test_what_comes_late_and_says_otherwise_is_confirmed_and_corrected() -> None:
    market, cell = closed_by_push()
    market.push(1, volume=3.0)
    assert market.intake.doubtful(series=9) == [cell]
    market.intake.confirm(M1, "BTC/USD", candle(1, volume=4.0))
    assert market.intake.unconfirmed == {}
    (correction,) = market.assembler.take_corrections()
    assert correction.open_time == cell.open_time
    assert correction.candles()["BTC/USD"].volume == 4.0


@pytest.mark.parametrize("volume", [2.0, 1.0])
def test_what_comes_late_and_says_the_same_or_what_was_before_costs_no_question(volume: float) -> None:
    """So it is with two connections that overlap: one of them is always behind."""
    market, _ = closed_by_push()
    market.push(1, volume=volume)
    assert market.intake.unconfirmed == {}


def test_a_quiet_minute_that_was_not_so_quiet_is_confirmed_with_those_that_repeat_its_close() -> None:
    market = Market("BTC")
    market.at(0)
    for minute in (0, 1, 6, 7):
        market.push(minute)
    market.intake.unconfirmed.clear()
    market.push(3, volume=0.1)
    assert [(cell.open_time - START) // M1.ms for cell in market.intake.unconfirmed] == [3, 4, 5]


def test_nothing_is_asked_of_what_is_missing_anyway_or_too_old_to_be_corrected() -> None:
    market, _ = closed_by_push()
    market.push(-1, volume=9.0)
    assert market.intake.unconfirmed == {}


def test_a_trade_that_comes_too_late_has_its_candle_confirmed() -> None:
    symbols = {"BTC-USD": "BTC/USD"}
    assembler = Assembler([M1], symbols.values(), since=START)
    intake = Intake(coinbase.SPOT, assembler, symbols, [M1], counts=Counter(), news=lambda: None, log=LOG)
    intake.opened(symbols, START - 1)
    for number, time in enumerate((START - 1, START, START + M1.ms, START + 2 * M1.ms, START + 2 * M1.ms - 1), 1):
        intake.unconfirmed.clear()
        trade = Trade("BTC-USD", time, 1.0, 2.0, is_taker_buy=True, number=number)
        intake.take(traded_at_coinbase(trade).encode())
    assert intake.unconfirmed.keys() == {Cell(M1, START + M1.ms, "BTC/USD")}


def test_a_refused_subscription_is_counted_and_casts_no_doubt_on_what_comes() -> None:
    market = Market("BTC")
    market.intake.take(b'{"error":"Currency pair not supported X/USD","method":"subscribe","success":false}')
    assert market.counts == {"frames": 1, "refused_subscriptions": 1}


def test_a_series_that_rest_repairs_time_and_again_is_lost_until_it_is_opened_again() -> None:
    market = Market("BTC", "ETH", dialect=binance.SPOT)
    market.at(10)
    for minute in range(3):
        market.intake.mend(M1, "BTC/USD", candle(minute))
        market.intake.mend(M1, "ETH/USD", no_trade_candle(START + minute * M1.ms, 1.0))  # quiet is no sign
    assert market.intake.take_lost() == ["BTC/USD"]
    assert market.counts["resubscriptions"] == 1
    for minute in range(3, 9):
        market.intake.mend(M1, "BTC/USD", candle(minute))
    assert market.intake.take_lost() == []


def test_a_quiet_minute_that_was_none_is_a_sign_too() -> None:
    """Nothing is missing where the clock closes, so nothing would ever be repaired."""
    market = Market("BTC", "ETH")
    for coin in ("BTC", "ETH"):
        market.intake.add(M1, f"{coin}/USD", candle(0))
    market.at(4)
    for minute in (1, 2, 3):
        market.intake.confirm(M1, "BTC/USD", candle(minute))
        market.intake.confirm(M1, "ETH/USD", no_trade_candle(START + minute * M1.ms, 1.0))
    assert market.intake.take_lost() == ["BTC/USD"]
    market.at(6)
    assert {cell.symbol for cell in market.intake.unconfirmed} == {"ETH/USD"}  # BTC is not watched now
