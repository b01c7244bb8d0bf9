"""A plan is exactly its quantity, in slices every venue takes, within its time and price, and the same once read."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidMessageError
from shared.domain.trading.algorithms import check_algorithm
from shared.domain.trading.instruments import Instrument, Side
from shared.domain.trading.intents import Algorithm, AlgorithmName, Intent, Purpose
from shared.domain.trading.money import total
from shared.domain.trading.orders import OrderKind, TimeInForce
from shared.domain.trading.plan_codec import plan_from_json, plan_to_json
from shared.domain.trading.plans import Plan, check_slices, make_plan
from shared.domain.trading.schedules import VolumeHistory
from tests.unit.domain.trading.offers import DEEP, START_MS, a_depth, an_instrument, an_intent, an_offer
from tests.unit.domain.trading.test_execution_life import HOUR_MS, PAST, algorithms

D = Decimal


def plan_of(algorithm: Algorithm, *, qty: str = "10", volumes: VolumeHistory | None = PAST) -> Plan:
    return make_plan(
        an_intent(algorithm, qty=qty),
        [an_offer()],
        now_ms=START_MS,
        volumes={} if volumes is None else {"one": volumes},
    )


def a_twap(**changes: object) -> Algorithm:
    base = Algorithm(name=AlgorithmName.TWAP, duration_ms=HOUR_MS, slices=6)
    return replace(base, **changes)  # type: ignore[arg-type]


instruments = st.builds(
    an_instrument,
    step=st.sampled_from(["0.001", "0.03", "1"]),
    min_qty=st.sampled_from(["0.001", "0.5", "4"]),
    min_notional=st.sampled_from(["0", "5", "300"]),
)
intents = st.builds(
    an_intent,
    algorithms,
    qty=st.integers(1, 30_000).map(lambda thousandths: str(D(thousandths) / 1_000)),
    side=st.sampled_from(Side),
    intent_id=st.text(max_size=4),
)


@given(intents, instruments)
def test_slices_are_the_quantity_and_each_is_one_the_venue_takes(intent: Intent, instrument: Instrument) -> None:
    algorithm = intent.algorithm
    plan = make_plan(intent, [an_offer(instrument=instrument)], now_ms=START_MS, volumes={"one": PAST})
    check_slices(plan)
    assert plan == plan_from_json(json.loads(json.dumps(plan_to_json(plan))))
    assert plan == make_plan(intent, [an_offer(instrument=instrument)], now_ms=START_MS, volumes={"one": PAST})
    for one in plan.slices:
        assert one.qty == instrument.fit_qty(one.qty)
        assert instrument.shortfall(one.qty, one.limit_price or D("99.9")) is None
    fits = instrument.fit_qty(plan.qty)
    if algorithm.participation_rate is None and algorithm.limit_price is None and plan.slices:
        assert total(one.qty for one in plan.slices) == fits


def test_twap_slices_are_about_equal_differ_by_seed_and_never_come_at_guessable_times() -> None:
    plan = plan_of(a_twap())
    assert len(plan.slices) == 6
    assert all(D("1.2") < one.qty < D("2.2") for one in plan.slices)
    assert len({one.qty for one in plan.slices}) > 1
    assert len({(one.due_at_ms - START_MS) % 600_000 for one in plan.slices}) == 6
    assert plan.deadline_ms == START_MS + HOUR_MS
    other = make_plan(an_intent(a_twap(), intent_id="another"), [an_offer()], now_ms=START_MS)
    assert [one.qty for one in other.slices] != [one.qty for one in plan.slices]


def test_minima_make_fewer_and_larger_slices() -> None:
    plan = plan_of(a_twap(slices=20), qty="0.3")  # 5 USDT at 100 is 0.05, with the margin 0.055
    assert 3 <= len(plan.slices) <= 5
    assert all(one.qty >= D("0.055") for one in plan.slices)
    assert plan.unplaced_qty == 0


def test_vwap_follows_the_volume_of_the_time_of_day() -> None:
    half = HOUR_MS // 2
    bars = tuple((START_MS - 86_400_000 + n * 60_000, D(9) if n * 60_000 < half else D(1)) for n in range(60))
    plan = plan_of(
        Algorithm(name=AlgorithmName.VWAP, duration_ms=HOUR_MS, slices=2),
        volumes=VolumeHistory(bar_ms=60_000, bars=bars),
    )
    assert [D("8.3") < plan.slices[0].qty < D("9.5"), D("0.5") < plan.slices[1].qty < D("1.7")] == [True, True]


def test_a_participation_cap_leaves_what_is_above_it_unplaced() -> None:
    bars = tuple((START_MS - 86_400_000 + n * 60_000, D("0.1")) for n in range(60))
    plan = plan_of(a_twap(participation_rate=D("0.5")), volumes=VolumeHistory(bar_ms=60_000, bars=bars))
    assert total(one.qty for one in plan.slices) == 3
    assert [one.max_qty for one in plan.slices] == [D("0.5")] * 6
    assert plan.unplaced_qty == 7


def test_no_tip_of_an_iceberg_is_larger_than_may_be_shown() -> None:
    plan = plan_of(Algorithm(name=AlgorithmName.ICEBERG, limit_price=D(99), shown_rate=D("0.2")))
    assert len(plan.slices) == 7
    assert all(one.qty <= 2 for one in plan.slices)
    assert total(one.qty for one in plan.slices) == 10
    assert (plan.slices[0].kind, plan.slices[0].time_in_force) == (OrderKind.LIMIT, TimeInForce.GTC)
    assert plan.deadline_ms is None


def test_a_market_order_is_split_where_it_is_cheaper() -> None:
    depth = a_depth(asks=[(100, 5), (104, 50)])
    plan = make_plan(an_intent(Algorithm()), [an_offer("one", depth), an_offer("two", depth)], now_ms=START_MS)
    assert [(one.slice_no, one.venue, one.qty) for one in plan.slices] == [(1, "one", D(5)), (2, "two", D(5))]
    assert plan.why.startswith("buy 5 BTC at one and 5 BTC at two")


def test_all_or_nothing_is_asked_of_one_venue_or_of_none() -> None:
    fok = Algorithm(name=AlgorithmName.LIMIT, limit_price=D(105), time_in_force=TimeInForce.FOK)
    depth = a_depth(asks=[(100, 5), (104, 50)])
    offers = [an_offer("one", depth), an_offer("two", depth)]
    whole = make_plan(an_intent(fok, qty="20"), offers, now_ms=START_MS)
    assert [one.qty for one in whole.slices] == [D(20)]
    nobody = make_plan(an_intent(fok, qty="80"), offers, now_ms=START_MS)
    assert (nobody.slices, nobody.unplaced_qty) == ((), D(80))


def test_an_exit_says_where_it_leaves() -> None:
    offers = [an_offer("one"), an_offer("two")]
    with pytest.raises(InvalidMessageError, match="venue of the position"):
        make_plan(an_intent(Algorithm(), purpose=Purpose.EXIT), offers, now_ms=START_MS)
    plan = make_plan(an_intent(Algorithm(), purpose=Purpose.EXIT, venue="two"), offers, now_ms=START_MS)
    assert plan.venues == ("two",)


def test_volumes_that_are_needed_and_unknown_are_an_error() -> None:
    for algorithm in (Algorithm(name=AlgorithmName.VWAP, duration_ms=1_000), a_twap(participation_rate=D("0.1"))):
        with pytest.raises(InvalidMessageError, match="volumes"):
            plan_of(algorithm, volumes=None)


@pytest.mark.parametrize(
    ("algorithm", "field"),
    [
        (Algorithm(slices=0), "slices"),
        (Algorithm(slices=2), "slices"),
        (Algorithm(duration_ms=-1), "duration_ms"),
        (a_twap(duration_ms=0), "duration_ms"),
        (Algorithm(limit_price=D("NaN")), "limit_price"),
        (Algorithm(limit_price=D(-1)), "limit_price"),
        (Algorithm(name=AlgorithmName.LIMIT), "limit_price"),
        (Algorithm(name=AlgorithmName.ICEBERG, limit_price=D(1)), "shown_rate"),
        (Algorithm(name=AlgorithmName.ICEBERG, limit_price=D(1), shown_rate=D("NaN")), "shown_rate"),
        (Algorithm(shown_rate=D("0.1")), "shown_rate"),
        (Algorithm(participation_rate=D("0.1")), "participation_rate"),
        (a_twap(participation_rate=D("1.1")), "participation_rate"),
        (a_twap(participation_rate=D("NaN")), "participation_rate"),
        (Algorithm(name=AlgorithmName.POV, duration_ms=1, slices=2), "participation_rate"),
        (Algorithm(name=AlgorithmName.POV, duration_ms=1, participation_rate=D(1)), "slices"),
        (a_twap(time_in_force=TimeInForce.POST_ONLY), "time_in_force"),
        (Algorithm(time_in_force=TimeInForce.FOK), "time_in_force"),
    ],
)
def test_an_algorithm_that_makes_no_sense_is_refused_by_the_field(algorithm: Algorithm, field: str) -> None:
    with pytest.raises(InvalidMessageError) as refused:
        check_algorithm(algorithm)
    assert refused.value.field == f"algorithm.{field}"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"v": 2}, "plan.v"),
        ({"qty": "NaN"}, "plan.qty"),
        ({"qty": 1.5}, "plan.qty"),
        ({"side": "hold"}, "plan.side"),
        ({"started_at_ms": None}, "plan.started_at_ms"),
        ({"algorithm": []}, "plan.algorithm"),
        ({"slices": {}}, "plan.slices"),
        ({"slices": [{}]}, "plan.slices.slice_no"),
        ({"unplaced_qty": "1"}, "slices"),
    ],
)
def test_a_plan_that_is_none_is_refused_by_the_field(change: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidMessageError) as refused:
        plan_from_json(plan_to_json(plan_of(a_twap())) | change)
    assert refused.value.field == field


def test_a_limit_below_one_tick_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="at least one tick"):
        make_plan(
            an_intent(Algorithm(name=AlgorithmName.LIMIT, limit_price=D("0.001"))),
            [an_offer("one", DEEP, instrument=an_instrument("one", min_notional="0"))],
            now_ms=START_MS,
        )
