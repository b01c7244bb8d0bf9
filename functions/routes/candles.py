"""GET /api/v1/market-data/candles: the newest closed candles of a symbol."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query

from functions.routes.common import NOT_FOUND, PROBLEMS, DepsOf, UserOf, known
from functions.routes.schemas import Symbol
from functions.routes.signal_schemas import CandleOut, CandlesOut
from shared.domain.timeframe import Timeframe
from shared.usecases.candles import newest_candles

if TYPE_CHECKING:
    from shared.domain.candles import Candle

router = APIRouter(prefix="/api/v1/market-data", tags=["market data"], responses=PROBLEMS | NOT_FOUND)


@router.get("/candles")
def list_candles(
    deps: DepsOf,
    user: UserOf,  # noqa: ARG001 - only signed-in people read market data
    *,
    symbol: Annotated[Symbol, Query(description="Unified symbol.", examples=["BTC/USDT"])],
    timeframe: Annotated[Timeframe, Query(description="Length of a candle.", examples=["1m"])],
    venue: Annotated[str, Query(pattern=r"^[a-z][a-z0-9_]{1,31}$", description="Where they come from.")] = "binance",
    limit: Annotated[int, Query(ge=1, le=1_000, description="The newest this many.")] = 200,
) -> CandlesOut:
    """List the newest closed candles of a symbol, oldest first."""
    candles = newest_candles(venue, symbol, timeframe, limit=limit, log=deps.candle_log)
    return CandlesOut(
        venue=venue, symbol=symbol, timeframe=timeframe, candles=[candle_out(c, timeframe) for c in candles]
    )


def candle_out(candle: "Candle", timeframe: Timeframe) -> CandleOut:
    """Describe a candle; what its source did not tell is null."""
    return CandleOut(
        open_time=candle.open_time,
        close_time=candle.open_time + timeframe.ms,
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        volume=known(candle.volume),
        quote_volume=known(candle.quote_volume),
        trades=known(candle.trades),
        taker_buy_volume=known(candle.taker_buy_volume),
        filled=candle.filled,
    )
