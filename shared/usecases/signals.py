"""Let a signal explain itself: what decided, the candles it saw, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.domain.errors import NotFoundError
from shared.domain.explain import explain, stored_as
from shared.domain.rules import Rule, recompile
from shared.domain.sentences import sentence, values_in_words

if TYPE_CHECKING:
    from shared.domain.candles import Candle
    from shared.domain.outcomes import Outcome
    from shared.domain.signals import Signal, StoredSignal
    from shared.ports import CandleLog, Clock, OutcomeStore, SignalStore, TraderStore

CHART_BARS: Final = 120
VERSIONS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalStory:
    """A signal in words, with the last candles up to its own (none when they have left the log) and its outcomes."""

    stored: StoredSignal
    sentence: str
    candles: Sequence[Candle]
    outcomes: Sequence[Outcome]


def tell_signal(
    signal_id: str,
    *,
    signals: SignalStore,
    traders: TraderStore,
    outcomes: OutcomeStore,
    candles: CandleLog,
    clock: Clock,
) -> SignalStory:
    """Return everything there is to know of a signal; raise `NotFoundError`."""
    stored = signals.get(signal_id)
    rule = _rule(stored.signal, traders)
    return SignalStory(
        stored=stored,
        sentence=_sentence(stored.signal, rule),
        candles=_chart(stored, candles, clock),
        outcomes=outcomes.of_signal(signal_id),
    )


def _sentence(signal: Signal, rule: Rule | None) -> str:
    if rule is None:
        return values_in_words(signal.values)
    return sentence(explain(rule.root, stored_as(signal.values)))


def _rule(signal: Signal, traders: TraderStore) -> Rule | None:
    """Return the rule that fired, the trader's present one or an earlier; None when it is not to be found any more."""
    try:
        texts = [traders.get(signal.trader_id).rule]
        if (found := recompile(texts[0])) and found.rule_hash == signal.rule_hash:
            return found
        texts = [known.trader.rule for known in traders.versions(signal.trader_id, limit=VERSIONS)]
    except NotFoundError:
        return None
    rules = (recompile(text) for text in dict.fromkeys(texts))
    return next((rule for rule in rules if rule and rule.rule_hash == signal.rule_hash), None)


def _chart(stored: StoredSignal, candles: CandleLog, clock: Clock) -> Sequence[Candle]:
    signal = stored.signal
    since = max(clock.now_ms() - signal.close_time, 0) // signal.timeframe.ms
    frame = candles.frame(stored.venue, signal.timeframe, bars=CHART_BARS + since).until(signal.close_time)
    if frame.close_time != signal.close_time or signal.symbol not in frame.symbols:
        return ()
    return frame.tail(CHART_BARS).candles(signal.symbol)
