"""The desk's own books on a desk that runs on this machine, ready to be traded in."""

from dataclasses import replace
from decimal import Decimal
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from desk.local.desk import VENUE, LocalDesk
from shared.adapters.supabase.books import SupabaseBookStore
from shared.adapters.supabase.client import connect
from shared.domain.errors import FatalError, NotFoundError
from shared.domain.trading.books import Book, BreakerSettings, Limits
from shared.domain.trading.states import Mode, TradingState

CAPITAL: Final = Decimal(100_000)
_SPACE: Final = uuid5(NAMESPACE_URL, "https://nightdesk.example/books")


def open_house_book(
    desk: LocalDesk, mode: Mode = Mode.PAPER, *, limits: Limits | None = None, breakers: BreakerSettings | None = None
) -> Book:
    """Return the desk's book of a mode, made if there is none, with the venue's instruments known.

    It has 100,000 units of the desk's quote currency. Raise `FatalError` when the venue's list cannot be had.
    """
    store = SupabaseBookStore(connect(desk.supabase.url, desk.supabase.secret_key))
    book_id = str(uuid5(_SPACE, f"{mode} {desk.quote}"))
    try:
        book = store.get(book_id)
    except NotFoundError:
        book = store.create(
            Book(
                book_id=book_id,
                owner_id=None,
                name=mode.value.capitalize(),
                mode=mode,
                quote=desk.quote,
                capital=CAPITAL,
                state=TradingState.ACTIVE,
                venues=(VENUE,),
            )
        )
    wanted = replace(book, limits=limits or book.limits, breakers=breakers or book.breakers)
    if wanted != book:
        book = store.update(wanted, expected_version=book.version)
    sweep = desk.host.invoke("execution-agent", {"trigger": "cron"})
    if sweep.error is not None or VENUE in sweep.result["errors"]:
        raise FatalError(f"the instruments of {VENUE} are not known: {sweep.error or sweep.result['errors'][VENUE]}")
    return book
