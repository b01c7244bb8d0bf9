"""Decide which traders fire at a boundary: one pure call for a whole shard, every indicator computed once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.domain.candles import Bools
from shared.domain.digests import Digests, Reads
from shared.domain.errors import InvalidMessageError
from shared.domain.firing import firings, triggers, truth_bars
from shared.domain.rules import MAX_LOOKBACK, Market, Rule, RuleError, Truth, View, compile_rule
from shared.domain.rules.nodes import Boolean
from shared.domain.signals import Signal
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Edge, Trader, Universe
from shared.domain.universe import check_universe, is_member, volume_condition

ALL_TIMEFRAMES: Final = tuple(Timeframe)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CompiledTrader:
    """A trader ready to decide; `needs` says how many candles of each timeframe one decision reads.

    Traders with the same `symbols` look at the same symbols; `identity` and `reads` go into digests.
    """

    trader: Trader
    rule: Rule
    volume: Boolean | None
    needs: Mapping[Timeframe, int]
    symbols: str
    identity: bytes
    reads: Reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a shard decided at a boundary; pairs are (trader, symbol), errors are by trader id.

    `digests` has one fingerprint of each decision, see `shared.domain.digests`.
    """

    signals: tuple[Signal, ...]
    evaluations: int
    insufficient: int
    errors: Mapping[str, str]
    digests: tuple[str, ...] = ()


def compile_trader(trader: Trader, *, timeframes: Sequence[Timeframe] = ALL_TIMEFRAMES) -> CompiledTrader:
    """Compile a trader for a venue that collects some timeframes.

    Raise `RuleError`, or `InvalidMessageError` naming the field, when it could never fire there.
    """
    if trader.timeframe not in timeframes:
        raise InvalidMessageError("timeframe", f"{trader.timeframe} is not collected, {', '.join(timeframes)} are")
    if not 0 <= trader.cooldown_bars < MAX_LOOKBACK:
        raise InvalidMessageError("cooldown_bars", f"expected 0 to {MAX_LOOKBACK - 1}, got {trader.cooldown_bars}")
    rule = compile_rule(trader.rule)
    bars = truth_bars(trader.edge, trader.cooldown_bars)
    for timeframe in rule.timeframes:
        if timeframe not in timeframes:
            raise RuleError(f"{timeframe} candles are not collected, {', '.join(timeframes)} are")
    rule.check_timeframe(trader.timeframe, bars)
    check_universe(trader.universe, timeframes)
    volume = volume_condition(trader.universe, timeframes)
    needs = rule.needs(trader.timeframe, bars)
    for timeframe, span in volume.reads.higher.items() if volume else ():
        # A rule across the market asks who belonged at every bar it looks at, any other only who belongs now.
        older_ms = max(known.ms * count for known, count in needs.items()) if rule.wide else 0
        count = span.reach + -(-older_ms // timeframe.ms)
        if count > MAX_LOOKBACK:
            raise RuleError(f"the universe's volume looks back {count:,} {timeframe} candles, at most {MAX_LOOKBACK:,}")
        needs[timeframe] = max(needs.get(timeframe, 0), count)
    symbols = f"{trader.universe} {volume.text if volume else ''}"
    asked = f"{trader.timeframe} {trader.edge} {trader.cooldown_bars} {rule.rule_hash} {symbols}"
    return CompiledTrader(
        trader=trader,
        rule=rule,
        volume=volume,
        needs=needs,
        symbols=symbols,
        identity=f"{trader.trader_id} {asked}\n".encode(),
        reads=tuple(sorted(needs.items())),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """The symbols of a universe at the last bars of a view: (symbols × bars)."""

    inside: Bools
    unknown: Bools
    absent: int

    @property
    def count(self) -> int:
        """Return how many (symbol, bar) pairs are looked at."""
        return int(np.count_nonzero(self.inside)) + self.absent


def members(view: View, symbols: Sequence[str], universe: Universe, volume: Boolean | None, bars: int = 1) -> Members:
    """Return who belongs at the last `bars` boundaries; a symbol of unknown volume belongs and is unknown.

    `absent` counts the symbols named by `include` of which the market has no candle at all.
    """
    named = np.array([is_member(universe, symbol) for symbol in symbols], dtype=np.bool_)[:, None]
    inside = np.repeat(named, bars, axis=1)
    unknown = np.zeros_like(inside)
    if volume is not None:
        with np.errstate(all="ignore"):
            enough = volume.truth(view, bars)
        unknown = inside & ~enough.known
        inside &= enough.yes | unknown
    return Members(inside, unknown, len(set(universe.include) - set(symbols)) * bars)


def view_of(compiled: CompiledTrader, market: Market, close_time: int) -> View:
    """Return the market as a trader sees it at a boundary (epoch ms).

    A rule across the market counts the trader's universe only, and there a symbol of unknown volume is outside.
    """
    timeframe = compiled.trader.timeframe
    if not compiled.rule.wide:
        return market.view(timeframe, close_time)
    symbols = market.frames[timeframe].symbols

    def inside(view: View, bars: int) -> Bools:
        found = members(view, symbols, compiled.trader.universe, compiled.volume, bars)
        return found.inside & ~found.unknown

    return market.view(timeframe, close_time, peers=inside)


def decide(
    traders: Sequence[CompiledTrader], market: Market, boundary_timeframe: Timeframe, close_time: int
) -> Decision:
    """Return the signals of all traders at one boundary (epoch ms), and how much could not be judged.

    Traders that wait for another timeframe, or for candles the market does not hold, are reported as errors; the
    others decide.
    """
    if not boundary_timeframe.is_boundary(close_time):
        raise InvalidMessageError("close_time", f"no {boundary_timeframe} candle closes at {close_time}")
    errors: dict[str, str] = {}
    due: list[CompiledTrader] = []
    for compiled in traders:
        problem = _problem(compiled, market, boundary_timeframe)
        if problem:
            errors[compiled.trader.trader_id] = problem
        else:
            due.append(compiled)
    if not due:
        return Decision(signals=(), evaluations=0, insufficient=0, errors=errors)
    desk = _Boundary(market, boundary_timeframe, close_time)
    signals: list[Signal] = []
    digests: list[str] = []
    evaluations = insufficient = 0
    for compiled in due:
        group = desk.group(compiled)
        rows, unknown = desk.fire(compiled, group)
        evaluations += group.count
        insufficient += unknown
        digests.append(desk.digest(compiled, rows, unknown))
        if len(rows):
            signals += desk.signals(compiled, rows)
    return Decision(
        signals=tuple(signals),
        evaluations=evaluations,
        insufficient=insufficient,
        errors=errors,
        digests=tuple(digests),
    )


def _problem(compiled: CompiledTrader, market: Market, timeframe: Timeframe) -> str | None:
    if compiled.trader.timeframe != timeframe:
        return f"waits for {compiled.trader.timeframe}, not for {timeframe}"
    missing = [needed for needed in compiled.needs if needed not in market.frames]
    return f"needs {', '.join(missing)} candles, which the market does not hold" if missing else None


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """The symbols a trader looks at now, by row: those in question, those in doubt, and how many there are of each."""

    inside: Bools
    doubtful: Bools
    certain: Bools
    count: int
    insufficient: int

    @classmethod
    def of(cls, found: Members) -> "_Group":
        """Return the members at the only bar asked for."""
        inside, doubtful = found.inside[:, 0], found.unknown[:, 0]
        insufficient = int(np.count_nonzero(doubtful)) + found.absent
        return cls(inside, doubtful, inside & ~doubtful, found.count, insufficient)


class _Boundary:
    """One boundary for many traders: shares views, universes and the truth of equal rules."""

    def __init__(self, market: Market, timeframe: Timeframe, close_time: int) -> None:
        self._market = market
        self._view = market.view(timeframe, close_time)
        self._views: dict[str, View] = {}
        self._symbols = market.frames[timeframe].symbols
        self._time = close_time
        self._prices = self._view.price()[:, 0]
        self._triggers: dict[tuple[str, Edge, str], tuple[Bools, Bools | None]] = {}
        self._groups: dict[str, _Group] = {}
        self._digests = Digests(market, close_time)

    def group(self, compiled: CompiledTrader) -> _Group:
        """Return the universe of a trader now."""
        group = self._groups.get(compiled.symbols)
        if group is None:
            found = members(self._view, self._symbols, compiled.trader.universe, compiled.volume)
            group = self._groups[compiled.symbols] = _Group.of(found)
        return group

    def _seen(self, compiled: CompiledTrader) -> View:
        """Return the view a trader looks at: everybody's, or its universe's where the rule looks across the market."""
        if not compiled.rule.wide:
            return self._view
        view = self._views.get(compiled.symbols)
        if view is None:
            view = self._views[compiled.symbols] = view_of(compiled, self._market, self._time)
        return view

    def _trigger(self, compiled: CompiledTrader) -> tuple[Bools, Bools | None]:
        """Return where a rule triggers now, and where that is unknown (None when it is known everywhere)."""
        rule, edge = compiled.rule, compiled.trader.edge
        key = (rule.rule_hash, edge, compiled.symbols if rule.wide else "")
        if key not in self._triggers:
            yes, unknown = triggers(rule.truth(self._seen(compiled), truth_bars(edge, 0)), edge)
            self._triggers[key] = (yes[:, -1], None if unknown is None else unknown[:, -1])
        return self._triggers[key]

    def fire(self, compiled: CompiledTrader, group: _Group) -> tuple[NDArray[np.intp], int]:
        """Return the rows at which a trader fires, and how many of its symbols are insufficient."""
        trader = compiled.trader
        yes, unknown = self._trigger(compiled)
        rows = (yes & group.certain).nonzero()[0]
        insufficient = group.insufficient
        if unknown is not None:
            insufficient += int(np.count_nonzero(unknown & group.certain))
        if trader.cooldown_bars and len(rows):
            fired = self._after_quiet(compiled, rows)
            insufficient += int(np.count_nonzero(~fired.known))
            rows = rows[fired.yes[:, 0]]
        return rows, insufficient

    def _after_quiet(self, compiled: CompiledTrader, rows: NDArray[np.intp]) -> Truth:
        """Return which of the triggering rows had enough quiet before; only those few are looked at further back."""
        trader = compiled.trader
        truth = compiled.rule.truth(self._seen(compiled).of(rows), truth_bars(trader.edge, trader.cooldown_bars))
        return firings(triggers(truth, trader.edge), trader.cooldown_bars)

    def digest(self, compiled: CompiledTrader, rows: NDArray[np.intp], insufficient: int) -> str:
        """Return the fingerprint of a trader's decision."""
        fired = " ".join(sorted([self._symbols[row] for row in rows.tolist()]))
        return self._digests.of(compiled.identity, compiled.reads, f"{insufficient} {fired}")

    def signals(self, compiled: CompiledTrader, rows: NDArray[np.intp]) -> list[Signal]:
        """Return the signals of the rows at which a trader fires."""
        leaves = compiled.rule.values(self._seen(compiled))
        columns = [cells[:, -1].take(rows).tolist() for cells in leaves.values()]
        return [
            make_signal(
                compiled,
                symbol=self._symbols[row],
                close_time=self._time,
                price=price,
                values=dict(zip(leaves, values, strict=True)),
            )
            for row, price, *values in zip(rows.tolist(), self._prices.take(rows).tolist(), *columns, strict=True)
        ]


def make_signal(
    compiled: CompiledTrader, *, symbol: str, close_time: int, price: float, values: Mapping[str, float]
) -> Signal:
    """Return one firing with what the leaves of the rule were at that candle."""
    trader = compiled.trader
    rule_hash = compiled.rule.rule_hash
    return Signal(trader.trader_id, symbol, trader.timeframe, close_time, trader.side, price, rule_hash, values)
