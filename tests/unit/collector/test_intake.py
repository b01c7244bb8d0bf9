"""The intake of a venue that does not say what has closed: who leaves is forgotten, and doubts take turns."""

from collections import Counter

from aws_lambda_powertools import Logger

from collector.intake import Intake
from shared.adapters.venues import kraken
from shared.domain.assembly import Assembler, Cell
from shared.domain.candles import Candle
from shared.domain.timeframe import Timeframe

M1 = Timeframe.M1
START = 1_700_000_100_000 // M1.ms * M1.ms
GRACE_MS = 1_500
LOG = Logger(service="collector-test", level="CRITICAL")


def candle(minute: int) -> Candle:
    return Candle(START + minute * M1.ms, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 1.0, 2.0)


class Market:
    """An intake that follows some coins of Kraken, watched from the start, and a clock."""

    def __init__(self, *coins: str) -> None:
        self.symbols = {f"{coin}/USD": f"{coin}/USD" for coin in coins}
        self.assembler = Assembler([M1], self.symbols.values(), since=START)
        self.counts: Counter[str] = Counter()
        self.intake = Intake(
            kraken.SPOT, self.assembler, self.symbols, [M1], counts=self.counts, news=lambda: None, log=LOG
        )
        self.intake.opened(self.symbols, START)

    def at(self, minute: int) -> None:
        """Let the clock close what opened before a minute."""
        now_ms = START + minute * M1.ms + GRACE_MS
        self.assembler.advance(now_ms)
        self.intake.advance(now_ms, grace_ms=GRACE_MS)

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
