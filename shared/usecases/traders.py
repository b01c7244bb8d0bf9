"""Save traders that are known to work: compiled, fitting what the desk collects, tried on recorded candles."""

from dataclasses import dataclass, replace
from typing import Any

from shared.domain.decision import CompiledTrader, decide
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Trader
from shared.ports import CandleLog, Clock, TraderStore, VenueStore
from shared.usecases.markets import compile_for, last_boundary, read_market


@dataclass(frozen=True, slots=True, kw_only=True)
class TraderCheck:
    """What the compiler found in a trader and what it did on the last closed candle.

    `close_time` is None when the log has no candles of its timeframe yet: it compiled, but could not be tried.
    """

    normal_form: str
    rule_hash: str
    needs: dict[Timeframe, int]
    symbols: int
    matched: int
    insufficient: int
    close_time: int | None


def check(trader: Trader, *, venues: VenueStore, candles: CandleLog, clock: Clock) -> TraderCheck:
    """Compile a trader, hold it against what the desk collects, and try it on the last closed candle.

    Raises `InvalidMessageError` that names the field: a rule that does not compile, a timeframe nobody collects, more
    history than the log keeps, a symbol the venue does not list.
    """
    compiled = compile_for(trader, venues)
    try:
        boundary = last_boundary(trader, candles, clock)
        market = read_market(boundary, [compiled], candles, clock)
    except TransientError:
        return _untried(compiled)

    decision = decide([compiled], market, boundary.timeframe, boundary.close_time)

    if trader.trader_id in decision.errors:
        raise InvalidMessageError("rule", decision.errors[trader.trader_id])
    return TraderCheck(
        normal_form=compiled.rule.normal_form,
        rule_hash=compiled.rule.rule_hash,
        needs=dict(compiled.needs),
        symbols=decision.evaluations,
        matched=len(decision.signals),
        insufficient=decision.insufficient,
        close_time=boundary.close_time,
    )


def create_trader(
    trader: Trader, *, store: TraderStore, venues: VenueStore, candles: CandleLog, clock: Clock
) -> tuple[Trader, TraderCheck]:
    """Store a new trader that passed every check."""
    found = check(trader, venues=venues, candles=candles, clock=clock)
    return store.create(trader), found


def change_trader(
    trader_id: str,
    changes: dict[str, Any],
    *,
    store: TraderStore,
    venues: VenueStore,
    candles: CandleLog,
    clock: Clock,
) -> tuple[Trader, TraderCheck]:
    """Change fields of a trader; the whole must pass every check, and nobody may have changed it meanwhile."""
    current = store.get(trader_id)
    changed = replace(current, **changes)
    found = check(changed, venues=venues, candles=candles, clock=clock)
    return store.update(changed, expected_updated_at_ms=current.updated_at_ms), found


def _untried(compiled: CompiledTrader) -> TraderCheck:
    return TraderCheck(
        normal_form=compiled.rule.normal_form,
        rule_hash=compiled.rule.rule_hash,
        needs=dict(compiled.needs),
        symbols=0,
        matched=0,
        insufficient=0,
        close_time=None,
    )
