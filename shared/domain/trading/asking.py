"""What a person asks the desk to trade, and all that speaks against it before risk is asked."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Final

from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe
from shared.domain.trading.algorithms import check_algorithm, check_allowed, follows_volume, volume_timeframe
from shared.domain.trading.books import Book
from shared.domain.trading.instruments import Instrument, InstrumentKind, PositionSide
from shared.domain.trading.intents import Algorithm, AlgorithmName, Guard, Intent, Purpose, Sizing, SizingMethod, Source
from shared.domain.trading.market import Mark
from shared.domain.trading.money import ONE, ZERO, require, require_positive
from shared.domain.trading.protection import check_guard
from shared.domain.trading.terms import HORIZON_MS

Problem = tuple[str, str]
Collected = Mapping[str, Sequence[Timeframe]]
"""The timeframes the desk collects at each venue."""
EXPIRES_IN_MS: Final = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A wish to trade as a person states it; `size` is quote units, `confidence` a fraction."""

    symbol: str
    direction: PositionSide
    purpose: Purpose = Purpose.ENTER
    size: Decimal
    confidence: Decimal
    guard: Guard = field(default_factory=Guard)
    algorithm: Algorithm = field(default_factory=Algorithm)
    venue: str | None = None
    edge_rate: Decimal | None = None
    expires_in_ms: int = EXPIRES_IN_MS


def instruments_named(name: str, listed: Sequence[Instrument]) -> list[Instrument]:
    """Return the instruments a name means: a unified symbol, or base and quote written together for the spot pair."""
    exact = [each for each in listed if each.symbol == name]
    return exact or [each for each in listed if each.kind is InstrumentKind.SPOT and each.base + each.quote == name]


def problems_of(
    ask: Ask,
    book: Book,
    named: Sequence[Instrument],
    mark: Mark | None,
    collected: Collected,
    *,
    algorithms: Collection[AlgorithmName],
) -> list[Problem]:
    """Return every (field, problem) of a wish, given the instruments of its name at the book's venues, what is
    collected there, and the algorithms the desk allows."""
    edge_rate = ZERO if ask.edge_rate is None else ask.edge_rate
    checks = (
        partial(require_positive, "size_usd", ask.size),
        partial(require, "confidence", ask.confidence, least=ZERO, most=ONE),
        partial(require, "edge_rate", edge_rate, least=-ONE, most=ONE),
        partial(check_algorithm, ask.algorithm),
        partial(check_allowed, ask.algorithm, algorithms),
    )
    found = _found(checks)
    if ask.expires_in_ms not in HORIZON_MS:
        least, most = HORIZON_MS.start, HORIZON_MS.stop - 1
        expired = " it has expired already" if ask.expires_in_ms <= 0 else f" expected {least}..{most} ms"
        found.append(("expires_in_ms", f"{ask.expires_in_ms}:{expired}"))
    at = [each.venue for each in named if ask.venue in {None, each.venue}]
    known = _of_the_volume(ask.algorithm, at, collected)
    return [*found, *_of_the_venue(ask, book, named), *known, *_of_the_guard(ask, mark)]


def needs_a_price(ask: Ask) -> bool:
    """Tell whether a wish can be judged only against the current price."""
    return ask.guard.stop_price is not None or ask.guard.take_profit_price is not None


def intent_of(ask: Ask, book: Book, *, symbol: str, intent_id: str, mark: Mark | None, now_ms: int) -> Intent:
    """Return the intent of a wish nothing speaks against; a book of one venue trades there."""
    only = book.venues[0] if len(book.venues) == 1 else None
    return Intent(
        intent_id=intent_id,
        book_id=book.book_id,
        mode=book.mode,
        source=Source.PERSON,
        venue=ask.venue or only,
        symbol=symbol,
        purpose=ask.purpose,
        direction=ask.direction,
        sizing=Sizing(method=SizingMethod.NOTIONAL, value=ask.size),
        guard=ask.guard,
        algorithm=ask.algorithm,
        reference_price=None if mark is None else mark.price,
        confidence=ask.confidence,
        edge_rate=ask.edge_rate,
        raised_at_ms=now_ms,
        expires_at_ms=now_ms + ask.expires_in_ms,
        correlation_id=intent_id.replace("-", ""),
    )


def is_same_wish(one: Intent, other: Intent) -> bool:
    """Tell whether two intents ask for the same, whenever they were raised and however far they have come."""
    return _wish(one) == _wish(other)


def _wish(intent: Intent) -> tuple[object, ...]:
    sizing, guard = intent.sizing, replace(intent.guard, intent_id=None)
    place = (intent.book_id, intent.venue, intent.symbol, intent.purpose, intent.direction)
    horizon_ms = intent.expires_at_ms - intent.raised_at_ms
    return (*place, sizing, guard, intent.algorithm, intent.confidence, intent.edge_rate, horizon_ms)


def _of_the_venue(ask: Ask, book: Book, named: Sequence[Instrument]) -> Iterator[Problem]:
    venues = ", ".join(book.venues)
    if ask.venue is not None and ask.venue not in book.venues:
        yield "venue", f"expected one of the book's venues, {venues}, got {ask.venue!r}"
        return
    at = [each for each in named if ask.venue in {None, each.venue}]
    if not at:
        yield "instrument", f"{ask.symbol} is not traded at {ask.venue or venues}"
    elif all(each.quote != book.quote for each in at):
        yield "instrument", f"{ask.symbol} is not quoted in {book.quote}, the book's currency"


def _of_the_volume(algorithm: Algorithm, venues: Sequence[str], collected: Collected) -> list[Problem]:
    """Return what an algorithm that makes sense and goes by the volume lacks, where it has it at none of its venues."""
    if _found([partial(check_algorithm, algorithm)]) or not follows_volume(algorithm):
        return []
    lacks = {venue: _found([partial(volume_timeframe, algorithm, collected.get(venue, ()))]) for venue in venues}
    if not all(lacks.values()):
        return []
    return [(field, f"{venue}: {problem}") for venue, problems in lacks.items() for field, problem in problems]


def _of_the_guard(ask: Ask, mark: Mark | None) -> list[Problem]:
    guard, direction = ask.guard, ask.direction
    if ask.purpose is Purpose.EXIT:
        sentence = "an exit leaves a position: it has no stop, target, trailing distance or time of its own"
        return [] if guard == Guard() else [("purpose", sentence)]
    rates = (Guard(trailing_rate=guard.trailing_rate), Guard(hold_ms=guard.hold_ms))
    checks = [partial(check_guard, part, direction, ONE) for part in rates]
    if mark is not None:
        prices = (Guard(stop_price=guard.stop_price), Guard(take_profit_price=guard.take_profit_price))
        checks += [partial(check_guard, part, direction, mark.price) for part in prices]
    return _found(checks)


def _found(checks: Iterable[Callable[[], object]]) -> list[Problem]:
    """Return what each check has to say."""
    found: list[Problem] = []
    for check in checks:
        try:
            check()
        except InvalidMessageError as error:
            found += error.errors
    return found
