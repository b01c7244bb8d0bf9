"""What any candle log does: the fake, Redis over TCP as the collector writes it, Upstash REST as functions read it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from desk.local.redis import LocalRedis
from desk.local.upstash import UpstashFacade
from shared.adapters.redis_log import (
    STATUS_TTL_MS,
    RedisCandleLogWriter,
    UpstashCandleLog,
    stream_key,
    upstash_candle_log,
)
from shared.domain.candles import Boundary, Candle
from shared.domain.errors import FatalError, TransientError
from shared.domain.timeframe import Timeframe
from shared.ports import CandleLog, CandleLogWriter
from tests.fakes.candle_log import FakeCandleLog, FakeCandleLogWriter, Streams

M1 = Timeframe.M1
START = 1_700_000_040_000
DEPTH = 300  # more than one page of either client


@dataclass
class Log:
    """Both sides of one log, and a venue nobody else writes."""

    writer: CandleLogWriter
    reader: CandleLog
    venue: str


@pytest.fixture(params=["fake", "redis"])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[Log]:
    venue = f"synthetic-{uuid4().hex[:8]}"
    if request.param == "fake":
        streams: Streams = {}
        yield Log(FakeCandleLogWriter(streams, depth=DEPTH), FakeCandleLog(streams), venue)
        return
    redis: LocalRedis = request.getfixturevalue("local_redis")
    facade: UpstashFacade = request.getfixturevalue("upstash")
    writer = RedisCandleLogWriter(redis.url, depth=DEPTH)
    with closing(upstash_candle_log(facade.url, facade.token)) as reader:
        yield Log(writer, reader, venue)
    await writer.close()


def boundary(minute: int, prices: dict[str, float], *, timeframe: Timeframe = M1) -> Boundary:
    """Return a flat synthetic candle of each symbol."""
    open_time = START // timeframe.ms * timeframe.ms + minute * timeframe.ms
    candles = [(s, Candle(open_time, p, p, p, p, 1.5, p * 1.5, 3.0, 0.5)) for s, p in prices.items()]
    return Boundary.of(timeframe, open_time, candles)


def closes(log: Log, symbol: str, *, bars: int) -> list[float]:
    frame = log.reader.frame(log.venue, M1, bars=bars).tail(bars)
    values: list[float] = frame.column("close")[frame.symbols.index(symbol)].tolist()
    return values


async def test_an_empty_log_has_no_bars(log: Log) -> None:
    assert log.reader.frame(log.venue, M1, bars=10).bars == 0
    assert log.reader.newest_close(log.venue, M1) is None
    assert (await log.writer.frame(log.venue, M1)).bars == 0


async def test_the_newest_bars_come_back_ascending(log: Log) -> None:
    await log.writer.append(log.venue, [boundary(i, {"BTC/USDT": 100.0 + i}) for i in range(20)])
    assert closes(log, "BTC/USDT", bars=5) == [115.0, 116.0, 117.0, 118.0, 119.0]
    assert log.reader.newest_close(log.venue, M1) == START + 20 * M1.ms


async def test_a_candle_comes_back_as_it_was(log: Log) -> None:
    sent = boundary(0, {"BTC/USDT": 0.1, "PEPE/USDT": 0.00000731})
    await log.writer.append(log.venue, [sent])
    frame = log.reader.frame(log.venue, M1, bars=1)
    assert frame.candles("BTC/USDT") == [sent.candles()["BTC/USDT"]]
    assert frame.candles("PEPE/USDT") == [sent.candles()["PEPE/USDT"]]


async def test_a_warm_reader_sees_what_came_since(log: Log) -> None:
    for minute in range(12):
        await log.writer.append(log.venue, [boundary(minute, {"BTC/USDT": float(1 + minute)})])
        assert closes(log, "BTC/USDT", bars=3)[-1] == 1 + minute


async def test_a_later_entry_overrides_an_earlier_one(log: Log) -> None:
    await log.writer.append(log.venue, [boundary(i, {"BTC/USDT": 1.0, "ETH/USDT": 1.0}) for i in range(3)])
    assert closes(log, "ETH/USDT", bars=3) == [1.0, 1.0, 1.0]
    await log.writer.append(log.venue, [boundary(1, {"ETH/USDT": 2.0}), boundary(3, {"BTC/USDT": 3.0})])
    np.testing.assert_array_equal(closes(log, "ETH/USDT", bars=4), [1.0, 2.0, 1.0, np.nan])
    assert closes(log, "BTC/USDT", bars=4) == [1.0, 1.0, 1.0, 3.0]


async def test_a_correction_at_the_end_does_not_hide_other_symbols(log: Log) -> None:
    """A cold reader that counted entries would stop inside the corrections, and see one symbol."""
    await log.writer.append(log.venue, [boundary(i, {"BTC/USDT": 1.0 + i, "ETH/USDT": 2.0}) for i in range(20)])
    await log.writer.append(log.venue, [boundary(i, {"NEW/USDT": 3.0}) for i in range(20)])
    assert closes(log, "BTC/USDT", bars=5) == [16.0, 17.0, 18.0, 19.0, 20.0]
    assert closes(log, "NEW/USDT", bars=5) == [3.0] * 5


async def test_a_hole_is_nan_and_not_the_bar_before(log: Log) -> None:
    await log.writer.append(log.venue, [boundary(0, {"BTC/USDT": 1.0}), boundary(2, {"BTC/USDT": 3.0})])
    np.testing.assert_array_equal(closes(log, "BTC/USDT", bars=3), [1.0, np.nan, 3.0])


async def test_the_log_keeps_exactly_its_depth(log: Log) -> None:
    await log.writer.append(log.venue, [boundary(i, {"BTC/USDT": 1.0 + i}) for i in range(DEPTH + 7)])
    assert log.reader.frame(log.venue, M1, bars=10 * DEPTH).bars == DEPTH
    frame = await log.writer.frame(log.venue, M1)
    assert (frame.bars, frame.close_time) == (DEPTH, START + (DEPTH + 7) * M1.ms)


async def test_a_longer_history_can_be_asked_later(log: Log) -> None:
    await log.writer.append(log.venue, [boundary(i, {"BTC/USDT": 1.0 + i}) for i in range(200)])
    assert closes(log, "BTC/USDT", bars=2) == [199.0, 200.0]
    assert closes(log, "BTC/USDT", bars=150) == [51.0 + i for i in range(150)]


async def test_timeframes_and_venues_are_apart(log: Log) -> None:
    await log.writer.append(
        log.venue, [boundary(0, {"BTC/USDT": 1.0}), boundary(0, {"BTC/USDT": 5.0}, timeframe=Timeframe.M5)]
    )
    assert closes(log, "BTC/USDT", bars=9) == [1.0]
    assert log.reader.frame(log.venue, Timeframe.M5, bars=9).candles("BTC/USDT")[0].close == 5.0
    assert log.reader.newest_close(f"{log.venue}-other", M1) is None


async def test_a_frame_handed_out_never_changes(log: Log) -> None:
    await log.writer.append(log.venue, [boundary(i, {"BTC/USDT": 1.0}) for i in range(4)])
    before = log.reader.frame(log.venue, M1, bars=4)
    kept = before.values.copy()
    await log.writer.append(log.venue, [boundary(3, {"BTC/USDT": 9.0}), boundary(4, {"BTC/USDT": 9.0})])
    assert closes(log, "BTC/USDT", bars=2) == [9.0, 9.0]
    np.testing.assert_array_equal(before.values, kept)


class TestRedis:
    """What holds for the real log alone: its commands, its errors, its loss."""

    @pytest.fixture
    async def client(self, local_redis: LocalRedis) -> AsyncIterator[Redis]:
        client = Redis.from_url(local_redis.url)
        yield client
        await client.aclose()

    @pytest.fixture
    def writer(self, client: Redis) -> RedisCandleLogWriter:
        return RedisCandleLogWriter(client, depth=DEPTH)

    @pytest.fixture
    def reader(self, upstash: UpstashFacade) -> Iterator[UpstashCandleLog]:
        with closing(upstash_candle_log(upstash.url, upstash.token)) as log:
            yield log

    @pytest.fixture
    def commands(self, local_redis: LocalRedis) -> Callable[[], int]:
        """Return how many commands Redis has served since the last call."""

        def count() -> int:
            served = local_redis.stats().commands
            local_redis.reset_stats()
            return served

        return count

    async def test_a_boundary_is_one_request_to_write_and_one_command_to_read(
        self, writer: RedisCandleLogWriter, reader: UpstashCandleLog, commands: Callable[[], int]
    ) -> None:
        symbols = {f"S{i}/USDT": 1.0 + i for i in range(50)}
        await writer.append("counted", [boundary(i, symbols) for i in range(30)])
        reader.frame("counted", M1, bars=20)
        commands()
        await writer.append("counted", [boundary(30, symbols)])
        assert commands() == 3  # the script, its look at the token, the entry
        for _ in range(3):
            assert reader.frame("counted", M1, bars=20).close_time == START + 31 * M1.ms
            assert commands() == 1

    async def test_an_idle_stream_is_one_command_too(
        self, writer: RedisCandleLogWriter, reader: UpstashCandleLog, commands: Callable[[], int]
    ) -> None:
        await writer.append("idle", [boundary(0, {"BTC/USDT": 1.0})])
        reader.newest_close("idle", M1)
        commands()
        assert reader.newest_close("idle", M1) == START + M1.ms
        assert commands() == 1

    async def test_a_restarted_writer_knows_what_is_a_correction(
        self, local_redis: LocalRedis, writer: RedisCandleLogWriter, reader: UpstashCandleLog
    ) -> None:
        await writer.append("restart", [boundary(i, {"BTC/USDT": 1.0 + i, "ETH/USDT": 1.0}) for i in range(20)])
        restarted = RedisCandleLogWriter(local_redis.url, depth=DEPTH)
        await restarted.append("restart", [boundary(i, {"ETH/USDT": 2.0}) for i in range(15)])
        await restarted.close()
        frame = reader.frame("restart", M1, bars=8).tail(8)
        assert frame.column("close").tolist() == [
            [13.0 + i for i in range(8)],
            [2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0],
        ]

    async def test_a_lost_stream_is_read_anew(
        self, writer: RedisCandleLogWriter, reader: UpstashCandleLog, client: Redis
    ) -> None:
        """Redis holds nothing that cannot be rebuilt: what a warm process remembers of a lost stream is not data."""
        await writer.append("lost", [boundary(i, {"OLD/USDT": 1.0}) for i in range(9)])
        assert reader.frame("lost", M1, bars=9).bars == 9
        await client.delete(stream_key("lost", M1))
        assert reader.frame("lost", M1, bars=9).bars == 0
        await writer.append("lost", [boundary(i, {"BTC/USDT": 2.0}) for i in range(3)])
        frame = reader.frame("lost", M1, bars=9)
        assert (frame.symbols, frame.bars) == (("BTC/USDT",), 3)

    async def test_a_stream_whose_ids_went_back_is_read_anew(
        self, writer: RedisCandleLogWriter, reader: UpstashCandleLog, client: Redis
    ) -> None:
        await writer.append("back", [boundary(0, {"BTC/USDT": 1.0})])
        reader.frame("back", M1, bars=9)
        entries: Any = await client.xrange(stream_key("back", M1))
        fields = entries[0][1]
        await client.delete(stream_key("back", M1))
        await client.xadd(stream_key("back", M1), {**fields, b"t": str(START + M1.ms).encode()}, id="7-0")
        assert reader.frame("back", M1, bars=9).open_times.tolist() == [START + M1.ms]

    async def test_a_reader_far_behind_reads_on(
        self, writer: RedisCandleLogWriter, reader: UpstashCandleLog, upstash: UpstashFacade
    ) -> None:
        await writer.append("behind", [boundary(0, {"BTC/USDT": 1.0})])
        reader.frame("behind", M1, bars=DEPTH)
        await writer.append("behind", [boundary(i, {"BTC/USDT": 1.0 + i}) for i in range(1, DEPTH + 50)])
        with closing(upstash_candle_log(upstash.url, upstash.token)) as other:
            fresh = other.frame("behind", M1, bars=DEPTH)
        caught_up = reader.frame("behind", M1, bars=DEPTH)
        np.testing.assert_array_equal(caught_up.values, fresh.values)
        assert caught_up.bars == DEPTH

    async def test_two_writers_lose_nothing(self, writer: RedisCandleLogWriter, reader: UpstashCandleLog) -> None:
        """A studied writer swapped its buffer after its await and lost closes of the minute burst."""
        await asyncio.gather(*(writer.append("burst", [boundary(i, {"BTC/USDT": 1.0 + i})]) for i in range(50)))
        frame = reader.frame("burst", M1, bars=60)
        assert sorted(frame.column("close")[0].tolist()) == [1.0 + i for i in range(50)]

    async def test_the_status_is_a_hash_that_expires(self, writer: RedisCandleLogWriter, client: Redis) -> None:
        await writer.append("said", [boundary(0, {"BTC/USDT": 1.0})], status={"status": "ok", "open_gaps": "7"})
        await writer.append("said", [], status={"open_gaps": "8"})
        said = await client.hgetall("collector:said")
        assert said == {b"status": b"ok", b"open_gaps": b"8", b"owner": b"", b"token": b"0"}
        assert 0 < await client.pttl("collector:said") <= STATUS_TTL_MS

    async def test_what_arrived_without_an_answer_is_not_written_again(
        self, writer: RedisCandleLogWriter, client: Redis
    ) -> None:
        """The connection broke after Redis had the write: only the log can tell."""
        await writer.append("deaf", [boundary(0, {"BTC/USDT": 1.0})])
        write = writer._write

        async def unanswered(*args: Any, **options: Any) -> Any:
            await write(*args, **options)
            raise RedisConnectionError("cut")

        setattr(writer, "_write", unanswered)  # noqa: B010 mypy forbids the assignment
        both = [boundary(1, {"BTC/USDT": 2.0}), boundary(0, {"BTC/USDT": 5.0}, timeframe=Timeframe.M5)]
        with pytest.raises(TransientError, match="cut"):
            await writer.append("deaf", both)
        setattr(writer, "_write", write)  # noqa: B010
        await writer.append("deaf", both)
        await writer.append("deaf", [boundary(2, {"BTC/USDT": 3.0})])
        entries: Any = await client.xrange(stream_key("deaf", M1))
        assert [int(fields[b"t"]) for _, fields in entries] == [START + minute * M1.ms for minute in range(3)]
        assert all(b"c" not in fields for _, fields in entries)
        assert await client.xlen(stream_key("deaf", Timeframe.M5)) == 1

    async def test_what_did_not_arrive_is_written_when_redis_answers_again(
        self, writer: RedisCandleLogWriter, reader: UpstashCandleLog, commands: Callable[[], int]
    ) -> None:
        await writer.append("away", [boundary(0, {"BTC/USDT": 1.0})])
        write = writer._write

        async def unsent(*_args: Any, **_options: Any) -> Any:
            raise RedisConnectionError("refused")

        setattr(writer, "_write", unsent)  # noqa: B010 mypy forbids the assignment
        for _ in range(2):
            with pytest.raises(TransientError, match="refused"):
                await writer.append("away", [boundary(1, {"BTC/USDT": 2.0})])
        setattr(writer, "_write", write)  # noqa: B010
        commands()
        await writer.append("away", [boundary(1, {"BTC/USDT": 2.0})])
        assert commands() == 4  # a look at what came after the last entry, and the write
        assert reader.frame("away", M1, bars=9).column("close").tolist() == [[1.0, 2.0]]

    async def test_a_refused_write_is_an_error(self, writer: RedisCandleLogWriter, client: Redis) -> None:
        await client.set(stream_key("refused", M1), "not a stream")
        with pytest.raises(TransientError, match="WRONGTYPE"):
            await writer.append("refused", [boundary(0, {"BTC/USDT": 1.0})])

    async def test_an_absent_redis_is_an_error(self) -> None:
        writer = RedisCandleLogWriter("redis://127.0.0.1:1/0")
        with pytest.raises(TransientError):
            await writer.append("absent", [boundary(0, {"BTC/USDT": 1.0})])
        await writer.close()
        with closing(upstash_candle_log("http://127.0.0.1:1", "a-token")) as log, pytest.raises(TransientError):
            log.newest_close("absent", M1)

    def test_a_wrong_token_is_fatal(self, upstash: UpstashFacade) -> None:
        with closing(upstash_candle_log(upstash.url, "another")) as log, pytest.raises(FatalError, match="WRONGPASS"):
            log.newest_close("synthetic", M1)
