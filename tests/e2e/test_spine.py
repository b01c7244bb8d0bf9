"""From the tape to stored signals, on the real parts, while everything that can happen twice or half happens.

The desk's result is compared with what the rules say about the tape itself: the same signals, no more, no less, to the
last bit, although triggers are called three times, messages are delivered again and the host of execute-trader is
killed again and again.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from desk.demo import tape_spec
from desk.demo_options import DemoOptions
from desk.local.desk import LocalDesk
from desk.population import synthetic_traders
from desk.report import compare
from desk.simulator.spec import build_tape, read_spec
from desk.simulator.tape import Tape
from shared.adapters.clock import steer
from shared.adapters.redis_log import upstash_candle_log
from shared.adapters.supabase.client import connect
from shared.adapters.supabase.traders import SupabaseTraderStore
from shared.domain.decision import compile_trader
from shared.domain.history import history
from shared.domain.rules import Market
from shared.domain.signing import sign
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Trader

OPTIONS = DemoOptions(candles={}, symbols=8, traders=60, boundaries=6, seed=11)
SPEED = 20.0
DEPTH = 1_000
FINISH_S = 240.0
OWNER = "d0000000-0000-4000-8000-000000000003"

Identity = tuple[str, str, str, int]


@dataclass
class Ran:
    """A desk that has played its tape."""

    desk: LocalDesk
    tape: Tape
    traders: list[Trader]
    kills: int

    @property
    def end(self) -> int:
        """Return the last close of the tape (epoch ms)."""
        assert self.tape.end is not None
        return self.tape.end

    def rows(self, table: str, columns: str) -> list[dict[str, Any]]:
        """Read the rows of boundaries the tape closed live."""
        client = connect(self.desk.supabase.url, self.desk.supabase.secret_key)
        query = client.from_(table).select(columns).gt("close_time", self.tape.live_from).limit(1_000)
        rows: Any = query.execute().data
        assert len(rows) < 1_000
        return list(rows)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """Play a tape while triggers repeat, messages return and hosts die."""
    home = tmp_path_factory.mktemp("desk")
    (home / "spec.json").write_text(json.dumps(tape_spec(OPTIONS)))
    tape = build_tape(read_spec(home / "spec.json"))
    steer(home / "clock.json", tape_ms=tape.live_from, speed=0)
    desk = LocalDesk(
        tape=tape_spec(OPTIONS),
        timeframes=OPTIONS.timeframes,
        symbols=len(tape.tradable),
        home=home,
        clock_file=home / "clock.json",
        log_depth=DEPTH,
        visibility_timeout_s=4,
        env={"RUN_LEASE_MS": "3000", "TRADERS_PER_SHARD": "25"},
    )
    with desk:
        desk.supabase.enrol(OWNER)
        store = SupabaseTraderStore(connect(desk.supabase.url, desk.supabase.secret_key))
        store.create_many(
            synthetic_traders(OPTIONS.traders, owner_id=OWNER, timeframes=OPTIONS.timeframes, quote="USDT", seed=11)
        )
        steer(home / "clock.json", tape_ms=tape.live_from, speed=SPEED)
        kills = _disturb(Ran(desk, tape, [], 0))
        yield Ran(desk, tape, list(store.list(limit=500)), kills)


def _disturb(ran: Ran) -> int:
    """Kill, trigger and redeliver until every boundary is finished; return how many hosts were killed."""
    expected = {
        (str(timeframe), close_time)
        for timeframe in OPTIONS.timeframes
        for close_time in ran.tape.boundaries(timeframe, since=ran.tape.live_from, until=ran.end)
    }
    kills, deadline = 0, time.monotonic() + FINISH_S
    while time.monotonic() < deadline:
        runs = ran.rows("execution_runs", "timeframe,close_time,shard,shards,status,correlation_id")
        done = {(r["timeframe"], r["close_time"]) for r in runs} - {
            (r["timeframe"], r["close_time"]) for r in runs if r["status"] != "finished"
        }
        if done >= expected:
            return kills
        if kills < 4 and runs:
            kills += _kill(ran.desk)
            _trigger_again(ran.desk, runs[-1])
            _deliver_again(ran.desk, runs)
        time.sleep(1.0)
    raise AssertionError(f"unfinished after {FINISH_S} s: {sorted(expected - done)}")


def _kill(desk: LocalDesk) -> int:
    for pid in desk.host.worker_pids("execute-trader"):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return 1
    return 0


def _trigger_again(desk: LocalDesk, run: dict[str, Any]) -> None:
    body = json.dumps({"venue": "binance", "timeframe": run["timeframe"], "close_time": run["close_time"]})
    for _ in range(2):
        headers = sign(desk.trigger_secret, timestamp_ms=time.time_ns() // 1_000_000, body=body)
        answer = httpx.post(
            f"{desk.api_url}/functions/v1/trigger-executions",
            content=body,
            headers=headers | {"content-type": "application/json"},
            timeout=60,
        )
        assert (answer.status_code, answer.json()["claimed"]) == (200, False)


def _deliver_again(desk: LocalDesk, runs: list[dict[str, Any]]) -> None:
    fields = ("timeframe", "close_time", "shard", "shards", "correlation_id")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in desk.sqs.env.items():
            patch.setenv(name, value)
        with closing(boto3.client("sqs")) as queue:
            for run in runs:
                message = {"venue": "binance"} | {field: run[field] for field in fields}
                queue.send_message(QueueUrl=desk.sqs.queue_urls["ExecutionsQueue"], MessageBody=json.dumps(message))


def test_the_log_is_the_tape(ran: Ran) -> None:
    with closing(upstash_candle_log(ran.desk.upstash.url, ran.desk.upstash.token)) as log:
        for timeframe in OPTIONS.timeframes:
            last = timeframe.last_close(ran.end)
            tape = ran.tape.frame(timeframe, since=last - DEPTH * timeframe.ms, until=last)
            found = compare(tape, log.frame("binance", timeframe, bars=DEPTH))
            assert (found.missing, found.wrong) == (0, 0)
            assert found.expected == DEPTH * len(ran.tape.tradable)


def test_the_signals_are_what_the_rules_say_about_the_tape(ran: Ran) -> None:
    assert ran.kills >= 2
    stored = {
        (row["trader_id"], row["symbol"], row["timeframe"], row["close_time"]): (float(row["price"]), row["values"])
        for row in ran.rows("signals", "trader_id,symbol,timeframe,close_time,price,values")
    }
    expected = _signals_of_the_tape(ran)
    assert stored.keys() == expected.keys()
    assert stored == expected
    assert len(expected) >= 10


def test_no_signal_is_stored_twice_and_none_was_tried_twice(ran: Ran) -> None:
    rows = ran.rows("signals", "trader_id,symbol,timeframe,close_time")
    assert len(rows) == len({tuple(row.values()) for row in rows})
    runs = ran.rows("execution_runs", "signals_new,signals_duplicate,errors,status")
    assert sum(run["signals_new"] for run in runs) == len(rows)
    assert sum(run["signals_duplicate"] + run["errors"] for run in runs) == 0


def test_every_decision_can_be_made_again_to_say_why(ran: Ran) -> None:
    stored = {
        (r["trader_id"], r["symbol"], r["close_time"]) for r in ran.rows("signals", "trader_id,symbol,close_time")
    }
    last = {(t.trader_id, ran.tape.tradable[0], t.timeframe.last_close(ran.end)) for t in ran.traders[:30]}
    headers = {"authorization": f"Bearer {ran.desk.supabase.sign_token(OWNER)}"}
    with httpx.Client(base_url=ran.desk.api_url, headers=headers, timeout=60) as api:
        for trader_id, symbol, at in {*sorted(stored)[:30], *last}:
            answer = api.get(f"/api/v1/traders/{trader_id}/why", params={"symbol": symbol, "at": at})
            why = answer.json()
            assert (answer.status_code, why["standing"]) == (200, "same"), why
            assert (why["verdict"] == "fired") == ((trader_id, symbol, at) in stored), why


def test_outcomes_are_what_the_tape_made_of_the_signals(ran: Ran) -> None:
    client = connect(ran.desk.supabase.url, ran.desk.supabase.secret_key)
    columns = "bars,forward_return,signals(symbol,timeframe,close_time,side,price)"
    rows: Any = client.from_("signal_outcomes").select(columns).limit(1_000).execute().data
    assert {row["bars"] for row in rows} >= {1, 5}
    for row in rows:
        signal_, timeframe = row["signals"], Timeframe(row["signals"]["timeframe"])
        frame = ran.tape.frame(timeframe, since=signal_["close_time"], until=ran.end)
        close = frame.column("close")[frame.symbols.index(signal_["symbol"]), row["bars"] - 1]
        way = 1 if signal_["side"] == "long" else -1
        assert row["forward_return"] == pytest.approx(way * (close / float(signal_["price"]) - 1), abs=1e-12)


def test_one_correlation_id_leads_from_the_announcement_to_the_signal(ran: Ran) -> None:
    announced = {
        line["correlation_id"]
        for line in map(json.loads, _json_lines(ran.desk.logs / "collector.log"))
        if line["message"] == "boundary announced"
    }
    runs = ran.rows("execution_runs", "correlation_id,source,close_time")
    swept = {run["correlation_id"] for run in runs if run["source"] == "cron"}  # a late announcement is overtaken
    recorded = {row["correlation_id"] for row in ran.rows("signals", "correlation_id,close_time")}
    assert recorded & announced
    assert recorded <= announced | swept
    assert not announced & swept


def test_an_unproved_trigger_is_refused(ran: Ran) -> None:
    url = f"{ran.desk.api_url}/functions/v1/trigger-executions"
    body = json.dumps({"venue": "binance", "timeframe": "1m", "close_time": ran.end})
    stale = sign(ran.desk.trigger_secret, timestamp_ms=1, body=body)
    wrong = sign("wrong", timestamp_ms=time.time_ns() // 1_000_000, body=body)
    for headers in ({}, stale, wrong):
        answer = httpx.post(url, content=body, headers=headers, timeout=60)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")


def test_the_api_serves_the_candles_and_the_signals(ran: Ran) -> None:
    token = ran.desk.supabase.sign_token(OWNER)
    with httpx.Client(base_url=ran.desk.api_url, headers={"authorization": f"Bearer {token}"}, timeout=60) as api:
        signals = api.get("/api/v1/signals", params={"limit": 5}).raise_for_status().json()["items"]
        symbol = signals[0]["symbol"]
        query = {"symbol": symbol, "timeframe": "1m", "limit": 3}
        candles = api.get("/api/v1/market-data/candles", params=query).raise_for_status().json()["candles"]
        assert api.get("/api/v1/signals", headers={"authorization": "Bearer no"}).status_code == 401
        assert api.get("/health").json()["database"] == "connected"
    frame = ran.tape.frame(Timeframe.M1, since=ran.end - 3 * 60_000, until=ran.end, symbols=[symbol])
    assert [candle["close"] for candle in candles] == frame.column("close")[0].tolist()


def _signals_of_the_tape(ran: Ran) -> dict[Identity, tuple[float, dict[str, float]]]:
    """Return what every trader fires on the tape, by the pure rules alone."""
    frames = {}
    for timeframe in OPTIONS.timeframes:
        last = timeframe.last_close(ran.end)
        frames[timeframe] = ran.tape.frame(timeframe, since=last - DEPTH * timeframe.ms, until=last)
    market = Market(frames)
    found: dict[Identity, tuple[float, dict[str, float]]] = {}
    for trader in ran.traders:
        compiled = compile_trader(trader, timeframes=OPTIONS.timeframes)
        page = history(compiled, market, since=ran.tape.live_from + 1, until=ran.end, limit=100_000)
        for fired in page.firings:
            identity = (fired.trader_id, fired.symbol, str(fired.timeframe), fired.close_time)
            found[identity] = (fired.price, dict(fired.values))
    return found


def _json_lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line.startswith("{")]


def test_no_log_has_a_secret_of_the_desk(ran: Ran) -> None:
    """Every part has been busy, killed and wrongly called by now, and has said so."""
    desk = ran.desk
    made = {
        "service role key": desk.supabase.secret_key,
        "JWT secret": desk.supabase.jwt_secret,
        "Redis token": desk.upstash.token,
        "trigger secret": desk.trigger_secret,
        "service secret": desk.service_secret,
        "venue secret": desk.venue_secret,
    }
    logs = [path for path in desk.home.rglob("*.log*") if path.is_file()]
    assert sum(path.stat().st_size for path in logs) > 10_000
    found = [
        (what, path.name) for path in logs for what, secret in made.items() if secret.encode() in path.read_bytes()
    ]
    assert found == []
    assert not [path.name for path in logs if b"eyJhbGciOi" in path.read_bytes()], "a token of a person"
