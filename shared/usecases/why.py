"""Explain a decision of the past by making it again on the candles in the log."""

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.decision import CompiledTrader, decide
from shared.domain.errors import InvalidMessageError, NotFoundError, TransientError
from shared.domain.rules import Market
from shared.domain.runs import ClosedBoundary
from shared.domain.traders import Trader
from shared.domain.why import Why, why
from shared.ports import CandleLog, Clock, RunStore, VenueStore
from shared.usecases.markets import compile_for, last_boundary, read_market


class Standing(StrEnum):
    """How an explanation relates to what the desk decided at that close.

    `same` bit for bit; `different`, as when the trader was edited, switched on, or a candle corrected since;
    `unrecorded` when no run of that close is on record, or part of what it read has left the log.
    """

    SAME = "same"
    DIFFERENT = "different"
    UNRECORDED = "unrecorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Why a trader did what it did, and whether that is what the desk decided then."""

    trader: Trader
    rule_hash: str
    why: Why
    standing: Standing


def explain_trader(
    trader: Trader,
    symbol: str,
    at: int | None,
    *,
    venues: VenueStore,
    candles: CandleLog,
    runs: RunStore,
    clock: Clock,
) -> Explained:
    """Return why a trader fired on a symbol, or why not, at a close still in the log (epoch ms; None is the newest).

    Raises `InvalidMessageError` for an instant at which no candle of its timeframe closes or has closed yet, and
    `NotFoundError` for one the log holds no more.
    """
    compiled = compile_for(trader, venues)
    newest = last_boundary(trader, candles, clock)
    boundary = newest if at is None else _boundary(trader, at, newest)
    try:
        market = read_market(boundary, [compiled], candles, clock)
    except TransientError as error:
        raise NotFoundError(f"the log has no {trader.timeframe} candles that closed at {at}") from error
    return Explained(
        trader=trader,
        rule_hash=compiled.rule.rule_hash,
        why=why(compiled, market, symbol, boundary.close_time),
        standing=_standing(compiled, market, boundary, runs.digests(boundary)),
    )


def _boundary(trader: Trader, at: int, newest: ClosedBoundary) -> ClosedBoundary:
    if not trader.timeframe.is_boundary(at):
        raise InvalidMessageError("at", f"no {trader.timeframe} candle closes at {at}")
    if at > newest.close_time:
        raise InvalidMessageError("at", f"the newest {trader.timeframe} candle closed at {newest.close_time}")
    return ClosedBoundary(venue=trader.venue, timeframe=trader.timeframe, close_time=at)


def _standing(
    compiled: CompiledTrader, market: Market, boundary: ClosedBoundary, recorded: frozenset[str] | None
) -> Standing:
    if recorded is None:
        return Standing.UNRECORDED
    again = decide([compiled], market, boundary.timeframe, boundary.close_time)
    if recorded.issuperset(again.digests):
        return Standing.SAME
    whole = all(market.frames[tf].until(boundary.close_time).bars >= bars for tf, bars in compiled.needs.items())
    return Standing.DIFFERENT if whole else Standing.UNRECORDED
