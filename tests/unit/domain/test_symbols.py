"""Which symbols are collected: the most traded, without stablecoins and leveraged tokens, and without restlessness."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.symbols import Listing, choose_symbols


def listings(*bases: str, quote: str = "USDT", is_trading: bool = True) -> list[Listing]:
    return [Listing(venue_id=base + quote, base=base, quote=quote, is_trading=is_trading) for base in bases]


def falling(bases: Iterable[str]) -> dict[str, float]:
    """Volumes that fall in the order given."""
    return {f"{base}USDT": 1e9 / (rank + 1) for rank, base in enumerate(bases)}


def choose(bases: list[str], limit: int = 10, **options: object) -> list[str]:
    chosen = choose_symbols(listings(*bases), falling(bases), quote="USDT", limit=limit, **options)  # type: ignore[arg-type]
    return [symbol.removesuffix("/USDT") for symbol in chosen]


def test_takes_the_most_traded_first() -> None:
    assert choose(["BTC", "ETH", "SOL"], limit=2) == ["BTC", "ETH"]


def test_jup_and_super_are_no_leveraged_tokens() -> None:
    """A filter on the substring UP removes both."""
    assert choose(["JUP", "BTCUP", "SUPER", "ETHDOWN", "SYRUP", "BULL"]) == ["JUP", "SUPER", "SYRUP"]


def test_stablecoin_bases_fire_no_signals() -> None:
    assert choose(["USDC", "FDUSD", "BTC", "EUR", "TUSD", "DAI", "USTC"]) == ["BTC"]


def test_a_stablecoin_as_quote_is_welcome() -> None:
    rows = listings("BTC", quote="USDC") + listings("BTC", quote="USDT")
    assert list(choose_symbols(rows, {"BTCUSDC": 1.0, "BTCUSDT": 2.0}, quote="USDC", limit=5)) == ["BTC/USDC"]


def test_names_come_from_the_listing_and_never_from_cutting_the_id() -> None:
    """`BTTCUSDT` and `XBTUSD` cannot be cut apart by rule; the venue says what base and quote are."""
    row = Listing(venue_id="XXBTZUSD", base="BTC", quote="USD", is_trading=True)
    assert choose_symbols([row], {"XXBTZUSD": 5.0}, quote="USD", limit=1) == {"BTC/USD": row}


@pytest.mark.parametrize("volume", [0.0, float("nan"), -1.0])
def test_what_does_not_trade_is_not_chosen(volume: float) -> None:
    halted = listings("LUNA", is_trading=False)
    rows = [*listings("BTC", "DEAD", "NOVOLUME"), *halted]
    volumes = {"BTCUSDT": 1.0, "DEADUSDT": volume, "LUNAUSDT": 9.0}
    assert list(choose_symbols(rows, volumes, quote="USDT", limit=9)) == ["BTC/USDT"]


@given(st.permutations(["AAA", "BBB", "CCC", "DDD"]))
def test_ties_are_settled_by_name_whatever_the_order(bases: list[str]) -> None:
    volumes = dict.fromkeys((f"{base}USDT" for base in bases), 7.0)
    assert list(choose_symbols(listings(*bases), volumes, quote="USDT", limit=3)) == [
        "AAA/USDT",
        "BBB/USDT",
        "CCC/USDT",
    ]


RANKED = [f"C{rank:02}" for rank in range(1, 31)]


def test_incumbents_in_the_buffer_zone_stay() -> None:
    """Of 20, those down to rank 25 stay; rank 19, which is new, waits for a place."""
    held = [f"C{rank:02}/USDT" for rank in [*range(1, 18), 22, 24, 25]]
    assert choose(RANKED, limit=20, incumbents=held) == [*RANKED[:17], "C22", "C24", "C25"]


def test_a_newcomer_that_is_clearly_in_displaces_the_last_incumbent() -> None:
    held = [f"C{rank:02}/USDT" for rank in [*range(2, 20), 24, 25]]
    assert choose(RANKED, limit=20, incumbents=held) == [*RANKED[:19], "C24"]


@given(st.sets(st.sampled_from(RANKED)), st.integers(1, 30))
def test_the_number_is_always_right_and_the_choice_settles(held: set[str], limit: int) -> None:
    chosen = choose(RANKED, limit=limit, incumbents=[f"{base}/USDT" for base in held])
    assert len(chosen) == limit
    assert chosen == sorted(chosen)  # by rank
    assert choose(RANKED, limit=limit, incumbents=[f"{base}/USDT" for base in chosen]) == chosen
