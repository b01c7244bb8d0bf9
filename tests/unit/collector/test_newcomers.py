"""What a month of Redis takes newcomers to be: volumes wander as measured ones did, and the choice is the house's."""

import numpy as np

from bench.newcomers import PAIRS, SETTLE_H, _day_volumes, welcomes_a_day


def test_volumes_change_in_an_hour_and_in_a_day_as_measured_ones_did() -> None:
    logs = np.log(_day_volumes(SETTLE_H + 24 * 10))
    assert 0.025 < np.std(logs[:, 1:] - logs[:, :-1]) < 0.045
    assert 0.35 < np.std(logs[:, 24:] - logs[:, :-24]) < 0.5


def test_the_less_often_one_chooses_the_less_often_newcomers_come() -> None:
    assert welcomes_a_day(symbols=PAIRS, every_h=24) == 0
    assert 0 < welcomes_a_day(symbols=200, every_h=24) <= 1 < welcomes_a_day(symbols=200, every_h=6) <= 4
