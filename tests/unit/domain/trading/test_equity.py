"""What a book is worth."""

from dataclasses import replace
from decimal import Decimal

from shared.domain.trading.equity import drawdown_rate, equity_of
from shared.domain.trading.positions import Position

D = Decimal
LONG = Position(book_id="b", venue="binance", symbol="BTC/USDT", qty=D(2), cost=D(200), realised=D(5), fees=D(1))
SHORT = replace(LONG, symbol="ETH/USDT:USDT", qty=D(-3), cost=D(-30), realised=D(-2), fees=D("0.5"))
FLAT = replace(LONG, symbol="SOL/USDT", qty=D(0), cost=D(0), realised=D(7), fees=D("0.25"))


def test_equity_is_capital_and_what_was_earned_less_fees() -> None:
    marks = {("binance", "BTC/USDT"): D(110), ("binance", "ETH/USDT:USDT"): D(12)}
    worth = equity_of(D(1_000), [LONG, SHORT, FLAT], marks)
    assert (worth.realised, worth.fees, worth.unrealised) == (D(10), D("1.75"), D(20 - 6))
    assert worth.equity == D("1022.25")


def test_funding_is_a_part_of_what_a_book_is_worth() -> None:
    paid = [replace(SHORT, funding=D("-0.75")), replace(FLAT, symbol="SOL/USDT:USDT", funding=D("0.5"))]
    worth = equity_of(D(1_000), paid, {("binance", "ETH/USDT:USDT"): D(12)})
    assert (worth.funding, worth.equity) == (D("-0.25"), D(1_000 - 2 + 7) - D("0.75") - 6 - D("0.25"))
    assert paid[0].profit(D(12)) == D("-2") - 6 - D("0.5") - D("0.75")


def test_without_a_price_equity_is_unknown_and_says_of_what() -> None:
    worth = equity_of(D(1_000), [LONG, SHORT, FLAT], {("binance", "BTC/USDT"): D(110)})
    assert worth.equity is None
    assert worth.unpriced == (("binance", "ETH/USDT:USDT"),)


def test_a_flat_book_needs_no_price() -> None:
    assert equity_of(D(1_000), [FLAT], {}).equity == D("1006.75")


def test_drawdown_is_a_fraction_of_the_days_first_equity() -> None:
    assert drawdown_rate(D(1_000), D(950)) == D("0.05")
    assert drawdown_rate(D(1_000), D(1_100)) == 0
    assert drawdown_rate(D(0), D(0)) == 1  # nothing to lose is nothing to trade with
