"""The ticker board's codec gives back what the venue said, to the last bit, and refuses everything else."""

import json
import random
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pybase64 import b64decode, b64encode

from shared.domain.errors import InvalidMessageError
from shared.domain.ticker_codec import decode_snapshot, encode_snapshot
from shared.domain.tickers import Funding, Snapshot, Ticker

NAN = float("nan")
NUMBERS = st.one_of(st.just(NAN), st.floats(allow_nan=False, allow_infinity=False))
TIMES = st.integers(0, 2**53)
SYMBOLS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/:", min_size=1, max_size=12)
TICKERS = st.builds(Snapshot, TIMES, st.dictionaries(SYMBOLS, st.builds(Ticker, NUMBERS, NUMBERS, NUMBERS)))
FUNDINGS = st.builds(Snapshot, TIMES, st.dictionaries(SYMBOLS, st.builds(Funding, NUMBERS, TIMES, NUMBERS)))
SNAPSHOT = Snapshot(1_700_000_000_000, {"BTC/USDT": Ticker(46_377.0, 46_376.9, 46_377.1)})


def document_of(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(zlib.decompress(b64decode(text)))
    return document


def text_of(document: object) -> str:
    return b64encode(zlib.compress(json.dumps(document).encode())).decode()


@given(TICKERS)
def test_tickers_come_back_to_the_last_bit(snapshot: Snapshot[Ticker]) -> None:
    back = decode_snapshot(encode_snapshot(snapshot, Ticker), Ticker)
    assert repr(back) == repr(snapshot)  # NaN is not equal to itself, its text is


@given(FUNDINGS)
def test_funding_comes_back_to_the_last_bit(snapshot: Snapshot[Funding]) -> None:
    back = decode_snapshot(encode_snapshot(snapshot, Funding), Funding)
    assert repr(back) == repr(snapshot)


@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
def test_an_infinite_price_is_not_written(value: float) -> None:
    with pytest.raises(InvalidMessageError, match="bid"):
        encode_snapshot(Snapshot(1, {"BTC/USDT": Ticker(1.0, value, 1.0)}), Ticker)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"v": 2}, "v"),
        ({"v": None}, "v"),
        ({"k": "funding"}, "k"),
        ({"t": -1}, "t"),
        ({"t": 1.5}, "t"),
        ({"t": True}, "t"),
        ({"s": None}, "s"),
        ({"s": [7]}, "s"),
        ({"s": ["A/B", "A/B"], "last": [1, 1], "bid": [1, 1], "ask": [1, 1]}, "s"),
        ({"bid": []}, "bid"),
        ({"bid": "1"}, "bid"),
        ({"bid": ["1"]}, "bid"),
        ({"bid": [True]}, "bid"),
        ({"ask": [NAN]}, "ask"),
        ({"ask": [float("inf")]}, "ask"),
        ({"last": [10**400]}, "last"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], field: str) -> None:
    document = document_of(encode_snapshot(SNAPSHOT, Ticker)) | change
    with pytest.raises(InvalidMessageError) as refused:
        decode_snapshot(text_of(document), Ticker)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "text", ["", "äöü", "AAAA", text_of([]), text_of("x"), b64encode(zlib.compress(b"{")).decode()]
)
def test_what_is_no_snapshot_is_refused(text: str) -> None:
    with pytest.raises(InvalidMessageError, match="snapshot"):
        decode_snapshot(text, Ticker)


@settings(max_examples=300)
@given(st.integers(0, 200), st.characters(max_codepoint=255), st.booleans())
def test_a_damaged_text_never_reads_as_another_price(at: int, character: str, is_cut: bool) -> None:
    text = encode_snapshot(SNAPSHOT, Ticker)
    at %= len(text)
    damaged = text[:at] if is_cut else text[:at] + character + text[at + 1 :]
    try:
        read = decode_snapshot(damaged, Ticker)
    except InvalidMessageError:
        return
    assert read == SNAPSHOT


def test_200_symbols_take_less_than_5_kb() -> None:
    dice = random.Random(7)
    rows = {}
    for number in range(200):
        last = 10 ** dice.uniform(-5, 5)
        decimals = max(0, 4 - int(f"{last:e}".split("e")[1]))
        step = 10.0**-decimals
        prices = (round(last, decimals), round(last - step, decimals), round(last + step, decimals))
        rows[f"{''.join(dice.choices('ABCDEFGHIJKLMNOPQRSTUVWXYZ', k=4))}{number}/USDT"] = Ticker(*prices)
    assert len(encode_snapshot(Snapshot(1_700_000_000_000, rows), Ticker)) < 5_000
