"""Say in plain words what a consensus is, or why there is none, and what each vote weighs."""

from collections.abc import Mapping
from typing import Final

from shared.domain.consensus import MINUTE_MS, Consensus, SignalAgentSettings, Validity, Verdict, Vote

_WHY_NOT: Final[Mapping[Validity, str]] = {
    Validity.STALE: "too old to count",
    Validity.SIMULATED: "made up, which never counts",
    Validity.POOR: "of data too poor to count",
    Validity.UNSURE: "not sure at all, which weighs nothing",
}


def sentence_of(consensus: Consensus, settings: SignalAgentSettings) -> str:
    """Return what the votes come to, with the numbers that decided."""
    least = f"{100 * float(settings.min_share):g} %"
    asked = f"{settings.min_sources} and {least} are asked for"
    share, direction = f"{100 * consensus.share:.1f} % of the weight", consensus.direction
    if consensus.verdict is Verdict.CONSENSUS:
        return f"{direction}: {consensus.agreeing} of {_sources(consensus.sources)} agree, with {share} ({asked})"
    if consensus.verdict is Verdict.SPLIT:
        if direction is None:
            return f"split: of {_sources(consensus.sources)} neither side has more of the weight"
        return f"split: of {_sources(consensus.sources)} {direction} has {share}, {least} is asked for"
    if consensus.verdict is Verdict.STALE:
        minutes = settings.window_ms // MINUTE_MS
        said = f"only {consensus.sources} of {_sources(consensus.sources + _stale(consensus))} have spoken"
        return f"stale: {said} within {minutes} min and stand by it, {settings.min_sources} are asked for"
    if consensus.sources < settings.min_sources:
        return f"insufficient: {_sources(consensus.sources)} to go by, {settings.min_sources} are asked for"
    return f"insufficient: {_sources(consensus.agreeing)} for {direction}, with {share} ({asked})"


def sentence_of_vote(vote: Vote, *, now_ms: int) -> str:
    """Return what a source says, how sure and how old it is, and what that weighs or why it does not count."""
    age = _age(now_ms - vote.observed_at_ms)
    weighs = _WHY_NOT.get(vote.validity, f"weighs {vote.weight:.2f}")
    return f"{vote.direction}, {vote.confidence:.2f} sure, {age} old: {weighs}"


def figures_of(consensus: Consensus) -> dict[str, object]:
    """Return the numbers of a consensus by name; of its votes only how many there are."""
    return {
        "direction": consensus.direction,
        "agreeing": consensus.agreeing,
        "sources": consensus.sources,
        "share": round(consensus.share, 4),
        "confidence": round(consensus.confidence, 4),
    }


def _sources(count: int) -> str:
    return f"{count} source" if count == 1 else f"{count} sources"


def _stale(consensus: Consensus) -> int:
    return sum(vote.validity is Validity.STALE for vote in consensus.votes)


def _age(age_ms: int) -> str:
    if age_ms < MINUTE_MS:
        return f"{age_ms // 1_000} s"
    minutes = age_ms // MINUTE_MS
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
