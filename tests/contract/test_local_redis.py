"""Both kinds of local Redis count alike, so that a report means the same on every machine."""

import shutil
import socket
import time
from pathlib import Path

import pytest
from redis import Redis

from desk.local.process import HOST, LocalPartError
from desk.local.redis import LocalRedis, RedisStats

needs_server = pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no redis-server on the PATH")


@pytest.mark.parametrize("embedded", [True, pytest.param(False, marks=needs_server)])
def test_it_counts_commands_and_bytes_and_not_its_own_questions(embedded: bool, tmp_path: Path) -> None:
    with LocalRedis(log_dir=tmp_path, embedded=embedded) as redis, Redis.from_url(redis.url, protocol=2) as client:
        assert redis.kind == ("fakeredis" if embedded else "redis-server")
        client.ping()
        redis.reset_stats()
        assert redis.stats() == redis.stats() == RedisStats(commands=0, bytes_in=0, bytes_out=0)
        pipe = client.pipeline(transaction=False)
        pipe.set("k", "v" * 1_000)
        pipe.get("k")
        pipe.execute()
        client.get("absent")
        served = redis.stats()
        # *3 $3 SET $1 k $1000 … · *2 $3 GET $1 k · *2 $3 GET $6 absent
        assert (served.commands, served.bytes_in) == (3, 1_029 + 20 + 25)
        # +OK · $1000 … · $-1; fakeredis writes a short form of the second
        assert served.bytes_out in {5 + 1_009 + 5, 5 + 1_003 + 5}


@pytest.mark.parametrize("embedded", [True, pytest.param(False, marks=needs_server)])
def test_it_counts_what_a_script_calls_and_not_what_it_pushes(embedded: bool, tmp_path: Path) -> None:
    with LocalRedis(log_dir=tmp_path, embedded=embedded) as redis, Redis.from_url(redis.url, protocol=2) as client:
        channel = client.pubsub()
        channel.subscribe("c")
        channel.get_message(timeout=5.0)
        client.ping()  # on a connection of its own
        redis.reset_stats()
        client.eval("redis.call('SET', KEYS[1], 1) return redis.call('GET', KEYS[1])", 1, "k")
        assert client.publish("c", "heard") == 1
        heard = channel.get_message(timeout=5.0)
        assert heard is not None
        assert heard["data"] == b"heard"
        channel.close()
        assert redis.stats().commands == 4  # EVAL, SET, GET and PUBLISH


@pytest.mark.parametrize("embedded", [True, pytest.param(False, marks=needs_server)])
def test_a_long_reply_waits_for_a_slow_reader(embedded: bool, tmp_path: Path) -> None:
    """Of one that would not fit the buffers of a socket, nothing is lost."""
    value = b"v" * 16_000_000
    with LocalRedis(log_dir=tmp_path, embedded=embedded) as redis, Redis.from_url(redis.url) as client:
        client.set("k", value)
        with socket.create_connection((HOST, redis.port or 0), timeout=30.0) as slow:
            slow.sendall(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")
            time.sleep(0.5)  # until the server has written what the buffers take
            got = bytearray()
            while not got.endswith(b"v\r\n"):
                chunk = slow.recv(1 << 20)
                assert chunk, f"it hung up after {len(got):,} bytes"
                got += chunk
            assert value in got


def test_a_port_in_use_names_the_port_and_the_part(tmp_path: Path) -> None:
    with (
        LocalRedis(log_dir=tmp_path, embedded=True) as redis,
        pytest.raises(LocalPartError, match=f"port {redis.port} is in use, and Redis wants it"),
    ):
        LocalRedis(log_dir=tmp_path / "other", embedded=True, port=redis.port).start()
