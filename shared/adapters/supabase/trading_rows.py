"""How rows of trading travel: decimals as text, states and sides by their words, each dataclass by its own fields."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from shared.domain.errors import FatalError, NotFoundError
from shared.domain.trading.books import Book
from shared.domain.trading.flows import Flow
from shared.domain.trading.instruments import Instrument
from shared.domain.trading.intents import Guard, Intent
from shared.domain.trading.measures import VenueMeasure
from shared.domain.trading.orders import Fill, OrderReport
from shared.domain.trading.positions import Position
from shared.domain.trading.records import BookView, HeldPosition, IntentView, Leaving, Observed, Order, WatchedBook
from shared.domain.trading.states import StateEntry, TradingState, strictest
from shared.domain.trading.told import EquityPoint

T = TypeVar("T")

BOOK: Final = TypeAdapter(Book)
BOOKS: Final = TypeAdapter(list[Book])
BOOK_VIEW: Final = TypeAdapter(BookView)
INTENT: Final = TypeAdapter(Intent)
LEAVING: Final = TypeAdapter(list[Leaving])
ORDER: Final = TypeAdapter(Order)
ORDERS: Final = TypeAdapter(list[Order])
REPORT: Final = TypeAdapter(OrderReport)
MEASURES: Final = TypeAdapter(list[VenueMeasure])
FILLS: Final = TypeAdapter(list[Fill])
FLOWS: Final = TypeAdapter(list[Flow])
POSITION: Final = TypeAdapter(Position)
HELD: Final = TypeAdapter(HeldPosition)
OBSERVED: Final = TypeAdapter(Observed)
WATCHED: Final = TypeAdapter(list[WatchedBook])
EQUITY_POINT: Final = TypeAdapter(EquityPoint)
HELD_MANY: Final = TypeAdapter(list[HeldPosition])
GUARD: Final = TypeAdapter(Guard)
INSTRUMENTS: Final = TypeAdapter(list[Instrument])
STATE_ENTRY: Final = TypeAdapter(StateEntry)
STATE_ENTRIES: Final = TypeAdapter(list[StateEntry])
_INTENT_VIEW: Final = TypeAdapter(IntentView)
_STATES: Final = TypeAdapter(Mapping[str, TradingState | None])


def read(kind: TypeAdapter[T], data: Any, missing: str) -> T:
    """Return what sql/ answers as a domain object; raise `NotFoundError` saying what is missing when that is null."""
    if data is None:
        raise NotFoundError(missing)
    try:
        return kind.validate_python(data)
    except ValidationError as error:
        raise FatalError(f"the database answers what cannot be read: {error}") from error


def write(kind: TypeAdapter[T], value: T) -> Any:
    """Return a domain object as json that loses no digit."""
    return kind.dump_python(value, mode="json")


def read_execution(data: Any, missing: str) -> IntentView:
    """Return an intent under execution, with the strictest of its trading states."""
    if not isinstance(data, Mapping):
        raise NotFoundError(missing)
    state, _ = strictest(read(_STATES, data["states"], missing))
    venues = {venue: strictest(read(_STATES, each, missing))[0] for venue, each in data["venue_states"].items()}
    return read(_INTENT_VIEW, {**data, "state": state, "venue_states": venues}, missing)
