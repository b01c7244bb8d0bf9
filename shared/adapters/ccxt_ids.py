"""Whose a venue's orders are: the desk's ids as the desk writes them, remembered by the venue's numbers."""

from threading import Lock
from typing import Final

from shared.domain.trading.orders import is_ours

REMEMBERED: Final = 10_000


def own_id(client_id: str) -> str:
    """Return the desk's id as the desk writes it, whatever the venue has put in front of it or in between."""
    bare = client_id.removeprefix("0x").replace("-", "")
    return bare if is_ours(bare) else client_id


class ClientIds:
    """The client ids of the orders told of last, by symbol and number: numbers may be of one symbol alone."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._ids: dict[tuple[str, str], str] = {}
        self._lock = Lock()

    def keep(self, symbol: str, number: str, client_id: str) -> None:
        """Remember an order, and forget the oldest when there are too many."""
        with self._lock:
            self._ids[symbol, number] = client_id
            if len(self._ids) > self._size:
                del self._ids[next(iter(self._ids))]

    def get(self, symbol: str, number: str) -> str | None:
        """Return the client id of an order, empty where it has none, None where it is not remembered."""
        return self._ids.get((symbol, number))
