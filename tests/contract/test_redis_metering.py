"""What the collector counts on its wire is what Redis counts on its own."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.asyncio.connection import Connection

from desk.local.redis import LocalRedis
from desk.local.upstash import UpstashFacade
from shared.adapters.redis_lease import RedisLease
from shared.adapters.redis_log import RedisCandleLogWriter
from shared.adapters.redis_rest import connect_rest
from shared.adapters.redis_tcp import RedisMeter, commands_in, connect
from shared.adapters.redis_usage import RedisUsageBook, RestUsageReads, usage_key
from shared.domain.candles import Boundary, Candle
from shared.domain.errors import TransientError
from shared.domain.lease import Tenure
from shared.domain.timeframe import Timeframe
from shared.domain.usage import MonthUsage, Usage, month_end

NOVEMBER = 1_793_491_200_000
ARGUMENTS = st.lists(st.binary(max_size=40) | st.just(b"*1\r\n$4\r\nPING\r\n"), max_size=5)


@pytest.fixture(params=["redis-server", "fakeredis"])
def own_redis(request: pytest.FixtureRequest, tmp_path: Path, local_redis: LocalRedis) -> Iterator[LocalRedis]:
    """A Redis nobody else asks: each kind this machine has."""
    if request.param == "redis-server" and local_redis.kind != "redis-server":
        pytest.skip("no redis-server on the PATH")
    with LocalRedis(log_dir=tmp_path, embedded=request.param == "fakeredis") as redis:
        yield redis


async def use(redis: Redis) -> None:
    """Write and read as the collector does: a pipeline with large values, an answer of many entries, an error."""
    pipe = redis.pipeline(transaction=False)
    for number in range(60):
        pipe.xadd("candles", {"close": f"*1\r\n$3\r\n{number}" * 900})
    await pipe.execute()
    assert len(await redis.xrange("candles", count=50) or []) == 50
    await redis.hset("collector", mapping={"status": "ok"})
    with pytest.raises(Exception, match="WRONGTYPE"):
        await redis.get("collector")


async def test_commands_and_bytes_are_those_redis_counts(own_redis: LocalRedis) -> None:
    meter = RedisMeter()
    async with connect(own_redis.url, meter=meter) as redis:
        await use(redis)
        stats = own_redis.stats()
    assert (meter.bytes_sent, meter.bytes_received) == (stats.bytes_in, stats.bytes_out)
    assert meter.commands == stats.commands


@asynccontextmanager
async def tls_before(port: int, folder: Path) -> AsyncIterator[str]:
    """Serve a Redis through TLS, as Upstash does: the address, with the certificate to trust in it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a Redis of the test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(copy(reader, inner[1]))
            tasks.create_task(copy(inner[0], writer))

    server = await asyncio.start_server(relay, "127.0.0.1", ssl=context)
    async with server:
        yield f"rediss://127.0.0.1:{server.sockets[0].getsockname()[1]}?ssl_ca_certs={folder / 'cert.pem'}"


async def test_through_tls_it_is_the_plain_protocol_that_counts(own_redis: LocalRedis, tmp_path: Path) -> None:
    meter = RedisMeter()
    assert own_redis.port is not None
    async with tls_before(own_redis.port, tmp_path) as url, connect(url, meter=meter) as redis:
        await use(redis)
        stats = own_redis.stats()
    assert (meter.commands, meter.bytes_sent) == (stats.commands, stats.bytes_in)
    assert meter.bytes_received == stats.bytes_out


async def test_what_scripts_run_counts_too(own_redis: LocalRedis) -> None:
    meter = RedisMeter()
    async with connect(own_redis.url, meter=meter) as redis:
        lease = RedisLease(redis, "synthetic", owner="one")
        token = await lease.claim(await lease.look())
        assert token is not None
        assert await RedisLease(redis, "synthetic", owner="another").claim(Tenure()) is None
        writer = RedisCandleLogWriter(redis, tenure=Tenure(token=token, owner="one"))
        boundaries = [
            Boundary.of(Timeframe.M1, time, [("BTC/USDT", Candle(time, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0))])
            for time in (0, 60_000)
        ]
        for status in ({"status": "ok"}, {"status": "stale"}, None):
            await writer.append("synthetic", boundaries, status=status)
        await lease.release(token)
        stats = own_redis.stats()
    assert (meter.bytes_sent, meter.bytes_received) == (stats.bytes_in, stats.bytes_out)
    if own_redis.kind == "redis-server":  # the embedded one counts what arrives, not what scripts run
        assert meter.commands == stats.commands


async def test_a_second_connection_counts_on_the_same_meter(own_redis: LocalRedis) -> None:
    meter = RedisMeter()
    for _ in range(2):
        async with connect(own_redis.url, meter=meter) as redis:
            await redis.set("key", "value")
    stats = own_redis.stats()
    assert (meter.commands, meter.bytes_sent) == (stats.commands, stats.bytes_in)
    assert sum(usage.commands for usage in meter.months().values()) == meter.commands


async def test_a_cancellation_while_a_command_goes_out_is_not_lost(own_redis: LocalRedis) -> None:
    async with connect(own_redis.url) as redis:
        await redis.set("key", "0")
        for steps in range(8):  # of the event loop, until the command has gone out and further

            async def forever() -> None:
                await redis.get("key")
                await asyncio.sleep(60)

            task = asyncio.create_task(forever())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=5)
            assert done, f"cancelled after {steps} steps, it went on"
            assert await redis.get("key") == b"0", "an answer nobody has read is nobody else's"


async def test_what_never_left_is_not_counted() -> None:
    meter = RedisMeter()
    async with connect("redis://127.0.0.1:1", meter=meter) as redis:
        with pytest.raises(TransientError, match="usage"):
            await RedisUsageBook(redis).add("2026-11", Usage(commands=1), now_ms=NOVEMBER)
    assert (meter.commands, meter.bytes_sent, meter.months()) == (0, 0, {})


@given(st.lists(ARGUMENTS, max_size=6))
def test_a_packed_request_is_counted_whatever_it_carries(calls: list[list[bytes]]) -> None:
    connection = Connection()
    packed = b"".join(connection.pack_commands([("SET", *arguments) for arguments in calls]))
    assert commands_in(packed) == len(calls)


async def test_the_month_is_the_time_of_the_traffic(local_redis: LocalRedis) -> None:
    now_ms = month_end("2026-10") - 1
    meter = RedisMeter(now_ms=lambda: now_ms)
    meter.sent(2, 100)
    now_ms += 1
    meter.received(7)
    assert meter.months() == {"2026-10": Usage(commands=2, bytes=100), "2026-11": Usage(bytes=7)}
    meter.settle("2026-10", Usage(commands=2, bytes=100))
    assert meter.months() == {"2026-11": Usage(bytes=7)}


async def test_the_book_adds_up_over_processes_and_keeps_a_month_for_the_bill(own_redis: LocalRedis) -> None:
    async with connect(own_redis.url) as redis:
        first, second = RedisUsageBook(redis), RedisUsageBook(redis)
        await first.add("2026-11", Usage(commands=5, bytes=50), now_ms=NOVEMBER + 1)
        await second.add("2026-11", Usage(commands=1, bytes=10), now_ms=NOVEMBER + 2)
        total = await first.add("2026-11", Usage(commands=4, bytes=40), now_ms=NOVEMBER + 3)
        assert total == MonthUsage(month="2026-11", since_ms=NOVEMBER + 1, used=Usage(commands=10, bytes=100))
        assert await redis.pexpiretime("usage:2026-11") == month_end("2026-11") + 31 * 86_400_000
        await redis.flushall()
        again = await first.add("2026-11", Usage(commands=4, bytes=40), now_ms=NOVEMBER + 9)
        assert again == MonthUsage(month="2026-11", since_ms=NOVEMBER + 9, used=Usage(commands=4, bytes=40))


async def test_adding_is_two_commands_once_the_month_is_open(own_redis: LocalRedis) -> None:
    meter = RedisMeter()
    async with connect(own_redis.url, meter=meter) as redis:
        book = RedisUsageBook(redis)
        await book.add("2026-11", Usage(commands=5), now_ms=NOVEMBER)
        before = meter.commands
        await book.add("2026-11", Usage(commands=6), now_ms=NOVEMBER)
    assert meter.commands - before == 2


async def test_functions_read_the_month_the_collectors_counted(local_redis: LocalRedis, upstash: UpstashFacade) -> None:
    async with Redis.from_url(local_redis.url) as redis:
        rest = connect_rest(upstash.url, upstash.token)
        reads = RestUsageReads(rest)
        assert reads.of("2031-02") is None
        book = RedisUsageBook(redis)
        await book.add("2031-02", Usage(commands=3, bytes=40), now_ms=NOVEMBER)
        total = await book.add("2031-02", Usage(commands=4, bytes=2), now_ms=NOVEMBER + 1)
        assert reads.of("2031-02") == total
        await redis.delete(usage_key("2031-02"))
    rest.close()
