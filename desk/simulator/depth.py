"""The simulated venue's order book: invented levels around the tape's price, the same whoever asks at an instant."""

import hashlib
from decimal import Decimal
from typing import Final

import numpy as np

from desk.simulator.instruments import Instrument
from desk.simulator.tape import Tape
from shared.domain.candles import HIGH, LOW
from shared.domain.trading.depth import Depth, Level
from shared.domain.trading.money import floor_to

LEVELS: Final = 100
_LEVEL_NOTIONAL: Final = 4_000  # quote units at an average level near the price
_SPACING: Final = 3  # at most so many ticks between two levels


def grid(listed: Instrument) -> tuple[Decimal, Decimal]:
    """Return the tick and the step of an instrument."""
    return Decimal(1).scaleb(-listed.price_decimals), Decimal(1).scaleb(-listed.volume_decimals)


def price_of(tape: Tape, listed: Instrument, now_ms: int) -> Decimal | None:
    """Return the last price on the tape, None when nobody has traded yet."""
    last = float(tape.prices(now_ms, [listed.symbol])[0])
    return None if np.isnan(last) else _on_grid(last, listed)


def depth_of(tape: Tape, listed: Instrument, now_ms: int, *, levels: int = LEVELS) -> Depth:
    """Return the book at an instant: a tick below and above the last price, then levels that grow with distance.

    Sizes change every second of market time and are there again for whoever takes next.
    """
    last = price_of(tape, listed, now_ms)
    if last is None:
        return Depth(time_ms=now_ms, bids=(), asks=())
    tick, _ = grid(listed)
    bids = _side(listed, last - tick, -tick, now_ms, levels)
    return Depth(time_ms=now_ms, bids=bids, asks=_side(listed, last + tick, tick, now_ms, levels))


def range_of(tape: Tape, listed: Instrument, *, since_ms: int, until_ms: int) -> tuple[Decimal, Decimal] | None:
    """Return the lowest and highest price on the tape's path from one instant to another."""
    base = tape.base
    seen = [float(tape.prices(instant, [listed.symbol])[0]) for instant in _instants(base.ms, since_ms, until_ms)]
    whole = tape.frame(base, since=base.open_time(since_ms) + base.ms, until=until_ms, symbols=[listed.symbol])
    seen += [*whole.values[LOW, 0].tolist(), *whole.values[HIGH, 0].tolist()]
    known = [price for price in seen if not np.isnan(price)]
    return (_on_grid(min(known), listed), _on_grid(max(known), listed)) if known else None


def _instants(bar_ms: int, since_ms: int, until_ms: int) -> list[int]:
    """Return both ends, and the turns of the path in the bars that are not whole between them."""
    bars = {since_ms - since_ms % bar_ms, until_ms - until_ms % bar_ms}
    turns = [first + bar_ms * third // 3 for first in bars for third in (1, 2)]
    return [since_ms, *(turn for turn in turns if since_ms < turn < until_ms), until_ms]


def _side(listed: Instrument, first: Decimal, tick: Decimal, now_ms: int, levels: int) -> tuple[Level, ...]:
    _, step = grid(listed)
    price, found = first, []
    for number in range(levels):
        if price <= 0:
            break
        drawn = hashlib.blake2b(f"{listed.symbol}:{tick}:{number}:{now_ms // 1_000}".encode(), digest_size=3).digest()
        notional = _LEVEL_NOTIONAL * (1 + number) * (16 + drawn[0]) // 144
        found.append(Level(price, max(floor_to(notional / price, step), step)))
        price += tick * (1 + drawn[1] % _SPACING)
    return tuple(found)


def _on_grid(price: float, listed: Instrument) -> Decimal:
    return Decimal(f"{price:.{listed.price_decimals}f}")
