"""What a month costs: the arithmetic, what it is made of, and that it says plainly what is too dear."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bench import month
from bench.cost import TARGET_TRADERS, TARGET_USD, TOTAL, TRADERS, run, ten_times
from bench.cost_page import PAGE, with_costs
from bench.custom_metrics import answers_of, count_published
from bench.month import MEASURED, Assumed, Desk, Line, closes_a_month, deployed, list_usd, measured_here
from bench.prices import PRICES, SUPABASE_PRO
from desk.metrics_reference import PAGE as METRICS_PAGE
from shared.runtime.metrics import ANSWERS, Published


@pytest.fixture(autouse=True)
def _nothing_measured_or_set_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(month, "OUT", tmp_path)
    for name in ("METRICS_PUBLISHED", "TRACING"):
        monkeypatch.delenv(name, raising=False)


def desk(traders: int = TARGET_TRADERS, **env: str) -> Desk:
    return deployed(traders, env=env)


def units(of: Desk, what: str) -> float:
    (found,) = [line.units for line in of.lines() if line.what == what]
    return found


def test_six_timeframes_close_as_often_as_the_calendar_says() -> None:
    assert closes_a_month() == 30 * (1_440 + 288 + 96 + 24 + 6 + 1)


def test_a_line_is_units_by_price_and_what_is_free_comes_off_the_bill_alone() -> None:
    line = Line("SQS requests", 3_000_000, "counted")
    assert line.list_usd == pytest.approx(1.20)
    assert line.bill_usd == pytest.approx(0.80)
    assert Line("SQS requests", 10, "counted").bill_usd == 0


def test_every_price_says_where_it_is_published_and_how_it_was_seen() -> None:
    for price in (*PRICES.values(), SUPABASE_PRO):
        assert price.usd > 0
        assert "." in price.source
        assert price.seen.startswith(("copy", "second hand", "not seen"))
    assert {line.what for line in desk().lines()} == set(PRICES)


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


def test_a_thousand_traders_are_within_the_target() -> None:
    assert list_usd(desk()) <= TARGET_USD


def test_nobody_is_misled_by_what_is_assumed() -> None:
    moved = dict(ten_times(desk()))
    assert len(moved) == 4
    assert all(usd > list_usd(desk()) for usd in moved.values())


def test_signals_wake_two_functions_a_shard_and_intents_two_each() -> None:
    one = replace(desk(), assumed=Assumed(signals=1, intents=2, requests=3))
    woken = {"notify": 1_000, "signal-agent": 1_000, "risk-agent": 2_000, "execution-agent": 4_000, "api": 3_000}
    assert {name: one.messages(name) for name in woken} == woken
    many = replace(one, assumed=Assumed(signals=60_000))
    assert many.messages("notify") == many.shards == closes_a_month()


def test_what_the_clock_wakes_is_counted_by_its_schedule_and_one_nobody_knows_is_refused() -> None:
    now = desk()
    assert {name: now.sweeps(name) for name in now.spec.functions if now.sweeps(name) != 43_200} == {
        "execute-trader": 0, "api": 0,
    }  # fmt: skip
    hourly = replace(now.spec.functions["notify"], schedules=("rate(1 hour)",))
    other = replace(now, spec=replace(now.spec, functions={**now.spec.functions, "notify": hourly}))
    with pytest.raises(ValueError, match=r"notify .*rate\(1 hour\)"):
        other.sweeps("notify")


def test_a_fuller_shard_takes_longer_and_ten_shards_take_as_long_each_as_one() -> None:
    taken = [desk(traders).message_ms("execute-trader") for traders in TRADERS]
    assert taken[0] < taken[1] == taken[2]


def test_settings_of_the_deployment_move_the_sum() -> None:
    assert units(desk(), "CloudWatch custom metrics") == 2
    assert units(desk(METRICS_PUBLISHED="all"), "CloudWatch custom metrics") == 47
    assert units(desk(TRACING="PassThrough"), "X-Ray traces") == 0 < units(desk(), "X-Ray traces")


def test_each_metric_of_an_answer_is_one_functions_so_that_its_dimension_makes_no_more_of_them() -> None:
    functions = desk().spec.functions.values()
    answered = Counter(name for function in functions for name in answers_of(function))
    assert all(answered[metric.answer or ""] == 1 for metric in ANSWERS)
    of_invocations = 3 * len(functions) + 1
    assert count_published(functions, Published.ALL) == len(ANSWERS) + of_invocations


def test_the_page_of_metrics_has_the_same_count_and_price() -> None:
    functions = desk().spec.functions.values()
    counts = [count_published(functions, published) for published in (Published.ALL, Published.ALARMS)]
    every, few = (f"{count * PRICES['CloudWatch custom metrics'].usd:.2f}" for count in counts)
    text = " ".join(METRICS_PAGE.read_text().split())
    assert f"{counts[0]} instead of {counts[1]}, {every} USD a month instead of {few}" in text


def test_what_was_measured_here_counts_for_whoever_asks_but_not_for_the_page(tmp_path: Path) -> None:
    row = {"function": "notify", "sweep_ms": MEASURED["notify"]["sweep_ms"] + 1_000}
    (tmp_path / "invocations.json").write_text(json.dumps({"rows": [row]}))
    assert measured_here()["notify"] == {**MEASURED["notify"], **row}
    assert measured_here()["api"] == MEASURED["api"]
    (total,) = [row["list USD"] for row in run() if (row["traders"], row["what"]) == (TARGET_TRADERS, TOTAL)]
    assert total > list_usd(desk())
    assert with_costs(PAGE.read_text()) == PAGE.read_text()


def test_every_function_has_been_measured() -> None:
    assert set(MEASURED) == set(desk().spec.functions)


def test_the_page_for_people_has_the_same_tables() -> None:
    text = PAGE.read_text()
    assert with_costs(text) == text, "write it anew: python -m bench.cost_page"
    with pytest.raises(ValueError, match="no <!-- cost"):
        with_costs("a page without marks")
