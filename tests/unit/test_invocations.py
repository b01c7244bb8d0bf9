"""bench/invocations.py: what a function's log says of its invocations."""

import json
from pathlib import Path
from typing import Any

from bench.invocations import row_of


def measured(request_id: str, duration_ms: float, **more: float) -> dict[str, Any]:
    return {"message": "measured", "service": "x", "request_id": request_id, "Duration": duration_ms, **more}


def handled(request_id: str, message: str, **more: object) -> dict[str, Any]:
    return {"level": "INFO", "message": message, "request_id": request_id, "took_ms": 1.0, "result": {}, **more}


def log_of(folder: Path, *lines: dict[str, Any], rest: str = "") -> Path:
    path = folder / "x.log"
    path.write_text("".join(json.dumps(line, separators=(",", ":")) for line in lines) + rest)
    return path


def test_a_log_is_read_though_lines_run_into_one_another(tmp_path: Path) -> None:
    shard = handled("r1", "ShardDue", took_ms=30.0, result={"duration_ms": 10.0, "signals": 4, "traders": 500})
    lines = [shard, measured("r1", 100.0, ColdStarts=1), measured("r2", 20.0)]
    row = row_of("x", log_of(tmp_path, *lines, rest='\nTraceback\n{"level":"half'))
    assert row is not None
    assert (row["invocations"], row["mean_ms"]) == (2, 20.0)
    assert (row["decided_ms"], row["shard_traders"], row["ms_per_signal"]) == (10.0, 500, 5.0)
    assert row_of("y", tmp_path / "y.log") is None


def test_what_the_clock_wakes_is_told_apart_from_messages_which_share_their_invocation(tmp_path: Path) -> None:
    row = row_of(
        "x",
        log_of(
            tmp_path,
            handled("r1", "CronTick"), measured("r1", 900.0, ColdStarts=1),
            handled("r2", "CronTick"), measured("r2", 10.0),
            handled("r3", "IntentRaised"), handled("r3", "IntentRaised"), measured("r3", 60.0),
            handled("r4", "TickersWritten"), measured("r4", 5.0),
        ),
    )  # fmt: skip
    assert row is not None
    assert (row["sweep_ms"], row["message_ms"]) == (10.0, 30.0)
