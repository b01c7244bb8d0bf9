"""How an order would fill a book's limits, as a function of its quantity, and the largest quantity that fits."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from shared.domain.trading.books import Limits
from shared.domain.trading.decisions import Figure, Objection, Reason, short
from shared.domain.trading.instruments import Instrument, Side
from shared.domain.trading.market import Place
from shared.domain.trading.money import LARGEST, ceil_to
from shared.domain.trading.portfolio import Portfolio, base_of
from shared.domain.trading.stress import stress
from shared.domain.trading.value_at_risk import History, Tails, tails_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number against its limit; `words` say it, with `{value}` and `{limit}` in them."""

    reason: Reason
    value: Decimal
    limit: Decimal
    words: str

    def objection(self) -> Objection:
        """Return it as a reason to deny."""
        sentence = self.words.format(value=short(self.value), limit=short(self.limit))
        return Objection(reason=self.reason, sentence=sentence, value=self.value, limit=self.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """What an order of a side at a place, filled at a price, does to a portfolio with these limits.

    `together` says of other symbols whether they move with (+1) or against (−1) the asked one; `history` is None where
    there is too little to tell a value at risk by.
    """

    portfolio: Portfolio
    limits: Limits
    place: Place
    side: Side
    price: Decimal
    together: Mapping[str, int]
    history: History | None

    def after(self, qty: Decimal) -> Portfolio:
        """Return the portfolio as if the order had filled."""
        return self.portfolio.adding(self.place, self.side, qty, self.price)

    def broken(self, qty: Decimal) -> Iterator[Measure]:
        """Yield the limits a quantity would break, those that are quick to tell first."""
        after = self.after(qty)
        for measures in (self._amounts, self._rates, self._stress, self._tail):
            yield from (measure for measure in measures(qty, after) if measure.value > measure.limit)

    def fits(self, qty: Decimal) -> bool:
        """Tell whether a quantity breaks no limit."""
        return next(self.broken(qty), None) is None

    def _amounts(self, qty: Decimal, after: Portfolio) -> list[Measure]:
        amounts = (
            (Reason.TRADE_NOTIONAL, qty * self.price, self.limits.max_trade_notional, "the trade"),
            (Reason.BOOK_NOTIONAL, after.gross, self.limits.max_book_notional, "the book"),
        )
        return [
            Measure(reason=reason, value=value, limit=limit, words=f"{what} would be {{value}} of at most {{limit}}")
            for reason, value, limit, what in amounts
            if limit is not None
        ]

    def _rates(self, _qty: Decimal, after: Portfolio) -> list[Measure]:
        base = base_of(self.place[1])
        rates = (
            (Reason.LEVERAGE, after.gross, self.limits.max_leverage, "leverage would be {value}, at most {limit}"),
            (
                Reason.CONCENTRATION,
                after.concentration(base),
                self.limits.max_concentration_rate,
                f"{base} would be {{value}} of the equity, at most {{limit}}",
            ),
            (
                Reason.CORRELATED,
                self.correlated(after),
                self.limits.max_correlated_rate,
                f"what moves with {self.place[1]} by {self.limits.correlation} or more would be {{value}} of the "
                "equity, at most {limit}",
            ),
        )
        return [
            Measure(reason=reason, value=value, limit=limit, words=words)
            for reason, notional, limit, words in rates
            if (value := after.rate(notional)) is not None
        ]

    def _stress(self, _qty: Decimal, after: Portfolio) -> list[Measure]:
        worst, limit = stress(after.lines)[0], self.limits.max_stress_loss_rate
        words = f"a day like {worst.scenario} would cost {{value}} of the equity, at most {{limit}}"
        rate = after.rate(worst.loss)
        return [] if rate is None else [Measure(reason=Reason.STRESS, value=rate, limit=limit, words=words)]

    def _tail(self, _qty: Decimal, after: Portfolio) -> list[Measure]:
        tails, limit = self.tails(after), self.limits.var_limit_rate
        words = "one day in twenty would cost {value} of the equity or more, at most {limit}"
        rate = None if tails is None else after.rate(_decimal(tails.worst))
        return [] if rate is None else [Measure(reason=Reason.VALUE_AT_RISK, value=rate, limit=limit, words=words)]

    def correlated(self, after: Portfolio) -> Decimal:
        """Return the notional that gains and loses with the order: what hedges it is not taken off."""
        sign, own = self.side.sign, self.place[1]
        signs = {line.symbol: 1 if line.symbol == own else self.together.get(line.symbol, 0) for line in after.lines}
        return sum(
            (line.side(sign * signs[line.symbol]) for line in after.lines if signs[line.symbol]), start=Decimal(0)
        )

    def tails(self, after: Portfolio) -> Tails | None:
        """Return the tails of a portfolio, None where there is no history to tell them by."""
        if self.history is None:
            return None
        notionals: dict[str, float] = {}
        for line in after.lines:
            notionals[line.symbol] = notionals.get(line.symbol, 0.0) + float(line.signed)
        return tails_of(self.history, notionals)

    def largest(self, instrument: Instrument, asked_qty: Decimal, price: Decimal) -> Decimal | None:
        """Return a quantity on the steps, below the asked one, that breaks no limit and meets the minima at a price.

        It is the largest where every smaller one fits too; None when not even the smallest fits.
        """
        step = instrument.step_size
        least = ceil_to(max(instrument.min_qty, instrument.min_notional / price, step), step)
        low, high = int(least / step), int(asked_qty / step)
        if low >= high or instrument.shortfall(low * step, price) or not self.fits(low * step):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.fits(middle * step) else (low, middle)
        return low * step

    def figures(self, qty: Decimal) -> dict[str, Figure]:
        """Return what was measured at a quantity, and before it, as a decision keeps it."""
        before, after = self.portfolio, self.after(qty)
        figures: dict[str, Figure] = {
            "gross_before": before.gross,
            "gross_after": after.gross,
            "net_after": after.net,
            "leverage_before": _fine(before.rate(before.gross)),
            "leverage_after": _fine(after.rate(after.gross)),
            "concentration_after": _fine(after.rate(after.concentration(base_of(self.place[1])))),
            "correlated_after": _fine(after.rate(self.correlated(after))),
            "stress_scenario": stress(after.lines)[0].scenario,
            "stress_loss": stress(after.lines)[0].loss,
        }
        if (tails := self.tails(after)) is not None:
            ways = {"historical": tails.historical, "parametric": tails.parametric, "monte_carlo": tails.monte_carlo}
            for way, tail in ways.items():
                figures[f"var_{way}"] = _decimal(tail.value_at_risk)
                figures[f"expected_shortfall_{way}"] = _decimal(tail.expected_shortfall)
            figures["yearly_deviation"] = _decimal(tails.yearly_deviation)
        return figures


def _decimal(value: float) -> Decimal:
    """Return a statistic in quote units to eight places, which is more than it knows."""
    return Decimal(repr(round(value, 8)))


def _fine(rate: Decimal | None) -> Decimal | None:
    """Return a rate to eight places; one that leaves no room for them is of next to no equity, and kept as it is."""
    return rate.quantize(Decimal("1e-8")) if rate is not None and abs(rate) < LARGEST else rate
