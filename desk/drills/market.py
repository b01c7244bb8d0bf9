"""The venue of a drill: the market simulator on a small tape, its clock a file that the drill moves."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from desk.local.process import HOST, Child, accepts, claim_port, python_module
from shared.adapters.clock import steer
from shared.domain.timeframe import Timeframe

LIVE_FROM: Final = 1_704_067_200_000  # 2024-01-01T00:00Z
_HISTORY_BARS: Final = 120


@contextmanager
def held_market(home: Path, *, seed: int) -> Iterator[httpx.Client]:
    """Start a market that is held at one instant; its tape and `clock.json` are below `home`. Yield a client of it."""
    home.mkdir(parents=True, exist_ok=True)
    spec = {"kind": "synthetic", "symbols": 2, "seed": seed, "history_bars": _HISTORY_BARS, "live_from": LIVE_FROM}
    (home / "tape.json").write_text(json.dumps(spec))
    steer(home / "clock.json", tape_ms=LIVE_FROM + Timeframe.M1.ms // 2, speed=0)
    port = claim_port(None, "the simulator")
    options = {
        "--tape": home / "tape.json",
        "--clock-file": home / "clock.json",
        "--port": port,
        "--seed": seed,
        "--weight-scale": 1 / 60,  # a minute of the market passes in a second
    }
    argv = python_module("desk.simulator", *(str(part) for option in options.items() for part in option))
    with Child(name="the simulator", argv=argv, log=home / "simulator.log") as child:
        child.wait_ready(lambda: accepts(port))
        with httpx.Client(base_url=f"http://{HOST}:{port}", timeout=20) as client:
            yield client
