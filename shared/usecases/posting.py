"""Post fills to the ledger: each once, and the position they make in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from shared.domain.errors import ConflictError, TransientError
from shared.domain.trading.ledger import comes_late, fold, refold

if TYPE_CHECKING:
    from shared.domain.trading.orders import Fill
    from shared.trading_ports import Ledger

_ATTEMPTS: Final = 8


def post_fills(
    fills: Sequence[Fill], *, ledger: Ledger, book_id: str, venue: str, account: str, symbol: str
) -> Sequence[Fill]:
    """Post those of a symbol's fills that are new, and return them.

    Somebody else may post at the same time: then what is stored is read and folded again. Which are known is asked for
    only where one can be: a fill younger than all that are posted is new, and the store refuses it if it is not.
    """
    new, is_asked = list(fills), False
    for _ in range(_ATTEMPTS):
        held = ledger.position(book_id, venue, symbol)
        if is_asked or comes_late(new, held.last_fill_ms):
            known = ledger.known(venue, account, [(symbol, fill.trade_id) for fill in fills])
            new = [fill for fill in fills if (symbol, fill.trade_id) not in known]
        if not new:
            return ()

        late = comes_late(new, held.last_fill_ms)
        folded = (
            refold(held.position, [*ledger.fills(book_id, venue, symbol), *new]) if late else fold(held.position, new)
        )

        try:
            ledger.post(account, folded.position, new, folded.realised)
        except ConflictError:
            is_asked = True
        else:
            return new
    raise TransientError(f"the position of {symbol} on {venue} changes faster than its fills can be posted")
