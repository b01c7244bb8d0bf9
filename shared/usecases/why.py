"""Explain a decision of the past by making it again on the candles in the log."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from shared.domain.decision import CompiledTrader, decide
from shared.domain.errors import InvalidMessageError, NotFoundError, TransientError
from shared.domain.runs import ClosedBoundary
from shared.domain.why import Why, why
from shared.usecases.markets import compile_for, last_boundary, read_market

if TYPE_CHECKING:
    from shared.domain.rules import Market
    from shared.domain.traders import Trader
    from shared.ports import CandleLog, Clock, RunStore, TraderStore, VenueStore

VERSIONS: Final = 20


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
    """Why a trader did what it did, and whether that is what the desk decided then.

    `version` is the number of the trader's version that decided, None when it is the present one.
    """

    trader: Trader
    version: int | None
    rule_hash: str
    why: Why
    standing: Standing


def explain_trader(
    trader: Trader,
    symbol: str,
    at: int | None,
    *,
    traders: TraderStore,
    venues: VenueStore,
    candles: CandleLog,
    runs: RunStore,
    clock: Clock,
) -> Explained:
    """Return why a trader fired on a symbol, or why not, at a close still in the log (epoch ms; None is the newest).

    A trader edited since is explained as the version that decided, when that is one of its last VERSIONS. Raises
    `InvalidMessageError` for an instant at which no candle of its timeframe closes or has closed yet, and
    `NotFoundError` for one the log holds no more.
    """
    newest = last_boundary(trader, candles, clock)
    boundary = newest if at is None else _boundary(trader, at, newest)
    recorded = runs.digests(boundary)
    version, decided = None, compile_for(trader, venues)
    market = _market(boundary, [decided], candles, clock)
    standing = _standing(decided, market, boundary, recorded)
    if standing is Standing.DIFFERENT and (earlier := _earlier(trader, traders, venues)):
        older = _market(boundary, list(earlier.values()), candles, clock)
        for number, compiled in earlier.items():
            if _standing(compiled, older, boundary, recorded) is Standing.SAME:
                version, decided, market, standing = number, compiled, older, Standing.SAME
                break
    return Explained(
        trader=decided.trader,
        version=version,
        rule_hash=decided.rule.rule_hash,
        why=why(decided, market, symbol, boundary.close_time),
        standing=standing,
    )


def _market(boundary: ClosedBoundary, traders: Sequence[CompiledTrader], candles: CandleLog, clock: Clock) -> Market:
    try:
        return read_market(boundary, traders, candles, clock)
    except TransientError as error:
        raise NotFoundError(
            f"the log has no {boundary.timeframe} candles that closed at {boundary.close_time}"
        ) from error


def _earlier(trader: Trader, traders: TraderStore, venues: VenueStore) -> dict[int, CompiledTrader]:
    """Return the last versions of a trader on its present timeframe by number, newest first; none of somebody else's.

    A version that does not compile any more decided nothing that can be repeated.
    """
    try:
        versions = traders.versions(trader.trader_id, limit=VERSIONS)
    except NotFoundError:
        return {}
    found: dict[int, CompiledTrader] = {}
    for known in versions:
        if known.trader.timeframe == trader.timeframe:
            with suppress(InvalidMessageError):
                found[known.version] = compile_for(known.trader, venues)
    return found


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
