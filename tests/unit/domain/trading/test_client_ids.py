"""One form of client order id that every venue takes, and that nobody else's id has."""

import re
from uuid import RFC_4122, UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.trading.orders import client_order_id, is_ours

SLICES = st.tuples(st.text(max_size=60), st.integers(0, 10_000), st.integers(1, 100))


@given(SLICES)
def test_every_venue_takes_it(parts: tuple[str, int, int]) -> None:
    made = client_order_id(*parts)
    assert re.fullmatch(r"[0-9a-f]{32}", made), "32 letters and digits for OKX, 32 hex digits for Hyperliquid"
    assert (UUID(made).version, UUID(made).variant) == (5, RFC_4122), "a UUID for Kraken"
    assert made == client_order_id(*parts), "whoever derives it derives the same"
    assert is_ours(made)


@given(st.lists(SLICES, unique=True, min_size=2, max_size=20))
def test_no_two_attempts_share_one(all_parts: list[tuple[str, int, int]]) -> None:
    assert len({client_order_id(*parts) for parts in all_parts}) == len(all_parts)


@given(SLICES, st.integers(0, 31), st.sampled_from("0123456789abcdefABCDEF-x"))
def test_one_digit_off_is_not_ours(parts: tuple[str, int, int], place: int, digit: str) -> None:
    made = client_order_id(*parts)
    changed = made[:place] + digit + made[place + 1 :]
    assert is_ours(changed) == (changed == made)


@given(st.text(max_size=40))
def test_a_text_is_not_ours(text: str) -> None:
    assert not is_ours(text)


def test_a_foreign_uuid_is_not_ours() -> None:
    assert not any(is_ours(uuid4().hex) for _ in range(10_000))
    assert not is_ours("")
    made = client_order_id("intent", 0, 1)
    assert not any(is_ours(near) for near in (made + "0", made[:-1], f"0x{made}", str(UUID(made)), made.upper()))
