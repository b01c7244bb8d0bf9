"""`desk rules` as a person types it."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from desk.rules_cli import app
from shared.domain.candles import CandleFrame


@pytest.fixture
def candle_file(tmp_path: Path, frame: Callable[..., CandleFrame]) -> Path:
    """Write a synthetic market of 120 one-minute candles."""
    candles = frame(symbols=1, bars=120, seed=9)
    path = tmp_path / "synthetic.csv"
    lines = [f"{c.open_time},{c.open},{c.high},{c.low},{c.close},{c.volume}" for c in candles.candles("S0/USDT")]
    path.write_text("open_time,open,high,low,close,volume\n" + "\n".join(lines) + "\n")
    return path


def test_list_shows_every_word() -> None:
    result = CliRunner().invoke(app, ["list", "--json"])
    assert result.exit_code == 0
    signatures = [word["signature"] for word in json.loads(result.stdout)]
    assert {"taker_buy_volume", "rsi([close, ]length=14)", "crosses_below(a, b)"} <= set(signatures)
    table = CliRunner().invoke(app, ["list"])
    assert "expression[n]" in table.stdout


def test_check_tells_the_normal_form_and_the_history() -> None:
    result = CliRunner().invoke(app, ["check", 'rsi()<30 and on("1h", close > ema(200))', "--json"])
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    assert facts["normal_form"] == 'rsi(close, 14) < 30 and on("1h", close > ema(close, 200))'
    assert (facts["lookback"], facts["timeframes"]) == (194, {"1h": 693})
    assert "194 candles" in CliRunner().invoke(app, ["check", "rsi() < 30"]).stdout


def test_check_points_at_the_mistake() -> None:
    result = CliRunner().invoke(app, ["check", "close > emma(20)"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "close > emma(20)\n        ^ unknown function 'emma', did you mean 'ema'?\n"


def test_run_prints_one_object_per_true_candle(candle_file: Path) -> None:
    result = CliRunner().invoke(
        app, ["run", "close > sma(20)", "--candles", str(candle_file), "--timeframe", "1m", "--json"]
    )
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found
    for row in found:
        assert list(row) == ["open_time", "close_time", "close", "values"]
        assert row["close_time"] - row["open_time"] == 60_000
        assert row["values"]["close"] == row["close"] > row["values"]["sma(close, 20)"]
    times = [row["open_time"] for row in found]
    assert times == sorted(set(times))
    assert "120 candles" in result.stderr
    assert "19 with insufficient history" in result.stderr


def test_rising_keeps_the_first_of_each_run(candle_file: Path) -> None:
    def times(*options: str) -> list[int]:
        arguments = ["run", "close > sma(20)", "--candles", str(candle_file), "--timeframe", "1m", "--json", *options]
        return [row["open_time"] for row in json.loads(CliRunner().invoke(app, arguments).stdout)]

    level, rising = times(), times("--edge", "rising")
    first = level[0]
    assert rising == [time for time in level if time - 60_000 not in level and time != first]


def test_run_builds_the_higher_timeframes_it_needs(candle_file: Path) -> None:
    arguments = ["run", 'on("5m", close > open)', "--candles", str(candle_file), "--timeframe", "1m"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert 'on("5m", close)' in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "close >", "--candles", "{file}"], 1, "does not read as a rule"),
        (["run", "close > 1", "--candles", "{file}", "--timeframe", "7m"], 1, "unknown timeframe '7m'"),
        (["run", "close > 1", "--candles", "{file}", "--edge", "falling"], 2, "--edge"),
        (["run", "close > 1", "--candles", "{file}.none"], 1, "--candles: no file"),
        (["check"], 2, "RULE"),
    ],
)
def test_a_mistake_is_told_and_coded(arguments: list[str], code: int, message: str, candle_file: Path) -> None:
    result = CliRunner().invoke(app, [part.format(file=candle_file) for part in arguments])
    assert result.exit_code == code
    assert message in result.stderr


def test_run_looks_across_several_files(candle_file: Path, tmp_path: Path, frame: Callable[..., CandleFrame]) -> None:
    other = tmp_path / "other.csv"
    rows = [f"{c.open_time},{c.open},{c.high},{c.low},{c.close},{c.volume}" for c in frame(seed=3).candles("S0/USDT")]
    other.write_text("open_time,open,high,low,close,volume\n" + "\n".join(rows[:120]) + "\n")
    files = ["--candles", f"AAA/USDT={candle_file}", "--candles", f"BBB/USDT={other}"]
    rule = 'rank(roc(5)) <= 1 and of("AAA/USDT", close > sma(5))'
    result = CliRunner().invoke(app, ["run", rule, *files, "--json"])
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert {row["symbol"] for row in found} == {"AAA/USDT", "BBB/USDT"}
    assert len({row["close_time"] for row in found}) == len(found)  # only one of them leads at a time
    assert "AAA/USDT" in CliRunner().invoke(app, ["run", rule, *files]).stdout


def test_run_pages_back_and_keeps_quiet(candle_file: Path) -> None:
    def run(*options: str) -> tuple[list[int], str]:
        result = CliRunner().invoke(
            app, ["run", "close > open", "--candles", str(candle_file), "--edge", "rising", "--json", *options]
        )
        return [row["close_time"] for row in json.loads(result.stdout)], result.stderr

    whole, summary = run()
    assert "--until" not in summary
    newest, summary = run("--limit", "3")
    assert newest == whole[-3:]
    until = summary.strip().rpartition(" ")[2]
    assert run("--until", until)[0] == whole[:-3]
    quiet = run("--cooldown", "6")[0]
    assert set(quiet) < set(whole)
    assert all(later - earlier > 6 * 60_000 for earlier, later in pairwise(quiet))


def test_run_refuses_files_it_cannot_tell_apart(candle_file: Path) -> None:
    result = CliRunner().invoke(app, ["run", "close > 1", *["--candles", str(candle_file)] * 2])
    assert (result.exit_code, "SYMBOL=FILE" in result.stderr) == (1, True)
    assert CliRunner().invoke(app, ["run", "close > 1", "--candles", "missing.csv"]).exit_code == 1
