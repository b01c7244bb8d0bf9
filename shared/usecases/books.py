"""Open and change books: each person their own, operators the desk's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.domain.errors import ConflictError, ForbiddenError, InvalidMessageError
from shared.domain.trading.limits import check_limits
from shared.domain.trading.money import ONE, ZERO, require, require_positive
from shared.domain.trading.states import Mode, Scope, TradingState, is_stricter

if TYPE_CHECKING:
    from shared.book_ports import BookStore, DeskStates
    from shared.domain.trading.books import Book, BreakerSettings
    from shared.ports import VenueStore

MAX_BOOKS: Final = 50
BREAKERS: Final = "breaker "
"""How the names of actors begin that are breakers of a book."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: a person, or the machine that has the service secret (`user_id` None); operators mind the desk."""

    user_id: str | None
    operates: bool

    @property
    def actor(self) -> str:
        """Return the name its acts are recorded under."""
        return self.user_id or "operator"

    def may_change(self, book: Book) -> bool:
        """Tell whether a book is theirs to change: their own, or the desk's for who operates it."""
        return self.operates if book.owner_id is None else book.owner_id == self.user_id


def create_book(book: Book, *, caller: Caller, books: BookStore, venues: VenueStore, desk_mode: Mode) -> Book:
    """Store a new book of a person's, or the desk's own for an operator.

    Raise `InvalidMessageError` naming the field, `ConflictError` where the deployment does not trade its mode.
    """
    if not caller.may_change(book):
        raise ForbiddenError("only operators open books of the desk")
    if len([each for each in books.list() if each.owner_id == book.owner_id]) >= MAX_BOOKS:
        raise ConflictError(f"there are {MAX_BOOKS} books already, which is the most there may be")
    _check(book, venues)
    require_positive("capital", book.capital)
    _check_mode(Mode.PAPER, book.mode, desk_mode)
    return books.create(book)


def change_book(
    book: Book, *, version: int, caller: Caller, books: BookStore, venues: VenueStore, desk_mode: Mode
) -> Book:
    """Replace name, venues, limits, breakers and mode of a book; it goes from paper to live once, and never back.

    Raise `ForbiddenError` for a book that is not the caller's, `ConflictError` when it moved, or its mode may not
    change.
    """
    stored = books.get(book.book_id)
    if not caller.may_change(stored):
        raise ForbiddenError(f"book {book.book_id!r} is not yours")
    _check(book, venues)
    _check_mode(stored.mode, book.mode, desk_mode)
    return books.update(book, expected_version=version)


def changeable(book_id: str, *, caller: Caller, seen: BookStore, books: BookStore) -> Book:
    """Return a book the caller may change; raise `NotFoundError` for one they cannot see, `ForbiddenError` for one that
    is not theirs."""
    book = (books if caller.operates else seen).get(book_id)
    if not caller.may_change(book):
        raise ForbiddenError(f"book {book_id!r} is not yours")
    return book


def stateable(
    book_id: str, state: TradingState, *, caller: Caller, seen: BookStore, books: BookStore, states: DeskStates
) -> Book:
    """Return a book whose trading state the caller may set to that: their own, or any for an operator.

    What an operator has made stricter only an operator makes looser; what a breaker has, its owner may. Raise
    `NotFoundError` for a book they cannot see, `ForbiddenError` for what is not theirs to set.
    """
    if caller.operates:
        return books.get(book_id)
    book = changeable(book_id, caller=caller, seen=seen, books=books)
    set_by = states.entry(Scope.BOOK, book_id)
    own = set_by.actor in {None, caller.actor} or str(set_by.actor).startswith(BREAKERS)
    if is_stricter(set_by.state, state) and not own:
        why = f": {set_by.reason}" if set_by.reason else ""
        raise ForbiddenError(f"an operator has set book {book_id!r} to {set_by.state}{why}")
    return book


def _check(book: Book, venues: VenueStore) -> None:
    known = {each.venue for each in venues.enabled()}
    if unknown := sorted({*book.venues} - known):
        raise InvalidMessageError("venues", f"expected some of {', '.join(sorted(known))}, got {', '.join(unknown)}")
    if len({*book.venues}) < len(book.venues):
        raise InvalidMessageError("venues", "expected each once")
    check_limits(book.limits)
    check_breakers(book.breakers)


def check_breakers(settings: BreakerSettings) -> None:
    """Raise `InvalidMessageError` naming the setting that cannot mean anything."""
    for name in ("reduce_at_share", "max_reject_rate"):
        require_positive(f"breakers.{name}", getattr(settings, name), most=ONE)
    for name in ("max_slippage_bps", "volatility_shock"):
        require(f"breakers.{name}", getattr(settings, name), least=ZERO)
    counts: Sequence[str] = ("consecutive_losses", "min_orders", "mismatches_reducing", "mismatches_halted")
    for name in counts:
        if getattr(settings, name) < 0:
            raise InvalidMessageError(f"breakers.{name}", "expected a number of at least 0")
    if settings.window_ms <= 0:
        raise InvalidMessageError("breakers.window_ms", "expected a positive time")


def _check_mode(before: Mode, after: Mode, desk_mode: Mode) -> None:
    if before is Mode.LIVE and after is Mode.PAPER:
        raise ConflictError("a live book stays live: paper and live never mix in one ledger")
    if after is Mode.LIVE and desk_mode is not Mode.LIVE:
        raise ConflictError(f"a live book needs a desk that trades live, and this one trades {desk_mode}")
