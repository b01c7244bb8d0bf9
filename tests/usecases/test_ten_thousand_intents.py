"""Random intents through risk, planning, paper execution and the ledger with everything failing now and then.

`python -m tests.storm` runs ten thousand; here are a few hundred, so that every change meets them.
"""

from decimal import Decimal

import pytest

from tests.storm.storm import Figures, Storm

WISHES = 60


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_storm_leaves_nothing_that_must_not_be(seed: int) -> None:
    figures = Storm(seed, wishes=WISHES).run()
    assert figures.intents == WISHES
    assert figures.refused + sum(figures.ended.values()) >= WISHES  # the desk raises exits of its own
    assert figures.violations == 0


def has_seen_everything(total: Figures) -> bool:
    """Tell whether storms have been through all that they are for."""
    faults = {"answer_lost", "arrives_late", "never_arrived", "killed_before_call", "killed_after_call", "overtaken"}
    return (
        {"denied", "executed", "failed", "expired"} <= total.ended.keys()
        and {"approved", "modified", "denied"} <= total.decisions.keys()
        and total.orders > total.fills / 10 > 5
        and total.unknown_settled > 5
        and faults <= total.faults.keys()
        and total.most_leverage > 1
        and total.shorts > 5
        and total.turns > 0
    )


def test_storms_reach_what_they_are_for() -> None:
    total, seeds = Storm(1, wishes=1).figures, iter(range(30, 60))
    while not has_seen_everything(total):
        total.add(Storm(next(seeds), wishes=WISHES).run())


def test_a_storm_is_the_same_again() -> None:
    first, second = (Storm(5, wishes=25).run() for _ in range(2))
    assert first == second


def test_a_fill_that_is_lost_is_seen() -> None:
    storm = Storm(3, wishes=40)
    storm.run()
    trades = storm.desk.paper.trades
    del trades[next(iter(trades))]
    with pytest.raises(AssertionError, match="never was"):
        storm.desk.checks.after_event()


def test_an_order_sent_twice_is_seen() -> None:
    storm = Storm(3, wishes=40)
    storm.run()
    storm.desk.sent.update([next(iter(storm.desk.sent))])
    with pytest.raises(AssertionError, match="was sent 2 times"):
        storm.desk.checks.after_event()


def test_a_balance_that_is_off_by_the_last_digit_is_seen() -> None:
    storm = Storm(3, wishes=40)
    storm.run()
    account = next(iter(storm.desk.paper.accounts.values()))
    account.balances["USDT"] += Decimal("0.00000001")  # type: ignore[index]
    with pytest.raises(AssertionError, match="booked"):
        storm.desk.checks.after_event()
