"""The fault machine: what is honest without a fault, what each fault does, and who may switch it."""

import asyncio
import json
from collections import Counter
from contextlib import suppress

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from desk.simulator.faults import Fault, FaultKind, Faults
from desk.simulator.server import Simulator
from desk.simulator.spec import SyntheticSpec, build_tape
from desk.simulator.tape import Tape
from shared.adapters.venues.binance_wire import parse_listings, read
from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe

M1, M5 = Timeframe.M1, Timeframe.M5
TAPE = build_tape(SyntheticSpec(symbols=3, history_bars=60, live_bars=60))
FRAME = '{"stream":"btcusdt@kline_1m","data":{"e":"kline"}}'


class Hand:
    """A clock moved by hand: seconds for the faults, epoch ms for the venue."""

    def __init__(self, now: int = 0) -> None:
        self.now = now

    def now_ms(self) -> int:
        return self.now

    def __call__(self) -> float:
        return float(self.now)


async def on(*faults: Fault, seed: int = 7) -> Faults:
    machine = Faults(seed=seed)
    for fault in faults:
        await machine.switch_on(fault)
    return machine


def test_without_a_fault_everything_passes_untouched() -> None:
    faults = Faults()
    assert faults.deliveries(FRAME) == [(0.0, FRAME)]
    assert faults.refusal() == (0.0, None, 0)
    assert faults.offset_ms() == 0
    assert not faults.hits


async def test_what_each_fault_of_the_stream_makes_of_a_frame() -> None:
    assert (await on(Fault(kind=FaultKind.LOSE))).deliveries(FRAME) == []
    assert (await on(Fault(kind=FaultKind.DUPLICATE))).deliveries(FRAME) == [(0.0, FRAME)] * 2
    assert (await on(Fault(kind=FaultKind.DELAY, delay_s=1.5))).deliveries(FRAME) == [(1.5, FRAME)]
    ((late_s, text),) = (await on(Fault(kind=FaultKind.REORDER, delay_s=0.5))).deliveries(FRAME)
    assert 0.0 < late_s < 0.5
    assert text == FRAME
    both = await on(Fault(kind=FaultKind.DUPLICATE), Fault(kind=FaultKind.DELAY, delay_s=1.0))
    assert both.deliveries(FRAME) == [(1.0, FRAME)] * 2


@given(st.integers(0, 1_000))
def test_a_truncated_frame_is_refused_and_never_a_candle(seed: int) -> None:
    faults = asyncio.run(on(Fault(kind=FaultKind.TRUNCATE), seed=seed))
    ((_, text),) = faults.deliveries(FRAME)
    assert FRAME.startswith(text)
    assert text != FRAME
    with pytest.raises(InvalidMessageError):
        read(text.encode())


async def test_a_share_is_drawn_from_the_seed() -> None:
    def fates(faults: Faults) -> list[int]:
        return [len(faults.deliveries(FRAME)) for _ in range(400)]

    fault = Fault(kind=FaultKind.LOSE, share=0.25)
    first, again, other = await on(fault), await on(fault), await on(fault, seed=8)
    lost = fates(first)
    assert lost == fates(again)
    assert lost != fates(other)
    assert 60 < first.hits["lose"] < 140
    assert first.hits == Counter(lose=lost.count(0))


async def test_what_each_fault_of_the_requests_makes_of_an_answer() -> None:
    assert (await on(Fault(kind=FaultKind.REST_429, retry_after_s=2))).refusal() == (0.0, 429, 2)
    assert (await on(Fault(kind=FaultKind.REST_418, retry_after_s=9))).refusal() == (0.0, 418, 9)
    assert (await on(Fault(kind=FaultKind.REST_5XX))).refusal() == (0.0, 503, 0)
    assert (await on(Fault(kind=FaultKind.REST_SLOW, delay_s=3.0))).refusal() == (3.0, None, 0)


async def test_a_fault_ends_by_itself_or_when_it_is_told_to() -> None:
    now = Hand()
    faults = Faults(now_s=now)
    await faults.switch_on(Fault(kind=FaultKind.LOSE, for_s=10.0))
    await faults.switch_on(Fault(kind=FaultKind.CLOCK, offset_ms=-500, for_s=20.0))
    now.now = 9
    assert faults.deliveries(FRAME) == []
    now.now = 10
    assert faults.deliveries(FRAME) == [(0.0, FRAME)]
    assert faults.offset_ms() == -500
    faults.switch_off(FaultKind.CLOCK)
    assert faults.offset_ms() == 0
    assert faults.active() == []


async def test_a_fault_replaces_the_one_of_its_kind() -> None:
    faults = await on(Fault(kind=FaultKind.DELAY, delay_s=1.0), Fault(kind=FaultKind.DELAY, delay_s=2.0))
    assert faults.deliveries(FRAME) == [(2.0, FRAME)]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"kind": "storm"}, "kind: expected"),
        ({"kind": "delay"}, "delay needs delay_s"),
        ({"kind": "drop", "delay_s": 1}, "drop has no delay_s"),
        ({"kind": "drop", "for_s": 1}, "strikes once"),
        ({"kind": "lose", "share": 0}, "share: expected greater than 0"),
        ({"kind": "lose", "often": True}, "often: unknown"),
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused(body: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate(body)
    simulator = Simulator(TAPE, Hand(TAPE.live_from))
    async with simulator.serve() as url, aiohttp.ClientSession() as http:
        async with http.post(f"{url}/_faults", json=body) as answer:
            assert answer.status == 400
            assert problem in (await answer.json())["error"]
        async with http.delete(f"{url}/_faults/storm") as answer:
            assert answer.status == 404


async def test_faults_are_switched_on_a_running_venue() -> None:
    clock = Hand(TAPE.live_from)
    simulator = Simulator(TAPE, clock)
    async with simulator.serve() as url, aiohttp.ClientSession(url) as http:

        async def switch(**fault: object) -> None:
            async with http.post("/_faults", json=fault) as answer:
                assert answer.status == 200

        async with http.ws_connect("/stream?streams=btcusdt@kline_1m", autoping=False) as feed:
            await feed.ping(b"?")
            assert (await feed.receive(timeout=20)).type is aiohttp.WSMsgType.PONG
            await switch(kind="rest_418", retry_after_s=5)
            async with http.get("/api/v3/ping") as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (418, "5")
            await switch(kind="clock", offset_ms=90_000)
            async with http.delete("/_faults/rest_418"), http.get("/api/v3/time") as answer:
                assert await answer.json() == {"serverTime": TAPE.live_from + 90_000}
            assert json.loads((await feed.receive(timeout=20)).data)["data"]["k"]["t"] == TAPE.live_from
            await switch(kind="half_open")
            async with http.get("/_tape/status") as answer:
                assert (await answer.json())["half_open"] == 1
            await feed.ping(b"?")
            assert aiohttp.WSMsgType.PONG not in await heard(feed)
        async with http.delete("/_faults") as answer:
            found = await answer.json()
        assert found["faults"] == []
        assert found["hits"]["half_open"] == found["hits"]["rest_418"] == 1


async def heard(feed: aiohttp.ClientWebSocketResponse) -> list[aiohttp.WSMsgType]:
    """Return the kinds of what still arrives until nothing does."""
    kinds = []
    with suppress(TimeoutError):
        while True:
            kinds.append((await feed.receive(timeout=0.3)).type)
    return kinds


@pytest.mark.parametrize(("kind", "end"), [("drop", aiohttp.WSMsgType.CLOSED), ("cut", aiohttp.WSMsgType.CLOSE)])
async def test_a_dropped_socket_is_gone_and_one_that_is_cut_is_closed(kind: str, end: aiohttp.WSMsgType) -> None:
    simulator = Simulator(TAPE, Hand(TAPE.live_from))
    async with (
        simulator.serve() as url,
        aiohttp.ClientSession(url) as http,
        http.ws_connect("/stream?streams=btcusdt@kline_1m", autoclose=False) as feed,
    ):
        async with http.post("/_faults", json={"kind": kind}) as answer:
            assert (await answer.json())["hits"] == {kind: 1}
        assert (await feed.receive(timeout=20)).type is end


def listing_tape() -> Tape:
    live_from = TAPE.live_from
    return build_tape(
        SyntheticSpec(
            symbols=3,
            timeframes=(M1, M5),
            history_bars=60,
            live_bars=60,
            live_from=live_from,
            listed_from={"SOL/USDT": live_from + M5.ms},
            delisted_from={"ETH/USDT": live_from + 2 * M5.ms},
        )
    )


def test_a_tape_says_which_candles_a_symbol_has_that_comes_or_goes() -> None:
    tape, live_from = listing_tape(), TAPE.live_from
    for timeframe in (M1, M5):
        closes = tape.frame(timeframe, since=tape.start, until=live_from + 3 * M5.ms).column("close")
        opens = tape.frame(timeframe, since=tape.start, until=live_from + 3 * M5.ms).open_times
        bitcoin, ether, solana = (closes[row] == closes[row] for row in range(3))
        assert bitcoin.all()
        assert (ether == (opens < live_from + 2 * M5.ms)).all()
        assert (solana == (opens >= live_from + M5.ms)).all()


async def test_the_venue_lists_what_trades_and_says_what_does_not() -> None:
    clock = Hand(TAPE.live_from)
    tape = listing_tape()
    simulator = Simulator(tape, clock)
    async with simulator.serve() as url, aiohttp.ClientSession(url) as http:

        async def trading() -> dict[str, bool]:
            async with http.get("/api/v3/exchangeInfo") as answer:
                listings, _ = parse_listings(await answer.read())
            return {one.base: one.is_trading for one in listings if one.symbol in tape.tradable}

        assert await trading() == {"BTC": True, "ETH": True}
        async with http.get("/api/v3/klines", params={"symbol": "SOLUSDT", "interval": "1m"}) as answer:
            assert (await answer.json())["code"] == -1121
        clock.now += 2 * M5.ms
        assert await trading() == {"BTC": True, "ETH": False, "SOL": True}
        async with http.get("/api/v3/klines", params={"symbol": "SOLUSDT", "interval": "1m"}) as answer:
            assert next(row[0] for row in await answer.json()) == TAPE.live_from + M5.ms


def test_a_listing_inside_a_candle_or_of_an_unknown_symbol_is_refused() -> None:
    with pytest.raises(ValidationError, match="expected a boundary of 1m, 5m"):
        SyntheticSpec(timeframes=(M5,), listed_from={"SOL/USDT": TAPE.live_from + M1.ms})
    with pytest.raises(InvalidMessageError, match="NOPE/USDT"):
        build_tape(SyntheticSpec(symbols=3, history_bars=5, delisted_from={"NOPE/USDT": TAPE.live_from}))
