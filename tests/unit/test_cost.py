"""bench/cost.py: the arithmetic of a month, and that its table says plainly what is too dear."""

import json
from pathlib import Path

import pytest

from bench import cost
from bench.cost import PRICES, TARGET_TRADERS, TARGET_USD, TRADERS, Line, closes_a_month, duration_ms, run

TOTAL = "all but Supabase"


@pytest.fixture(autouse=True)
def _nothing_measured_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "OUT", tmp_path)


def test_six_timeframes_close_as_often_as_the_calendar_says() -> None:
    assert closes_a_month() == 30 * (1_440 + 288 + 96 + 24 + 6 + 1)


def test_a_line_is_units_by_price_and_what_is_free_comes_off_the_bill_alone() -> None:
    line = Line("SQS requests", 3_000_000, "counted")
    assert line.list_usd == pytest.approx(1.20)
    assert line.bill_usd == pytest.approx(0.80)
    assert Line("SQS requests", 10, "counted").bill_usd == 0


def test_every_price_has_a_source_and_every_line_a_price() -> None:
    assert all(price.usd > 0 and "." in price.source for price in PRICES.values())
    priced = {row["what"] for row in run() if "units" in row}
    assert priced == set(PRICES)


def test_the_sums_are_those_of_the_lines_and_grow_with_the_traders() -> None:
    rows = run()
    totals = []
    for traders in TRADERS:
        of_size = [row for row in rows if row["traders"] == traders]
        (total,) = [row["list USD"] for row in of_size if row["what"] == TOTAL]
        assert total == pytest.approx(sum(row["list USD"] for row in of_size if "units" in row), abs=0.06)
        totals.append(total)
    assert totals == sorted(totals)


def test_the_table_says_plainly_whether_a_thousand_traders_are_within_the_target() -> None:
    (row,) = [row for row in run() if (row["traders"], row["what"]) == (TARGET_TRADERS, TOTAL)]
    is_within = row["list USD"] <= TARGET_USD
    assert row["counted"].startswith("within" if is_within else "more than")
    assert "most of it is" in row["counted"]


def test_a_fuller_shard_takes_longer_and_ten_shards_take_as_long_each_as_one() -> None:
    taken = [duration_ms("execute-trader", traders=traders, measured_ms={}) for traders in TRADERS]
    assert taken[0] < taken[1] == taken[2]
    assert duration_ms("notify", traders=100, measured_ms={"notify": 5.0}) == 5.0


def test_what_was_measured_here_counts(tmp_path: Path) -> None:
    before = cost.measured_ms()["notify"]
    row = {"function": "notify", "mean_ms": before + 1}
    (tmp_path / "invocations.json").write_text(json.dumps({"rows": [row]}))
    assert cost.measured_ms()["notify"] == before + 1
    assert cost.measured_ms()["api"] == cost.MEASURED_MS["api"]
