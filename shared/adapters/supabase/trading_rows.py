"""How rows of trading travel: decimals as text, states and sides by their words, each dataclass by its own fields."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from shared.adapters.row_type import RowType
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

BOOK: Final = RowType(Book)
BOOKS: Final = RowType(list[Book])
BOOK_VIEW: Final = RowType(BookView)
INTENT: Final = RowType(Intent)
LEAVING: Final = RowType(list[Leaving])
ORDER: Final = RowType(Order)
ORDERS: Final = RowType(list[Order])
REPORT: Final = RowType(OrderReport)
MEASURES: Final = RowType(list[VenueMeasure])
FILLS: Final = RowType(list[Fill])
FLOWS: Final = RowType(list[Flow])
POSITION: Final = RowType(Position)
HELD: Final = RowType(HeldPosition)
OBSERVED: Final = RowType(Observed)
WATCHED: Final = RowType(list[WatchedBook])
EQUITY_POINT: Final = RowType(EquityPoint)
HELD_MANY: Final = RowType(list[HeldPosition])
GUARD: Final = RowType(Guard)
INSTRUMENTS: Final = RowType(list[Instrument])
STATE_ENTRY: Final = RowType(StateEntry)
STATE_ENTRIES: Final = RowType(list[StateEntry])
_INTENT_VIEW: Final = RowType(IntentView)
_STATES: Final[RowType[Mapping[str, TradingState | None]]] = RowType(Mapping[str, TradingState | None])


def read(kind: RowType[T], data: Any, missing: str) -> T:
    """Return what sql/ answers as a domain object; raise `NotFoundError` saying what is missing when that is null."""
    if data is None:
        raise NotFoundError(missing)
    try:
        return kind.read(data)
    except ValidationError as error:
        raise FatalError(f"the database answers what cannot be read: {error}") from error


def write(kind: RowType[T], value: T) -> Any:
    """Return a domain object as json that loses no digit."""
    return kind.write(value)


def read_execution(data: Any, missing: str) -> IntentView:
    """Return an intent under execution, with the strictest of its trading states."""
    if not isinstance(data, Mapping):
        raise NotFoundError(missing)
    state, _ = strictest(read(_STATES, data["states"], missing))
    venues = {venue: strictest(read(_STATES, each, missing))[0] for venue, each in data["venue_states"].items()}
    return read(_INTENT_VIEW, {**data, "state": state, "venue_states": venues}, missing)
