"""Save traders that are known to work: compiled, fitting what the desk collects, tried on recorded candles."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shared.domain.errors import InvalidMessageError, NotFoundError, TransientError
from shared.domain.traders import Trader, TraderVersion, Visibility, definition_of
from shared.domain.trading.algorithms import EVERY, check_allowed
from shared.domain.trading.terms import TraderMode

if TYPE_CHECKING:
    from shared.domain.decision import CompiledTrader
    from shared.domain.timeframe import Timeframe
    from shared.domain.trading.intents import AlgorithmName
    from shared.ports import CandleLog, Clock, TraderStore, VenueStore


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


def check(
    trader: Trader,
    *,
    venues: VenueStore,
    candles: CandleLog,
    clock: Clock,
    algorithms: Collection[AlgorithmName] = EVERY,
) -> TraderCheck:
    """Compile a trader, hold it against what the desk collects, and try it on the last closed candle.

    Raises `InvalidMessageError` that names the field: a rule that does not compile, a timeframe nobody collects, more
    history than the log keeps, a symbol the venue does not list, an algorithm that is none of those the desk allows.
    """
    from shared.domain.decision import decide  # noqa: PLC0415 - who lists traders does without the rule library
    from shared.usecases.markets import compile_for, last_boundary, read_market  # noqa: PLC0415 - the same

    if trader.trade is not None:
        try:
            check_allowed(trader.trade.algorithm, algorithms)
        except InvalidMessageError as error:
            raise InvalidMessageError(f"trade.{error.field}", error.problem) from error
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
    trader: Trader,
    *,
    store: TraderStore,
    venues: VenueStore,
    candles: CandleLog,
    clock: Clock,
    algorithms: Collection[AlgorithmName] = EVERY,
) -> tuple[Trader, TraderCheck]:
    """Store a new trader that passed every check."""
    found = check(trader, venues=venues, candles=candles, clock=clock, algorithms=algorithms)
    return store.create(trader), found


def change_trader(
    trader_id: str,
    changes: dict[str, Any],
    *,
    store: TraderStore,
    venues: VenueStore,
    candles: CandleLog,
    clock: Clock,
    algorithms: Collection[AlgorithmName] = EVERY,
) -> tuple[Trader, TraderCheck]:
    """Change fields of a trader; the whole must pass every check, and nobody may have changed it meanwhile."""
    current = store.get(trader_id)
    changed = replace(current, **changes)
    found = check(changed, venues=venues, candles=candles, clock=clock, algorithms=algorithms)
    return store.update(changed, expected_updated_at_ms=current.updated_at_ms), found


def clone_trader(
    trader_id: str,
    *,
    clone_id: str,
    owner_id: str,
    name: str | None,
    store: TraderStore,
    venues: VenueStore,
    candles: CandleLog,
    clock: Clock,
    algorithms: Collection[AlgorithmName] = EVERY,
) -> tuple[Trader, TraderCheck]:
    """Store a private copy of a trader one may see, for a new owner; it must pass every check like a new one."""
    original = store.get(trader_id)
    clone = replace(
        original,
        trader_id=clone_id,
        owner_id=owner_id,
        name=original.name if name is None else name,
        visibility=Visibility.PRIVATE,
        mode=TraderMode.SIGNALS,  # whose money it trades is the new owner's to say
        book_id=None,
        created_at_ms=0,
        updated_at_ms=0,
    )
    return create_trader(clone, store=store, venues=venues, candles=candles, clock=clock, algorithms=algorithms)


def list_versions(
    trader_id: str, *, limit: int, before: int | None, store: TraderStore
) -> Sequence[tuple[TraderVersion, str | None]]:
    """Return versions of a trader, newest first, each with its rule's hash, None when the rule no longer compiles."""
    from shared.domain.rules import recompile  # noqa: PLC0415 - the rule library

    versions = store.versions(trader_id, limit=limit, before=before)
    rules = [recompile(found.trader.rule) for found in versions]
    return [(found, rule.rule_hash if rule else None) for found, rule in zip(versions, rules, strict=True)]


def restore_version(
    trader_id: str,
    version: int,
    *,
    store: TraderStore,
    venues: VenueStore,
    candles: CandleLog,
    clock: Clock,
    algorithms: Collection[AlgorithmName] = EVERY,
) -> tuple[Trader, TraderCheck]:
    """Give a trader the whole definition of one of its versions, visibility and switch included, as a new version."""
    found = store.versions(trader_id, limit=1, before=version + 1)
    if not found or found[0].version != version:
        raise NotFoundError(f"trader {trader_id!r} has no version {version}")
    changes = definition_of(found[0].trader)
    return change_trader(
        trader_id, changes, store=store, venues=venues, candles=candles, clock=clock, algorithms=algorithms
    )


def check_runnable(trader_id: str, *, user_id: str, store: TraderStore) -> None:
    """Raise `NotFoundError` unless a trader is the person's own or built-in: a run writes its signals."""
    if store.get(trader_id).owner_id not in {None, user_id}:
        raise NotFoundError(f"trader {trader_id!r} is not yours; clone it to run it")


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
