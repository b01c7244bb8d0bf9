"""Collector, live: 400 symbols × 6 timeframes on Binance frames at the market's own pace: memory, processor, latency.

A collector process on the simulated venue with a Redis and a trigger of its own, for some boundaries of one minute.
Latency is from the last closing frame of an instant leaving the venue to its last entry in Redis (`appended`, by the
entry's id) and to its last announcement (`announced`): both milliseconds of this machine's clock.
"""

import json
import os
import tempfile
import threading
import time
import urllib.request
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from redis import Redis

from desk.local.process import Child, accepts, answers, claim_port, python_module
from desk.local.redis import LocalRedis
from shared.adapters.redis_log import stream_key
from shared.domain.timeframe import Timeframe

SYMBOLS: Final = 400
TIMEFRAMES: Final = (Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.H4, Timeframe.D1)
BOUNDARIES: Final = int(os.environ.get("BOUNDARIES", "5"))
HISTORY: Final = 1_000
SETTLE_S: Final = 10.0
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass
class Trigger:
    """Answers announcements, and remembers when the last one of each instant came (epoch ms)."""

    told: dict[int, int] = field(default_factory=dict)

    def serve(self) -> ThreadingHTTPServer:
        """Start answering in the background."""
        told = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                told[body["close_time"]] = time.time_ns() // 1_000_000
                self.send_response(202)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the parent's name
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


def run() -> list[dict[str, object]]:
    """Return one row: what the collector took, and how late it was."""
    with tempfile.TemporaryDirectory() as folder, LocalRedis(log_dir=Path(folder)) as redis:
        trigger, venue = Trigger(), claim_port(None, "the simulator")
        server = trigger.serve()
        simulator, collector, health = _parts(Path(folder), redis.url, venue, server.server_address[1])
        try:
            simulator.start()
            simulator.wait_ready(lambda: accepts(venue))
            collector.start()
            collector.wait_ready(lambda: answers(health), timeout_s=300)
            time.sleep(SETTLE_S)
            began, used, since = time.monotonic(), _processor_s(collector), time.time_ns() // 1_000_000
            time.sleep(60.0 * BOUNDARIES)
            share = (_processor_s(collector) - used) / (time.monotonic() - began)
            row = _row(collector, share, _latencies(venue, redis.url, trigger, since), _asked(health))
        finally:
            collector.stop()
            simulator.stop()
            server.shutdown()
    return [{"redis": redis.kind, **row}]


def _parts(folder: Path, redis_url: str, venue: int, trigger: int) -> tuple[Child, Child, str]:
    tape = folder / "tape.json"
    tape.write_text(
        json.dumps(
            {
                "kind": "synthetic",
                "symbols": SYMBOLS,
                "timeframes": list(TIMEFRAMES),
                "history_bars": HISTORY,
                "live_from": time.time_ns() // 1_000_000,
            }
        )
    )
    argv = python_module("desk.simulator", "--tape", str(tape), "--port", str(venue))
    port = claim_port(None, "the collector")
    env = {
        "VENUE_REST_URL": f"http://127.0.0.1:{venue}",
        "VENUE_WS_URL": f"ws://127.0.0.1:{venue}",
        "UPSTASH_REDIS_URL": redis_url,
        "TRIGGER_URL": f"http://127.0.0.1:{trigger}/",
        "TRIGGER_SECRET": "bench",
        "COLLECTOR_SYMBOLS": str(SYMBOLS),
        "COLLECTOR_TIMEFRAMES": ",".join(TIMEFRAMES),
        "COLLECTOR_PORT": str(port),
        "LOG_DEPTH": str(HISTORY),
    }
    return (
        Child(name="the simulator", argv=argv, log=folder / "simulator.log"),
        Child(name="the collector", argv=python_module("collector"), env=env, log=folder / "collector.log"),
        f"http://127.0.0.1:{port}/health",
    )


def _latencies(venue: int, redis_url: str, trigger: Trigger, since: int) -> dict[str, list[int]]:
    """Return, for each instant after `since` that was announced, how long after its last closing frame it was there."""
    sent: dict[int, int] = {}
    for one in _asked(f"http://127.0.0.1:{venue}/_tape/sent?since_ms=0")["sent"]:
        sent[one["close_time"]] = max(one["sent_ms"], sent.get(one["close_time"], 0))
    appended: dict[int, int] = defaultdict(int)
    with Redis.from_url(redis_url, decode_responses=True) as client:
        for timeframe in TIMEFRAMES:
            entries: Any = client.xrange(stream_key("binance", timeframe))
            for entry_id, fields in entries:
                close_time = int(fields["t"]) + timeframe.ms
                appended[close_time] = max(appended[close_time], int(entry_id.partition("-")[0]))
    instants = sorted(instant for instant in trigger.told if instant in sent and instant > since)
    return {
        "appended": [appended[instant] - sent[instant] for instant in instants],
        "announced": [trigger.told[instant] - sent[instant] for instant in instants],
    }


def _row(collector: Child, share: float, late: dict[str, list[int]], health: dict[str, Any]) -> dict[str, object]:
    return {
        "symbols": SYMBOLS,
        "timeframes": len(TIMEFRAMES),
        "instants": len(late["announced"]),
        "frames": health["counts"]["frames"],
        "invalid": health["counts"].get("invalid_frames", 0),
        "RSS MB": round(_memory_mb(collector, "VmRSS")),
        "peak RSS MB": round(_memory_mb(collector, "VmHWM")),
        "share of a core": round(share, 3),
        "appended max ms": max(late["appended"]),
        "announced median ms": sorted(late["announced"])[len(late["announced"]) // 2],
        "announced max ms": max(late["announced"]),
    }


def _asked(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 an address of ours
        found: dict[str, Any] = json.load(answer)
    return found


def _processor_s(child: Child) -> float:
    fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _memory_mb(child: Child, name: str) -> float:
    lines = Path(f"/proc/{child.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1_024
