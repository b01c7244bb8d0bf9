"""Consensus: whether independent sources agree on where an instrument goes, and how the answer came about.

Independent are sources that looked at the world by themselves. So a provider of intelligence is one source, however
many signals it sends, of whatever kind; and a rule is one source, however many traders run it, whoever owns them and
on whatever timeframe: a copy knows nothing the original does not. Each source has one vote, by what it thought last.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final

from shared.domain.agents import Autonomy
from shared.domain.errors import InvalidMessageError
from shared.domain.intelligence import TRADER, Direction, Provenance, View, require_fraction
from shared.domain.trading.states import Mode
from shared.domain.trading.terms import HORIZON_MS, MAX_RATE

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
LOOKBACK_WINDOWS: Final = 4
"""How many windows back views are read: what is older than one does not vote, but tells `stale` from `insufficient`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalAgentSettings:
    """How signal-agent forms the consensus, and what it makes of one.

    `half_lives_ms` is by kind of source the age at which an opinion weighs half, `default_half_life_ms` that of every
    other kind. A view older than `window_ms`, or of a `data_quality` below `min_data_quality`, does not vote;
    `default_confidence` is that of sources that do not say how sure they are, as traders. `instruments` empty means
    all. Nothing is raised without a `book_id`. A proposal asks for `notional` (quote units), protected by
    `trailing_rate` and `hold_ms`, is of use for `horizon_ms`, and no second one of its kind follows within
    `cooldown_ms`.
    """

    autonomy: Autonomy = Autonomy.SEMI
    min_sources: int = 3
    min_share: Decimal = Decimal("0.70")
    half_lives_ms: Mapping[str, int] = field(
        default_factory=lambda: {TRADER: 15 * MINUTE_MS, "news": 2 * HOUR_MS, "sentiment": HOUR_MS, "onchain": HOUR_MS}
    )
    default_half_life_ms: int = 30 * MINUTE_MS
    window_ms: int = HOUR_MS
    min_data_quality: float = 0.5
    default_confidence: float = 0.5
    instruments: tuple[str, ...] = ()
    book_id: str | None = None
    mode: Mode = Mode.PAPER
    notional: Decimal = Decimal(100)
    trailing_rate: Decimal | None = Decimal("0.03")
    hold_ms: int | None = 24 * HOUR_MS
    horizon_ms: int = 15 * MINUTE_MS
    cooldown_ms: int = HOUR_MS

    def __post_init__(self) -> None:
        """Raise `InvalidMessageError` naming the setting that cannot mean anything."""
        _require("min_sources", 1 <= self.min_sources <= 100, "expected 1 to 100")
        _require("min_share", Decimal("0.5") < self.min_share <= 1, "expected more than 0.5 and at most 1")
        _require("half_lives_ms", all(each > 0 for each in self.half_lives_ms.values()), "expected positive times")
        for name in ("default_half_life_ms", "window_ms"):
            _require(name, getattr(self, name) > 0, "expected a positive time")
        require_fraction("min_data_quality", self.min_data_quality)
        require_fraction("default_confidence", self.default_confidence)
        _require("notional", self.notional.is_finite() and self.notional > 0, "expected a positive amount")
        rate = self.trailing_rate
        _require("trailing_rate", rate is None or 0 < rate <= MAX_RATE, f"expected more than 0 and at most {MAX_RATE}")
        _require("hold_ms", self.hold_ms is None or self.hold_ms > 0, "expected a positive time")
        _require(
            "horizon_ms", self.horizon_ms in HORIZON_MS, f"expected {HORIZON_MS.start} to {HORIZON_MS.stop - 1} ms"
        )
        _require("cooldown_ms", self.cooldown_ms >= 0, "expected a time of at least 0")


class Verdict(StrEnum):
    """What the votes come to.

    `insufficient`: too few sources have anything to say, or too few say the same; `stale`: there would be enough, had
    they said it lately; `split`: there are enough, and no side has the share it takes.
    """

    CONSENSUS = "consensus"
    INSUFFICIENT = "insufficient"
    SPLIT = "split"
    STALE = "stale"


class Validity(StrEnum):
    """Why a view counts or does not: too old, made up, of data too poor, or of a source that is not sure at all."""

    COUNTED = "counted"
    STALE = "stale"
    SIMULATED = "simulated"
    POOR = "poor"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What a source says of an instrument, and what that weighs: confidence x freshness, 0 for what does not count.

    A source that says both at once is neutral.
    """

    source: str
    kind: str
    label: str
    direction: Direction
    validity: Validity
    confidence: float
    freshness: float
    weight: float
    observed_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """What the sources make of an instrument at an instant, with their votes.

    `direction` is the side that weighs more, None where neither does; `share` its part of the weight, and `agreeing`
    how many independent sources are on it, of `sources` that count.
    """

    instrument: str
    verdict: Verdict
    direction: Direction | None
    share: float
    agreeing: int
    sources: int
    at_ms: int
    votes: tuple[Vote, ...]

    @property
    def is_reached(self) -> bool:
        """Tell whether the sources agree."""
        return self.verdict is Verdict.CONSENSUS

    @property
    def confidence(self) -> float:
        """Return the average weight of the sources on the side that weighs more, 0 where there is none."""
        weights = [vote.weight for vote in self.votes if vote.direction is self.direction and vote.weight]
        return sum(weights) / len(weights) if weights else 0.0


def form_consensus(instrument: str, views: Iterable[View], *, settings: SignalAgentSettings, now_ms: int) -> Consensus:
    """Return what views of an instrument come to; those of other instruments, and of the future, are left out.

    Shares are compared exactly, as fractions: a share of just `min_share` is enough.
    """
    known = [view for view in views if view.instrument == instrument and view.observed_at_ms <= now_ms]
    votes = tuple(sorted(_votes(known, settings, now_ms), key=_place))
    counted = [vote for vote in votes if vote.validity is Validity.COUNTED]
    long, short = _share(counted, Direction.LONG), _share(counted, Direction.SHORT)
    direction = None if long == short else Direction.LONG if long > short else Direction.SHORT
    share = max(long, short)
    agreeing = sum(vote.direction is direction for vote in counted)
    stale = sum(vote.validity is Validity.STALE for vote in votes)
    return Consensus(
        instrument=instrument,
        verdict=_verdict(share, agreeing, len(counted), stale, settings),
        direction=direction,
        share=float(share),
        agreeing=agreeing,
        sources=len(counted),
        at_ms=now_ms,
        votes=votes,
    )


def form_all(views: Sequence[View], *, settings: SignalAgentSettings, now_ms: int) -> Sequence[Consensus]:
    """Return what the views come to for every instrument there are any of, by its name."""
    by_instrument: dict[str, list[View]] = {}
    for view in views:
        by_instrument.setdefault(view.instrument, []).append(view)
    return [
        form_consensus(name, by_instrument[name], settings=settings, now_ms=now_ms) for name in sorted(by_instrument)
    ]


def _verdict(share: Fraction, agreeing: int, counted: int, stale: int, settings: SignalAgentSettings) -> Verdict:
    if counted < settings.min_sources:
        return Verdict.STALE if counted + stale >= settings.min_sources else Verdict.INSUFFICIENT
    if share < Fraction(settings.min_share):
        return Verdict.SPLIT
    return Verdict.CONSENSUS if agreeing >= settings.min_sources else Verdict.INSUFFICIENT


def _votes(views: Sequence[View], settings: SignalAgentSettings, now_ms: int) -> Iterator[Vote]:
    """Yield the vote of every source, and of those with views that may not vote one for each such reason too."""
    groups: dict[tuple[str, Validity], list[View]] = {}
    for view in views:
        groups.setdefault((view.source, _barred(view, settings)), []).append(view)
    for (_, barred), group in groups.items():
        newest = max(view.observed_at_ms for view in group)
        yield _vote([view for view in group if view.observed_at_ms == newest], barred, settings, now_ms)


def _barred(view: View, settings: SignalAgentSettings) -> Validity:
    """Return why a view may never vote, `counted` where it may."""
    if view.provenance is Provenance.SIMULATED:
        return Validity.SIMULATED
    return Validity.POOR if view.data_quality < settings.min_data_quality else Validity.COUNTED


def _vote(newest: Sequence[View], barred: Validity, settings: SignalAgentSettings, now_ms: int) -> Vote:
    """Return the vote of a source's newest views; of several at once the least counts, whatever their order."""
    weighed = [(*_weighed(view, settings, now_ms), view) for view in newest]
    confidence, freshness, view = min(weighed, key=lambda each: (each[0] * each[1], each[2].kind, each[2].label))
    expired = any(each.expires_at_ms is not None and each.expires_at_ms <= now_ms for each in newest)
    validity = barred
    if barred is Validity.COUNTED and (expired or now_ms - view.observed_at_ms > settings.window_ms):
        validity = Validity.STALE
    elif barred is Validity.COUNTED and confidence * freshness == 0:
        validity = Validity.UNSURE
    return Vote(
        source=view.source,
        kind=view.kind,
        label=view.label or view.source,
        direction=view.direction if len({each.direction for each in newest}) == 1 else Direction.NEUTRAL,
        validity=validity,
        confidence=confidence,
        freshness=freshness,
        weight=confidence * freshness if validity is Validity.COUNTED else 0.0,
        observed_at_ms=view.observed_at_ms,
    )


def _weighed(view: View, settings: SignalAgentSettings, now_ms: int) -> tuple[float, float]:
    """Return how sure a view is and how fresh: a half for every half-life of its age."""
    half_life_ms = settings.half_lives_ms.get(view.kind, settings.default_half_life_ms)
    confidence = settings.default_confidence if view.confidence is None else view.confidence
    return confidence, 0.5 ** ((now_ms - view.observed_at_ms) / half_life_ms)


def _share(votes: Sequence[Vote], direction: Direction) -> Fraction:
    """Return the part of the weight on a side; a fraction, so that no order of the votes can change it."""
    whole = sum((Fraction(vote.weight) for vote in votes), Fraction())
    side = sum((Fraction(vote.weight) for vote in votes if vote.direction is direction), Fraction())
    return side / whole if whole else Fraction()


def _place(vote: Vote) -> tuple[float, str, str]:
    return -vote.weight, vote.source, vote.validity


def _require(name: str, holds: bool, expected: str) -> None:
    if not holds:
        raise InvalidMessageError(name, expected)
