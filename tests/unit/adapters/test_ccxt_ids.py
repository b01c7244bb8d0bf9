"""Whose orders are is remembered of the last ones, each under its symbol."""

from shared.adapters.ccxt_ids import ClientIds, own_id
from shared.domain.trading.orders import client_order_id


def test_the_oldest_are_forgotten() -> None:
    ids = ClientIds(size=2)
    for number in ("1", "2", "3"):
        ids.keep("BTC/USDT", number, f"id-{number}")
    assert [ids.get("BTC/USDT", number) for number in ("1", "2", "3")] == [None, "id-2", "id-3"]


def test_a_number_is_one_symbols() -> None:
    ids = ClientIds()
    ids.keep("BTC/USDT", "1", "ours")
    ids.keep("ETH/USDT", "1", "")
    assert (ids.get("BTC/USDT", "1"), ids.get("ETH/USDT", "1"), ids.get("SOL/USDT", "1")) == ("ours", "", None)


def test_an_id_is_read_however_the_venue_writes_it() -> None:
    ours = client_order_id("an-intent", 0, 1)
    dashed = "-".join([ours[:8], ours[8:12], ours[12:16], ours[16:20], ours[20:]])
    assert own_id(f"0x{ours}") == own_id(dashed) == own_id(ours) == ours
    assert own_id("web-1") == "web-1"
