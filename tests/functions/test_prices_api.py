"""What symbols trade at right now, as the frontend asks: by symbol, a row of each venue, and never an old price."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from shared.domain.tickers import Funding, Snapshot, Ticker
from shared.domain.timeframe import Timeframe
from shared.domain.venues import Venue
from tests.fakes.ticker_board import FakeTickerBoardWriter
from tests.functions.api_client import Answer, api_of, call
from tests.usecases.desk_in_memory import START, DeskInMemory

PATH = "/api/v1/engine/market-data/prices"
NAN = float("nan")


@pytest.fixture
def desk() -> Iterator[DeskInMemory]:
    desk = DeskInMemory()
    desk.database.venues.append(Venue(venue="binance_usdm", timeframes=(Timeframe.M1,)))
    with api_of(desk):
        yield desk


def put_up(desk: DeskInMemory, venue: str, *, ttl_ms: int = 60_000, **rows: Ticker) -> None:
    snapshot = Snapshot(START, {symbol.replace("_", "/"): row for symbol, row in rows.items()})
    asyncio.run(FakeTickerBoardWriter(desk.ticker_texts).write_tickers(venue, snapshot, ttl_ms=ttl_ms))


def ask(query: str) -> Answer:
    return call("GET", PATH, query=query)


def row(venue: str, **change: Any) -> dict[str, Any]:
    known = {"venue": venue, "bid": 1.0, "ask": 3.0, "last": 2.0, "time": START}
    return {**known, "funding_rate": None, "funding_due_time": None, "open_interest": None, **change}


@pytest.mark.parametrize("query", ["symbols=BTC/USDT,ETH/USDT", "symbols=BTC/USDT&symbols=ETH/USDT"])
def test_prices_are_listed_by_symbol_and_venue(desk: DeskInMemory, query: str) -> None:
    put_up(desk, "binance", BTC_USDT=Ticker(2.0, 1.0, 3.0), ETH_USDT=Ticker(0.2, NAN, 0.3))
    put_up(desk, "binance_usdm", BTC_USDT=Ticker(20.0, 10.0, 30.0))
    answer = ask(query)
    assert answer.status == 200
    assert answer.body == {
        "BTC/USDT": [row("binance"), row("binance_usdm", bid=10.0, ask=30.0, last=20.0)],
        "ETH/USDT": [row("binance", bid=None, ask=0.3, last=0.2)],
    }


def test_one_venue_can_be_asked_alone(desk: DeskInMemory) -> None:
    put_up(desk, "binance", BTC_USDT=Ticker(2.0, 1.0, 3.0))
    put_up(desk, "binance_usdm", BTC_USDT=Ticker(20.0, 10.0, 30.0))
    answer = ask("symbols=BTC/USDT&venue=binance")
    assert answer.body == {"BTC/USDT": [row("binance")]}


def test_a_future_says_what_it_pays_and_how_much_of_it_is_held(desk: DeskInMemory) -> None:
    writer = FakeTickerBoardWriter(desk.ticker_texts)
    symbol = "BTC/USDT:USDT"
    tickers = Snapshot(START, {symbol: Ticker(2.0, 1.0, 3.0)})
    asyncio.run(writer.write_tickers("binance_usdm", tickers, ttl_ms=60_000))
    paid = row("binance_usdm", funding_rate=-0.0001, funding_due_time=START + 1, open_interest=5.5)
    for funding, expected in (
        (Funding(-0.0001, START + 1, 5.5), paid),
        (Funding(NAN, 0, NAN), row("binance_usdm")),
    ):
        asyncio.run(writer.write_funding("binance_usdm", Snapshot(START, {symbol: funding}), ttl_ms=60_000))
        assert ask(f"symbols={symbol}&venue=binance_usdm").body == {symbol: [expected]}


def test_an_unknown_symbol_is_named(desk: DeskInMemory) -> None:
    put_up(desk, "binance", BTC_USDT=Ticker(2.0, 1.0, 3.0))
    answer = ask("symbols=BTC/USDT,NOPE/USDT&venue=binance")
    assert (answer.status, answer.body["detail"]) == (404, "no price of NOPE/USDT on binance")


def test_without_a_snapshot_the_answer_is_503_and_not_an_empty_one(desk: DeskInMemory) -> None:
    answer = ask("symbols=BTC/USDT&venue=binance")
    assert (answer.status, answer.body["title"]) == (503, "Service Unavailable")
    assert "binance told of none lately" in answer.body["detail"]


def test_an_expired_snapshot_is_none(desk: DeskInMemory) -> None:
    put_up(desk, "binance", ttl_ms=0, BTC_USDT=Ticker(2.0, 1.0, 3.0))
    assert ask("symbols=BTC/USDT&venue=binance").status == 503


def test_a_damaged_snapshot_is_not_the_callers_fault(desk: DeskInMemory) -> None:
    put_up(desk, "binance", BTC_USDT=Ticker(2.0, 1.0, 3.0))
    desk.ticker_texts["tickers:binance"] = ("nonsense", desk.ticker_texts["tickers:binance"][1])
    assert ask("symbols=BTC/USDT&venue=binance").status == 503


@pytest.mark.parametrize(
    ("query", "field", "problem"),
    [
        ("", "symbols", "missing"),
        ("symbols=", "symbols.0", "a symbol such as BTC/USDT"),
        ("symbols=BTCUSDT", "symbols.0", "a symbol such as"),
        ("symbols=BTC/USDT,eth", "symbols.1", "a symbol such as"),
        ("symbols=" + ",".join(f"A{number}/USDT" for number in range(201)), "symbols", "200"),
        ("symbols=BTC/USDT&venue=nowhere", "venue", "binance, binance_usdm"),
        ("symbols=BTC/USDT&venue=No", "venue", "a text of the form"),
    ],
)
def test_a_bad_question_names_the_field(desk: DeskInMemory, query: str, field: str, problem: str) -> None:
    answer = ask(query)
    assert answer.status == 400
    assert answer.body["errors"][0]["field"] == field
    assert problem in answer.body["errors"][0]["problem"]


def test_only_signed_in_people_read_prices(desk: DeskInMemory) -> None:
    assert call("GET", PATH, user=None, query="symbols=BTC/USDT").status == 401
