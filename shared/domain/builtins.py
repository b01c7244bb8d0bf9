"""The traders every desk starts with: eight common ideas, each a rule anybody can copy and change."""

from typing import Final
from uuid import NAMESPACE_URL, uuid5

from shared.domain.timeframe import Timeframe
from shared.domain.traders import Edge, PositionSide, Trader, Universe

_SPACE: Final = uuid5(NAMESPACE_URL, "https://nightdesk.example/traders")


def _builtin(
    key: str,
    name: str,
    description: str,
    rule: str,
    timeframe: Timeframe,
    *,
    side: PositionSide = PositionSide.LONG,
    cooldown_bars: int = 0,
) -> Trader:
    return Trader(
        trader_id=str(uuid5(_SPACE, key)),
        owner_id=None,
        name=name,
        description=description,
        rule=rule,
        timeframe=timeframe,
        universe=Universe(quote="USDT"),
        side=side,
        edge=Edge.RISING,
        cooldown_bars=cooldown_bars,
    )


BUILTINS: Final[tuple[Trader, ...]] = (
    _builtin(
        "rsi-oversold-bounce",
        "RSI oversold bounce",
        "RSI(14) climbs back above 30 with a rising candle: sellers are running out.",
        "crosses_above(rsi(14), 30) and close > open",
        Timeframe.M5,
    ),
    _builtin(
        "volume-spike",
        "Volume spike",
        "A rising candle trades more than three times the average volume of the twenty candles before it.",
        "volume > 3 * sma(volume, 20)[1] and close > open",
        Timeframe.M1,
        cooldown_bars=5,
    ),
    _builtin(
        "golden-cross",
        "Golden cross",
        "The 50-candle average crosses above the 200-candle average: the trend has turned up.",
        "crosses_above(sma(50), sma(200))",
        Timeframe.M1,
    ),
    _builtin(
        "macd-cross",
        "MACD cross",
        "MACD crosses above its signal line while both are below zero: momentum turns before price does.",
        "crosses_above(macd(12, 26, 9).macd, macd(12, 26, 9).signal) and macd(12, 26, 9).macd < 0",
        Timeframe.M5,
    ),
    _builtin(
        "bollinger-squeeze-exit",
        "Bollinger squeeze exit",
        "The bands were about as narrow as at any time of the last 50 candles; now price closes above the upper one.",
        "close > bbands(20, 2).upper and stdev(20)[1] <= 1.25 * lowest(stdev(20), 50)[1]",
        Timeframe.M5,
    ),
    _builtin(
        "multi-timeframe-momentum",
        "Multi-timeframe momentum",
        "RSI(14) rises through 55 on 1m candles while the last closed 5m and 15m candles stand above their averages.",
        'crosses_above(rsi(14), 55) and on("5m", close > ema(20)) and on("15m", close > ema(20))',
        Timeframe.M1,
    ),
    _builtin(
        "three-red-candles",
        "Three red candles (short)",
        "Three falling candles in a row, each closing lower, below the 20-candle average: sellers are in charge.",
        "close < open and close[1] < open[1] and close[2] < open[2] and close < close[1] < close[2] < ema(20)",
        Timeframe.M15,
        side=PositionSide.SHORT,
    ),
    _builtin(
        "breakout-20",
        "20-bar breakout",
        "Price closes above the highest high of the twenty candles before it, on more volume than usual.",
        "close > highest(20)[1] and volume > sma(volume, 20)",
        Timeframe.M5,
        cooldown_bars=5,
    ),
)
