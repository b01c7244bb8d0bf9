"""What a portfolio would lose if a day of the past, or one that was only imagined, came again tomorrow."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.trading.money import total
from shared.domain.trading.portfolio import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A move of all prices at once: by base asset, and of all `others`, as fractions of the price."""

    name: str
    source: str
    shocks: Mapping[str, Decimal]
    others: Decimal

    def shock(self, base: str) -> Decimal:
        """Return the move of a base asset."""
        return self.shocks.get(base, self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stressed:
    """What a portfolio loses in a scenario, in quote units; negative when it gains."""

    scenario: str
    loss: Decimal


def _scenarios(table: str) -> tuple[Scenario, ...]:
    """Read lines of `name | BASE move … others move | source`, moves in percent."""
    read = []
    for line in table.strip().split("\n"):
        name, moves, source = (part.strip() for part in line.split("|"))
        words = moves.split()
        shocks = {base: Decimal(move) / 100 for base, move in zip(words[::2], words[1::2], strict=True)}
        others = shocks.pop("others")
        read.append(Scenario(name=name, source=source, shocks=shocks, others=others))
    return tuple(read)


SCENARIOS: Final = _scenarios(
    """
    2020-03-12 | BTC -50 ETH -55 others -55         | pandemic sell-off, peak to trough within 24 hours
    2021-05-19 | BTC -30 ETH -45 others -50         | mining ban and liquidations, open to low of the UTC day
    2022-11-09 | BTC -25 ETH -30 SOL -55 others -35 | failure of FTX, 8 and 9 November together
    2025-10-10 | BTC -15 ETH -20 others -60         | tariff news and liquidations, lows of small coins within an hour
    2021-02-08 | BTC 20 ETH 10 others 10            | Tesla buys, open to close of the UTC day
    squeeze    | BTC 15 ETH 25 others 60            | imagined: the fall of 2025-10-10 against shorts, rounded up
    rotation   | BTC 10 ETH -10 others -25          | imagined: money leaves small coins for Bitcoin
    """
)
"""Moves are rounded to five percent from published accounts of these days: they say how bad a day may be, not what it
was to the tenth."""


def stress(lines: Iterable[Line], scenarios: Iterable[Scenario] = SCENARIOS) -> tuple[Stressed, ...]:
    """Return what signed positions lose in each scenario, the worst first."""
    held = [(line.base, line.signed) for line in lines]
    losses = [
        Stressed(scenario=each.name, loss=-total(notional * each.shock(base) for base, notional in held))
        for each in scenarios
    ]
    return tuple(sorted(losses, key=lambda stressed: -stressed.loss))
