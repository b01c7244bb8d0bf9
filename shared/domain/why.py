"""Why a trader fired on a symbol at a close, or why not."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from shared.domain.decision import CompiledTrader, view_of
from shared.domain.explain import Reason, explain, seen_in
from shared.domain.firing import firings, triggers, truth_bars
from shared.domain.rules import Market, Truth, View
from shared.domain.sentences import sentence
from shared.domain.traders import Edge, Trader
from shared.domain.universe import is_member


class Verdict(StrEnum):
    """What a trader made of a symbol at a close."""

    FIRED = "fired"
    FALSE = "false"
    ALREADY_TRUE = "already_true"
    COOLING_DOWN = "cooling_down"
    INSUFFICIENT = "insufficient"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """A verdict with its grounds; `reason` is None where the rule was not asked, `price` where there is no candle."""

    symbol: str
    close_time: int
    verdict: Verdict
    sentence: str
    price: float | None
    reason: Reason | None


def why(compiled: CompiledTrader, market: Market, symbol: str, close_time: int) -> Why:
    """Return why a trader fired on a symbol at a close (epoch ms) or why not, exactly as it was decided then."""
    trader = compiled.trader
    symbols = market.frames[trader.timeframe].symbols
    if not is_member(trader.universe, symbol):
        return _unasked(symbol, close_time, Verdict.OUTSIDE, f"{symbol} is not in the trader's universe")
    if symbol not in symbols:
        return _unasked(
            symbol, close_time, Verdict.INSUFFICIENT, f"the log has no {trader.timeframe} candles of {symbol}"
        )
    view = view_of(compiled, market, close_time).of(np.array([symbols.index(symbol)], dtype=np.intp))
    reason = explain(compiled.rule.root, seen_in(view))
    verdict, words = _verdict(compiled, view, reason)
    price = float(view.price()[0, 0])
    return Why(
        symbol=symbol,
        close_time=close_time,
        verdict=verdict,
        sentence=words,
        price=None if np.isnan(price) else price,
        reason=reason,
    )


def _unasked(symbol: str, close_time: int, verdict: Verdict, words: str) -> Why:
    return Why(symbol=symbol, close_time=close_time, verdict=verdict, sentence=words, price=None, reason=None)


def _verdict(compiled: CompiledTrader, view: View, reason: Reason) -> tuple[Verdict, str]:
    trader, said = compiled.trader, sentence(reason)
    truth = compiled.rule.truth(view, truth_bars(trader.edge, trader.cooldown_bars))
    trigger = triggers(truth, trader.edge)
    now, fired = _newest(truth), _newest(firings(trigger, trader.cooldown_bars))
    if found := _beforehand(compiled, view):
        return found
    if fired is None:
        return Verdict.INSUFFICIENT, said if now is None else f"{said}, but what was before cannot be told yet"
    if fired or not now:
        return Verdict.FIRED if fired else Verdict.FALSE, said
    return _held_back(trader, truth, trigger, said)


def _beforehand(compiled: CompiledTrader, view: View) -> tuple[Verdict, str] | None:
    """Return the verdict where the rule does not matter."""
    if compiled.volume is not None:
        with np.errstate(all="ignore"):
            enough = _newest(compiled.volume.truth(view, 1))
        if enough is None:
            return Verdict.INSUFFICIENT, "its volume over 24 hours cannot be told yet"
        if not enough:
            return Verdict.OUTSIDE, "its volume over 24 hours is below what the universe asks for"
    if np.isnan(view.price()[0, 0]):
        return Verdict.INSUFFICIENT, "there is no candle at this close"
    return None


def _held_back(trader: Trader, truth: Truth, trigger: Truth, said: str) -> tuple[Verdict, str]:
    """Return why a rule that is true did not fire."""
    if trader.edge is Edge.RISING and _newest(truth.bars(slice(-1))):
        return Verdict.ALREADY_TRUE, f"{said}, but it was true one candle before, too"
    cooldown = trader.cooldown_bars
    quiet = next(ago for ago in range(1, cooldown + 1) if trigger.yes[0, -1 - ago])
    return Verdict.COOLING_DOWN, f"{said}, but it triggered {quiet} before and asks for {cooldown} candles of quiet"


def _newest(truth: Truth) -> bool | None:
    """Return the answer at the last bar, None where it is unknown."""
    return bool(truth.yes[0, -1]) if truth.known[0, -1] else None
