"""What a consensus is: a vote per independent source, exact boundaries, the same in any order and however often."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.consensus import (
    LOOKBACK_WINDOWS,
    Consensus,
    SignalAgentSettings,
    Validity,
    Verdict,
    form_all,
    form_consensus,
)
from shared.domain.consensus_words import sentence_of, sentence_of_vote
from shared.domain.errors import InvalidMessageError
from shared.domain.intelligence import Direction, Provenance, View

NOW = 1_700_000_000_000
BTC = "BTC/USDT"
MINUTE = 60_000
SETTINGS = SignalAgentSettings()
LONG, SHORT, NEUTRAL = Direction.LONG, Direction.SHORT, Direction.NEUTRAL
MIRROR = {LONG: SHORT, SHORT: LONG, NEUTRAL: NEUTRAL, None: None}


def view(source: str, direction: Direction = LONG, **changes: Any) -> View:
    values: dict[str, Any] = {"kind": "sentiment", "instrument": BTC, "confidence": 0.8, "observed_at_ms": NOW}
    return View(source=source, direction=direction, **(values | changes))


def of(*views: View, settings: SignalAgentSettings = SETTINGS, now_ms: int = NOW) -> Consensus:
    return form_consensus(BTC, views, settings=settings, now_ms=now_ms)


def share_of(consensus: Consensus, side: Direction) -> Fraction:
    """Return the part of the weight on a side, exactly."""
    weights = [(vote.direction, Fraction(vote.weight)) for vote in consensus.votes]
    whole = sum((weight for _, weight in weights), Fraction())
    return sum((weight for direction, weight in weights if direction is side), Fraction()) / (whole or 1)


def decided(consensus: Consensus) -> tuple[object, ...]:
    """Return all that is decided, without the votes that do not count."""
    counted = [vote for vote in consensus.votes if vote.validity is Validity.COUNTED]
    return (consensus.verdict, consensus.direction, consensus.share, consensus.agreeing, consensus.sources, counted)


SOURCES = st.sampled_from([f"s{n}" for n in range(6)])
VIEWS = st.builds(
    View,
    source=SOURCES,
    kind=st.sampled_from(["sentiment", "news", "trader", "other"]),
    instrument=st.sampled_from([BTC, "ETH/USDT"]),
    direction=st.sampled_from(Direction),
    confidence=st.none() | st.floats(0, 1),
    observed_at_ms=st.sampled_from([0, 1, 10, 59, 60, 61, 200, -1]).map(lambda minutes: NOW - minutes * MINUTE),
    expires_at_ms=st.none() | st.integers(NOW - 30 * MINUTE, NOW + 30 * MINUTE),
    provenance=st.sampled_from(Provenance),
    data_quality=st.sampled_from([0.0, 0.49, 0.5, 1.0]),
)
MANY = st.lists(VIEWS, max_size=20)


@given(MANY, st.sampled_from([LONG, SHORT]), st.floats(0, 1), st.integers(0, 600))
def test_a_vote_for_a_side_never_lowers_its_share(
    views: list[View], side: Direction, confidence: float, minutes: int
) -> None:
    more = view("another", side, confidence=confidence, observed_at_ms=NOW - minutes * MINUTE)
    before, after = of(*views), of(*views, more)
    assert share_of(after, side) >= share_of(before, side)
    assert share_of(after, MIRROR[side] or side) <= share_of(before, MIRROR[side] or side)


@given(MANY, st.sampled_from([LONG, SHORT]))
def test_a_vote_against_a_side_never_makes_it_agree(views: list[View], side: Direction) -> None:
    after = of(*views, view("another", side))
    if after.is_reached and after.direction is not side:
        assert of(*views).is_reached


@given(st.data(), MANY)
def test_order_does_not_matter(data: st.DataObject, views: list[View]) -> None:
    assert of(*data.draw(st.permutations(views))) == of(*views)


@given(st.data(), MANY)
def test_duplicates_change_nothing(data: st.DataObject, views: list[View]) -> None:
    again = data.draw(st.lists(st.sampled_from(views))) if views else []
    assert of(*views, *again) == of(*views)


@given(MANY, MANY)
def test_what_is_made_up_or_poor_changes_nothing(views: list[View], others: list[View]) -> None:
    made_up = [replace(each, provenance=Provenance.SIMULATED) for each in others]
    poor = [replace(each, data_quality=0.49) for each in others]
    assert decided(of(*views, *made_up)) == decided(of(*views)) == decided(of(*poor, *views))


@given(MANY)
def test_mirrored_views_mirror_the_answer(views: list[View]) -> None:
    here = of(*views)
    there = of(*(replace(each, direction=MIRROR[each.direction] or NEUTRAL) for each in views))
    assert there == replace(
        here,
        direction=MIRROR[here.direction],
        votes=tuple(replace(vote, direction=MIRROR[vote.direction] or NEUTRAL) for vote in here.votes),
    )


@given(MANY)
def test_weights_are_fractions_and_shares_add_up(views: list[View]) -> None:
    found = of(*views)
    assert all(0.0 <= vote.weight <= vote.confidence <= 1.0 and 0.0 <= vote.freshness <= 1.0 for vote in found.votes)
    assert all((vote.weight > 0) == (vote.validity is Validity.COUNTED) for vote in found.votes)
    shares = [share_of(found, direction) for direction in Direction]
    assert sum(shares) == (1 if found.sources else 0)
    assert 0.0 <= found.confidence <= 1.0
    counted = [vote.source for vote in found.votes if vote.validity is Validity.COUNTED]
    assert len(counted) == len(set(counted)) == found.sources


@given(MANY)
def test_every_answer_is_explained(views: list[View]) -> None:
    found = of(*views)
    assert sentence_of(found, SETTINGS).startswith(str(found.direction) if found.is_reached else found.verdict.value)
    assert all(sentence_of_vote(vote, now_ms=NOW).startswith(vote.direction) for vote in found.votes)


@given(MANY)
def test_instruments_do_not_touch_each_other(views: list[View]) -> None:
    found = {each.instrument: each for each in form_all(views, settings=SETTINGS, now_ms=NOW)}
    assert set(found) == {each.instrument for each in views}
    for instrument, each in found.items():
        own = [v for v in views if v.instrument == instrument]
        assert each == form_consensus(instrument, own, settings=SETTINGS, now_ms=NOW)


@pytest.mark.parametrize("weight", [1.0, 0.1, 0.3, 0.7, 1 / 3, 0.123456789, 1e-9])
@pytest.mark.parametrize(("longs", "shorts", "verdict"), [(7, 3, Verdict.CONSENSUS), (69, 31, Verdict.SPLIT)])
def test_seventy_percent_is_enough_and_less_is_not(weight: float, longs: int, shorts: int, verdict: Verdict) -> None:
    views = [view(f"l{n}", LONG, confidence=weight) for n in range(longs)]
    views += [view(f"s{n}", SHORT, confidence=weight) for n in range(shorts)]
    assert of(*views).verdict is verdict
    assert share_of(of(*views), LONG) == Fraction(longs, longs + shorts)


def test_a_hair_less_than_the_share_is_not_enough() -> None:
    three = [view(f"l{n}", LONG, confidence=0.7 / 3) for n in range(3)]
    exact = replace(SETTINGS, min_share=Decimal(Fraction(3, 4).numerator) / 4)
    four = [view(f"l{n}", LONG, confidence=0.5) for n in range(3)]
    assert of(*four, view("s", SHORT, confidence=0.5), settings=exact).is_reached
    assert not of(*four, view("s", SHORT, confidence=0.5 + 2**-40), settings=exact).is_reached
    assert of(*three, view("s", SHORT, confidence=0.31)).verdict is Verdict.SPLIT


def test_three_sources_that_agree_are_enough_and_two_are_not() -> None:
    assert of(view("a"), view("b"), view("c")).is_reached
    two = of(view("a"), view("b"))
    assert (two.verdict, two.direction, two.sources) == (Verdict.INSUFFICIENT, LONG, 2)
    assert of().verdict is Verdict.INSUFFICIENT
    assert of().direction is None


@pytest.mark.parametrize("third", [SHORT, NEUTRAL])
def test_who_says_something_else_does_not_make_three(third: Direction) -> None:
    found = of(view("a"), view("b"), view("c", third, confidence=0.01))
    assert (found.verdict, found.sources, found.agreeing) == (Verdict.INSUFFICIENT, 3, 2)
    assert "2 sources for long" in sentence_of(found, SETTINGS)


def test_neutral_sources_speak_for_neither_side() -> None:
    found = of(view("a"), view("b"), view("c"), view("d", NEUTRAL), view("e", NEUTRAL))
    assert (found.verdict, found.direction, found.share) == (Verdict.SPLIT, LONG, 0.6)
    none = of(view("a", NEUTRAL), view("b", NEUTRAL), view("c", NEUTRAL))
    assert (none.verdict, none.direction, none.share, none.confidence) == (Verdict.SPLIT, None, 0.0, 0.0)
    even = of(view("a"), view("b"), view("c", SHORT), view("d", SHORT))
    assert (even.verdict, even.direction) == (Verdict.SPLIT, None)
    assert "neither side" in sentence_of(even, SETTINGS)


def test_a_source_counts_once_by_what_it_said_last() -> None:
    old = [view("a", SHORT, observed_at_ms=NOW - MINUTE), view("a", SHORT, observed_at_ms=NOW - 2 * MINUTE)]
    found = of(*old, view("a"), view("b"), view("c"))
    assert (found.verdict, found.sources) == (Verdict.CONSENSUS, 3)
    assert of(view("a"), view("a", kind="news"), view("a", kind="onchain")).sources == 1


def test_a_source_that_says_both_at_once_is_neutral() -> None:
    found = of(view("a"), view("a", SHORT, kind="news"), view("b"), view("c"), view("d"))
    (both,) = [vote for vote in found.votes if vote.source == "a"]
    assert (both.direction, both.validity) == (NEUTRAL, Validity.COUNTED)


def test_a_made_up_view_does_not_hide_what_was_measured_before() -> None:
    later = view("a", SHORT, provenance=Provenance.SIMULATED)
    found = of(view("a", observed_at_ms=NOW - MINUTE), later, view("b"), view("c"))
    assert found.is_reached
    assert {vote.validity for vote in found.votes} == {Validity.COUNTED, Validity.SIMULATED}


def test_a_view_weighs_half_after_its_half_life() -> None:
    settings = replace(SETTINGS, half_lives_ms={"news": 10 * MINUTE}, default_half_life_ms=20 * MINUTE)
    old = NOW - 20 * MINUTE
    found = of(view("a", kind="news", observed_at_ms=old), view("b", observed_at_ms=old), view("c"), settings=settings)
    assert {vote.source: vote.weight for vote in found.votes} == {"a": 0.2, "b": 0.4, "c": 0.8}
    assert found.confidence == pytest.approx((0.2 + 0.4 + 0.8) / 3)


def test_who_does_not_say_how_sure_has_the_confidence_that_is_set() -> None:
    (vote,) = of(
        view("trader:c0ffee", kind="trader", confidence=None), settings=replace(SETTINGS, default_confidence=0.4)
    ).votes
    assert vote.confidence == 0.4
    assert of(view("a", confidence=0.0), view("b"), view("c")).sources == 2  # not sure at all is no voice


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"observed_at_ms": NOW - SETTINGS.window_ms}, True),
        ({"observed_at_ms": NOW - SETTINGS.window_ms - 1}, False),
        ({"expires_at_ms": NOW + 1}, True),
        ({"expires_at_ms": NOW}, False),
        ({"observed_at_ms": NOW + 1}, False),
        ({"data_quality": 0.5}, True),
        ({"data_quality": 0.4999}, False),
    ],
)
def test_the_edges_of_what_counts(changes: dict[str, Any], counts: bool) -> None:
    assert of(view("a", **changes), view("b"), view("c")).is_reached is counts


def test_enough_sources_that_are_too_old_are_stale() -> None:
    old = NOW - SETTINGS.window_ms - 1
    found = of(view("a", observed_at_ms=old), view("b", observed_at_ms=old), view("c"))
    assert (found.verdict, found.sources) == (Verdict.STALE, 1)
    assert sentence_of(found, SETTINGS) == (
        "stale: only 1 of 3 sources have spoken within 60 min and stand by it, 3 are asked for"
    )
    assert of(view("a", observed_at_ms=old), view("c")).verdict is Verdict.INSUFFICIENT
    assert LOOKBACK_WINDOWS > 1  # what is read reaches further back than what votes


@pytest.mark.parametrize(
    "change",
    [
        {"min_sources": 0}, {"min_share": Decimal("0.5")}, {"min_share": Decimal("1.01")},
        {"half_lives_ms": {"news": 0}},
        {"default_half_life_ms": 0}, {"window_ms": 0}, {"min_data_quality": 1.5}, {"default_confidence": -0.1},
        {"notional": Decimal(0)}, {"notional": Decimal("NaN")}, {"trailing_rate": Decimal(1)}, {"hold_ms": 0},
        {"horizon_ms": 999}, {"cooldown_ms": -1},
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_mean_nothing_are_named(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessageError) as refused:
        SignalAgentSettings(**change)
    assert refused.value.field in change


@pytest.mark.parametrize("value", [float("nan"), -0.1, 1.1, float("inf")])
def test_a_view_that_is_no_fraction_is_refused(value: float) -> None:
    for name, wrong in {"confidence": {"confidence": value}, "data_quality": {"data_quality": value}}.items():
        with pytest.raises(InvalidMessageError) as refused:
            view("a", LONG, **wrong)
        assert refused.value.field == name


def test_the_words_say_what_decided() -> None:
    votes = [
        view("coingecko", observed_at_ms=NOW - 12 * MINUTE), view("b"), view("c"), view("d", SHORT, confidence=0.2),
        view("old", observed_at_ms=NOW - 150 * MINUTE), view("unsure", confidence=0.0),
        view("poor", data_quality=0.1),
    ]  # fmt: skip
    found = of(*votes)
    assert (
        sentence_of(found, SETTINGS)
        == "long: 3 of 4 sources agree, with 92.0 % of the weight (3 and 70 % are asked for)"
    )
    told = {vote.label: sentence_of_vote(vote, now_ms=NOW) for vote in found.votes}
    assert told["coingecko"] == "long, 0.80 sure, 12 min old: weighs 0.70"
    assert told["old"] == "long, 0.80 sure, 2 h old: too old to count"
    assert told["unsure"].endswith("not sure at all, which weighs nothing")
    assert told["poor"].endswith("of data too poor to count")
