"""What a book has at stake is counted at its worst, and its equity is unknown rather than wrong."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.trading.instruments import Side
from shared.domain.trading.market import Place
from shared.domain.trading.portfolio import Line, base_of, places_of, portfolio_of
from tests.unit.domain.trading.desk import BTC, ETH, VENUE, held, intent, mark, market, reserved, view

PLACE: Place = (VENUE, BTC)


def test_equity_is_capital_and_profit_at_the_marks_with_fees_taken_off() -> None:
    position = replace(held(BTC, "2", "90").position, realised=Decimal(50), fees=Decimal(7))
    short = held(ETH, "-10", "12")
    portfolio = portfolio_of(view(positions=[replace(short, position=position), short]), market())
    assert portfolio.equity == 10_000 + 2 * 10 + 50 - 7 + 10 * 2
    assert [portfolio.gross, portfolio.net] == [300, 100]
    assert portfolio.rate(portfolio.gross) == Decimal(300) / Decimal(10_083)


def test_what_a_closed_position_earned_stays_in_the_equity() -> None:
    closed = replace(held(BTC, "0", "1").position, realised=Decimal(-100), fees=Decimal(1))
    portfolio = portfolio_of(view(positions=[replace(held(BTC, "0", "1"), position=closed)]), market(marks={}))
    assert portfolio.equity == 9_899
    assert portfolio.drawdown_rate == Decimal("0.0101")
    assert portfolio.lines == ()


def test_a_position_nobody_tells_a_price_of_leaves_the_equity_unknown() -> None:
    portfolio = portfolio_of(view(positions=[held("X/USDT", "1", "1")]), market())
    assert portfolio.equity is None
    assert portfolio.drawdown_rate is None
    assert portfolio.rate(Decimal(1)) is None
    assert portfolio.unpriced == ((VENUE, "X/USDT"),)


@pytest.mark.parametrize(
    ("day_start", "rate"), [("10000", "0"), ("9000", "0"), ("12500", "0.2"), ("0", "1"), ("-5", "1")]
)
def test_drawdown_is_what_midnights_equity_has_lost(day_start: str, rate: str) -> None:
    assert portfolio_of(view(day_start_equity=Decimal(day_start)), market()).drawdown_rate == Decimal(rate)


@pytest.mark.parametrize(
    ("qty", "buys", "sells", "signed"),
    [
        ("1", "2", "0", "300"),
        ("1", "0", "0.5", "100"),  # what may be sold may also not be
        ("1", "0", "3", "-300"),  # what is held may have been left before it is turned
        ("-1", "0.5", "0", "-100"),
        ("-1", "0.5", "1", "-200"),
        ("0", "1", "2", "-200"),
    ],
)
def test_what_is_approved_may_fill_or_not_and_the_worst_counts(qty: str, buys: str, sells: str, signed: str) -> None:
    line = Line(place=PLACE, price=Decimal(100), qty=Decimal(qty), buys=Decimal(buys), sells=Decimal(sells))
    assert line.signed == Decimal(signed)
    assert line.gross == abs(Decimal(signed))


def test_reservations_add_to_their_place_exits_and_the_intent_itself_do_not() -> None:
    own = replace(reserved(BTC, Side.BUY, "9", "100"), intent_id="wish")
    seen = view(
        positions=[held(BTC, "1", "100")],
        reservations=(
            reserved(BTC, Side.BUY, "2", "110"),
            reserved(BTC, Side.SELL, "9", "100", is_exit=True),
            reserved(ETH, Side.SELL, "3", "9", venue=None),
            own,
        ),
        intent=intent(),
    )
    portfolio = portfolio_of(seen, market())
    assert {line.place: line.signed for line in portfolio.lines} == {PLACE: 330, (None, ETH): -30}


FUTURE = "BTC/USDT:USDT"


@pytest.mark.parametrize(
    ("qty", "short"),
    [
        ("1", 0),  # all of it is still held
        ("0.4", 50),  # some of it was sold by an entry, and may have left before
        ("-0.2", 110),  # turned: what was leaving counts beside what is short
    ],
)
def test_an_exit_of_a_future_that_has_been_turned_may_have_filled_before(qty: str, short: int) -> None:
    leaving = reserved(FUTURE, Side.SELL, "0.9", "100", is_exit=True)
    seen = view(positions=[held(FUTURE, qty, "100")], reservations=(leaving,))
    (line,) = portfolio_of(seen, market({FUTURE: "100"})).lines
    assert line.short == short
    assert line.long == max(Decimal(0), Decimal(qty)) * 100


def test_an_approved_symbol_without_a_mark_counts_at_what_its_raiser_saw() -> None:
    seen = view(reservations=(reserved("X/USDT", Side.BUY, "2", "7"),))
    assert portfolio_of(seen, market()).gross == 14


def test_a_decision_needs_the_prices_of_what_is_held_approved_and_asked() -> None:
    waiting = reserved("X/USDT", Side.BUY, "2", "7", venue=None)
    seen = view(positions=[held(ETH, "1", "10"), held("Y/USDT", "0", "1")], reservations=(waiting,))
    assert places_of(seen, intent()) == {(VENUE, ETH), (None, "X/USDT"), PLACE}


def test_concentration_is_of_a_coin_whatever_it_is_traded_as() -> None:
    assert (base_of("BTC/USDT"), base_of("BTC/USDT:USDT")) == ("BTC", "BTC")
    seen = view(positions=[held(BTC, "1", "100"), held("BTC/USDT:USDT", "-2", "100")])
    told = market(marks={PLACE: mark("100"), (VENUE, "BTC/USDT:USDT"): mark("100")})
    assert portfolio_of(seen, told).concentration("BTC") == 300


@given(
    st.decimals(-100, 100, places=3),
    st.sampled_from(Side),
    st.decimals(min_value="0.001", max_value=100, places=3),
    st.decimals(min_value="0.001", max_value=100, places=3),
)
def test_a_further_order_never_makes_exposure_smaller_and_a_larger_one_never_less(
    qty: Decimal, side: Side, one: Decimal, more: Decimal
) -> None:
    portfolio = portfolio_of(view(positions=[held(BTC, str(qty), "100")] if qty else []), market())
    small = portfolio.adding(PLACE, side, one, Decimal(100))
    large = portfolio.adding(PLACE, side, one + more, Decimal(100))
    assert portfolio.gross <= small.gross <= large.gross
    assert small.equity == portfolio.equity
