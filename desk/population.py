"""A crowd of synthetic traders, so that a demo has people to serve.

Their rules are drawn (seeded) from the kinds people write: thresholds, crosses, breakouts, squeezes, several
timeframes at once. Every rule is distinct.
"""

import random
from uuid import UUID, uuid5

from shared.domain.timeframe import Timeframe
from shared.domain.traders import Edge, PositionSide, Trader, Universe

_NAMESPACE = UUID("5e0a3b0e-6d0c-4b55-9d1c-6d7f0f2b9a11")
_LONG, _SHORT = PositionSide.LONG, PositionSide.SHORT


def synthetic_traders(
    count: int, *, owner_id: str, timeframes: tuple[Timeframe, ...], quote: str, seed: int
) -> list[Trader]:
    """Return distinct traders of one owner, most of them on the shortest timeframe."""
    rng = random.Random(seed)  # noqa: S311 - a reproducible crowd, not a secret
    weights = [4 if index == 0 else 1 for index, _ in enumerate(timeframes)]
    rules: dict[str, PositionSide] = {}
    while len(rules) < count:
        rule, side = _draw(rng)
        rules.setdefault(rule, side)
    return [
        Trader(
            trader_id=str(uuid5(_NAMESPACE, f"{seed}:{rule}")),
            owner_id=owner_id,
            name=f"Synthetic {number}",
            description="Drawn at random for the demo.",
            rule=rule,
            timeframe=rng.choices(timeframes, weights)[0],
            universe=Universe(quote=quote),
            side=side,
            edge=Edge.RISING,
            cooldown_bars=rng.choice((0, 0, 3, 5, 10)),
        )
        for number, (rule, side) in enumerate(rules.items(), start=1)
    ]


def _draw(rng: random.Random) -> tuple[str, PositionSide]:
    """Return one rule and the side it speaks for."""
    fast, slow = sorted(rng.sample(range(3, 60), 2))
    period, level = rng.randint(5, 30), rng.randint(15, 35)
    factor = rng.randint(15, 60) / 10
    templates = (
        (f"rsi({period}) < {level}", _LONG),
        (f"rsi({period}) > {100 - level}", _SHORT),
        (f"crosses_above(ema({fast}), ema({slow}))", _LONG),
        (f"crosses_below(sma({fast}), sma({slow}))", _SHORT),
        (f"close > highest(high, {slow})[1] and volume > {factor} * sma(volume, {period})", _LONG),
        (f"close < lowest(low, {slow})[1]", _SHORT),
        (f"close < bbands({period}, {factor / 2 + 1:.2f}).lower and adx({period}) < {level}", _LONG),
        (f"macd({fast}, {slow}, 9).histogram > 0 and macd({fast}, {slow}, 9).histogram[1] <= 0", _LONG),
        (f"stoch({period}, 3, 3).k < {level} and close > ema({slow + 40})", _LONG),
        (f"cci({period}) > {level * 5}", _SHORT),
        (f"atr({period}) > {factor / 1.5:.2f} * sma(atr({period}), {slow})", _SHORT),
        (f"engulfing() > 0 and close < ema({slow})", _LONG),
    )
    return rng.choice(templates)
