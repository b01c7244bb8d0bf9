"""A quantity goes where this very quantity costs least, never beyond a venue's depth, grid or minima."""

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidMessageError
from shared.domain.trading.instruments import Side
from shared.domain.trading.money import total
from shared.domain.trading.routing import ADVERSE_RATE, RETRY_COST_RATE, Route, VenueOffer, route
from tests.unit.domain.trading.offers import a_depth, an_instrument, an_offer

D = Decimal


def placed(found: Route) -> dict[str, Decimal]:
    return {part.venue: part.qty for part in found.parts}


def test_a_small_quantity_goes_to_the_best_price_and_a_big_one_to_the_deep_book() -> None:
    offers = [
        an_offer("tight", a_depth(asks=[(100, 1), (110, 100)])),
        an_offer("deep", a_depth(asks=[("100.5", 100)]), instrument=an_instrument("deep", min_qty="9.5")),
    ]
    assert placed(route(D(1), Side.BUY, offers)) == {"tight": D(1)}
    assert placed(route(D(10), Side.BUY, offers)) == {"deep": D(10)}  # 9 would be below the deep venue's minimum


def test_a_fee_outweighs_a_better_price() -> None:
    offers = [
        an_offer("dear", a_depth(asks=[(100, 10)]), instrument=an_instrument("dear", taker="0.004")),
        an_offer("cheap", a_depth(asks=[("100.2", 10)]), instrument=an_instrument("cheap", taker="0.001")),
    ]
    found = route(D(2), Side.BUY, offers)
    assert placed(found) == {"cheap": D(2)}
    assert found.parts[0].slippage == D("0.4")
    assert found.parts[0].fee == D("0.2004")
    assert found.cost == D("0.6004")
    assert [(row.venue, row.cost) for row in found.table] == [("cheap", D("0.6004")), ("dear", D("0.8"))]


def test_latency_and_rejections_cost_what_is_documented() -> None:
    free = an_instrument("slow", taker="0")
    for latency_ms, roots in ((1_000, 1), (4_000, 2), (250, D("0.5"))):
        offer = an_offer("slow", a_depth(bids=[(100, 1)]), instrument=free, latency_ms=latency_ms)
        assert route(D(1), Side.SELL, [offer]).parts[0].latency == 100 * ADVERSE_RATE * roots
    flaky = route(D(1), Side.SELL, [an_offer("slow", a_depth(bids=[(100, 1)]), instrument=free, reject_rate="0.5")])
    assert flaky.parts[0].rejects == 100 * RETRY_COST_RATE
    never = route(D(1), Side.SELL, [an_offer("slow", a_depth(bids=[(100, 1)]), reject_rate="1")])
    assert (never.parts, never.unplaced_qty) == ((), D(1))


def test_a_venue_loses_the_route_by_its_record_and_the_sentence_says_so() -> None:
    depth = a_depth(asks=[(100, 10)])

    def chosen(**record: object) -> Route:
        worse = an_offer("worse", depth, instrument=an_instrument("worse", taker="0"), **record)  # type: ignore[arg-type]
        return route(D(1), Side.BUY, [worse, an_offer("zulu", depth, instrument=an_instrument("zulu", taker="0"))])

    assert chosen(latency_ms=400).why == (
        "buy 1 BTC at zulu for an expected 0.0000 USDT beyond the best price; "
        "worse would cost 0.0013 (0.0013 for being slow) for 1 BTC"
    )
    assert "worse would cost 0.0213 (0.0013 for being slow and 0.0200 for what it refuses)" in (
        chosen(latency_ms=400, reject_rate="0.5").why
    )
    assert placed(chosen()) == {"worse": D(1)}  # by name alone


def test_it_splits_when_that_is_cheaper_and_says_so() -> None:
    offers = [an_offer(name, a_depth(asks=[(100, 5), (104, 50)])) for name in ("one", "two")]
    found = route(D(10), Side.BUY, offers)
    assert placed(found) == {"one": D(5), "two": D(5)}
    assert found.why == (
        "buy 5 BTC at one and 5 BTC at two for an expected 1.0000 USDT beyond the best price; "
        "one alone would cost 21.0200"
    )


def test_a_part_below_the_minima_goes_back_to_the_others() -> None:
    offers = [an_offer("one", a_depth(asks=[(100, 1), (103, 9)])), an_offer("two", a_depth(asks=[("100.5", "0.04")]))]
    assert placed(route(D(2), Side.BUY, offers)) == {"one": D(2)}


def test_the_rest_of_a_coarse_grid_goes_to_the_finest_and_what_no_grid_has_stays_out() -> None:
    offers = [
        an_offer("coarse", a_depth(asks=[(100, 50)]), instrument=an_instrument("coarse", step="1", min_qty="1")),
        an_offer("fine", a_depth(asks=[("100.1", 50)]), instrument=an_instrument("fine", step="0.1", min_notional="0")),
    ]
    found = route(D("3.25"), Side.BUY, offers)
    assert found.unplaced_qty == D("0.05")
    assert total(part.qty for part in found.parts) == D("3.2")
    assert "0.05 BTC finds no place" in found.why


def test_a_price_limit_is_not_walked_through() -> None:
    found = route(D(3), Side.BUY, [an_offer("one", a_depth(asks=[(100, 1), (101, 5)]))], limit_price=D("100.5"))
    assert (placed(found), found.unplaced_qty) == ({"one": D(1)}, D(2))
    nothing = route(D(3), Side.BUY, [an_offer("one", a_depth(asks=[(100, 1)]))], limit_price=D(99))
    assert (nothing.parts, nothing.unplaced_qty) == ((), D(3))


def test_what_rests_goes_to_the_lowest_maker_fee_whatever_the_depth() -> None:
    offers = [
        an_offer("one", a_depth(asks=[(100, 1)]), instrument=an_instrument("one", maker="0.001")),
        an_offer("two", a_depth(asks=[(105, "0.1")]), instrument=an_instrument("two", maker="-0.0001")),
    ]
    found = route(D(3), Side.BUY, offers, limit_price=D(99), is_maker=True)
    assert placed(found) == {"two": D(3)}
    assert found.cost == D("-0.0297")


@pytest.mark.parametrize("qty", [D(0), D(-1), D("NaN"), D("Infinity")])
def test_a_quantity_that_is_none_is_refused(qty: Decimal) -> None:
    with pytest.raises(InvalidMessageError, match="qty"):
        route(qty, Side.BUY, [an_offer()])


def test_two_offers_of_one_venue_are_refused() -> None:
    with pytest.raises(InvalidMessageError, match="one offer a venue"):
        route(D(1), Side.BUY, [an_offer(), an_offer()])


cells = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 30)), min_size=1, max_size=4)
sides = st.sampled_from(Side)


@st.composite
def offer_sets(draw: st.DrawFn, *, step: str | None = None, floor: str | None = None) -> tuple[Side, list[VenueOffer]]:
    side, offers = draw(sides), []
    for name in ("one", "two", "three")[: draw(st.integers(1, 3))]:
        price, rows = D(100) + side.sign * draw(st.integers(0, 10)), []
        for gap, qty in draw(cells):
            price += side.sign * D(gap) / 10
            rows.append((price, D(qty) / 10))
        depth = a_depth(asks=rows) if side is Side.BUY else a_depth(bids=rows)
        instrument = an_instrument(
            name,
            step=step or draw(st.sampled_from(["0.001", "0.1", "0.25", "1"])),
            min_qty=floor or draw(st.sampled_from(["0.001", "0.5", "2"])),
            min_notional="0" if floor else draw(st.sampled_from(["0", "5", "60"])),
            taker=draw(st.sampled_from(["0", "0.001", "0.02"])),
        )
        offers.append(
            an_offer(name, depth, instrument=instrument, reject_rate=draw(st.sampled_from(["0", "0.3", "1"])))
        )
    return side, offers


@given(offer_sets(), st.integers(1, 20_000))
def test_parts_and_rest_are_the_quantity_and_each_part_is_one_the_venue_takes(
    given_offers: tuple[Side, list[VenueOffer]], thousandths: int
) -> None:
    side, offers = given_offers
    qty = D(thousandths) / 1_000
    found = route(qty, side, offers)
    assert total(part.qty for part in found.parts) + found.unplaced_qty == qty
    assert found.unplaced_qty >= 0
    by_venue = {offer.venue: offer for offer in offers}
    for part in found.parts:
        offer = by_venue[part.venue]
        assert part.qty == offer.instrument.fit_qty(part.qty)
        assert part.qty <= total(level.qty for level in offer.depth.against(side))
        worst = min(level.price for level in offer.depth.against(side))
        assert offer.instrument.shortfall(part.qty, max(worst, part.price)) is None
    full = [row.cost for row in found.table if row.qty == qty - found.unplaced_qty]
    assert all(found.cost <= cost for cost in full)
    assert all(row.qty <= qty - found.unplaced_qty for row in found.table)


@given(offer_sets(step="0.1", floor="0.1"), st.integers(1, 30))
def test_where_grids_are_equal_no_split_is_cheaper(given_offers: tuple[Side, list[VenueOffer]], tenths: int) -> None:
    side, offers = given_offers
    qty = D(tenths) / 10
    found = route(qty, side, offers)
    best = min((offer.depth.against(side)[0].price for offer in offers), key=lambda price: side.sign * price)

    def unit_costs(offer: VenueOffer) -> list[Decimal]:
        rejects = offer.reject_rate / (1 - offer.reject_rate) * RETRY_COST_RATE
        rate = offer.instrument.taker_fee_rate + rejects
        units = [level.price for level in offer.depth.against(side) for _ in range(int(level.qty * 10))]
        return [(side.sign * (price - best) + price * rate) / 10 for price in units]

    costs = [unit_costs(offer) for offer in offers if offer.reject_rate < 1]
    wanted = int((qty - found.unplaced_qty) * 10)
    splits = product(*(range(min(len(units), wanted) + 1) for units in costs[1:]))
    rivals = [
        sum((sum(units[:count], D(0)) for units, count in zip(costs, (wanted - sum(rest), *rest), strict=True)), D(0))
        for rest in splits
        if costs and 0 <= wanted - sum(rest) <= len(costs[0])
    ]
    assert wanted == min(tenths, sum(len(units) for units in costs))
    if rivals:
        assert abs(found.cost - min(rivals)) < D("1e-15")
