"""Days of the past, weighted by what is held and on which side."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.trading.portfolio import Line
from shared.domain.trading.stress import SCENARIOS, stress
from tests.unit.domain.trading.desk import VENUE


def line(base: str, qty: Decimal | int) -> Line:
    return Line(place=(VENUE, f"{base}/USDT"), price=Decimal(1), qty=Decimal(qty))


def losses(*lines: Line) -> dict[str, Decimal]:
    return {stressed.scenario: stressed.loss for stressed in stress(lines)}


def test_each_position_is_moved_by_its_own_coins_shock_and_its_side() -> None:
    lost = losses(line("BTC", 1_000), line("SOL", -1_000), line("DOGE", 200))
    assert lost["2022-11-09"] == 250 - 550 + 70
    assert lost["2021-02-08"] == -200 + 100 - 20


def test_the_worst_comes_first_and_shorts_fear_other_days_than_longs() -> None:
    assert stress([line("BTC", 1_000)])[0].scenario == "2020-03-12"
    assert stress([line("DOGE", 1_000)])[0].scenario == "2025-10-10"
    assert stress([line("DOGE", -1_000)])[0].scenario == "squeeze"
    assert stress([line("BTC", -1_000)])[0].scenario == "2021-02-08"
    assert all(each.loss == 0 for each in stress([]))


def test_every_scenario_says_where_it_is_from_and_nothing_falls_below_zero() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)
    for scenario in SCENARIOS:
        assert scenario.source
        assert all(-1 < move < 2 for move in (*scenario.shocks.values(), scenario.others))


@given(st.lists(st.tuples(st.sampled_from(["BTC", "ETH", "SOL", "PEPE"]), st.integers(-1000, 1000)), max_size=5))
def test_the_mirrored_book_gains_what_the_book_loses(held: list[tuple[str, int]]) -> None:
    book = losses(*(line(base, qty) for base, qty in held))
    mirrored = losses(*(line(base, -qty) for base, qty in held))
    assert all(book[name] == -mirrored[name] for name in book)
