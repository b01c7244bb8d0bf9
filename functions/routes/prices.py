"""GET /api/v1/engine/market-data/prices: what symbols trade at right now."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BeforeValidator

from functions.routes.common import NOT_FOUND, PROBLEMS, DepsOf, UserOf
from functions.routes.price_schemas import PriceOut
from functions.routes.schemas import Symbol, VenueName
from shared.usecases.prices import current_prices

router = APIRouter(prefix="/api/v1/engine/market-data", tags=["market data"], responses=PROBLEMS | NOT_FOUND)


def _listed(value: Any) -> Any:
    """Read `symbols=A,B` like `symbols=A&symbols=B`."""
    return [part for text in value for part in text.split(",")] if isinstance(value, list) else value


@router.get("/prices")
def list_prices(
    deps: DepsOf,
    user: UserOf,  # noqa: ARG001 - only signed-in people read market data
    *,
    symbols: Annotated[
        list[Symbol],
        BeforeValidator(_listed),
        Query(min_length=1, max_length=200, description="Unified symbols.", examples=["BTC/USDT,ETH/USDT"]),
    ],
    venue: Annotated[
        VenueName | None, Query(description="Only there; by default on every venue that has the symbol.")
    ] = None,
) -> dict[str, list[PriceOut]]:
    """List bid, ask and last price of symbols by symbol and venue; 503 rather than a price that is too old."""
    prices = current_prices(symbols, venue=venue, venues=deps.venues, board=deps.ticker_board)
    return {symbol: [PriceOut.of(price) for price in found] for symbol, found in prices.items()}
