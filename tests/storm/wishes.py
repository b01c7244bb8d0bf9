"""Random wishes: sensible ones, absurd ones, and ones that mean nothing."""

import random
from decimal import Decimal
from uuid import UUID

from shared.domain.trading.instruments import PositionSide
from shared.domain.trading.intents import (
    Algorithm,
    AlgorithmName,
    Completion,
    Guard,
    Intent,
    Purpose,
    Sizing,
    SizingMethod,
    Source,
)
from shared.domain.trading.money import floor_to
from shared.domain.trading.orders import TimeInForce
from shared.domain.trading.states import Mode
from tests.storm.desk import BOOKS, StormDesk
from tests.storm.market import FUTURES, FUTURES_VENUE, SPOT, VENUES

D = Decimal
_SENSELESS = (
    Algorithm(name=AlgorithmName.LIMIT),
    Algorithm(name=AlgorithmName.TWAP),
    Algorithm(slices=0),
    Algorithm(name=AlgorithmName.ICEBERG, limit_price=D(40_000)),
    Algorithm(time_in_force=TimeInForce.FOK),
    Algorithm(duration_ms=-1),
)
_ABSURD = ("-5", "NaN", "Infinity", "0", "1e30", "1e-30", "-0.0001")


def a_wish(desk: StormDesk, draw: random.Random) -> Intent:
    """Return an intent that is not stored yet."""
    book_id = draw.choice(list(BOOKS))
    held = [each.position for each in desk.ledger.open_positions() if each.position.book_id == book_id]
    venue = draw.choice([*BOOKS[book_id][2] * 3, None, draw.choice(VENUES)])
    is_future = venue == FUTURES_VENUE or (venue is None and FUTURES_VENUE in BOOKS[book_id][2] and draw.random() < 0.3)
    symbol = draw.choice(FUTURES if is_future else ["BTC/USDT", *SPOT])
    symbol = "NONE/USDT" if draw.random() < 0.01 else symbol
    direction = PositionSide.SHORT if draw.random() < (0.5 if is_future else 0.03) else PositionSide.LONG
    leaves = bool(held) and draw.random() < 0.4
    if leaves:
        position = draw.choice(held)
        venue, symbol = position.venue, position.symbol
        direction = PositionSide.LONG if position.qty > 0 else PositionSide.SHORT
        sizing = Sizing(method=SizingMethod.QTY, value=abs(position.qty) * D(draw.choice(["0.3", "1", "1", "5"])))
    else:
        sizing = _sizing(draw, BOOKS[book_id][0])
    price = desk.market.prices.get((venue or VENUES[0], symbol), D(100))
    tick = next((one.tick_size for one in desk.market.instruments if one.symbol == symbol), D("0.01"))
    now_ms, intent_id = desk.clock.now_ms(), str(UUID(int=draw.getrandbits(128), version=4))
    return Intent(
        intent_id=intent_id,
        book_id=book_id,
        mode=Mode.LIVE if draw.random() < 0.01 else Mode.PAPER,
        source=draw.choice([Source.PERSON, Source.AGENT]),
        venue=venue,
        symbol=symbol,
        purpose=Purpose.EXIT if leaves or draw.random() < 0.05 else Purpose.ENTER,
        direction=direction,
        sizing=sizing,
        guard=_guard(draw, price, tick, direction.sign),
        algorithm=_algorithm(draw, price, tick),
        reference_price=draw.choice([None, price, price * D("1.01")]),
        edge_rate=draw.choice([None, None, None, D("0.02"), D("0.02"), D("0.0001") if draw.random() < 0.3 else None]),
        raised_at_ms=now_ms,
        expires_at_ms=now_ms
        + draw.choice([120_000, 300_000, 300_000, 300_000, 600_000, 5_000 if draw.random() < 0.5 else -1]),
        correlation_id=intent_id.replace("-", ""),
    )


def _sizing(draw: random.Random, capital: Decimal) -> Sizing:
    if draw.random() < 0.05:
        return Sizing(method=draw.choice(list(SizingMethod)), value=D(draw.choice(_ABSURD)))
    method = draw.choice([SizingMethod.NOTIONAL] * 5 + list(SizingMethod))
    values = {
        SizingMethod.NOTIONAL: capital
        * D(draw.choice(["0.01", "0.03", "0.05", "0.1", "0.5", "20" if draw.random() < 0.3 else "0.02"])),
        SizingMethod.QTY: D(draw.choice(["0.001", "0.01", "1", "500"])),
    }
    rate = D(draw.choice(["0.001", "0.005", "0.02"]))
    return Sizing(
        method=method, value=values.get(method, rate), win_rate=D("0.55"), payoff=D(draw.choice(["1.2", "2"]))
    )


def _guard(draw: random.Random, price: Decimal, tick: Decimal, sign: int) -> Guard:
    if draw.random() < 0.4:
        return Guard()
    off = D(
        draw.choice(["0.003", "0.01", "0.03", "0.03", "-0.01" if draw.random() < 0.3 else "0.05"])
    )  # the last is on the wrong side
    return Guard(
        stop_price=floor_to(price * (1 - sign * off), tick) if draw.random() < 0.8 else None,
        take_profit_price=floor_to(price * (1 + sign * off), tick) if draw.random() < 0.5 else None,
        trailing_rate=D("0.01") if draw.random() < 0.2 else None,
        hold_ms=draw.choice([60_000, 600_000]) if draw.random() < 0.2 else None,
    )


def _algorithm(draw: random.Random, price: Decimal, tick: Decimal) -> Algorithm:
    name = draw.choice([AlgorithmName.MARKET] * 6 + list(AlgorithmName))
    away = floor_to(price * (1 + D(draw.choice(["-0.002", "0", "0.002", "-0.02", "0.02"]))), tick)
    spread = name in (AlgorithmName.TWAP, AlgorithmName.VWAP, AlgorithmName.POV)
    resting = draw.choice([TimeInForce.GTC, TimeInForce.POST_ONLY])
    within = {AlgorithmName.LIMIT: draw.choice(list(TimeInForce)), AlgorithmName.ICEBERG: resting}
    if draw.random() < 0.02:
        return draw.choice(_SENSELESS)
    return Algorithm(
        name=name,
        duration_ms=draw.choice([60_000, 180_000, 420_000]) if spread or draw.random() < 0.2 else 0,
        slices=draw.randint(2, 5) if spread else 1,
        limit_price=away if name in within or draw.random() < 0.15 else None,
        time_in_force=within.get(name, TimeInForce.GTC),
        participation_rate=D("0.05") if name is AlgorithmName.POV or (spread and draw.random() < 0.3) else None,
        shown_rate=D("0.3") if name is AlgorithmName.ICEBERG else None,
        completion=draw.choice(list(Completion)),
    )
