"""A desk that cannot start leaves alone the one that runs in the same directory."""

import fcntl
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.local.process import HOST, LocalPartError
from desk.up import ADDRESSES, LOCK, run_until_interrupted
from shared.domain.timeframe import Timeframe


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / ADDRESSES).write_text("of the desk that runs")
    before = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGHUP)}
    yield tmp_path
    for name, handler in before.items():
        signal.signal(name, handler)


def test_a_second_desk_in_a_directory_is_refused_before_it_touches_anything(home: Path) -> None:
    with (home / LOCK).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LocalPartError, match="already"):
            run_until_interrupted(symbols=1, timeframes=(Timeframe.M1,), home=home)
    assert sorted(each.name for each in home.iterdir()) == [ADDRESSES, LOCK]


def test_a_desk_whose_port_is_taken_leaves_the_others_addresses(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        with pytest.raises(LocalPartError, match="is in use"):
            run_until_interrupted(symbols=1, timeframes=(Timeframe.M1,), home=home, api_port=taken.getsockname()[1])
    assert (home / ADDRESSES).read_text() == "of the desk that runs"
